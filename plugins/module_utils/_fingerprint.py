# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints: the only form of a token that may be shown."""

from __future__ import annotations

import hashlib

_DOMAIN = b"genai.comfyui token v1\0"
_DIGITS = 12


def fingerprint(token: str) -> str:
    """Return the fingerprint of *token*: the first 12 hexadecimal digits of a domain-separated SHA-256.

    Safe to show without a key: a bcrypt hash holds a 128-bit salt and a 184-bit digest. Do not give it
    anything that people make up, such as a password. Raises nothing for any string.
    """
    return hashlib.sha256(_DOMAIN + token.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
