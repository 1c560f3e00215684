# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`login/PASSWORD` beside ComfyUI's `folder_paths.py`: line 1 the hash (which is the token), line 2 the user name."""

from __future__ import annotations

import os

import bcrypt
import folder_paths

CODE = os.path.dirname(os.path.abspath(folder_paths.__file__))
FOLDER = os.path.join(CODE, "login")
PASSWORD = os.path.join(FOLDER, "PASSWORD")
GUEST_MODE = os.path.join(FOLDER, "GUEST_MODE")
LEGACY = os.path.join(CODE, "PASSWORD")


def prepare() -> None:
    """Make the folder, and move a file of the old layout over the current one without a word."""
    os.makedirs(FOLDER, exist_ok=True)
    if os.path.exists(LEGACY):
        os.replace(LEGACY, PASSWORD)


def read_token() -> str:
    """Line 1, stripped; empty without a file. Only 'not found' is caught: another failure ends the import."""
    try:
        with open(PASSWORD, encoding="utf-8") as stream:
            return stream.readline().strip()
    except FileNotFoundError:
        return ""


class FormLogin:
    """The password check of the form. It keeps what it once read for the life of the process."""

    def __init__(self) -> None:
        self.hash = b""
        self.username = ""

    def is_first(self) -> bool:
        """Whether anybody may claim the server, because there is no PASSWORD."""
        return not os.path.exists(PASSWORD)

    def name(self) -> str:
        """The user name on line 2, or nothing."""
        with open(PASSWORD, "rb") as stream:
            lines = stream.read().split(b"\n")
        return lines[1].decode(errors="replace").strip() if len(lines) > 1 else ""

    def _write(self, hashed: bytes, form: dict[str, str]) -> None:
        # Opened before the user name is looked up: a form without one leaves an empty file behind.
        with open(PASSWORD, "wb") as stream:
            stream.write(hashed + b"\n" + form["username"].encode())
        self.hash, self.username = hashed, form["username"]

    def claim(self, form: dict[str, str]) -> None:
        """First-time set-up: the caller's password becomes the password."""
        self._write(bcrypt.hashpw(form["password"].encode(), bcrypt.gensalt()), form)

    def check(self, form: dict[str, str]) -> bool:
        """Whether the password is right. Unlike the token, the hash is not stripped."""
        if not self.hash:
            with open(PASSWORD, "rb") as stream:
                self.hash = stream.readline().rstrip(b"\n")
            self.username = self.name()
        if not self.hash or not bcrypt.checkpw(form["password"].encode(), self.hash):
            return False
        if not self.username:
            self._write(self.hash, form)
        return True
