# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server and one client that the tests of this directory may break and mend."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
INVENTORY = ROOT / "tests" / "field" / "inventory"
# Two runs on one machine need two names.
NAME = os.environ.get("FIELD_NAME", "field")
CACHE = ROOT / ".cache" / NAME
PROJECT = f"genai-comfyui-{NAME}"
APP = "/opt/comfyui/instances/default/ComfyUI"
UNIT = "comfyui@default"


class Field:
    """The hosts, and how to ask and change them without the collection's own modules."""

    def __init__(self, inventory: Path = INVENTORY, project: str = PROJECT, cache: Path = CACHE) -> None:
        self.inventory, self.project, self.cache = inventory, project, cache
        self.password_file = cache / "vault-password"

    def play(self, playbook: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook to its end and return what it said."""
        path = os.pathsep.join([str(BIN), *(p for p in os.environ["PATH"].split(os.pathsep) if "shims" not in p)])
        variables = {**os.environ, "PATH": path, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", **environment}
        command = [str(BIN / "ansible-playbook"), "-i", str(self.inventory), playbook]
        command += ["--vault-password-file", str(self.password_file), *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False, timeout=900
        )

    def site(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run site.yml."""
        return self.play("playbooks/site.yml", *arguments, **environment)

    def validate(self) -> subprocess.CompletedProcess[str]:
        """Run validate.yml."""
        return self.play("playbooks/validate.yml")

    def on(self, host: str, script: str, check: bool = True) -> str:
        """Run a shell script on a host and return its output."""
        command = ["docker", "exec", f"{self.project}-{host}", "sh", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"{host}: {script}\n{done.stdout}{done.stderr}")
        return done.stdout

    def address(self, host: str) -> str:
        """Return the network address of a host."""
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        command = ["docker", "inspect", "-f", form, f"{self.project}-{host}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def truth(self) -> dict[str, t.Any]:
        """Decrypt the truth with ansible-vault, not with our own store."""
        command = [str(BIN / "ansible-vault"), "view", "--vault-password-file", str(self.password_file)]
        done = subprocess.run(
            [*command, str(self.cache / "credentials.vault.yml")], capture_output=True, text=True, check=True
        )
        import yaml

        document: dict[str, t.Any] = yaml.safe_load(done.stdout)
        return document

    def secrets(self) -> list[str]:
        """Return every token and password of the truth."""
        found = []
        for credential in self.truth()["credentials"].values():
            found += [version["hash"] for version in credential["versions"].values()]
            found.append(credential["password"]["value"])
        return found

    def state(self) -> str:
        """Return what systemd says of the instance: active, inactive, failed ..."""
        return self.on("srv-1", f"systemctl is-active {UNIT}", check=False).strip()

    def listens(self) -> bool:
        """Tell whether anything listens on the instance's port."""
        return ":8188" in self.on("srv-1", "ss -ltnH")

    def report(self, name: str) -> dict[str, t.Any]:
        """Return the newest report of a playbook."""
        document: dict[str, t.Any] = json.loads((self.cache / "reports" / f"{name}-latest.json").read_text())
        return document


class Knocker:
    """Asks a server's network address without a credential, without a pause, and keeps what got in."""

    PATHS = ("/system_stats", "/system_stats?token=", "/api/queue?token", "/internal/logs?token=")

    def __init__(self, address: str, port: int = 8188) -> None:
        self.address, self.port = address, port
        self.let_in: list[str] = []
        self.answers = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Knocker:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end.set()
        self._thread.join(10)

    def noticed(self, seconds: float) -> bool:
        """Wait until somebody got in, at most that long."""
        deadline = time.monotonic() + seconds
        while not self.let_in and time.monotonic() < deadline:
            self._end.wait(0.05)
        return bool(self.let_in)

    def _run(self) -> None:
        while not self._end.is_set():
            for path in self.PATHS:
                connection = http.client.HTTPConnection(self.address, self.port, timeout=5)
                try:
                    connection.request("GET", path, headers={"Accept": "application/json"})
                    status = connection.getresponse().status
                except (OSError, http.client.HTTPException):
                    # Nothing listens: a short wait keeps the machine usable, and an opening lasts longer than that.
                    self._end.wait(0.01)
                    continue
                finally:
                    connection.close()
                self.answers += 1
                if status < 400 and status != 302:
                    self.let_in.append(f"{time.time():.2f} GET {path}: {status}")
