# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""curl's ``-K`` files and ``netrc``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    append_line,
    body_start,
    lines,
    only_one,
    refuse_control,
)

_OPTION = re.compile(r"[ \t]*(?:--)?([a-z][a-z0-9.-]*|-H)(?:[ \t]*[=:][ \t]*|[ \t]+|\Z)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_HEADER = re.compile(r"([!#$%&'*+.^_|~0-9A-Za-z-]+)[ \t]*:[ \t]*")
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "v": "\v"}


class CurlConfig(Codec):
    """The key is a long option such as ``oauth2-bearer``, or ``header:NAME`` for the value of one request header."""

    name = "curl_config"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        if not re.fullmatch(r"[a-z][a-z0-9.-]*|header:[!#$%&'*+.^_|~0-9A-Za-z-]+", key or "") or key == "header":
            raise CodecError("bad_key", "a curl key is an option such as oauth2-bearer, or header:Authorization")

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        option, _colon, header = (key or "").partition(":")
        found = [span for span in _options(text, option) if not header or self._is_header(text, span, header)]
        only_one([span.line for span in found])
        if not found or not header:
            return found[0] if found else None
        span = found[0]
        spelling = text[span.start : span.end]
        if span.context:
            # curl makes of a bare header its first word, which has no value.
            end = span.start + len(spelling.rstrip())
            return Span(span.start, end, span.line, header + ":")
        name = _HEADER.match(spelling, 1)
        start = span.start + (name.end() if name else 1)
        if "\\" in text[span.start : start]:
            raise CodecError("unparsable", "escapes in a header's name are not understood; remove them", span.line)
        return Span(start, span.end - 1, span.line, '"')

    def read(self, text: str, span: Span) -> str:
        spelling = text[span.start : span.end]
        if span.context == '"':
            return _unescaped(spelling)
        if span.context.endswith(":"):
            return spelling
        return spelling if span.context or not spelling else _unescaped(spelling[1:-1])

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is not None and span.context.endswith(":"):
            return "without double quotes curl loses the header's value"
        if span is not None and span.context == "bare" and re.search(r"['\\]|\s", text[span.start : span.end]):
            return "without double quotes curl takes the first word, quotes and all"
        return None

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def spell(self, value: str, span: Span) -> str:
        if span.context == '"':
            return self.encode(value)[1:-1]
        if span.context.endswith(":"):
            return self.encode(f"{span.context} {value}")
        return self.encode(value)

    def add(self, text: str, key: str | None, value: str) -> str:
        option, _colon, header = (key or "").partition(":")
        return append_line(text, f"{option} = {self.encode(f'{header}: {value}' if header else value)}")

    def new_text(self, key: str | None, value: str) -> str:
        return self.checked(self.add("", key, value), key, value)

    @staticmethod
    def _is_header(text: str, span: Span, header: str) -> bool:
        name = _HEADER.match(text[span.start : span.end].lstrip("\"'"))
        return name is not None and name.group(1).lower() == header.lower()


def _options(text: str, wanted: str) -> list[Span]:
    found: list[Span] = []
    for line in lines(text, body_start(text)):
        content = text[line.start : line.end]
        if not content.strip() or content.lstrip()[0] in "#/*":
            continue
        option = _OPTION.match(content)
        name = "header" if option and option.group(1) == "-H" else option.group(1) if option else None
        if not option or name != wanted:
            continue
        start = option.end()
        if content[start : start + 1] != '"':
            end = len(content.rstrip())
            comment = re.search(r"\s#", content[start:])
            end = start + len(content[start : start + comment.start()].rstrip()) if comment else max(start, end)
            found.append(Span(line.start + start, line.start + end, line.number, "bare"))
            continue
        quoted = _QUOTED.match(content, start)
        if not quoted:
            raise CodecError("unparsable", "the quote that opens here is not closed; close it", line.number)
        rest = content[quoted.end() :].strip()
        if rest and not rest.startswith("#"):
            raise CodecError("unparsable", "text follows the closing quote; remove it", line.number)
        found.append(Span(line.start + start, line.start + quoted.end(), line.number))
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(1)), text)


_WORD = re.compile(r'"(?:[^"\\\n]|\\.)*"|[^\s"]\S*')
_BREAKING = re.compile(r"[\s\"'\\#]")


@dataclass
class _Entry:
    host: str
    line: int
    end: int
    fields: dict[str, Span]


class Netrc(Codec):
    """The key is ``HOST`` for its password, or ``HOST/login`` or ``HOST/account``. Written bare."""

    name = "netrc"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        host, slash, field = (key or "").partition("/")
        if not host or re.search(r'[\s"]', host) or (slash and field not in ("login", "password", "account")):
            raise CodecError("bad_key", "a netrc key is HOST, HOST/login, HOST/password or HOST/account")

    def locate(self, text: str, key: str | None) -> Span | None:
        entry = self._entry(text, key)
        return entry.fields.get((key or "").partition("/")[2] or "password") if entry else None

    def read(self, text: str, span: Span) -> str:
        return _plain(text[span.start : span.end])

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None or not _BREAKING.search(text[span.start : span.end]):
            return None
        return "readers of netrc disagree about quotes, backslashes and #"

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if not value or _BREAKING.search(value):
            raise CodecError("unencodable", "netrc cannot hold blanks, quotes, backslashes or # for sure")
        return value

    def add(self, text: str, key: str | None, value: str) -> str:
        entry = self._entry(text, key)
        if entry is None:
            raise CodecError("missing_key", "there is no such machine; add 'machine HOST login NAME' first")
        field = (key or "").partition("/")[2] or "password"
        return text[: entry.end] + f" {field} {self.encode(value)}" + text[entry.end :]

    def _entry(self, text: str, key: str | None) -> _Entry | None:
        self.check_key(key)
        found = [one for one in _entries(text) if one.host == (key or "").partition("/")[0]]
        only_one([one.line for one in found], "the machine stands")
        return found[0] if found else None


def _plain(word: str) -> str:
    return _unescaped(word[1:-1]) if word[:1] == '"' else word


def _entries(text: str) -> list[_Entry]:
    entries: list[_Entry] = []
    macro = False
    wants: str | None = None
    for line in lines(text, body_start(text)):
        content = text[line.start : line.end]
        if macro:
            macro = bool(content.strip())
            continue
        if wants is None and content.lstrip().startswith("#"):
            continue
        position = 0
        for found in _WORD.finditer(content):
            if content[position : found.start()].strip() or (position and position == found.start()):
                raise CodecError("unparsable", "quotes that are not understood; mend the line", line.number)
            position = found.end()
            word, span = found.group(0), Span(line.start + found.start(), line.start + found.end(), line.number)
            if wants == "machine":
                entries.append(_Entry(_plain(word), line.number, span.end, {}))
            elif wants == "macdef":
                macro = True
            elif wants is not None:
                if wants in entries[-1].fields:
                    raise CodecError("duplicate_key", f"a machine has two fields {wants}; keep one", line.number)
                entries[-1].fields[wants] = span
                entries[-1].end = span.end
            elif word == "default":
                entries.append(_Entry(word, line.number, span.end, {}))
                continue
            elif word in ("machine", "macdef") or (word in ("login", "password", "account") and entries):
                wants = word
                continue
            else:
                raise CodecError("unparsable", "machine, default, login, password or account was expected", line.number)
            wants = None
        if content[position:].strip():
            raise CodecError("unparsable", "a quote is not closed; close it", line.number)
    return entries
