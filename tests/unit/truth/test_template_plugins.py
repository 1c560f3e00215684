# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters and the test for templates, on plain and on Ansible's tagged values."""

from __future__ import annotations

import importlib
import json
import shlex
import urllib.parse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.filter.encode import FilterModule as Encode
from ansible_collections.genai.comfyui.plugins.filter.token_fingerprint import FilterModule as Fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.plugin_utils import _dialects

# Not by its name: pytest would collect a class called TestModule.
BCRYPT_HASH = importlib.import_module("ansible_collections.genai.comfyui.plugins.test.bcrypt_hash")

encode = Encode().filters()["encode"]
token_fingerprint = Fingerprint().filters()["token_fingerprint"]
bcrypt_hash = BCRYPT_HASH.TestModule().tests()["bcrypt_hash"]


def test_the_spellings_of_a_token(h: SimpleNamespace) -> None:
    spelled = {dialect: encode(h.LETTER, dialect) for dialect in _dialects.DIALECTS}
    assert spelled["raw"] == h.LETTER
    assert spelled["dotenv"] == f"'{h.LETTER}'"
    assert spelled["dotenv_expand"] == '"' + h.LETTER.replace("$", "\\$") + '"'
    assert spelled["compose"] == h.LETTER.replace("$", "$$")
    assert spelled["shell"] == f"'{h.LETTER}'"
    assert json.loads(spelled["json"]) == h.LETTER
    assert spelled["url"] == urllib.parse.quote(h.LETTER, safe="")
    assert _codecs.get("systemd_env").decode(f"T={spelled['systemd_env']}\n", "T") == h.LETTER


def test_each_codec_is_a_dialect_and_each_dialect_is_documented(h: SimpleNamespace) -> None:
    """What is said about spelling stands once, in the codecs."""
    assert set(_dialects.DIALECTS) == {*_codecs.CODECS, "compose", "url"} - {"login_password"}
    for name in set(_dialects.DIALECTS) & set(_codecs.CODECS):
        assert encode(h.LETTER, name) == _codecs.get(name).encode(h.LETTER)
    page = Path(Encode.filters.__globals__["__file__"]).with_name("encode.yml").read_text(encoding="utf-8")
    assert set(yaml.safe_load(page)["DOCUMENTATION"]["options"]["dialect"]["choices"]) == set(_dialects.DIALECTS)


@given(st.text(max_size=30))
def test_whatever_can_be_spelled_reads_back(value: str) -> None:
    def spelled(dialect: str) -> str | None:
        try:
            text: str = encode(value, dialect)
        except AnsibleFilterError:
            return None
        return text

    readers: dict[str, Any] = {
        "shell": lambda t: shlex.split(t)[0],
        "json": json.loads,
        "url": urllib.parse.unquote,
        "compose": lambda t: t.replace("$$", "$"),
        "dotenv": lambda t: _codecs.get("dotenv").decode(f"T={t}\n", "T"),
        "systemd_env": lambda t: _codecs.get("systemd_env").decode(f"T={t}\n", "T"),
    }
    for dialect, reader in readers.items():
        text = spelled(dialect)
        assert text is None or reader(text) == value


@pytest.mark.parametrize(
    ("value", "dialect", "text"),
    [
        ("x", "docker", "no dialect 'docker'; known: compose, compose_env, compose_yaml"),
        ("x", None, "no dialect None"),
        (None, "raw", "only text can be encoded, not NoneType"),
        ("Sec'ret\n", "dotenv", "control|spell|quote"),
        ("Secret\n", "raw", "control|line"),
        ('Secret"', "dotenv_expand", "no sure spelling"),
        ("Secret\0", "shell", "control"),
        ("Secret\ud800", "url", "not valid Unicode"),
    ],
)
def test_what_cannot_be_spelled_is_refused_unseen(value: Any, dialect: Any, text: str) -> None:
    with pytest.raises(AnsibleFilterError, match=text) as caught:
        encode(value, dialect)
    assert "Secret" not in str(caught.value)


def test_fingerprints_are_for_tokens_only(h: SimpleNamespace) -> None:
    assert token_fingerprint(h.LETTER) != token_fingerprint(h.DIGIT)
    assert len(token_fingerprint(h.LETTER)) == 12
    for bad in (h.PASSWORD, h.LETTER + "\n", None, 7):
        with pytest.raises(AnsibleFilterError, match="not a bcrypt hash of exactly 60 characters") as caught:
            token_fingerprint(bad)
        assert h.PASSWORD not in str(caught.value)


def test_what_is_a_bcrypt_hash(h: SimpleNamespace) -> None:
    assert all(bcrypt_hash(token) for token in (h.LETTER, h.DIGIT, h.DOT, h.SLASH))
    assert not any(bcrypt_hash(bad) for bad in ("", h.LETTER + "\n", f"'{h.LETTER}'", "*0", None, 5, [h.LETTER]))


def test_they_work_in_a_template(plays: Any, h: SimpleNamespace) -> None:
    (plays.directory / "token").write_text(h.LETTER)
    done = plays.run(
        "- debug:\n"
        "    msg: >-\n"
        "      GOT {{ t | genai.comfyui.token_fingerprint }} {{ t is genai.comfyui.bcrypt_hash }}\n"
        "      {{ (t | genai.comfyui.encode('json') | from_json) == t }}\n"
        "      {{ t | genai.comfyui.encode('dotenv') | length }}\n"
        "  vars: {t: \"{{ lookup('file', 'token') }}\"}"
    )
    assert f"GOT {token_fingerprint(h.LETTER)} True True 62" in done.out, done.out
