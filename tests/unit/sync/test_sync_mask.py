# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other programs say is shown without secrets, in whatever form or piece they quote them."""

from __future__ import annotations

import base64
import json
import shlex
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sync_cases import LETTER, PASSWORD, TOKENS

from ansible_collections.genai.comfyui.plugins.module_utils._mask import MASK, masked, values_in
from ansible_collections.genai.comfyui.plugins.module_utils._secrets import secrets_of

FORMS = {
    "plain": lambda value: value,
    "percent": lambda value: quote(value, safe=""),
    "json": lambda value: json.dumps(value)[1:-1],
    "shell": shlex.quote,
    "doubled": lambda value: value.replace("$", "$$"),
    "backslashes": lambda value: value.replace("$", "\\$"),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 of more": lambda value: base64.b64encode(f"x{value}yz".encode()).decode(),
    "base64 of two more": lambda value: base64.urlsafe_b64encode(f"xy{value}".encode()).decode(),
    "beginning": lambda value: value[:12],
    "middle": lambda value: value[-12:-4],
    "lower": str.lower,
}


@pytest.mark.parametrize("secret", [*TOKENS.values(), PASSWORD, "pass'w\"ord\\ü 1"])
@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, secret: str) -> None:
    """Nothing of a secret that is six characters long is left, and the words around it are."""
    shown = FORMS[form](secret)
    text = masked(f'line 7: near "{shown}": bad value', {secret})
    assert text.startswith("line 7: near ")
    assert text.endswith(": bad value")
    assert MASK in text
    left = text.replace("line 7: near ", "").replace(": bad value", "").replace(MASK, "")
    assert not any(shown[start : start + 6] in left for start in range(len(shown) - 5) if len(shown) > 12)
    assert len(left) < 14, left


def test_other_tokens_and_values() -> None:
    """A token that nobody told us of is known by its form, another key's value by the file."""
    assert masked(f"near {LETTER}", set()) == f"near {MASK}"
    text = "services:\n  a:\n    key: 'long enough'\n    b: true\nB=also-long\nrun the thing now\n"
    values = values_in(text)
    assert {"long enough", "also-long", "run the thing now"} <= values
    assert not {"services:", "true", "key"} & values
    assert masked("services.a.key: long enough, true, also-long", set(), values) == (
        f"services.a.key: {MASK}, true, {MASK}"
    )


def test_secrets_of_anything() -> None:
    """Whatever form the credentials have, no exception, and nothing but tokens and passwords."""
    assert secrets_of({"main": {"token": None, "username": "ann", "password": "p"}}) == {"p"}
    assert secrets_of([1, "token", None]) == secrets_of("token") == secrets_of(None) == set()


@given(text=st.text(max_size=60), secret=st.text(min_size=1, max_size=20), value=st.text(max_size=20))
def test_never_a_secret_nor_an_exception(text: str, secret: str, value: str) -> None:
    """Whatever is quoted, the secret is not in what is shown, unless our own mark reads like it."""
    shown = masked(f"{text}{secret}{text}{value}", {secret}, {value})
    assert secret not in shown.replace(MASK, "\0")
    assert len(masked("x" * 5000, {secret})) <= 1000
