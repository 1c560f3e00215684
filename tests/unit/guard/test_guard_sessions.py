# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from guarded_package import load
from hypothesis import given, settings
from hypothesis import strategies as st

accept, choices, ended, sessions = load("accept"), load("settings"), load("ended"), load("sessions")
KEY = b"k" * 32
USER = {"logged_in": True, "username": "comfy"}


class Place:
    """Sessions with a clock that stands still, over a file."""

    def __init__(self, folder: Path, **chosen: Any) -> None:
        self.now, self.said, self.file = 1_000_000.0, [], folder / "ended.json"
        self.chosen = choices.read(chosen)
        self.restart()
        self.now += 10

    said: list[str]

    def restart(self, **chosen: Any) -> None:
        self.storage = EncryptedCookieStorage(KEY)
        self.ended = ended.Ended(self.file, self.said.append, lambda: self.now)
        self.chosen = choices.read(chosen) if chosen else self.chosen
        self.sessions = sessions.Sessions(self.storage, self.chosen, self.ended, lambda: self.now)

    def request(self, cookie: str = "") -> web.Request:
        return make_mocked_request("GET", "/", {"Cookie": f"AIOHTTP_SESSION={cookie}"} if cookie else {})

    def begin(self, epoch: int = 0, **values: Any) -> Any:
        async def run() -> web.Response:
            response = web.Response()
            await self.sessions.begin(self.request(), response, values or USER, epoch)
            return response

        return asyncio.run(run()).cookies["AIOHTTP_SESSION"]

    def find(self, cookie: str, epoch: int = 0) -> Any:
        return asyncio.run(self.sessions.find(self.request(cookie), epoch))

    def use(self, cookie: str) -> web.Response:
        async def run() -> web.Response:
            response, request = web.Response(), self.request(cookie)
            found = await self.sessions.find(request, 0)
            if found is not None:
                await self.sessions.renew(request, response, found)
            return response

        return asyncio.run(run())

    def end(self, cookie: str) -> web.StreamResponse:
        async def run() -> web.StreamResponse:
            return await self.sessions.end(await self.sessions.find(self.request(cookie), 0))  # type: ignore[no-any-return]

        return asyncio.run(run())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path, session_lifetime=1000, session_idle=100)
    monkeypatch.setattr("aiohttp_session.time.time", lambda: made.now)
    return made


def test_a_session_ends_by_idleness_and_by_age(place: Place) -> None:
    cookie = place.begin().value
    assert place.find(cookie).kind == "user"
    place.now += 100
    assert place.find(cookie) is not None
    place.now += 1
    assert place.find(cookie) is None


def test_use_keeps_a_session_until_its_lifetime_is_over(place: Place) -> None:
    begun, cookie = place.now, place.begin().value
    while place.now < begun + 1000:
        place.now += 30
        answer = place.use(cookie)
        if "AIOHTTP_SESSION" not in answer.cookies:
            break
        cookie = answer.cookies["AIOHTTP_SESSION"].value
    assert begun + 1000 < place.now <= begun + 1030
    assert place.find(cookie) is None


def test_no_idle_limit(place: Place) -> None:
    place.restart(session_lifetime=1000, session_idle=0)
    cookie = place.begin().value
    place.now += 999
    assert place.find(cookie) is not None


def test_a_log_out_ends_every_copy_and_only_that_session_and_lasts(place: Place) -> None:
    first, second = place.begin().value, place.begin().value
    answer = place.end(first)
    assert (answer.status, answer.headers["Location"]) == (302, "/login")
    assert answer.cookies["AIOHTTP_SESSION"]["max-age"] == "0"
    for _again in range(2):
        assert place.find(first) is None
        assert place.find(second) is not None
        place.restart()
    assert place.file.stat().st_mode & 0o777 == 0o600
    assert "comfy" not in place.file.read_text()


def test_a_longer_lifetime_brings_nobody_back(place: Place) -> None:
    cookie = place.begin().value
    place.end(cookie)
    place.now += 1001
    # Forgotten with this one, as the other's cookie is no good any more.
    place.end(place.begin().value)
    assert len(json.loads(place.file.read_text())["ended"]) == 1
    place.restart(session_lifetime=100_000, session_idle=0)
    assert place.find(cookie) is None


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[" * 9999, b'{"schema": 1, "floor": true, "ended": {}}'])
def test_without_a_sound_file_everybody_logs_in_again(place: Place, content: bytes | None) -> None:
    cookie = place.begin().value
    place.end(place.begin().value)
    place.file.unlink()
    if content is not None:
        place.file.touch(0o600)
        place.file.write_bytes(content)
    place.now += 1
    place.restart()
    assert place.find(cookie) is None
    assert any("everybody has to log in again" in line for line in place.said) is (content is not None)
    place.now += 1
    assert place.find(place.begin().value) is not None
    place.restart()
    assert place.find(cookie) is None


def test_a_disk_that_refuses_ends_the_sessions_at_the_next_start(tmp_path: Path) -> None:
    file = tmp_path / "no" / "ended.json"
    said: list[str] = []
    ended.Ended(file, said.append, lambda: 5.0)
    assert said == [
        f"{file}: No such file or directory; who logged out is forgotten at the next start, so all sessions end"
    ]


def test_many_log_outs_take_bounded_room_and_none_comes_back(tmp_path: Path) -> None:
    kept = ended.Ended(tmp_path / "ended.json", lambda _: None, lambda: 0.0)
    count = ended.MOST + 50
    for number in range(count):
        kept.end(f"{number:032x}", 100.0 + number, 1e9)
    kept.keep()
    again = ended.Ended(tmp_path / "ended.json", lambda _: None, lambda: 0.0)
    for one in (kept, again):
        assert len(one._ended) == ended.MOST
        assert all(one.has(f"{number:032x}", 100.0 + number) for number in range(count))
        assert one.has("somebody", 149.0)
        assert not one.has("somebody", 150.0)
    # The strict reader takes the largest file that can come to be.
    assert (tmp_path / "ended.json").stat().st_size < accept.LIMIT


def test_the_cookie_is_as_configured(place: Place) -> None:
    plain = place.begin()
    assert [plain.get(one) or "" for one in ("samesite", "secure", "max-age", "httponly")] == ["Lax", "", "", True]
    place.restart(
        session_lifetime=1000, session_idle=0, cookie_secure=True, cookie_samesite="Strict", cookie_max_age=99999
    )
    strict = place.begin()
    assert (strict["samesite"], strict["secure"], strict["max-age"]) == ("Strict", True, "1000")


def test_before_the_epoch_and_from_the_future(place: Place) -> None:
    cookie = place.begin(epoch=7).value
    # What counts is the epoch that it began in, not what time it was then.
    assert place.find(cookie, 7) is not None
    assert place.find(cookie, 8) is None
    assert place.find(place.begin(epoch=int(place.now) + 10**6).value, int(place.now) + 10**6) is not None
    place.now -= 61
    assert place.find(cookie) is None


FORGED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=6,
)


@settings(max_examples=200)
@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_no_cookie_raises_and_none_is_a_session(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    place = _shared(tmp_path_factory)
    storage: Any = place.storage
    storage.load_cookie = lambda _request: text
    assert place.find("x") is None


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["logged_in", "guest_mode", "comfyui_login_guard", "x"]), FORGED) | FORGED)
def test_a_cookie_of_the_same_key_needs_the_guards_mark(tmp_path_factory: pytest.TempPathFactory, values: Any) -> None:
    place = _shared(tmp_path_factory)
    storage: Any = place.storage
    content = {"created": 1_000_009, "session": values}
    cookie = storage._fernet.encrypt(json.dumps(content).encode()).decode()
    storage.load_cookie = lambda _request: cookie
    found = place.find("x")
    if found is not None:
        assert len(values["comfyui_login_guard"]) == 4
        assert values.get("logged_in") or values.get("guest_mode")


_PLACES: list[Place] = []


def _shared(factory: pytest.TempPathFactory) -> Place:
    if not _PLACES:
        _PLACES.append(Place(factory.mktemp("sessions")))
    return _PLACES[0]
