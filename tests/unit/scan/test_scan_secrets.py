# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every version of a token is found in every spelling that files use, and nothing else is."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_cases import CREDENTIALS, DIGIT, DOT, LETTER, PASSWORD, TOKENS, VALUES

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._scan_secrets import Secrets

SECRETS = Secrets(CREDENTIALS)


def based(before: str) -> Callable[[str], str]:
    return lambda token: base64.b64encode((before + token).encode()).decode()


def wrapped(token: str) -> str:
    return base64.encodebytes(token.encode()).decode()


SPELLINGS: dict[str, tuple[Callable[[str], str], str]] = {
    "bare": (lambda token: f"T={token}", "plain"),
    "quoted": (lambda token: f"T='{token}'", "plain"),
    "bearer": (lambda token: f'header = "Authorization: Bearer {token}"', "plain"),
    "password file": (lambda token: f"{token}\nadmin\n", "plain"),
    "carriage return": (lambda token: f"{token}\r\n", "plain"),
    "doubled": (lambda token: token.replace("$", "$$"), "each $ doubled"),
    "backslash": (lambda token: token.replace("$", "\\$"), "with backslashes"),
    "backslash in json": (lambda token: token.replace("$", "\\\\$"), "with backslashes"),
    "percent": (lambda token: "http://host/?token=" + quote(token, safe=""), "percent-encoded"),
    "percent, small letters": (lambda token: quote(token, safe="").replace("%2F", "%2f"), "percent-encoded"),
    "percent, all": (lambda token: quote(token, safe="").replace(".", "%2E"), "percent-encoded"),
    "percent, twice": (lambda token: token.replace("$", "%2524"), "percent-encoded"),
    "json": (lambda token: json.dumps(token).replace("$", "\\u0024").replace("/", "\\/"), "json"),
    "html": (lambda token: html.escape(token).replace("$", "&#36;"), "html"),
    "base64": (based(""), "base64"),
    "base64, one before": (based(":"), "base64"),
    "base64, two before": (based("a:"), "base64"),
    "base64, a header": (based("Authorization: Bearer "), "base64"),
    "base64, wrapped": (wrapped, "base64"),
    "base64, wrapped in json": (lambda token: json.dumps(wrapped(token)), "base64"),
    "base64, for urls": (lambda token: base64.urlsafe_b64encode(token.encode()).decode(), "base64"),
}


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("name", SPELLINGS)
def test_spelling(name: str, token: str) -> None:
    spell, called = SPELLINGS[name]
    data = ("before\n" + spell(token) + "\nafter\n").encode()
    hits = SECRETS.find(data)
    assert [(hit.known.version, hit.known.label, hit.spelling) for hit in hits] == [(*TOKENS[token], called)]
    assert hits[0].known.fingerprint == fingerprint(token)
    assert hits[0].start >= len("before\n")


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16(codec: str) -> None:
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}
    data = marks.get(codec, b"") + f"$env:T = '{LETTER}'\r\n".encode(codec)
    assert [hit.spelling for hit in SECRETS.find(data)] == ["UTF-16, plain"]


@pytest.mark.parametrize(
    ("remains", "version"),
    [("$2b$04" + LETTER[10:], "v7"), (LETTER[10:], "v7"), ("b/bin/sh4" + LETTER[10:], "v7"), (DIGIT[7:], "v8")],
)
def test_remains(remains: str, version: str) -> None:
    hits = SECRETS.find(f"T={remains}\n".encode())
    assert [(hit.known.version, hit.spelling) for hit in hits] == [(version, "damaged, a part is missing")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "T=$2b$04$C64",
        LETTER[:-1],
        LETTER.replace("$04$C", "$04$D")[:40],
        # Whole, and nobody's.
        "$2b$04$" + "A" * 21 + "." + "B" * 30 + "C",
        "$2y$05$" + "a" * 21 + "O" + "c" * 30 + "K",
        based("")("$2b$04$" + "A" * 21 + "." + "B" * 30 + "C"),
        "admin",
        "xCorrect-Horse-1"[:-1],
        DOT[10:],
    ],
)
def test_nothing_known(text: str) -> None:
    assert SECRETS.find(text.encode()) == []


@pytest.mark.parametrize(
    "spelled",
    [
        PASSWORD,
        quote("pa$s'w\"ord/ü%", safe=""),
        "pa$s'w\"ord/ü%",
        json.dumps("pa$s'w\"ord/ü%"),
        "pa$$s'w\"ord/ü%",
        "pa\\$s'w\\\"ord/ü%",
        "'pa$s'\\''w\"ord/ü%'",
        base64.b64encode(b"pa$s'w\"ord/\xc3\xbc%").decode(),
        base64.b64encode(b"a:pa$s'w\"ord/\xc3\xbc%").decode(),
        base64.b64encode(b"ab:pa$s'w\"ord/\xc3\xbc%").decode(),
        base64.b64encode(b"abc:pa$s'w\"ord/\xc3\xbc%").decode(),
    ],
)
def test_password(spelled: str) -> None:
    other = {"version": "v1", "token": DIGIT, "password": "pa$s'w\"ord/ü%"}
    hits = Secrets({**CREDENTIALS, "other": other}).find(f"password: {spelled}\n".encode())
    assert [hit.known.field for hit in hits] == ["password"]
    assert hits[0].known.fingerprint is None


@pytest.mark.parametrize("password", ["secret", "1234567", "password", "12345678901", "comfyui"])
def test_plain_password_is_not_looked_for_and_that_is_said(password: str) -> None:
    secrets = Secrets({"main": {"version": "v1", "token": LETTER, "password": password}})
    assert secrets.find(f"password: {password}".encode()) == []
    assert len(secrets.left_out) == 1
    assert "too short or too plain" in secrets.left_out[0]
    assert secrets.hide(f"/srv/x-{password}-y") == "/srv/x-<password of main>-y"


def test_short_password_only_as_a_word() -> None:
    secrets = Secrets({"main": {"version": "v1", "token": LETTER, "password": "Horse-12"}})
    assert len(secrets.find(b"p=Horse-12;")) == 1
    assert secrets.find(b"p=Horse-123") == []
    assert secrets.find(b"aHorse-12") == []


def test_hide() -> None:
    for value in VALUES:
        for text in (value, quote(value, safe=""), value.replace("$", "$$"), based("a:")(value)):
            assert not [one for one in VALUES if one in SECRETS.hide(f"/srv/{text}/x")]
            assert "main" in SECRETS.hide(f"/srv/{text}/x")
    assert SECRETS.hide("/srv/" + "$2b$04$" + "A" * 21 + "." + "B" * 30 + "C") == "/srv/<a bcrypt hash>"
    assert SECRETS.hide("/srv/ü/\udcff") == "/srv/ü/\\xff"


def test_fingerprints_only() -> None:
    secrets = Secrets({"other": {"version": "v2", "fingerprint": fingerprint(LETTER)}})
    assert [hit.known.version for hit in secrets.find(f"T={LETTER}".encode())] == ["v2"]
    assert secrets.left_out == ["the password of credential other: this host does not have it"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from(list(TOKENS)))
def test_any_bytes_around(before: bytes, after: bytes, token: str) -> None:
    hits = SECRETS.find(before + b"\n" + token.encode() + b"\n" + after)
    assert TOKENS[token][0] in {hit.known.version for hit in hits}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_raise_nothing(data: bytes) -> None:
    assert SECRETS.find(data + b"$2b$ JDJiJD QyYiQ kMmIk %242b") == []
