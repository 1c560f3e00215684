# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login node's session key file: what a sound record is, and a new one.

Private to the collection. Standard library only. The key encrypts browser sessions; whoever has it can make one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from datetime import datetime, timedelta

RECORD = re.compile(rb"([A-Za-z0-9_-]{43}=),([0-9T:.-]{10,32})")
NEVER_RENEWED = "9999-12-31T00:00:00"
"""The node renews a key older than 30 days at its start, in a directory it cannot write; a time to come stops that."""
AGE_LIMIT = timedelta(days=30)


def flaw(data: bytes | None, now: datetime) -> str | None:
    """Say why the node would not take this content as it is for a day to come, or None when it would.

    :param data: the file's bytes, None when there is no file.
    :param now: local time without a zone, as the node compares.
    """
    if data is None:
        return "there is none"
    if not data.strip():
        return "it is empty"
    match = RECORD.fullmatch(data)
    if match is None:
        return "it is not one record of key and time"
    try:
        key = base64.urlsafe_b64decode(match[1])
        made = datetime.fromisoformat(match[2].decode("ascii"))
    except (binascii.Error, ValueError):
        return "its key or its time cannot be read"
    if len(key) != 32 or made.tzinfo is not None:
        return "its key or its time has another form"
    if now - made > AGE_LIMIT - timedelta(days=1):
        return "it is so old that the node would renew it"
    return None


def new_record() -> bytes:
    """Return a record with a fresh random key that the node never renews."""
    return base64.urlsafe_b64encode(os.urandom(32)) + b"," + NEVER_RENEWED.encode("ascii")


def key_fingerprint(data: bytes | None) -> str | None:
    """Return 12 hex digits that stand for a key, or None when there is no sound one."""
    match = RECORD.fullmatch(data or b"")
    if match is None:
        return None
    return hashlib.sha256(b"genai.comfyui session key v1\0" + match[1]).hexdigest()[:12]
