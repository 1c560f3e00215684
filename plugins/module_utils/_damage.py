# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The usual ways in which a token breaks on its way into a file, recognised from the token that it once was.

To teach it another one, add a row to ``_UNDO`` (what can be taken back) or to ``_lost`` (what cannot).
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Callable
from urllib.parse import unquote

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

Form = tuple[str, Callable[[str], bool]]
"""A kind of damage: its name, and whether a text is its result."""

_DEPTH = 3
_LONGEST = 1000
_SHORTEST = 8
"""Fewer characters of a token than this prove nothing."""


def _stripped(characters: str) -> Callable[[str], str]:
    return lambda text: text.strip(characters)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`" else text


def _unbased(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return text


def _unescaped(text: str) -> str:
    return re.sub(r"\\(?:u00|x)(24|2[fF]|2[eE])", lambda found: chr(int(found.group(1), 16)), text).replace("\\/", "/")


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
    ("escapes of JSON kept", _unescaped),
    ("escapes of HTML kept", html.unescape),
    ("an escape for a line end kept", lambda text: re.sub(r"(?:\\[rn])+\Z", "", text)),
    ("look-alike characters", lambda text: unicodedata.normalize("NFKC", text)),
    ("blanks or line breaks inside", lambda text: re.sub(r"[ \t\r\n]+", "", text)),
    (
        "the key written into the value",
        lambda text: re.sub(r"\A(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*=[ \t]*", "", text),
    ),
    ("a comment attached", lambda text: re.sub(r"[ \t]+[#;].*\Z", "", text, flags=re.S)),
)
"""What was done to the value, and the function that undoes it (and returns other text unchanged)."""


def recognise(
    found: str, value: str, token: str | None = None, password: str | None = None, username: str | None = None
) -> str | None:
    """Say how *found* came from *value*, several causes joined by " and ", or None when it did not.

    :param found: what the file holds, decoded.
    :param value: what the file should hold.
    :param token: the token in *value*, for fields that carry one; only tokens are looked for in damaged remains.
    :param password: the password that belongs to the token, which people mistake for it.
    :param username: the user name, likewise.

    The answer holds nothing of any of them.
    """
    if found == value:
        return None
    texts = list(_taken_back(found))
    # The surest explanation first: nothing was lost, then something else stands there, then remains.
    exact: list[Form] = [("", lambda text: text == value)]
    for how, matches in [*exact, *_swapped(token, password, username)]:
        for text, causes in texts:
            if matches(text):
                return " and ".join(([how] if how else []) + causes)
    for how, matches in _lost(token) if token else ():
        for text, causes in texts:
            if matches(text) or matches(_core(text)):
                return " and ".join([how, *causes])
    return None


def _core(text: str) -> str:
    """Return what stands where fields ``bearer`` and ``url`` have the token."""
    found = re.search(r"[?&]token=([^&#]*)", text)
    if found:
        return unquote(found.group(1))
    return text[len("Bearer ") :] if text[:7].lower() == "bearer " else text


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


def _swapped(token: str | None, password: str | None, username: str | None) -> Iterator[Form]:
    """Yield what was written in place of the value."""
    if token:
        yield "the bare token, without what belongs before it", token.__eq__
        yield "'Bearer ' before it", f"Bearer {token}".__eq__
        if password:
            yield "the password in place of the token", password.__eq__
            yield "'Bearer ' and the password in place of the token", f"Bearer {password}".__eq__
        if username:
            yield "the user name in place of the token", username.__eq__
        mark: str = fingerprint(token)
        yield "the fingerprint in place of the token", lambda text: text == mark


def _lost(token: str) -> Iterator[Form]:
    """Yield what cannot be taken back: its name and whether a text is the result."""
    yield "written twice", lambda text: re.sub(r"\s", "", text) == token * 2
    named = re.sub(r"\$[A-Za-z_][A-Za-z0-9_]*", "", token)
    if named != token:
        yield "what looks like a variable was dropped, as Compose does outside single quotes", named.__eq__
    every = re.sub(r"\$[A-Za-z0-9_]+", "", token)
    if len(every) >= _SHORTEST:
        yield "all that looks like a variable was dropped, as fish and Next.js do", every.__eq__

    salt = "$" + token[7:]
    # sh takes one digit as a parameter, zsh all of them; both drop a name.
    tails = {re.sub(pattern, "", salt) for pattern in (r"^\$[A-Za-z_][A-Za-z0-9_]*", r"^\$[0-9]", r"^\$[0-9]+")}
    tails.discard(salt)
    # A salt without "." and "/" may be dropped with all that follows: every text ends like that.
    tails = {tail for tail in tails if len(tail) >= _SHORTEST} or {salt}

    def by_shell(text: str) -> bool:
        return text[:1] == token[2] and any(text.endswith(tail) for tail in tails)

    def by_other_variable(text: str) -> bool:
        return text[:6] == token[:6] and any(text.endswith(tail) for tail in tails) and text != token

    yield "expanded by a shell, outside single quotes", by_shell
    yield "a variable's value in its middle", by_other_variable
    yield "each $ removed", token.replace("$", "").__eq__
    yield "another prefix, as htpasswd writes it", lambda text: text[:4] != token[:4] and text[4:] == token[4:]
    yield "in lower case", lambda text: text == token.lower() and text != token
    yield "cut off", lambda text: 20 <= len(text) < len(token) and token.startswith(text)
    yield "other text around it", lambda text: token in text and text != token
    yield "its beginning was changed", lambda text: text[-31:] == token[-31:] and text != token
