# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that encrypts session cookies, in `.secret-key.txt` of the node: one record, `<key>,<time>`."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from cryptography.fernet import Fernet

KEY_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), ".secret-key.txt")
LIFETIME = timedelta(days=30)


def _renew() -> str:
    key = Fernet.generate_key().decode()
    # Truncate and write, with the mode of the umask: the imitated fault.
    with open(KEY_FILE, "w", encoding="utf-8") as stream:
        stream.write(f"{key},{datetime.now().isoformat()}")
    return key


def load_key() -> str:
    """The stored key, or a new one when there is none or it is older than 30 days.

    An empty or malformed file raises, and so does a file or directory that cannot be written when it must be:
    whoever imports this then fails, and ComfyUI goes on without a login.
    """
    if not os.path.exists(KEY_FILE):
        return _renew()
    with open(KEY_FILE, encoding="utf-8") as stream:
        key, written = stream.read().split(",")
    return _renew() if datetime.now() - datetime.fromisoformat(written) > LIFETIME else key
