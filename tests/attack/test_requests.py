# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anything at all as a request, by hypothesis: never a server error, never an answer to whoever is not known."""

from __future__ import annotations

import http.client
from urllib.parse import quote

from besieged import Besieged
from harness import Answer, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WORDS = st.sampled_from([
    "userdata", "api", "assets", "extensions", "ComfyUI-Login", "old_css", "login", "logout", "ws", "prompt",
    "internal", "logs", "comfyui_login_guard", "health", "metrics", "..", ".", "", "%2e%2e", "%2f", "%5c", "victim.js",
    "comfy.settings.json", "move", "view", "style.css", "x.ico", "history", "object_info", "experiment", "models",
    "preview", "system_stats",
])  # fmt: skip
TEXT = st.text(max_size=8).map(lambda text: quote(text, safe=""))
TAIL = st.sampled_from(
    ["", ".js", ".css.map", "%2ejs", ".ico", "?token=", "?token", "?token=x", ";x", "%00.js", "/", "#.js"]
)
PATH = st.tuples(st.lists(WORDS | TEXT, max_size=5).map("/".join), TAIL).map(lambda parts: "/" + "".join(parts))
METHOD = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
VALUE = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Authorization", "Cookie", "Accept", "Origin", "X-Forwarded-For", "Upgrade", "Content-Type", "Range"]
    ),
    VALUE | VALUE.map(lambda text: f"Bearer {text}") | VALUE.map(lambda text: f"AIOHTTP_SESSION={text}"),
    max_size=4,
)
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json", "text/plain")
BODY = st.binary(max_size=60) | st.dictionaries(st.sampled_from(["username", "password", "guest_mode"]), TEXT).map(
    lambda fields: "&".join(f"{name}={value}" for name, value in fields.items()).encode()
)


def _free_to_all(method: str, path: str, answer: Answer) -> bool:
    """What strangers may see: the login page, its assets, the health page, an answer about other origins."""
    plain = path.partition("?")[0].partition("#")[0]
    if method == "OPTIONS":
        return not answer.body
    if plain == "/comfyui_login_guard/health":
        return answer.body in (b"", b'{"status": "locked"}')
    asset = answer.headers.get("content-type", "").startswith(("text/css", "text/javascript", "application/javascript"))
    return method in ("GET", "HEAD") and (plain == "/login" or (asset and plain.endswith((".js", ".css"))))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(METHOD, PATH, HEADERS)
def test_no_request_of_a_stranger_gets_anywhere(
    guarded: Besieged, method: str, path: str, headers: dict[str, str]
) -> None:
    try:
        answer = request(
            guarded.server.url, method, path, headers, b"x" if method in ("POST", "PUT") else None, timeout=60
        )
    except (ConnectionError, http.client.HTTPException):
        # Cut off by aiohttp.
        return
    if answer.status in (200, 204):
        assert _free_to_all(method, path, answer), (method, path, headers, answer)
    else:
        assert answer.status in (301, 302, 304, 400, 401, 403, 404, 405, 413, 416, 429), (method, path, headers, answer)
        if answer.status == 302:
            assert answer.location.startswith("/login")
    assert b"kept" not in answer.body
    assert b"of the user" not in answer.body


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODY, st.sampled_from(FORMS) | VALUE)
def test_no_form_raises_or_opens(guarded: Besieged, body: bytes, kind: str) -> None:
    try:
        answer = request(guarded.server.url, "POST", "/login", {"Content-Type": kind}, body, timeout=60)
    except (ConnectionError, http.client.HTTPException):
        return
    assert answer.status in (302, 400, 401, 403, 413, 429), (body, kind, answer)
    assert not answer.cookie
    if answer.status == 302:
        assert answer.location == "/login?wrong_password=1"


def test_nothing_of_all_that_was_unexpected(guarded: Besieged) -> None:
    assert "unexpected" not in guarded.server.log()
