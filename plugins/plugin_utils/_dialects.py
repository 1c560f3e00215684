# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a value is spelled in the text of a template: as the codecs spell it, which also edit files that exist."""

from __future__ import annotations

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


def _compose(value: str) -> str:
    return value.replace("$", "$$")


def _url(value: str) -> str:
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValueError("dialect url cannot spell text that is not valid Unicode") from None


# One of them is a whole file of two fields; of it there is nothing to spell in a template.
_NO_SPELLING = frozenset({"login_password"})

DIALECTS: Mapping[str, Callable[[str], str]] = {
    **{name: _by_codec(name) for name in sorted(_codecs.CODECS) if name not in _NO_SPELLING},
    "compose": _compose,
    "url": _url,
}
"""Dialect -> function from value to spelling: every codec's own, and two for what is no file of its own."""
