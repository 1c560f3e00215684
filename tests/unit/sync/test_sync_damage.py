# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage is recognised, with its cause and the version that it once was."""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_cases import DIGIT, DOT, LETTER, PASSWORD, ROTATING, SECRETS, SLASH, STRANGER, TOKENS

from ansible_collections.genai.comfyui.plugins.module_utils._damage import recognise
from ansible_collections.genai.comfyui.plugins.module_utils._judge import judge

# Well-formed, and without a piece that another fixture has.
STRANGER_TOO = "$2a$05$" + "q" * 21 + "O" + "z" * 30 + "6"
LONG = LETTER.replace("$04$", "$12$")

# (found, version, part of the cause); the forms that the facts about encodings list.
DAMAGED = [
    ("$2b$04.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK", "v7", "as Compose does outside single quotes"),
    (".0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK", "v7", "as fish and Next.js do"),
    (".5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O", "v8", "as fish and Next.js do"),
    ("b/path/of/script4.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK", "v7", "expanded by a shell"),
    ("b.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK", "v7", "expanded by a shell"),
    ("$2b$04LEAK.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK", "v7", "a variable's value in its middle"),
    (LETTER.replace("$", "$$"), "v7", "each $ doubled"),
    (DIGIT.replace("$", "\\$"), "v8", "backslashes kept"),
    (f"'{DOT}'", "v6", "its quotes were kept"),
    (f'"{DOT}"', "v6", "its quotes were kept"),
    (LETTER + "\r", "v7", "a carriage return at the end"),
    (LETTER + " ", "v7", "blanks around it"),
    (LETTER + "\u00a0", "v7", "no-break"),
    (LETTER + "\n", "v7", "a line break attached"),
    ("\ufeff" + LETTER, "v7", "a byte order mark before it"),
    (LETTER + " # the token", "v7", "a comment attached"),
    (quote(LETTER, safe=""), "v7", "percent-encoded"),
    (quote(DIGIT), "v8", "percent-encoded"),
    (base64.b64encode(LETTER.encode()).decode(), "v7", "base64-encoded"),
    (base64.b64encode(LETTER.encode() + b"\n").decode(), "v7", "a line break attached"),
    (LETTER.lower(), "v7", "in lower case"),
    (LETTER[:50], "v7", "cut off"),
    (f"admin:{LETTER}", "v7", "other text around it"),
    (f"Bearer {LETTER}", "v7", "'Bearer ' before it"),
    (PASSWORD, "v7", "the password in place of the token"),
    (PASSWORD + "\r", "v7", "the password in place of the token and a carriage return"),
    ("9dd7d353a709", "v7", "the fingerprint in place of the token"),
    ("admin", "v7", "the user name in place of the token"),
    (f"COMFYUI_API_TOKEN={LETTER}", "v7", "the key written into the value"),
    (f"export T='{DIGIT}'", "v8", "the key written into the value and its quotes were kept"),
    (f"T=T={LETTER}", "v7", "the key written into the value"),
    (LETTER + "\\n", "v7", "an escape for a line end kept"),
    (LETTER.replace("$", "\\x24"), "v7", "escapes of JSON kept"),
    (LETTER.replace("$", "\\u0024"), "v7", "escapes of JSON kept"),
    (LETTER.replace("$", "&#36;"), "v7", "escapes of HTML kept"),
    (LETTER.replace("$", "\uff04"), "v7", "look-alike characters"),
    (LETTER[:30] + "\n" + LETTER[30:], "v7", "blanks or line breaks inside"),
    (LETTER.replace("$", ""), "v7", "each $ removed"),
    ("$2y$" + LETTER[4:], "v7", "another prefix, as htpasswd writes it"),
    (LETTER + LETTER, "v7", "written twice"),
    (f"'{LETTER.replace('$', '$$')}'\r", "v7", "quotes were kept and each $ doubled"),
]


@pytest.mark.parametrize(("found", "version", "cause"), DAMAGED)
def test_damage(found: str, version: str, cause: str) -> None:
    """Status, version and cause are told, and no value."""
    verdict = judge(found, "token", ROTATING)
    assert verdict.status == "damaged"
    assert verdict.detail.startswith(f"token of version {version}, damaged: ")
    assert cause in verdict.detail
    assert not any(secret in verdict.detail for secret in SECRETS)


@pytest.mark.parametrize("token", [*TOKENS.values(), LONG])
@pytest.mark.parametrize("quotes", ["{}", '"{}"'])
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_a_shell_really_does(tmp_path: Path, token: str, quotes: str, shell: str) -> None:
    """The remains of a token that a real shell ate are traced back to it."""
    script = tmp_path / "script.sh"
    script.write_text(f'T={quotes.format(token)}\nprintf "%s" "$T"\n', encoding="ascii")
    for command in ([shell, str(script)], [shell, "-c", script.read_text(encoding="ascii")]):
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert found != token
        assert recognise(found, token, token, PASSWORD) == "expanded by a shell, outside single quotes"


@pytest.mark.parametrize(
    ("found", "status", "detail", "shown"),
    [
        (LETTER, "in_sync", "token of version v7", True),
        (DIGIT, "pending", "token of version v8", True),
        (DOT, "previous", "token of version v6", True),
        (SLASH, "stale", "token of version v5, retired 2026-01-02T03:04:05Z", True),
        (STRANGER, "unknown", "no known version", True),
        ("something else", "unknown", "no known version", False),
        ("", "damaged", "the value is empty", False),
        (" \r", "damaged", "the value is empty", False),
    ],
)
def test_statuses(found: str, status: str, detail: str, shown: bool) -> None:
    """A whole token is told by its fingerprint; nothing else is."""
    verdict = judge(found, "token", ROTATING)
    assert verdict.status == status
    assert detail in verdict.detail
    assert (verdict.fingerprint is not None) == shown


def test_other_fields() -> None:
    """Bearer, URL, password and user name are judged by what they should be."""
    url = "http://host:8188/ws?a=1#x"
    for field, found, status, detail in [
        ("bearer", f"Bearer {LETTER}", "in_sync", "token of version v7"),
        ("bearer", f"bearer {LETTER}", "damaged", "what stands around it differs"),
        ("bearer", LETTER, "damaged", "what belongs before it is missing"),
        ("bearer", f"'{LETTER}'", "damaged", "the bare token, without what belongs before it and its quotes"),
        ("bearer", f"Bearer {SLASH}", "stale", "version v5"),
        ("bearer", f"Bearer {LETTER.replace('$', '$$')}", "damaged", "each $ doubled"),
        ("url", f"http://host:8188/ws?a=1&token={quote(LETTER, safe='')}#x", "in_sync", "token of version v7"),
        ("url", f"http://other/?token={LETTER}", "damaged", "what stands around it differs"),
        ("url", f"http://host:8188/ws?a=1&token={quote(DIGIT, safe='')}#x", "pending", "v8"),
        ("password", PASSWORD, "in_sync", "password of version v7"),
        ("password", PASSWORD + "\r", "damaged", "a carriage return at the end"),
        ("password", "other", "unknown", "no known version"),
        ("username", "admin", "in_sync", "user name of version v7"),
        ("username", '"admin"', "damaged", "its quotes were kept"),
    ]:
        verdict = judge(found, field, ROTATING, url)
        assert (verdict.status, detail in verdict.detail) == (status, True), (field, verdict)
        if field in ("password", "username"):
            assert verdict.fingerprint is None


@pytest.mark.parametrize("field", ["bearer", "url"])
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_remains_in_other_fields(field: str, token: str) -> None:
    """What is left of a token is recognised behind 'Bearer ' and in an address, too."""
    credential = {"username": "admin", "password": PASSWORD, "token": token, "version": "v7"}
    for remains in (
        re.sub(r"\$[A-Za-z0-9_]+", "", token),
        re.sub(r"\$[0-9][b0-9]?", "", token),
        token.replace("$", ""),
        token.lower(),
        token[:40],
    ):
        found = f"Bearer {remains}" if field == "bearer" else f"http://host:8188/?token={remains}"
        verdict = judge(found, field, credential, "http://host:8188/")
        assert verdict.status == "damaged", remains
        assert verdict.detail.startswith("token of version v7, damaged: ")


@pytest.mark.parametrize(("found", "_version", "_cause"), DAMAGED)
def test_damage_of_one_token_is_not_anothers(found: str, _version: str, _cause: str) -> None:
    """The remains of one token are never taken for another token's."""
    if found in (PASSWORD, PASSWORD + "\r", "admin"):
        return
    strange = {"username": "eve", "password": "other", "token": STRANGER_TOO, "version": "v9"}
    assert judge(found, "token", strange).status == "unknown"


@given(found=st.one_of(st.text(max_size=80), st.from_regex(re.compile(r"[$%\\'\"2b04=]{0,40}"))))
def test_strangers_are_not_ours(found: str) -> None:
    """Text that has nothing of a token is never taken for one, and nothing raises."""
    verdict = judge(found, "token", {**ROTATING, "password": None})
    assert verdict.status in ("unknown", "damaged")
    assert verdict.status == "unknown" or not found.strip()
