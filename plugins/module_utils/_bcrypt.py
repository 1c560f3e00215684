# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strict form of a bcrypt hash, which is what ComfyUI-Login takes as its token. Parsing only, no hashing."""

from __future__ import annotations

import re

TOKEN_LENGTH = 60
"""Characters in a token; all of them ASCII."""

TOKEN_PATTERN = r"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.26CGKOSWaeimquy]"  # noqa: S105
"""Regular expression of a token, without anchors: match the whole text with it, never with ``^…$``."""

_TOKEN = re.compile(TOKEN_PATTERN)


def is_token(text: object) -> bool:
    """Say whether *text* is a complete, canonical bcrypt hash: nothing before it, nothing after it.

    Anything that is not a string is not a token. Never raises.
    """
    # fullmatch, because "$" also matches before a final newline.
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None
