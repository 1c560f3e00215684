# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace a file durably, only if it still is what it was. To be taken over by module_utils/_durable.py."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets


class Changed(Exception):
    """The file is not the expected one."""


class Refused(Exception):
    """It cannot be written; the text says why."""


def replace(path: str, data: bytes, *, expected_sha256: str | None) -> None:
    """Replace the file's content; None: it must not exist yet."""
    directory, name = os.path.split(path)
    try:
        lock = os.open(os.path.join(directory, f".{name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                with open(path, "rb") as file:
                    found = hashlib.sha256(file.read()).hexdigest()
            except FileNotFoundError:
                found = None
            if found != expected_sha256:
                raise Changed
            temp = os.path.join(directory, f".{name}.{secrets.token_hex(6)}.tmp")
            try:
                with open(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temp, path)
            except OSError:
                if os.path.exists(temp):
                    os.unlink(temp)
                raise
            folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(folder)
            os.close(folder)
        finally:
            os.close(lock)
    except OSError as error:
        raise Refused(error.strerror) from None
