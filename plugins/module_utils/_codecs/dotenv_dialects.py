# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dialects of ``.env`` files that other readers than those of codec ``dotenv`` want."""

from __future__ import annotations

import re

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    BOM,
    REFERENCE,
    append_line,
    check_name,
    is_reference,
    lines,
    only_one,
    refuse_control,
)
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.dotenv import Dotenv

_EXPANDED = re.compile(r"(?<!\\)\$")


class DotenvRaw(Codec):
    """``docker run --env-file`` and Compose's ``format: raw``: what follows ``=`` is the value, quotes and all."""

    name = "dotenv_raw"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        check_name(key)

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        found: list[Span] = []
        for line in lines(text):
            content = text[line.start : line.end]
            name, equals, _value = content.lstrip(BOM if line.number == 1 else "").lstrip().partition("=")
            if name.startswith("#") or not (name or equals):
                continue
            if name == key and not equals:
                raise CodecError(
                    "unparsable", "the key stands without '=' and a value; complete or remove it", line.number
                )
            if not name or re.search(r"\s", name):
                raise CodecError(
                    "unparsable", "docker refuses a name that is empty or holds blanks; mend the line", line.number
                )
            if name == key:
                found.append(Span(line.start + content.index("=") + 1, line.end, line.number))
        only_one([span.line for span in found])
        return found[0] if found else None

    def read(self, text: str, span: Span) -> str:
        return text[span.start : span.end]

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        return value

    def add(self, text: str, key: str | None, value: str) -> str:
        return append_line(text, f"{key}={self.encode(value)}")

    def new_text(self, key: str | None, value: str) -> str:
        return self.checked(self.add("", key, value), key, value)


class DotenvExpand(Dotenv):
    r"""dotenv-expand and what is built on it (Next.js, Vite): written as ``"\$..."``, for they expand in any quotes."""

    name = "dotenv_expand"

    def locate(self, text: str, key: str | None) -> Span | None:
        span = super().locate(text, key)
        if span is not None and is_reference(text[span.start : span.end].strip("'\"")):
            raise CodecError("unparsable", REFERENCE, span.line)
        return span

    def read(self, text: str, span: Span) -> str:
        spelling = text[span.start : span.end]
        if spelling[:1] and spelling[0] in "'\"":
            spelling = spelling[1:-1]
        return spelling.replace("\\$", "$")

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None:
            return None
        spelling = text[span.start : span.end]
        if _EXPANDED.search(spelling):
            return "dotenv-expand and Next.js take each $ without a backslash for a variable, in any quotes"
        inner = spelling[1:-1] if spelling[:1] and spelling[0] in "'\"" else spelling
        if re.search(r"[\\`\n]", inner.replace("\\$", "")) or ("#" in inner and inner == spelling):
            return "readers of .env files disagree about this value"
        if inner == spelling and "\\" in inner:
            return "without quotes shells and dotenv-expand disagree about the backslashes"
        return None

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if re.search(r'["\\`]|\$\{', value):
            raise CodecError(
                "unencodable", 'dotenv-expand has no sure spelling for ", \\, ` and ${; choose another value or codec'
            )
        return '"' + value.replace("$", "\\$") + '"'


class ComposeEnv(Dotenv):
    """A ``.env`` or ``env_file`` that only Compose 2 and newer reads: it also folds ``$$`` outside ``'...'``."""

    name = "compose_env"

    def locate(self, text: str, key: str | None) -> Span | None:
        span = super().locate(text, key)
        if span is not None and is_reference(text[span.start : span.end].strip('"')):
            raise CodecError("unparsable", REFERENCE, span.line)
        return span

    def read(self, text: str, span: Span) -> str:
        spelling = text[span.start : span.end]
        if spelling[:1] == "'":
            return spelling[1:-1]
        if spelling[:1] == '"':
            return re.sub(r"\\([\"\\$])|\$\$", lambda found: found.group(1) or "$", spelling[1:-1])
        return spelling.replace("$$", "$")

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None:
            return None
        spelling = text[span.start : span.end]
        if spelling[:1] == "'":
            return "Compose reads this value in another way" if re.search(r"[\\\n]", spelling) else None
        inner = spelling[1:-1] if spelling[:1] == '"' else spelling
        rest = re.sub(r"\\\$" if inner != spelling else r"(?!)", "", inner).replace("$$", "")
        if "$" in rest:
            return "without single quotes Compose takes what follows $ for a variable"
        return "Compose reads this value in another way" if re.search(r"[\\\n'\"`]", rest) else None
