# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to the files while the guard runs: ACCEPT.json, PASSWORD, sessions, guests; and the legitimate use."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import pytest
from besieged import Besieged
from harness import PASSWORD, TOKEN, TOKENS, Server

OTHER, THIRD = TOKENS["dot"], TOKENS["slash"]


def status(server: Server, token: str, path: str = "/system_stats") -> int:
    return int(server.request("GET", path, token=token).status)


def eventually(done: Callable[[], bool], seconds: float = 5.0) -> float:
    """Ask until it is so; return how long that took."""
    begin = time.monotonic()
    while not done():
        assert time.monotonic() - begin < seconds
        time.sleep(0.02)
    return time.monotonic() - begin


def test_a_listed_token_opens_and_one_that_is_not_listed_does_not(place: Besieged) -> None:
    place.accept(TOKEN, OTHER)
    with place.pair.serve() as server:
        assert [status(server, one) for one in (TOKEN, OTHER, THIRD)] == [200, 200, 401]
        # The login node still holds the first one.
        place.accept(OTHER)
        assert eventually(lambda: status(server, TOKEN) == 401) < 1.0
        escaped = OTHER.replace("$", "%24").replace("/", "%2F").replace(".", "%2E")
        for path in ("/system_stats", "/api/prompt", "/internal/logs"):
            for query in (OTHER, escaped):
                assert server.request("GET", f"{path}?token={query}").status == 200
                assert server.request("GET", f"{path}?x=%2F&token={query}&token=x").status == 200
            assert server.request("GET", f"{path}?token={TOKEN}").status == 401
        assert server.request("POST", "/userdata/a%2Fb.js?token=" + OTHER, body=b"mine").status == 200
        assert server.request("GET", "/userdata/a%2Fb.js", token=OTHER).body == b"mine"
        old = server.login(headers={"Cookie": "AIOHTTP_SESSION=x"}, password=PASSWORD)
        assert server.request("GET", "/system_stats", token=OTHER, headers={"Cookie": old.cookie}).status == 200


BAD = [b"", b"\xff", b"[" * 9999]


def test_a_file_gone_bad_changes_nothing_and_is_reported(place: Besieged) -> None:
    place.accept(OTHER)
    with place.pair.serve() as server:

        def reported() -> int:
            # Told once each, not at every look.
            assert [status(server, one) for one in (TOKEN, OTHER)] == [401, 200]
            return int(server.log().count("what was valid before stays so"))

        assert reported() == 0
        for turn, content in enumerate(BAD):
            place.write_accept(content + b" " * turn)
            eventually(lambda turn=turn: reported() == turn + 1)  # type: ignore[misc]
            place.accept(OTHER)
            eventually(lambda: reported() > 0 and "read again" in server.log().rpartition("stays so")[2])
        place.accept_file.unlink()
        eventually(lambda: reported() == len(BAD) + 1)
        assert "ACCEPT.json: does not exist" in server.log()
        place.accept(THIRD, mode=0o644)
        eventually(lambda: reported() == len(BAD) + 2)
        assert "others may touch it (mode 0644)" in server.log()
        place.accept(THIRD)
        assert eventually(lambda: status(server, THIRD) == 200) < 1.0
        assert OTHER not in server.log()


def test_an_expired_token_is_refused(place: Besieged) -> None:
    place.accept(TOKEN, expires="2020-01-02T03:04:05Z")
    with place.pair.serve() as server:
        assert status(server, TOKEN) == 401
        place.accept(TOKEN, expires=int(time.time()) + 4)
        eventually(lambda: status(server, TOKEN) == 200)
        eventually(lambda: status(server, TOKEN) == 401, 10.0)


def test_while_the_set_changes_nobody_falls_between(place: Besieged) -> None:
    """Tokens listed before and after every change are never refused, a token never listed is never let in."""
    place.accept(TOKEN, OTHER)
    with place.pair.serve() as server, ThreadPoolExecutor(2) as threads:
        end = time.monotonic() + 3

        def hammer(token: str) -> set[int]:
            seen = set()
            while time.monotonic() < end:
                seen.add(status(server, token))
            return seen

        kept, never = threads.submit(hammer, TOKEN), threads.submit(hammer, TOKENS["digit"])
        turn = 0
        while time.monotonic() < end:
            turn += 1
            place.accept(TOKEN, OTHER if turn % 2 else THIRD)
            time.sleep(0.05)
        assert (kept.result(), never.result()) == ({200}, {401})


@pytest.mark.parametrize("ahead", [-(10**6), 1, 10**6])
def test_a_session_from_before_the_epoch_is_refused_without_restart(place: Besieged, ahead: int) -> None:
    with place.pair.serve() as server:
        cookie = {"Cookie": server.login(password=PASSWORD).cookie}
        assert server.request("GET", "/system_stats", headers=cookie).status == 200
        attributes = server.login(password=PASSWORD).headers["set-cookie"].partition("; ")[2]
        assert attributes == "HttpOnly; Path=/; SameSite=Lax"
        # Whatever the clock of the host: neither may an old session outlive an epoch of a slow controller's clock, nor
        # may people wait until the epoch of a fast one has come.
        place.accept(TOKEN, epoch=int(time.time()) + ahead)
        eventually(lambda: server.request("GET", "/system_stats", headers=cookie).status == 401)
        eventually(lambda: server.request("GET", "/", headers={**cookie, "Accept": "text/html"}).status == 302)

        def fresh() -> bool:
            # Logged in with the old cookie still in the browser.
            new = {"Cookie": server.login(headers=cookie, password=PASSWORD).cookie}
            return bool(server.request("GET", "/system_stats", headers=new).status == 200)

        eventually(fresh)


def _gone(place: Besieged) -> None:
    place.pair.password_file.unlink()


def _empty(place: Besieged) -> None:
    place.pair.write_password("")


def _nameless(place: Besieged) -> None:
    place.pair.set_password(TOKEN, username=None)


def _folder(place: Besieged) -> None:
    place.pair.password_file.unlink()
    place.pair.password_file.mkdir()


@pytest.mark.parametrize("fault", [_gone, _empty, _nameless, _folder])
def test_a_password_file_gone_bad_is_no_way_in(place: Besieged, fault: Callable[[Besieged], None]) -> None:
    with place.pair.serve() as server:
        fault(place)
        before = place.spoils()
        for form in ({"username": "mallory", "password": "stolen"}, {"password": "stolen"}, {"password": PASSWORD}):
            assert server.login(**form).status == 403
        for path in ("/system_stats?token=", "/system_stats?token", "/system_stats"):
            assert server.request("GET", path).status == 401
        assert server.request("POST", "/api/login", token=TOKEN, body=b"").status == 401
        assert status(server, TOKEN) == 200
        assert "no login is possible: " in server.log()
        assert place.spoils() == before


def test_guests_only_where_allowed_and_without_logs(place: Besieged) -> None:
    marker = place.pair.password_file.with_name("GUEST_MODE")
    marker.touch()
    with place.pair.serve() as server:
        assert server.login(password="", guest_mode="1").location == "/login?wrong_password=1"
    (place.guard_node / "settings.json").write_text('{"guests": true}')
    with place.pair.serve() as server:
        guest = {"Cookie": server.login(password="", guest_mode="1").cookie}
        for path in ("/", "/prompt", "/history", "/api/object_info", "/guest_mode"):
            assert server.request("GET", path, headers=guest).status == 200
        for path in (
            "/internal/logs", "/internal/logs/raw", "/system_stats", "/api/system_stats", "/settings", "/queue",
            "/userdata/comfy.settings.json", "/api/userdata/victim.js", "/users", "/internal/logs?token=",
        ):  # fmt: skip
            assert server.request("GET", path, headers=guest).status == 403, path
        for path in ("/free", "/queue", "/interrupt", "/userdata/x.js", "/settings"):
            assert server.request("POST", path, headers=guest, body=b"{}").status == 403
        # A guest who has the token is a user.
        assert server.request("GET", "/system_stats", token=TOKEN, headers=guest).status == 200
        marker.unlink()
        assert server.request("GET", "/prompt", headers=guest).status == 401


async def _first_message(url: str, headers: dict[str, str]) -> Any:
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
        return await asyncio.wait_for(socket.receive_json(), 30)


def test_sockets_uploads_and_assets_work_with_each_credential(place: Besieged) -> None:
    place.accept(TOKEN, OTHER)
    with place.pair.serve() as server:
        cookie = {"Cookie": server.login(password=PASSWORD).cookie}
        for headers in ({"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {OTHER}"}, cookie):
            for path in ("/ws", "/api/ws"):
                assert asyncio.run(_first_message(server.url + path, headers))["type"] == "status"
            body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="p.png"\r\n\r\n' + b"y" * (3 << 20)
            kind = {**headers, "Content-Type": "multipart/form-data; boundary=x"}
            stored = server.request("POST", "/upload/image", headers=kind, body=body + b"\r\n--x--\r\n")
            name = stored.json()["name"]
            got = server.request("GET", f"/view?filename={name}&type=input", headers=headers)
            assert (got.status, len(got.body)) == (200, 3 << 20)
            assert server.request("POST", "/api/userdata/user.css", headers=headers, body=b"a{}").status == 200
            assert server.request("GET", "/api/userdata/user.css", headers=headers).body == b"a{}"
        assert server.request("GET", "/old_css/style.css").status == 200
        assert server.request("GET", "/extensions/ComfyUI-Login/freeMemory.js").status == 200


def test_wrong_logins_are_throttled_and_leave_a_line_each(place: Besieged) -> None:
    with place.pair.serve() as server:
        answers = [server.login(username="mallory", password=f"wrong-{n}") for n in range(30)]
        assert {one.location for one in answers[:20]} == {"/login?wrong_password=1"}
        assert answers[-1].status == 429
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert server.login(password=PASSWORD).status == 429
        assert status(server, TOKEN) == 200
        line = (
            r'^comfyui-login-guard: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ login failed address=127\.0\.0\.1 user="mallory"$'
        )
        assert 20 <= len(re.findall(line, server.log(), re.MULTILINE)) <= 22
        assert "wrong-" not in server.log()
