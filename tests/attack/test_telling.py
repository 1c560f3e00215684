# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard tells: to everybody next to nothing, with the token all it knows, and to the log no token."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from besieged import Besieged
from harness import PASSWORD, TOKEN, TOKENS, request

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

HEALTH, METRICS = "/comfyui_login_guard/health", "/comfyui_login_guard/metrics"
SAMPLE = re.compile(r'comfyui_login_guard_[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? [0-9.e+-]+')


def test_everybody_learns_that_it_is_locked_and_nothing_more(guarded: Besieged) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "AIOHTTP_SESSION=x"}, {"Authorization": "a b c"}):
        for path in (HEALTH, f"{HEALTH}?token=", f"{HEALTH}?token={TOKENS['dot']}", f"{HEALTH}?x=.js"):
            answer = guarded.server.request("GET", path, headers=headers)
            assert (answer.status, answer.body) == (200, b'{"status": "locked"}')
            assert answer.headers["cache-control"] == "no-store"
    assert guarded.server.request("HEAD", HEALTH).status == 200
    assert guarded.server.request("GET", METRICS).status == 401


def test_with_the_token_it_tells_what_is_accepted_and_counts(place: Besieged) -> None:
    place.accept(TOKEN, TOKENS["dot"], epoch=7, expires=4_000_000_000)
    with place.pair.serve() as server:
        server.request("GET", "/prompt")
        server.request("GET", "/prompt?token=x")
        server.login(password="wrong")
        cookie = server.login(password=PASSWORD).cookie
        told = server.request("GET", HEALTH, token=TOKEN).json()
        assert told["status"] == "locked"
        assert told["epoch"] == 7
        assert set(told["versions"]) == {"guard", "node", "node_commit", "comfyui"}
        assert re.fullmatch(r"0\.\d+\.\d+", told["versions"]["comfyui"])
        assert told["accepted"] == [
            {"version": version, "fingerprint": fingerprint(token), "expires": 4_000_000_000}
            for version, token in (("v1", TOKEN), ("v2", TOKENS["dot"]))
        ]
        assert told["accept_file"] == {"present": True, "sound": True}
        counts = told["counters"]
        assert counts["requests_refused_total"]["no_credential"] == 1
        assert counts["requests_refused_total"]["unknown_token"] == 1
        assert counts["logins_total"]["failed"] == counts["logins_total"]["accepted"] == 1
        assert server.request("GET", HEALTH, headers={"Cookie": cookie}).json()["epoch"] == 7

        place.write_accept(b"{")
        deadline = time.monotonic() + 5
        while server.request("GET", HEALTH, token=TOKEN).json()["accept_file"]["sound"]:
            assert time.monotonic() < deadline
        page = server.request("GET", METRICS, token=TOKEN)
        assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        samples = [line for line in page.text.splitlines() if not line.startswith("# ")]
        assert all(SAMPLE.fullmatch(line) for line in samples)
        assert "comfyui_login_guard_locked 1" in samples
        assert "comfyui_login_guard_accept_file_sound 0" in samples
        assert f'comfyui_login_guard_accepted_token{{version="v1",fingerprint="{fingerprint(TOKEN)}"}} 1' in samples
        assert 'comfyui_login_guard_logins_total{result="failed"} 1' in samples
        assert TOKEN not in page.text + json.dumps(told)


LATER = """
import asyncio
from server import PromptServer
async def f(app):
    async def spoil():
        await asyncio.sleep(1)
        for one in app.middlewares:
            if one.__name__ == "check_login_status":
                one.__globals__["TOKEN"] = ""
    app["spoil"] = asyncio.get_running_loop().create_task(spoil())
PromptServer.instance.app.on_startup.append(f)
NODE_CLASS_MAPPINGS = {}
"""


def test_when_the_check_behind_it_gives_way_it_says_so_and_stays_shut(place: Besieged) -> None:
    place.pair.add_node("later.py", {"later.py": LATER})
    with place.pair.serve() as server:
        deadline = time.monotonic() + 20
        while (answer := server.request("GET", HEALTH)).status == 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert (answer.status, answer.json()) == (503, {"status": "not locked"})
        for path in ("/system_stats", "/system_stats?token=", "/system_stats?token", "/api/prompt?token="):
            assert server.request("GET", path).status == 401


LEAKY = """
import logging, sys, traceback
from urllib.parse import quote
token = open(__file__.split("custom_nodes")[0] + "login/PASSWORD").readline().strip()
print(f"printed {token}")
print(f"to stderr {quote(token, safe='')}", file=sys.stderr)
logging.error("logged %s and %r", token, {"token": token})
logging.getLogger("some.other").warning(token)
try:
    raise ValueError(token)
except ValueError:
    logging.exception("raised")
    traceback.print_exc()
raise RuntimeError("import failed with " + token)
"""


def test_no_token_gets_into_any_log(place: Besieged) -> None:
    place.pair.add_node("leaky.py", {"leaky.py": LEAKY})
    with place.pair.serve() as server:
        server.request("GET", f"/system_stats?token={TOKEN}", headers={"Authorization": "Bearer a b c"})
        server.request("POST", f"/prompt?token={TOKEN}", body=b"{", headers={"Content-Type": "application/json"})
        said = [server.request("GET", path, token=TOKEN).text for path in ("/internal/logs", "/internal/logs/raw")]
    for text in (*said, server.log()):
        assert "$2b$" not in text
        assert "%242b" not in text
        # What was printed to stdout may still have been in its buffer when the process was ended.
        for line in ("use token=", "to stderr ", "ValueError: ", "import failed with "):
            assert f"{line}<token {fingerprint(TOKEN)}>" in text
    assert all(f"printed <token {fingerprint(TOKEN)}>" in text for text in said)


@pytest.mark.parametrize("disturbed", [False, True])
def test_nothing_is_open_while_it_starts(place: Besieged, disturbed: bool) -> None:
    """From before the first moment at which it listens, somebody asks all the time."""
    if disturbed:
        slow = "import asyncio\nfrom server import PromptServer\nasync def f(app): await asyncio.sleep(0.5)\n"
        slow += "PromptServer.instance.app.on_startup.append(f)\nNODE_CLASS_MAPPINGS = {}\n"
        place.pair.add_node("slow.py", {"slow.py": slow})
    server = place.pair.start()
    paths = ("/system_stats", "/system_stats?token=", "/userdata/victim.js", "/internal/logs", HEALTH)

    def ask(path: str) -> set[int]:
        seen: set[int] = set()
        end = None
        deadline = time.monotonic() + 120
        while (end is None or time.monotonic() < end) and time.monotonic() < deadline:
            try:
                seen.add(request(server.url, "GET", path, timeout=20).status)
                end = end or time.monotonic() + 0.3
            except OSError:
                time.sleep(0.002)
        return seen

    try:
        with ThreadPoolExecutor(len(paths)) as threads:
            seen = dict(zip(paths, threads.map(ask, paths), strict=True))
    finally:
        server.stop()
    assert {path: codes for path, codes in seen.items() if path != HEALTH} == {path: {401} for path in paths[:-1]}
    assert seen[HEALTH] <= {200, 503}
