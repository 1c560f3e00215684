# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a value is spelled in the text of a template. Files that exist are edited by the codecs, not with this."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from urllib.parse import quote

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs


def encode(value: str, dialect: str) -> str:
    """Return the value's spelling, with the quotes it needs.

    :raises ValueError: no text, an unknown dialect, or a value the dialect cannot spell; the value is not in the text.
    """
    if not isinstance(value, str):
        raise ValueError(f"only text can be encoded, not {type(value).__name__}")
    try:
        function = DIALECTS[dialect]
    except (KeyError, TypeError):
        raise ValueError(f"there is no dialect {dialect!r}; known: {', '.join(sorted(DIALECTS))}") from None
    # Ansible hands in subclasses of str; json and re must not see them.
    return function(str.__str__(value))


def _by_codec(name: str) -> Callable[[str], str]:
    def spell(value: str) -> str:
        return str(_codecs.get(name).encode(value))

    return spell


def _dotenv_expand(value: str) -> str:
    # Readers disagree on what a backslash before anything but "$" means.
    if re.search(r'[\x00-\x1f\x7f"\\]', value):
        raise ValueError("dialect dotenv_expand cannot spell quotes, backslashes and control characters")
    return '"' + value.replace("$", "\\$") + '"'


def _compose(value: str) -> str:
    return value.replace("$", "$$")


def _shell(value: str) -> str:
    if "\0" in value:
        raise ValueError("dialect shell cannot spell a NUL character")
    return shlex.quote(value)


def _url(value: str) -> str:
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValueError("dialect url cannot spell text that is not valid Unicode") from None


DIALECTS: Mapping[str, Callable[[str], str]] = {
    "compose": _compose,
    "dotenv": _by_codec("dotenv"),
    "dotenv_expand": _dotenv_expand,
    "json": _by_codec("json"),
    "raw": _by_codec("raw"),
    "shell": _shell,
    "systemd_env": _by_codec("systemd_env"),
    "url": _url,
}
"""Dialect -> function from value to spelling."""
