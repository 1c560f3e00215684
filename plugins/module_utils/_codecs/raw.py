# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole file is the value, as Compose secrets and ``LoadCredential=`` read it. One final LF is tolerated."""

from __future__ import annotations

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import refuse_control


class Raw(Codec):
    """Replaces everything but a final LF. A file with several lines is somebody else's and refused."""

    name = "raw"
    needs_key = False

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        end = len(text) - 1 if text.endswith("\n") else len(text)
        if text[:end].rstrip().count("\n"):
            raise CodecError(
                "unparsable", "the file has more lines, and codec raw owns the whole file; check path and codec", 2
            )
        return Span(0, end, 1) if text else None

    def read(self, text: str, span: Span) -> str:
        return text[span.start : span.end]

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        return value

    def add(self, text: str, key: str | None, value: str) -> str:
        return self.encode(value)

    def new_text(self, key: str | None, value: str) -> str:
        return self.checked(self.encode(value), key, value)
