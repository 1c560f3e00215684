# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``.env`` files, written in single quotes: what Compose, sh, systemd, python-dotenv and Node read alike."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    BOM,
    append_line,
    body_start,
    line_of,
    refuse_control,
)

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SKIP = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|\r?\Z)")
_NAME_ONLY = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*(?:\r?\n|\r?\Z)")
_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*=")
_AFTER_QUOTE = re.compile(r"[ \t]+#[^\n]*|[ \t]*")
# What every reader takes as it stands: no quotes, expansions, globs or comments.
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")


class _Entry(NamedTuple):
    name: str
    line: int
    start: int
    end: int
    tail: bool
    """Text that is no comment follows the closing quote."""
    continued: bool
    """A backslash ends the line: sh goes on reading, the others do not."""


class Dotenv(Codec):
    """Dialect with single quotes. Reads bare, single and double quoted values and ``export``.

    A value that the readers of such files do not agree about (``$`` outside single quotes, for one) is read
    literally and reported by :meth:`doubt`.
    """

    name = "dotenv"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        if not _KEY.fullmatch(key or ""):
            raise CodecError("bad_key", "a dotenv key is made of letters, digits and underscores; change the key")

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        entries = _scan(text, key or "")
        found = [index for index, entry in enumerate(entries) if entry.name == key]
        if len(found) > 1:
            where = " and ".join(str(entries[index].line) for index in found)
            raise CodecError(
                "duplicate_key", f"the key is set more than once (lines {where}); keep one", entries[found[1]].line
            )
        before = (found[0] if found else len(entries)) - 1
        if before >= 0 and entries[before].continued:
            raise CodecError(
                "unparsable",
                "a backslash at the line's end makes sh take the next line as part of it; remove it or add quotes",
                entries[before].line,
            )
        if not found:
            return None
        entry = entries[found[0]]
        if entry.tail:
            raise CodecError("unparsable", "text follows the closing quote; remove it or quote it all", entry.line)
        return Span(entry.start, entry.end, entry.line)

    def read(self, text: str, span: Span) -> str:
        spelling = text[span.start : span.end]
        if spelling[:1] == "'":
            return spelling[1:-1]
        if spelling[:1] == '"':
            return re.sub(r'\\(["\\$`])', r"\1", spelling[1:-1])
        return spelling

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None:
            return None
        spelling = text[span.start : span.end]
        if spelling[:1] == "'":
            if "\n" in spelling or "\\\\" in spelling or "${" in spelling:
                return "readers of .env files disagree about this value even in single quotes"
            return None
        if spelling[:1] == '"':
            if re.search(r"[\\$`\n]", spelling):
                return "in double quotes Compose and shells change this value"
            return None
        return None if _PLAIN.fullmatch(spelling) else "without quotes Compose and shells change this value"

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if "'" in value or "\\\\" in value or "${" in value or value.endswith("\\"):
            raise CodecError(
                "unencodable",
                "no spelling of this value is read alike by all readers of .env files: it holds ', ${, \\\\ "
                "or a final backslash; choose another value or another codec",
            )
        return f"'{value}'"

    def add(self, text: str, key: str | None, value: str) -> str:
        return append_line(text, f"{key}={self.encode(value)}")

    def new_text(self, key: str | None, value: str) -> str:
        return self.checked(self.add("", key, value), key, value)


# One look at a file asks several times in a row.
@lru_cache(maxsize=1)
def _scan(text: str, key: str) -> list[_Entry]:
    """List the assignments of *text*; refuse any line that is none, and no blank, comment or name alone."""
    entries: list[_Entry] = []
    position = body_start(text)
    while position < len(text):
        skipped = _SKIP.match(text, position)
        if skipped:
            position = skipped.end()
            continue
        line = line_of(text, position)
        alone = _NAME_ONLY.match(text, position)
        if alone:
            if alone.group(1) == key:
                raise CodecError("unparsable", "the key stands without '=' and a value; complete or remove it", line)
            position = alone.end()
            continue
        assignment = _ASSIGNMENT.match(text, position)
        if not assignment:
            raise CodecError("unparsable", "this is no KEY=value, comment or blank line; mend or remove it", line)
        if assignment.group(1) == key and position == 1 and text.startswith(BOM):
            raise CodecError(
                "unparsable", "a byte order mark stands before the key, and many readers take it as part of it", line
            )
        entry, position = _value(text, assignment.group(1), line, assignment.end())
        entries.append(entry)
    return entries


def _value(text: str, name: str, line: int, equals: int) -> tuple[_Entry, int]:
    """Return the assignment whose value begins at *equals*, and the offset of the line after it."""
    start = equals
    while text[start : start + 1] in (" ", "\t"):
        start += 1
    quote = text[start : start + 1]
    tail = continued = False
    if quote and quote in "'\"":
        end = _closing(text, start, quote, line) + 1
        after = _AFTER_QUOTE.match(text, end)
        rest_start = after.end() if after else end
        newline, following = _line_end(text, rest_start)
        rest = text[rest_start:newline]
        tail = bool(rest.strip())
        if tail and re.search(r"['\"`\\]", rest):
            raise CodecError("unparsable", "quotes after the closing quote are not understood; quote once", line)
    else:
        newline, following = _line_end(text, start)
        content = text[start:newline]
        comment = re.search(r"[ \t]#", text[equals:newline])
        if comment:
            content = text[start : max(start, equals + comment.start())]
        content = content.rstrip(" \t")
        # An empty value's place is right after "=", so that a comment keeps its blank.
        start, end = (start, start + len(content)) if content else (equals, equals)
        continued = (len(content) - len(content.rstrip("\\"))) % 2 == 1
    return _Entry(name, line, start, end, tail, continued), following


def _closing(text: str, start: int, quote: str, line: int) -> int:
    """Return the offset of the quote that closes the one at *start*."""
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == quote:
            return position
        if character == "\\":
            if quote == "'" and text[position + 1 : position + 2] == "'":
                raise CodecError(
                    "unparsable", "a backslash before a single quote is read in two ways; change the value", line
                )
            position += 1 if quote == "'" else 2
        else:
            position += 1
    raise CodecError("unparsable", "the quote that opens here is not closed; close it", line)


def _line_end(text: str, start: int) -> tuple[int, int]:
    """Return where the content of the line around *start* ends, and where the next line begins."""
    newline = text.find("\n", start)
    if newline < 0:
        return len(text), len(text)
    return (newline - 1 if newline > start and text[newline - 1] == "\r" else newline), newline + 1
