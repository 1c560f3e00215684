# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a stood-in systemd, and the module ``instance`` run on it as Ansible runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LETTER = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
DIGIT = "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O"
MODULE = "ansible_collections.genai.comfyui.plugins.modules.instance"
HERE = Path(__file__).parent


class Host:
    """A host with a stood-in systemd."""

    def __init__(self, home: Path) -> None:
        self.home = home / "units"
        self.path = home / "bin"
        self.home.mkdir()
        self.path.mkdir()
        for name in ("systemctl", "journalctl"):
            program = self.path / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {HERE / "fake_systemd.py"} {name} "$@"\n')
            program.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{self.path}:{os.environ['PATH']}",
            "FAKE_SYSTEMD": str(self.home),
        }

    def unit(self, name: str = "a", token: str = LETTER, **settings: Any) -> dict[str, Any]:
        """Make a unit that does not run, and return the instance as the module takes it."""
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        folder = self.folder(name)
        folder.mkdir()
        self.password(name, token)
        fragment = self.home / f"{name}.service"
        fragment.write_text("")
        self.alter(name, active="inactive", port=port, fragment=str(fragment), **settings)
        return {"name": name, "url": f"http://127.0.0.1:{port}", "watch": [str(folder / "PASSWORD")]}

    def folder(self, name: str) -> Path:
        return self.home / f"comfyui@{name}.service"

    def password(self, name: str, token: str, ago: float = 60) -> None:
        path = self.folder(name) / "PASSWORD"
        path.write_text(f"{token}\nadmin\n")
        os.utime(path, (time.time() - ago,) * 2)

    def state(self, name: str = "a") -> dict[str, Any]:
        path = self.home / f"comfyui@{name}.service.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def alter(self, name: str = "a", **settings: Any) -> None:
        state = {**self.state(name), **settings}
        (self.home / f"comfyui@{name}.service.json").write_text(json.dumps(state))

    def start(self, name: str = "a") -> None:
        subprocess.run(
            [self.path / "systemctl", "start", f"comfyui@{name}.service"], env=self.environment, check=True, timeout=30
        )
        # A file changed in the very tick of the start would count as newer.
        for path in (self.home / f"{name}.service", self.folder(name) / "PASSWORD"):
            os.utime(path, (time.time() - 60,) * 2)
        (self.home / "calls").write_text("")

    def calls(self) -> list[str]:
        path = self.home / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def run(self, *instances: dict[str, Any], fails: bool = False, **arguments: Any) -> dict[str, Any]:
        given = self.home / "arguments"
        arguments = {"credentials": {"main": {"username": "admin", "token": LETTER}}, "timeout": 5, **arguments}
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"instances": instances, **arguments}}))
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(given)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self.environment,
        )
        for secret in (LETTER, DIGIT, "Correct-Horse-1"):
            assert secret not in done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        assert bool(result.get("failed")) == fails, result
        return result


@contextmanager
def hosted(place: Path) -> Iterator[Host]:
    """Make a host in *place*, and end whatever it still runs at the end."""
    made = Host(place)
    try:
        yield made
    finally:
        for path in made.home.glob("*.json"):
            pid = json.loads(path.read_text()).get("pid")
            if pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
