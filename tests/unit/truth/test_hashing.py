# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashing: known answers from every provider, refusals, and nothing of passlib."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.plugin_utils import _hashing

PROVIDERS = {"bcrypt": _hashing._load_bcrypt, "libxcrypt": _hashing._load_libxcrypt}


@pytest.fixture(autouse=True)
def _forget_provider() -> Any:
    yield
    _hashing.provider.cache_clear()


def only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Leave one provider; skip where this machine has none of that name."""
    try:
        PROVIDERS[name]()
    except Exception as error:
        pytest.skip(f"no {name}: {error}")
    for other in PROVIDERS:
        if other != name:
            monkeypatch.setattr(_hashing, f"_load_{other}", broken)
    _hashing.provider.cache_clear()


def broken() -> Any:
    raise ImportError("not here")


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_provider_knows_the_fixtures(name: str, monkeypatch: pytest.MonkeyPatch, h: SimpleNamespace) -> None:
    only(monkeypatch, name)
    for token in (h.LETTER, h.DIGIT, h.DOT, h.SLASH):
        assert _hashing.verify(h.PASSWORD, token)
        assert not _hashing.verify(h.PASSWORD + " ", token)
    assert name in _hashing.provider()[0]


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("ident", _hashing.IDENTS)
def test_each_provider_makes_tokens_the_other_accepts(name: str, ident: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, name)
    token = _hashing.make_token("pässwörd", cost=4, ident=ident)
    assert token.startswith(f"${ident}$04$")
    assert is_token(token)
    monkeypatch.undo()
    _hashing.provider.cache_clear()
    assert _hashing.verify("pässwörd", token)


def test_the_default_is_cost_12_and_each_salt_is_new() -> None:
    assert _hashing.make_token("x").startswith("$2b$12$")
    assert len({_hashing.make_token("x", cost=4) for _turn in range(50)}) == 50


def test_the_salt_is_bcrypts_own_base64() -> None:
    assert _hashing._salt64(b"abcdefghijklmnop") == "WUHhXETkX0fnYkrqZU3ta."
    assert _hashing._salt64(b"\0" * 16) == "." * 22
    assert _hashing._salt64(b"\xff" * 16) == "9" * 21 + "u"


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=72))
def test_any_password_is_refused_or_verifies(password: str) -> None:
    try:
        token = _hashing.make_token(password, cost=4)
    except _hashing.HashingError:
        return
    assert is_token(token)
    assert _hashing.verify(password, token)


@pytest.mark.parametrize(
    ("password", "text"),
    [
        ("", "is empty"),
        ("x" * 73, "73 bytes"),
        ("é" * 37, "74 bytes"),
        ("a\0b", "NUL"),
        ("secret\n", "line break"),
        ("\ud800", "Unicode"),
        (12345678, "must be text, not int"),
    ],
)
def test_unusable_passwords_are_refused_by_making_and_verifying(password: Any, text: str, h: SimpleNamespace) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: _hashing.make_token(password, cost=4),
        lambda: _hashing.verify(password, h.LETTER),
    ]
    for call in calls:
        with pytest.raises(_hashing.HashingError, match=text) as caught:
            call()
        assert not isinstance(password, str) or len(password) < 4 or password not in str(caught.value)


def test_72_bytes_are_accepted_and_all_of_them_count() -> None:
    token = _hashing.make_token("x" * 72, cost=4)
    assert _hashing.verify("x" * 72, token)
    assert not _hashing.verify("x" * 71, token)


@pytest.mark.parametrize("cost", [3, 32, "12", True, 4.0])
def test_costs_out_of_range_are_refused(cost: Any) -> None:
    with pytest.raises(_hashing.HashingError, match="from 4 to 31"):
        _hashing.make_token("x", cost=cost)


def test_other_idents_are_refused() -> None:
    with pytest.raises(_hashing.HashingError, match="2a, 2b, 2y"):
        _hashing.make_token("x", cost=4, ident="2x")


@pytest.mark.parametrize("bad", ["*0", "", "{}\n", " {}", "{}x", "$2x$04$" + "." * 53])
def test_only_strict_tokens_are_verified(bad: str, h: SimpleNamespace) -> None:
    with pytest.raises(_hashing.HashingError, match="exactly 60 characters"):
        _hashing.verify(h.PASSWORD, bad.format(h.LETTER))


def test_without_any_provider_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hashing, "_load_bcrypt", broken)
    monkeypatch.setattr(_hashing, "_load_libxcrypt", broken)
    _hashing.provider.cache_clear()
    with pytest.raises(_hashing.HashingError, match=r"Install the Python package 'bcrypt'.*not here"):
        _hashing.make_token("x", cost=4)


def test_a_provider_with_wrong_answers_is_not_used(monkeypatch: pytest.MonkeyPatch, h: SimpleNamespace) -> None:
    # What libcrypt does on failure, and what old implementations did to bytes above 0x7f.
    for wrong in (lambda p, s: b"*0", lambda p, s: h.DOT.encode()):
        monkeypatch.setattr(_hashing, "_load_bcrypt", lambda wrong=wrong: wrong)
        monkeypatch.setattr(_hashing, "_load_libxcrypt", broken)
        _hashing.provider.cache_clear()
        with pytest.raises(_hashing.HashingError, match="known-answer test"):
            _hashing.provider()


def test_a_failing_hash_after_the_self_test_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hashing, "provider", lambda: ("broken", lambda p, s: b"*0"))
    with pytest.raises(_hashing.HashingError, match="not a bcrypt hash"):
        _hashing.make_token("x", cost=4)


def test_a_broken_bcrypt_package_gives_way_to_libxcrypt(monkeypatch: pytest.MonkeyPatch) -> None:
    only_crypt = "libxcrypt"
    only(monkeypatch, only_crypt)
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "bcrypt":
            raise RuntimeError("symbol not found")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(_hashing, "_load_bcrypt", PROVIDERS["bcrypt"])
    monkeypatch.setattr(builtins, "__import__", refuse)
    assert _hashing.provider()[0] == only_crypt


def test_neither_passlib_nor_crypt_is_imported() -> None:
    code = (
        "import sys\n"
        "from ansible_collections.genai.comfyui.plugins.plugin_utils import _hashing as h\n"
        "assert h.verify('x', h.make_token('x', 4))\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('passlib', 'crypt', 'ansible')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_random_passwords_need_no_quoting_anywhere() -> None:
    made = {_hashing.random_password() for _turn in range(500)}
    assert len(made) == 500
    assert all(re.fullmatch(r"[A-HJ-NP-Za-km-z][A-HJ-NP-Za-km-z2-9]{31}", password) for password in made)
    assert len(set("".join(made))) == 57
    assert 186 < _hashing.PASSWORD_ENTROPY_BITS < 187
