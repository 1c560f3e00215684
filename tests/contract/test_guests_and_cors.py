# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guest mode and CORS: two switches that change who is let in."""

from __future__ import annotations

import pytest
from harness import PASSWORD, TOKEN, Pair, Server

ORIGIN = "https://ui.example"


def test_guests_are_let_in_while_the_file_is_there(pair: Pair) -> None:
    pair.set_password(TOKEN)
    mode = pair.password_file.with_name("GUEST_MODE")
    with pair.serve() as server:
        assert server.login(password="", guest_mode="1").location == "/login?wrong_password=1"
        mode.touch()
        # It speaks of the caller, not of the file.
        assert server.request("GET", "/guest_mode", token=TOKEN).json() == {"guestMode": False}
        assert server.login(guest_mode="1").status == 500
        entered = server.login(password="", guest_mode="1")
        assert (entered.status, entered.location) == (302, "/")
        guest = {"Cookie": entered.cookie}
        mode.unlink()
        assert server.login(password="", guest_mode="1").location == "/login?wrong_password=1"
        assert_guest(server, guest)
    with pair.serve() as server:
        # Neither the file nor a restart ends a guest's cookie.
        assert_guest(server, guest)


def assert_guest(server: Server, guest: dict[str, str]) -> None:
    """May read all, the log with the token included; may queue by one path only; the rest is pretended."""
    for path in ("/system_stats", "/history", "/queue", "/api/prompt"):
        assert server.request("GET", path, headers=guest).status == 200
    assert server.request("GET", "/guest_mode", headers=guest).json() == {"guestMode": True}
    assert TOKEN in server.request("GET", "/internal/logs", headers=guest).text
    queued = server.request("POST", "/prompt", headers={**guest, "Content-Type": "application/json"}, body=b"{}")
    assert queued.json()["error"]["type"] == "no_prompt"
    for method, path in (("POST", "/api/prompt"), ("POST", "/free"), ("POST", "/queue"), ("DELETE", "/userdata/x")):
        pretended = server.request(method, path, headers=guest, body=b"{}")
        assert (pretended.status, pretended.json()) == (200, {})


def allowed(server: Server, origin: str | None) -> tuple[int, int]:
    headers = {} if origin is None else {"Origin": origin}
    in_header = server.request("GET", "/system_stats", token=TOKEN, headers=headers)
    return in_header.status, server.request("GET", f"/system_stats?token={TOKEN}", headers=headers).status


def test_with_one_cors_origin_the_token_works_from_there_only(pair: Pair) -> None:
    pair.set_password(TOKEN)
    with pair.serve("--enable-cors-header", ORIGIN) as server:
        assert allowed(server, ORIGIN) == (200, 200)
        assert allowed(server, None) == (401, 401)
        assert allowed(server, "https://other.example") == (401, 401)
        cookie = {"Cookie": server.login(password=PASSWORD).cookie}
        assert server.request("GET", "/system_stats", headers=cookie).status == 200
        answer = server.request("OPTIONS", "/system_stats")
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)


@pytest.mark.parametrize("value", [(), ("*",)])
def test_with_any_cors_origin_the_token_works_from_everywhere(pair: Pair, value: tuple[str, ...]) -> None:
    pair.set_password(TOKEN)
    with pair.serve("--enable-cors-header", *value) as server:
        assert allowed(server, None) == allowed(server, ORIGIN) == (200, 200)
        assert server.request("GET", "/system_stats", headers={"Origin": ORIGIN}).status == 401
