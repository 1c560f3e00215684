# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The usual ways in which a token breaks on its way into a file, recognised from the token that it once was.

To teach it another one, add a row to ``_UNDO`` (what can be taken back) or to ``_lost`` (what cannot).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Callable
from urllib.parse import unquote

Form = tuple[str, Callable[[str], bool]]
"""A kind of damage: its name, and whether a text is its result."""

_DEPTH = 3
_LONGEST = 1000


def _stripped(characters: str) -> Callable[[str], str]:
    return lambda text: text.strip(characters)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`" else text


def _unbased(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return text


_UNDO: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("a carriage return at the end", lambda text: text.rstrip("\r")),
    ("a line break attached", _stripped("\n")),
    ("blanks around it", _stripped(" \t")),
    ("a no-break or zero-width space around it", _stripped("\u00a0\u200b\u202f\u2060")),
    ("a byte order mark before it", lambda text: text.lstrip("\ufeff")),
    ("its quotes were kept", _unquoted),
    ("each $ doubled", lambda text: text.replace("$$", "$")),
    ("backslashes kept", lambda text: text.replace("\\$", "$")),
    ("percent-encoded", unquote),
    ("base64-encoded", _unbased),
    ("a comment attached", lambda text: re.sub(r"[ \t]+[#;].*\Z", "", text, flags=re.S)),
)
"""What was done to the value, and the function that undoes it (and returns other text unchanged)."""


def recognise(found: str, value: str, token: str | None = None, password: str | None = None) -> str | None:
    """Say how *found* came from *value*, several causes joined by " and ", or None when it did not.

    :param found: what the file holds, decoded.
    :param value: what the file should hold.
    :param token: the token in *value*, for fields that carry one; only tokens are looked for in damaged remains.
    :param password: the password that belongs to the token, which people mistake for it.

    The answer holds nothing of any of them.
    """
    if found == value:
        return None
    texts = list(_taken_back(found))
    # The surest explanation first: nothing was lost, then something else stands there, then remains.
    exact = [("", lambda text: text == value)]
    for how, matches in [*exact, *_swapped(token, password), *(_lost(token) if token else ())]:
        for text, causes in texts:
            if matches(text):
                return " and ".join(([how] if how else []) + causes)
    return None


def _taken_back(found: str) -> Iterator[tuple[str, list[str]]]:
    """Yield *found* and everything that up to three steps of undoing make of it, the nearest first."""
    if len(found) > _LONGEST:
        return
    seen = {found}
    level: list[tuple[str, list[str]]] = [(found, [])]
    for _step in range(_DEPTH + 1):
        yield from level
        following: list[tuple[str, list[str]]] = []
        for text, causes in level:
            for how, undo in _UNDO:
                text_before = undo(text)
                if text_before not in seen:
                    seen.add(text_before)
                    following.append((text_before, [*causes, how]))
        level = following


def _swapped(token: str | None, password: str | None) -> Iterator[Form]:
    """Yield what was written in place of the value."""
    if token:
        yield "the bare token, without what belongs before it", token.__eq__
        yield "'Bearer ' before it", f"Bearer {token}".__eq__
        if password:
            yield "the password in place of the token", password.__eq__


def _lost(token: str) -> Iterator[Form]:
    """Yield what cannot be taken back: its name and whether a text is the result."""
    named = re.sub(r"\$[A-Za-z_][A-Za-z0-9_]*", "", token)
    if named != token:
        yield "what looks like a variable was dropped, as Compose does outside single quotes", named.__eq__
    every = re.sub(r"\$[A-Za-z0-9_]+", "", token)
    yield "all that looks like a variable was dropped, as fish and Next.js do", every.__eq__

    salt = "$" + token[7:]
    # sh takes one digit as a parameter, zsh all of them; both drop a name.
    tails = {re.sub(pattern, "", salt) for pattern in (r"^\$[A-Za-z_][A-Za-z0-9_]*", r"^\$[0-9]", r"^\$[0-9]+")}
    tails.discard(salt)
    tails = tails or {salt}

    def by_shell(text: str) -> bool:
        text = text[len("Bearer ") :] if text.startswith("Bearer ") else text
        return text[:1] == token[2] and any(text.endswith(tail) for tail in tails)

    def by_other_variable(text: str) -> bool:
        return text[:6] == token[:6] and any(text.endswith(tail) for tail in tails) and text != token

    yield "expanded by a shell, outside single quotes", by_shell
    yield "a variable's value in its middle", by_other_variable
    yield "in lower case", lambda text: text == token.lower() and text != token
    yield "cut off", lambda text: 20 <= len(text) < len(token) and token.startswith(text)
    yield "other text around it", lambda text: token in text and text != token
    yield "its beginning was changed", lambda text: text[-31:] == token[-31:] and text != token
