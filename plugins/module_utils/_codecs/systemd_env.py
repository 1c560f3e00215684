# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's ``EnvironmentFile=``, read with the rules of systemd's own parser. Nothing is expanded there."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    BOM,
    append_line,
    line_of,
    refuse_control,
)

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NEWLINE = "\r\n"
_BLANK = " \t"


class _Entry(NamedTuple):
    name: str
    line: int
    start: int
    end: int
    value: str


class SystemdEnv(Codec):
    """Written in single quotes; reads bare, quoted and mixed values as systemd does, comments at line starts only."""

    name = "systemd_env"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        if not _KEY.fullmatch(key or ""):
            raise CodecError("bad_key", "an environment variable is made of letters, digits and underscores")

    def locate(self, text: str, key: str | None) -> Span | None:
        entry = self._entry(text, key)
        return Span(entry.start, entry.end, entry.line) if entry else None

    def read(self, text: str, span: Span) -> str:
        for entry in _scan(text):
            if entry.start == span.start:
                return entry.value
        raise CodecError("missing_key", "the key is not in the file")

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if "'" in value:
            raise CodecError("unencodable", "the value holds a single quote; choose another value or another codec")
        return f"'{value}'"

    def add(self, text: str, key: str | None, value: str) -> str:
        return append_line(text, f"{key}={self.encode(value)}")

    def new_text(self, key: str | None, value: str) -> str:
        return self.checked(self.add("", key, value), key, value)

    def _entry(self, text: str, key: str | None) -> _Entry | None:
        self.check_key(key)
        found: list[_Entry] = []
        for entry in _scan(text):
            if entry.name == key:
                found.append(entry)
            elif entry.name.split()[-1:] == [key] and entry.name.split()[:1] == ["export"]:
                raise CodecError("unparsable", "systemd takes 'export' as part of the name; remove it", entry.line)
            elif entry.name == f"{BOM}{key}":
                raise CodecError("unparsable", "systemd takes the byte order mark as part of the name", entry.line)
        if len(found) > 1:
            where = " and ".join(str(entry.line) for entry in found)
            raise CodecError("duplicate_key", f"the key is set more than once (lines {where}); keep one", found[1].line)
        return found[0] if found else None


# One look at a file asks several times in a row.
@lru_cache(maxsize=1)
def _scan(text: str) -> list[_Entry]:
    """List the assignments of *text*, following the states of systemd's parser."""
    entries: list[_Entry] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character in _NEWLINE or character in _BLANK:
            position += 1
        elif character in "#;":
            position = _skip_comment(text, position)
        else:
            end = position
            while end < len(text) and text[end] != "=" and text[end] not in _NEWLINE:
                end += 1
            if text[end : end + 1] != "=":
                # A line without "=": systemd drops it.
                position = end
                continue
            name = text[position:end].rstrip(_BLANK)
            entry, position = _value(text, name, line_of(text, position), end + 1)
            entries.append(entry)
    return entries


def _skip_comment(text: str, position: int) -> int:
    start = position
    while position < len(text) and text[position] not in _NEWLINE:
        position += 1
    body = text[start:position]
    if (len(body) - len(body.rstrip("\\"))) % 2 and text[position:].strip():
        raise CodecError(
            "unparsable",
            "systemd's versions disagree about a comment that ends in a backslash; remove the backslash",
            line_of(text, start),
        )
    return position


def _value(text: str, name: str, line: int, equals: int) -> tuple[_Entry, int]:
    """Return the assignment whose value begins at *equals*, and where the parser goes on."""
    value: list[str] = []
    position = equals
    while text[position : position + 1] in tuple(_BLANK):
        position += 1
    start = end = position
    while position < len(text) and text[position] not in _NEWLINE:
        character = text[position]
        if character in "'\"":
            piece, position = _quoted(text, position)
            value.append(piece)
            end = position
        elif character in _BLANK:
            # Between a closing quote and what follows it, blanks are dropped.
            position += 1
        else:
            piece, position, end = _bare(text, position)
            value.append(piece)
            break
    if start == end:
        start = end = equals
    return _Entry(name, line, start, end, "".join(value)), position


def _quoted(text: str, start: int) -> tuple[str, int]:
    quote = text[start]
    value: list[str] = []
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == quote:
            return "".join(value), position + 1
        if character == "\\" and quote == '"':
            following = text[position + 1 : position + 2]
            # A backslash stays unless it protects one of these, or joins two lines.
            value.append("" if following == "\n" else following if following in '"\\`$' else "\\" + following)
            position += 2
        else:
            value.append(character)
            position += 1
    raise CodecError("unparsable", "the quote that opens here is not closed; close it", line_of(text, start))


def _bare(text: str, start: int) -> tuple[str, int, int]:
    """Return an unquoted value, where its line ends, and where the value itself ends."""
    value: list[str] = []
    position = end = start
    kept = 0
    while position < len(text) and text[position] not in _NEWLINE:
        if text[position] == "\\":
            following = text[position + 1 : position + 2]
            if not following or following == "\r":
                raise CodecError(
                    "unparsable", "a backslash ends the line; remove it or add quotes", line_of(text, position)
                )
            value.append("" if following == "\n" else following)
            position += 2
            kept, end = len(value), position
        else:
            value.append(text[position])
            if text[position] not in _BLANK:
                kept, end = len(value), position + 1
            position += 1
    return "".join(value[:kept]), position, end
