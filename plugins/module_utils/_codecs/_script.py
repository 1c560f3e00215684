# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the codecs of shells share: assignments among other commands, and when one of them may be edited."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    BOM,
    REFERENCE,
    append_line,
    check_name,
    is_reference,
    only_one,
)

NOT_PLAIN = "it is set in a way that is not understood; set it once, in a line of its own"


class Setting(NamedTuple):
    """One place that sets a variable; ``text[start:end]`` is the value's spelling."""

    name: str
    line: int
    start: int
    end: int
    odd: str = ""
    """Why it cannot be edited or relied on; empty where it can."""


class Script(Codec):
    """A base for codecs whose files are programs. A variable is edited where one plain statement sets it."""

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        check_name(key)

    def settings(self, text: str, key: str) -> list[Setting]:
        """List what sets *key*; raise ``unparsable`` where the text is not understood."""
        raise NotImplementedError

    def statement(self, key: str, value: str) -> str:
        """Return a line that sets *key*."""
        raise NotImplementedError

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        found = self.settings(text, key or "")
        only_one([one.line for one in found if not one.odd])
        for one in found:
            if one.odd:
                raise CodecError("unparsable", one.odd, one.line)
        if not found:
            return None
        if found[0].line == 1 and text.startswith(BOM) and self.name != "powershell":
            raise CodecError("unparsable", "a byte order mark stands in the key's line; save the file without it", 1)
        spelling = text[found[0].start : found[0].end]
        if is_reference(spelling[1:-1] if spelling[:1] == '"' else spelling):
            raise CodecError("unparsable", REFERENCE, found[0].line)
        return Span(found[0].start, found[0].end, found[0].line)

    def add(self, text: str, key: str | None, value: str) -> str:
        return append_line(text, self.statement(key or "", value))

    def new_text(self, key: str | None, value: str) -> str:
        self.check_key(key)
        return self.checked(self.statement(key or "", value) + "\n", key, value)
