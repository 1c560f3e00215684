# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers for codecs: exact text, lines with offsets, line endings, byte order marks."""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError

BOM = "\ufeff"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Line(NamedTuple):
    """One line: ``text[start:end]`` is its content, ``eol`` its ending ("", LF or CRLF), ``number`` counts from 1."""

    number: int
    start: int
    end: int
    eol: str


def to_text(data: bytes) -> str:
    """Return *data* as text that :func:`to_bytes` turns back into exactly the same bytes.

    Raises ``not_text`` naming the line for anything that is not UTF-8, and for NUL (which UTF-16 files hold).
    """
    mend = "save the file as UTF-8"
    nul = data.find(b"\0")
    if nul >= 0:
        raise CodecError("not_text", f"a NUL byte; {mend}", data.count(b"\n", 0, nul) + 1)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise CodecError("not_text", f"bytes that are not UTF-8; {mend}", data.count(b"\n", 0, exc.start) + 1) from None


def to_bytes(text: str) -> bytes:
    """Return the bytes of *text*, or raise ``unencodable`` when it holds lone surrogates."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise CodecError("unencodable", "the value is not valid Unicode") from None


def body_start(text: str) -> int:
    """Return the offset after a byte order mark: 1 or 0."""
    return 1 if text.startswith(BOM) else 0


def lines(text: str, start: int = 0) -> list[Line]:
    """Split *text* from offset *start* (a line's beginning) at LF and CRLF only: nothing else ends a line."""
    found: list[Line] = []
    number = text.count("\n", 0, start) + 1
    while start < len(text):
        newline = text.find("\n", start)
        if newline < 0:
            found.append(Line(number, start, len(text), ""))
            break
        end, eol = (newline - 1, "\r\n") if text[start:newline].endswith("\r") else (newline, "\n")
        found.append(Line(number, start, end, eol))
        start, number = newline + 1, number + 1
    return found


def line_of(text: str, offset: int) -> int:
    """Return the number, from 1, of the line that holds *offset*."""
    return text.count("\n", 0, offset) + 1


def eol_of(text: str) -> str:
    """Return the file's line ending: the one of its last complete line, LF where there is none."""
    last = text.rfind("\n")
    return "\r\n" if last > 0 and text[last - 1] == "\r" else "\n"


def append_line(text: str, content: str) -> str:
    """Return *text* with one more line, in the file's own style: a missing final newline stays missing."""
    eol = eol_of(text)
    if not text:
        return content + eol
    if text == BOM:
        # On the mark's own line the mark would become part of the name.
        return text + eol + content + eol
    return text + content + eol if text.endswith("\n") else text + eol + content


def refuse_control(value: str, codec: str) -> None:
    """Raise ``unencodable`` for line breaks, NUL and other control characters, which few formats can spell."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise CodecError("unencodable", f"the value holds a control character, which codec {codec} cannot spell")


def check_name(key: str | None) -> None:
    """Raise ``bad_key`` unless *key* is the name of an environment variable."""
    if not NAME.fullmatch(key or ""):
        raise CodecError("bad_key", "a variable's name is made of letters, digits and underscores; change the key")


def only_one(found: list[int], what: str = "the key is set") -> None:
    """Raise ``duplicate_key`` when *found*, line numbers, has more than one."""
    if len(found) > 1:
        where = " and ".join(str(number) for number in found)
        raise CodecError("duplicate_key", f"{what} more than once (lines {where}); keep one", found[1])


def pointer(key: str | None, example: str) -> list[str]:
    """Return the names in a JSON Pointer (RFC 6901), or raise ``bad_key``."""
    if not (key or "").startswith("/") or re.search(r"~(?![01])", key or ""):
        raise CodecError("bad_key", f"the key is a JSON pointer such as {example}; it begins with '/'")
    return [name.replace("~1", "/").replace("~0", "~") for name in (key or "").split("/")[1:]]


def is_reference(spelling: str) -> bool:
    """Whether *spelling* is nothing but one reference to a variable or to a command's output."""
    return bool(re.fullmatch(r"\$(?:\{[^{}$]*\}|[A-Za-z_][A-Za-z0-9_]*|\((?!\().*\))|`[^`]*`", spelling, re.S))


REFERENCE = "the value is taken from somewhere else; declare that place as the consumer, or write a value here first"
