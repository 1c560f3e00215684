# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats with one value a line: between markers, htpasswd, and the maps of HAProxy and nginx."""

from __future__ import annotations

import re
from typing import ClassVar

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    Line,
    append_line,
    body_start,
    lines,
    only_one,
    refuse_control,
)

_MARKER = re.compile(r"[^\w]*\b(BEGIN|END) (.*?)[^\w]*\Z")


class MarkedLine(Codec):
    """The one line between a line that says ``BEGIN key`` and one that says ``END key``, in any kind of comment."""

    name = "line"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        if not re.fullmatch(r"\w(?:[\w .:/-]*\w)?", key or ""):
            raise CodecError("bad_key", "a key is the markers' text after BEGIN and END: letters, digits, blanks, .:/-")

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        every = lines(text, body_start(text))
        marks: dict[str, list[int]] = {"BEGIN": [], "END": []}
        for index, line in enumerate(every):
            found = _MARKER.fullmatch(text[line.start : line.end])
            if found and found.group(2) == key:
                marks[found.group(1)].append(index)
        begin, end = marks["BEGIN"], marks["END"]
        if not begin and not end:
            return None
        for which in (begin, end):
            only_one([every[index].number for index in which], "a marker stands")
        if not begin or not end or end[0] < begin[0]:
            raise CodecError(
                "unparsable", "one BEGIN and then one END marker are needed", every[(begin or end)[0]].number
            )
        if end[0] != begin[0] + 2:
            raise CodecError("unparsable", "exactly one line has to stand between the markers", every[begin[0]].number)
        line = every[begin[0] + 1]
        content = text[line.start : line.end]
        return Span(line.start + len(content) - len(content.lstrip(" \t")), line.end, line.number)

    def read(self, text: str, span: Span) -> str:
        return text[span.start : span.end]

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if value[:1] == " " or _MARKER.fullmatch(value):
            raise CodecError("unencodable", "a marked line cannot begin with a blank or look like a marker")
        return value

    def add(self, text: str, key: str | None, value: str) -> str:
        raise CodecError("missing_key", "the markers are not in the file; add a BEGIN and an END line")


class _Rows(Codec):
    """A base for files of rows; ``_row`` finds the value in one of them."""

    comments: ClassVar[str] = "#"

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        found = []
        for line in lines(text, body_start(text)):
            content = text[line.start : line.end]
            if content.strip() and content.lstrip()[0] not in self.comments:
                span = self._row(content, line, key or "")
                if span is not None:
                    found.append(span)
        only_one([span.line for span in found])
        if not found:
            return None
        self.read(text, found[0])
        return found[0]

    def _row(self, content: str, line: Line, key: str) -> Span | None:
        raise NotImplementedError

    def read(self, text: str, span: Span) -> str:
        return text[span.start : span.end]

    def new_text(self, key: str | None, value: str) -> str:
        self.check_key(key)
        return self.checked(self.add("", key, value), key, value)


class Htpasswd(_Rows):
    """Lines ``user:hash`` of Apache and nginx. Both take the token's form as it stands; the key is the user's name."""

    name = "htpasswd"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        if not re.fullmatch(r"[^\s:#][^:\x00-\x1f]*", key or ""):
            raise CodecError("bad_key", "a user name in htpasswd holds no colon and does not begin with #")

    def _row(self, content: str, line: Line, key: str) -> Span | None:
        name, colon, rest = content.partition(":")
        if name != key:
            return None
        if not colon:
            raise CodecError("unparsable", "the name stands without ':' and a hash", line.number)
        start = line.start + len(name) + 1
        # What follows a second colon is a comment to nginx.
        return Span(start, start + len(rest.split(":")[0]), line.number)

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if not re.fullmatch(r"\$[^\s:]+", value):
            raise CodecError("unencodable", "htpasswd holds a hash; use field token")
        return value

    def add(self, text: str, key: str | None, value: str) -> str:
        return append_line(text, f"{key}:{self.encode(value)}")


class HaproxyMap(_Rows):
    """Rows ``token name`` of a file for HAProxy's ``map_str`` or ``-f``; the key is the name in the second column."""

    name = "haproxy_map"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        if not re.fullmatch(r"[^\s#]\S*(?: \S+)*", key or ""):
            raise CodecError("bad_key", "the key is the text of the map's second column")

    def _row(self, content: str, line: Line, key: str) -> Span | None:
        found = re.fullmatch(r"[ \t]*(\S+)[ \t]+(.*?)\s*", content)
        if not found or found.group(2) != key:
            return None
        return Span(line.start + found.start(1), line.start + found.end(1), line.number)

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if not re.fullmatch(r"[^\s#]\S*", value):
            raise CodecError("unencodable", "the first column of a HAProxy map is one word; use field token")
        return value

    def add(self, text: str, key: str | None, value: str) -> str:
        return append_line(text, f"{self.encode(value)} {key}")


class NginxMap(_Rows):
    """Rows ``"~^token$" name;`` that an nginx ``map`` includes; the key is the name. Plain keys would ignore case."""

    name = "nginx_map"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        if not re.fullmatch(r"[A-Za-z0-9_.@-]+", key or ""):
            raise CodecError("bad_key", "the key is the word in the map's second column")

    def _row(self, content: str, line: Line, key: str) -> Span | None:
        if re.fullmatch(r"[ \t]*(?:hostnames|volatile)[ \t]*;[ \t]*(?:#.*)?", content):
            return None
        found = re.fullmatch(
            r"""[ \t]*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s"'#;]+)[ \t]+([^;]*?)[ \t]*;[ \t]*(?:#.*)?""", content
        )
        if not found:
            raise CodecError("unparsable", "this is no row of one line, with quotes where needed and ';'", line.number)
        if found.group(2).strip("\"'") != key:
            return None
        return Span(line.start + found.start(1), line.start + found.end(1), line.number)

    def read(self, text: str, span: Span) -> str:
        spelling = text[span.start : span.end].strip("\"'")
        if not spelling.startswith("~"):
            return spelling
        inner = re.fullmatch(r"~\^((?:[^\\]|\\.)*?)\$", spelling)
        if not inner or re.search(r"[.*+?()\[\]{}|^$]|\\[A-Za-z0-9]", re.sub(r"\\[^A-Za-z0-9]", "", inner.group(1))):
            raise CodecError("unparsable", "only an expression that stands for one text is understood", span.line)
        return re.sub(r"\\(.)", r"\1", inner.group(1))

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None or text[span.start : span.end].lstrip("\"'").startswith("~"):
            return None
        return "nginx does not tell upper from lower case in such a key"

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if not re.fullmatch(r"[ -~]+", value) or re.search(r"[\"'\\]", value):
            raise CodecError("unencodable", "only ASCII without quotes and backslashes has a sure spelling for nginx")
        return '"~^' + re.sub(r"([^A-Za-z0-9 _:=@/-])", r"\\\1", value) + '$"'

    def add(self, text: str, key: str | None, value: str) -> str:
        return append_line(text, f"{self.encode(value)} {key};")
