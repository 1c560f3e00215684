# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TOML; the value is named by a JSON Pointer such as ``/server/token``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    BOM,
    append_line,
    body_start,
    eol_of,
    line_of,
    pointer,
    refuse_control,
)

_EXAMPLE = "/server/token"
_BASIC = re.compile(r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\(?:["\\bfnrt]|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))*"')
_LITERAL = re.compile(r"'[^'\x00-\x08\x0a-\x1f\x7f]*'")
_LONG = re.compile(r'"""(?:[^\\]|\\[\s\S])*?"{3,5}|\'\'\'[\s\S]*?\'{3,5}')
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"(?:true|false|[+-]?(?:inf|nan|[0-9][A-Za-z0-9_.+:-]*)(?: [0-9][0-9:.Z+-]*)?)(?=[\s,\]}#]|\Z)")
_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_LINE_END = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?:\r?\n|\Z)")
_MAX_DEPTH = 50
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}

Path = tuple[str, ...]


@dataclass(frozen=True)
class _Value:
    path: Path
    start: int
    end: int
    kind: str
    """``string``, ``container`` or ``other``."""


@dataclass
class _Table:
    path: Path
    end: int
    """Where a further key of the table would go: the offset after its last line."""


@dataclass
class _Document:
    values: list[_Value] = field(default_factory=list)
    tables: list[_Table] = field(default_factory=list)


class Toml(Codec):
    """Replaces a one-line string, written as a basic string; adds a key to a table, and a table at the end."""

    name = "toml"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        pointer(key, _EXAMPLE)

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        wanted = tuple(pointer(key, _EXAMPLE))
        found = []
        for value in _Parser(text).document().values:
            if value.path == wanted:
                found.append(value)
            elif value.kind != "container" and wanted[: len(value.path)] == value.path:
                raise CodecError(
                    "unparsable", "the key goes through a value that is no table", line_of(text, value.start)
                )
        if len(found) > 1:
            where = " and ".join(str(line_of(text, value.start)) for value in found)
            raise CodecError(
                "duplicate_key",
                f"the key is set more than once (lines {where}); keep one",
                line_of(text, found[1].start),
            )
        if not found:
            return None
        line = line_of(text, found[0].start)
        if found[0].kind != "string":
            raise CodecError("unparsable", 'the value is no string on one line; make it "" first', line)
        return Span(found[0].start, found[0].end, line)

    def read(self, text: str, span: Span) -> str:
        return _unquoted(text[span.start : span.end])

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        return json.dumps(value, ensure_ascii=False)

    def add(self, text: str, key: str | None, value: str) -> str:
        *table, name = pointer(key, _EXAMPLE)
        document = _Parser(text).document()
        same = [one for one in document.tables if one.path == tuple(table)]
        line = f"{_name(name)} = {self.encode(value)}"
        if len(same) > 1:
            raise CodecError("missing_key", "the key's table stands more than once; add the key by hand")
        if same:
            at, eol = same[0].end, eol_of(text)
            if at == len(text):
                return append_line(text, line)
            return text[:at] + line + eol + text[at:]
        paths = [one.path for one in document.values] + [one.path for one in document.tables]
        if any(path[: len(table)] == tuple(table) for path in paths):
            raise CodecError("missing_key", "the key's table is spelled in another way; add the key by hand")
        header = "[" + ".".join(_name(one) for one in table) + "]"
        return append_line(append_line(text, header), line)

    def new_text(self, key: str | None, value: str) -> str:
        self.check_key(key)
        return self.checked(self.add("", key, value), key, value)


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _unquoted(spelling: str) -> str:
    if spelling[:1] == "'":
        return spelling[1:-1]

    def plain(found: re.Match[str]) -> str:
        code = found.group(1)
        if code[0] not in "uU":
            return _ESCAPES[code]
        number = int(code[1:], 16)
        if number > 0x10FFFF or 0xD800 <= number < 0xE000:
            raise CodecError("unparsable", "an escape in the value is no character; mend it")
        return chr(number)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", plain, spelling[1:-1])


class _Parser:
    """Paths and offsets of every value of a document; complains about what TOML does not allow."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = body_start(text)
        self.result = _Document(tables=[_Table((), self.position)])
        self.repeated: dict[Path, int] = {}

    def document(self) -> _Document:
        table = self.result.tables[0]
        while self.position < len(self.text):
            empty = _LINE_END.match(self.text, self.position)
            if empty:
                self.position = empty.end()
                continue
            start = self.position
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table.path, 0)
            end = _LINE_END.match(self.text, self.position)
            if not end or self.position == start:
                raise self._error("the line should end here")
            self.position = table.end = end.end()
        if self.text == BOM:
            table.end = len(self.text)
        return self.result

    def _error(self, message: str) -> CodecError:
        return CodecError("unparsable", f"{message}; mend the TOML", line_of(self.text, self.position))

    def _peek(self, character: str) -> bool:
        self._skip(_BLANK)
        return self.text.startswith(character, self.position)

    def _take(self, character: str) -> bool:
        if not self._peek(character):
            return False
        self.position += len(character)
        return True

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.position)
        self.position = found.end() if found else self.position

    def _header(self) -> _Table:
        self._take("[")
        # "[[" has no blank between; "[ [" is none.
        many = self.text.startswith("[", self.position)
        self.position += many
        names = self._names()
        if not self._take("]]" if many else "]"):
            raise self._error("a ']' was expected here")
        path = self._numbered(names[:-1]) + names[-1:]
        if many:
            self.repeated[path] = self.repeated.get(path, -1) + 1
            path = (*path, str(self.repeated[path]))
        else:
            path = self._numbered(names)
        table = _Table(path, self.position)
        self.result.tables.append(table)
        return table

    def _numbered(self, names: Path) -> Path:
        path: Path = ()
        for name in names:
            path = (*path, name)
            if path in self.repeated:
                path = (*path, str(self.repeated[path]))
        return path

    def _names(self) -> Path:
        names: list[str] = []
        while True:
            self._skip(_BLANK)
            bare = _BARE.match(self.text, self.position)
            quoted = _BASIC.match(self.text, self.position) or _LITERAL.match(self.text, self.position)
            found = bare or quoted
            if not found:
                raise self._error("a key was expected here")
            names.append(found.group(0) if bare else _unquoted(found.group(0)))
            self.position = found.end()
            if not self._take("."):
                return tuple(names)

    def _pair(self, path: Path, depth: int) -> None:
        names = self._names()
        if not self._take("="):
            raise self._error("a '=' was expected here")
        self._value((*path, *names), depth)

    def _value(self, path: Path, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise self._error("nested too deeply")
        self._skip(_BLANK)
        start = self.position
        kind = "other"
        if self.text.startswith(('"""', "'''"), start):
            self._match(_LONG)
        elif self.text[start : start + 1] in ('"', "'"):
            self._match(_BASIC if self.text[start] == '"' else _LITERAL)
            kind = "string"
        elif self._take("["):
            kind = "container"
            self._array(path, depth)
        elif self._take("{"):
            kind = "container"
            self._inline(path, depth)
        else:
            self._match(_SCALAR)
        self.result.values.append(_Value(path, start, self.position, kind))

    def _match(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.position)
        if not found:
            raise self._error("a value was expected here")
        self.position = found.end()

    def _array(self, path: Path, depth: int) -> None:
        index = 0
        self._skip(_GAP)
        while not self._take("]"):
            self._value((*path, str(index)), depth + 1)
            index += 1
            self._skip(_GAP)
            if not self._take(","):
                self._skip(_GAP)
                if not self._take("]"):
                    raise self._error("a comma or ']' was expected here")
                return
            self._skip(_GAP)

    def _inline(self, path: Path, depth: int) -> None:
        if self._take("}"):
            return
        while True:
            self._pair(path, depth + 1)
            if self._take("}"):
                return
            if not self._take(","):
                raise self._error("a comma or '}' was expected here")
