# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree with something to steal, and what became of it."""

from __future__ import annotations

import json
import os
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness import TOKEN, Pair, Server

GUARD_SOURCE = Path(__file__).resolve().parents[2] / "roles" / "comfyui_login" / "files" / "guard"
# One red pixel.
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301"
    "0100c9fe92ef0000000049454e44ae426082"
)
SETTINGS = b'{"Comfy.Secret": "of the user"}'


@dataclass
class Besieged:
    """`server` is set while it runs."""

    pair: Pair
    guard: bool
    server: Server = field(init=False)

    def __post_init__(self) -> None:
        if self.guard:
            shutil.copytree(GUARD_SOURCE, self.guard_node, ignore=shutil.ignore_patterns("__pycache__"))
        self.pair.set_password(TOKEN)
        self.plant()

    @property
    def guard_node(self) -> Path:
        return Path(self.pair.custom_nodes) / "ComfyUI-Login-Guard"

    @property
    def accept_file(self) -> Path:
        return Path(self.pair.code) / "login" / "ACCEPT.json"

    def plant(self) -> None:
        """Put what attackers want in its place."""
        user = self.pair.user_directory
        for path, content in (
            (user / "comfy.settings.json", SETTINGS),
            (user / "victim.js", b"kept"),
            (self.pair.code / "output" / "ComfyUI_00001_.png", PICTURE),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def spoils(self) -> dict[str, bytes]:
        """All that attackers could change: user files, outputs and inputs, the login directory."""
        places = [self.pair.code / name for name in ("user", "output", "input", "login")]
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in files if not path.name.startswith("comfyui.")}

    def accept(self, *tokens: str, epoch: int = 0, mode: int = 0o600, **more: Any) -> None:
        """Replace ACCEPT.json by rename; *more* goes into each entry."""
        entries = [{"version": f"v{n}", "token": token, "expires": None, **more} for n, token in enumerate(tokens, 1)]
        self.write_accept(json.dumps({"schema": 1, "epoch": epoch, "tokens": entries}).encode(), mode)

    def write_accept(self, content: bytes, mode: int = 0o600) -> None:
        """Replace ACCEPT.json by these bytes."""
        new = self.accept_file.with_name(".new")
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_WRONLY, mode))
        new.write_bytes(content)
        os.rename(new, self.accept_file)

    def raw(self, data: bytes) -> int:
        """Send these bytes; return the status of the first answer, or 0 when the connection was closed."""
        parts = urlsplit(self.server.url)
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=20) as connection:
            connection.sendall(data)
            answer = b""
            try:
                while b"\r\n" not in answer and (more := connection.recv(4096)):
                    answer += more
            except ConnectionResetError:
                return 0
        return int(answer.split()[1]) if answer else 0

    def conversation(self, data: bytes, seconds: float = 5.0) -> bytes:
        """Send these bytes on one connection; return all that comes back until it is closed or nothing comes."""
        parts = urlsplit(self.server.url)
        answer = b""
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=seconds) as connection:
            connection.sendall(data)
            try:
                while more := connection.recv(65536):
                    answer += more
            except (ConnectionResetError, TimeoutError):
                pass
        return answer
