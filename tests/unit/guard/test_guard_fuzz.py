# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Anything may stand in a file or a request: only Unusable comes out of the one, nothing out of the other."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from guarded_package import load
from hypothesis import given, settings
from hypothesis import strategies as st

accept, rules = load("accept"), load("rules")

TOKEN = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
OTHER = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([TOKEN, OTHER, "v1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
ENTRY = st.fixed_dictionaries({"version": VALUES, "token": VALUES, "expires": VALUES})
DOCUMENT = st.fixed_dictionaries({"schema": st.just(1) | VALUES, "epoch": VALUES, "tokens": st.lists(ENTRY) | VALUES})


def document(**changes: Any) -> bytes:
    whole = {"schema": 1, "epoch": 0, "tokens": [{"version": "v1", "token": TOKEN, "expires": None}], **changes}
    return json.dumps(whole).encode()


def entry(**changes: Any) -> list[dict[str, Any]]:
    return [{"version": "v1", "token": TOKEN, "expires": None, **changes}]


@settings(max_examples=300)
@given(st.binary() | DOCUMENT.map(lambda value: json.dumps(value).encode()))
def test_no_content_of_the_accept_file_raises_anything_else(data: bytes) -> None:
    try:
        found = accept.parse_accept(data)
    except accept.Unusable as fault:
        told = str(fault)
    else:
        told = repr(found)
        assert found.tokens
        assert all(accept.is_token(one.token.decode()) for one in found.tokens)
    assert TOKEN not in told
    assert OTHER not in told


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", "the document is not an object with the keys epoch, schema, tokens"),
        (document(more=1), "the document is not an object with the keys"),
        (document(schema=True), "schema is not 1"),
        (document(schema=2), "schema is not 1"),
        (document(epoch=-1), "epoch is neither whole seconds since 1970 nor a UTC time"),
        (document(epoch=1.5), "epoch is neither"),
        (document(epoch="2026-02-30T00:00:00Z"), "epoch is neither"),
        (document(epoch=True), "epoch is neither"),
        (document(tokens=[]), "tokens is not a list of 1 to 16 entries"),
        (document(tokens=entry(token="")), "token 1 is not a bcrypt hash"),
        (document(tokens=entry(token=TOKEN + "\n")), "token 1 is not a bcrypt hash"),
        (document(tokens=entry(version="")), "version of token 1 is not a short plain name"),
        (document(tokens=entry(version="v1\nforged line")), "version of token 1 is not a short plain name"),
        (document(tokens=entry(expires="tomorrow")), "expires of token 1 is neither"),
        (document(tokens=entry() + entry()), "a version or a token stands twice"),
        (b'{"schema": 1, "epoch": 0, "epoch": 0, "tokens": []}', "a key stands twice"),
    ],
)
def test_a_broken_accept_file_says_what_is_wrong(data: bytes, said: str) -> None:
    with pytest.raises(accept.Unusable, match="^" + said):
        accept.parse_accept(data)


def test_an_accept_file_says_who_is_let_in() -> None:
    tokens = entry(expires="2026-01-02T03:04:05Z") + entry(version="v2", token=OTHER)
    found = accept.parse_accept(document(epoch="1970-01-01T00:01:00Z", tokens=tokens))
    assert found.epoch == 60
    assert found.find(TOKEN.encode(), 1767323044).version == "v1"
    assert found.find(TOKEN.encode(), 1767323045) is None
    assert found.find(OTHER.encode(), 1 << 39).version == "v2"
    assert TOKEN not in repr(found)


@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_no_other_text_is_a_token(text: str) -> None:
    found = accept.parse_accept(document())
    assert found.find(text.encode("utf-8", "surrogatepass"), 0) is None


def test_one_look_at_the_file_in_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time, looks = [0.0], []
    look = os.lstat

    def counted(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        looks.append(path)
        return look(path, *args, **kwargs)

    file = tmp_path / "ACCEPT.json"
    file.touch(0o600)
    file.write_bytes(document())
    followed = accept.Accept(file, OTHER, lambda _: None, lambda: time[0])
    monkeypatch.setattr(accept.os, "lstat", counted)
    for _look in range(1000):
        assert followed.now().find(TOKEN.encode(), 0)
    assert looks == []
    time[0] += accept.PAUSE
    for _look in range(1000):
        followed.now()
    assert looks == [file]


@given(st.lists(st.text(), max_size=3))
def test_no_authorization_raises(values: list[str]) -> None:
    well_formed, token = rules.bearer(values)
    assert token is None or (well_formed and values[0].split() == ["Bearer", token])


SEGMENT = st.sampled_from(["userdata", "assets", "..", ".", "", "x.js", "login", "%2e%2e", "%2F", "%5c", "a b", "\\"])


@given(
    st.lists(SEGMENT | st.text(max_size=5), max_size=6), st.sampled_from([".js", ".css", ".JS", "%2ejs", ".%6as", ""])
)
def test_an_asset_has_one_path_only(segments: list[str], suffix: str) -> None:
    raw = "/" + "/".join(segments) + suffix
    decoded = unquote(raw.split("?", 1)[0])
    if rules.plain_asset(raw, decoded):
        assert ".." not in decoded.split("/")
        assert "//" not in decoded
        assert raw.endswith(rules.EXEMPT_SUFFIXES)
        assert "%2" not in raw.lower() or "%20" in raw


@given(st.text(), st.text(), st.text())
def test_nothing_of_the_query_is_lost_but_the_token(name: str, value: str, token: str) -> None:
    kept = f"x{quote(name, safe='')}={quote(value, safe='')}"
    secret = quote(token, safe="")
    query = f"token={secret}&{kept}&%74oken={secret}&token&tok%65n="
    assert rules.without_token(query) == kept
    assert rules.without_token(kept) == kept


@given(st.text(alphabet=st.characters(exclude_characters=';=" ,\t\n\r\x0b\x0c\x85\xa0', categories=["L", "N", "P"])))
def test_only_the_session_leaves_the_cookies(value: str) -> None:
    header = f"a={value}; AIOHTTP_SESSION=x{value};b=2; AIOHTTP_SESSION =y"
    assert rules.without_cookie(header, "AIOHTTP_SESSION") == f"a={value};b=2"


@given(st.text(), st.text(), st.booleans())
def test_guests_get_what_is_listed_and_nothing_else(method: str, pattern: str, static: bool) -> None:
    if rules.guest_may(method, pattern, static):
        assert method in ("GET", "HEAD", "POST")
        assert static or rules.canonical(pattern) in rules._GUEST_GET | rules._GUEST_POST


@pytest.mark.parametrize("pattern", ["/internal/logs", "/system_stats", "/api/settings", "/userdata/{file}", "/queue"])
def test_guests_never_get_logs_system_data_or_settings(pattern: str) -> None:
    assert not any(rules.guest_may(method, pattern, False) for method in ("GET", "HEAD", "POST", "DELETE"))
