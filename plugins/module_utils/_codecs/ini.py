# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""INI files as Python's configparser reads them; the key is ``/section/key``, or ``/key`` before any section."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    REFERENCE,
    append_line,
    body_start,
    eol_of,
    is_reference,
    lines,
    only_one,
    pointer,
    refuse_control,
)

_EXAMPLE = "/section/key"
_SECTION = re.compile(r"\[(.+)\]")
_OPTION = re.compile(r"([^=:]*?)[ \t]*[=:][ \t]*")


@dataclass
class _Option:
    section: str | None
    name: str
    span: Span
    continued: bool = False
    alone: bool = False


class Ini(Codec):
    """Written bare, for quotes would be part of the value. ``%`` is refused: readers disagree about it."""

    name = "ini"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        names = pointer(key, _EXAMPLE)
        if len(names) > 2 or not all(names) or re.search(r"[=:\r\n]|^[#;\[]|^\s|\s$", names[-1]):
            raise CodecError("bad_key", "an INI key is /section/key, or /key for one before any section")

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        section, name = self._wanted(key)
        # configparser does not tell upper from lower case in keys; sections it does.
        found = [one for one in _scan(text)[0] if one.section == section and one.name.lower() == name.lower()]
        only_one([one.span.line for one in found])
        if not found:
            return None
        if found[0].alone:
            raise CodecError("unparsable", "the key stands without '='; complete or remove it", found[0].span.line)
        if found[0].continued:
            raise CodecError("unparsable", "the value goes on in the next line; put it on one", found[0].span.line)
        return found[0].span

    def read(self, text: str, span: Span) -> str:
        return text[span.start : span.end]

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None:
            return None
        spelling = text[span.start : span.end]
        if "%" in spelling:
            return "readers of INI files disagree about %"
        return "readers of INI files disagree about a comment after the value" if _commented(spelling) else None

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if not value or value != value.strip() or "%" in value or _commented(value):
            raise CodecError(
                "unencodable", "INI cannot hold an empty value, blanks around it, '%', or ' #' and ' ;' for sure"
            )
        return value

    def add(self, text: str, key: str | None, value: str) -> str:
        section, name = self._wanted(key)
        options, ends = _scan(text)
        line = f"{name} = {self.encode(value)}"
        if section in ends:
            at = ends[section]
            if at == len(text):
                return append_line(text, line)
            return text[:at] + line + eol_of(text) + text[at:]
        if section is None:
            if options or ends:
                raise CodecError("missing_key", "the file begins with a section; add the key by hand")
            return append_line(text, line)
        return append_line(append_line(text, f"[{section}]"), line)

    def new_text(self, key: str | None, value: str) -> str:
        self.check_key(key)
        return self.checked(self.add("", key, value), key, value)

    @staticmethod
    def _wanted(key: str | None) -> tuple[str | None, str]:
        names = pointer(key, _EXAMPLE)
        return (names[0] if len(names) == 2 else None), names[-1]


class IniExtended(Ini):
    """For a reader with ExtendedInterpolation, which folds ``$$`` and expands ``${...}``."""

    name = "ini_extended"

    def locate(self, text: str, key: str | None) -> Span | None:
        span = super().locate(text, key)
        if span is not None and is_reference(text[span.start : span.end]):
            raise CodecError("unparsable", REFERENCE, span.line)
        return span

    def read(self, text: str, span: Span) -> str:
        return text[span.start : span.end].replace("$$", "$")

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None:
            return None
        spelling = text[span.start : span.end]
        if "$" in spelling.replace("$$", ""):
            return "ExtendedInterpolation refuses or expands a single $"
        return "readers of INI files disagree about a comment after the value" if _commented(spelling) else None

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if not value or value != value.strip() or _commented(value):
            raise CodecError("unencodable", "INI cannot hold an empty value, blanks around it, or ' #' and ' ;'")
        return value.replace("$", "$$")


def _commented(value: str) -> bool:
    return bool(re.search(r"(?:^|\s)[#;]", value))


def _scan(text: str) -> tuple[list[_Option], dict[str | None, int]]:
    """List the options, and for each section (None: before any) where a further line of it would go."""
    options: list[_Option] = []
    ends: dict[str | None, int] = {}
    section: str | None = None
    level = 0
    for line in lines(text, body_start(text)):
        content = text[line.start : line.end]
        after = line.end + len(line.eol)
        bare = content.strip()
        if not bare or bare[0] in "#;":
            continue
        indent = len(content) - len(content.lstrip())
        if options and options[-1].section == section and indent > level:
            options[-1].continued = True
            ends[section] = after
            continue
        level = indent
        header = _SECTION.match(bare)
        if header:
            section = header.group(1)
            if section in ends:
                raise CodecError("duplicate_key", "a section stands more than once; join them", line.number)
            ends[section] = after
            continue
        found = _OPTION.match(text, line.start + indent, line.end)
        if found:
            start = found.end()
            spelling = text[start : line.end].rstrip()
            options.append(_Option(section, found.group(1), Span(start, start + len(spelling), line.number)))
        else:
            # A name alone: a key without a value, for readers that allow it.
            options.append(_Option(section, bare, Span(line.end, line.end, line.number), alone=True))
        ends[section] = after
    return options, ends
