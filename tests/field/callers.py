# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that call while something happens, and a rotation's truth."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from field_hosts import BIN, INVENTORY, PROJECT, ROOT, Field

CALLER = Path(__file__).with_name("caller.py")
FILES = ("/srv/notebooks.env", "/etc/comfyui-mcp.json")
CALLBACK = {
    "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "field" / "callback"),
    "ANSIBLE_CALLBACKS_ENABLED": "stop_at_task",
}


class Calls:
    """What came of one kind of clients; filled when they have ended."""

    def __init__(self) -> None:
        self.count = 0
        self.lost = 0
        self.failures: list[tuple[float, str]] = []

    @property
    def window(self) -> float:
        """Seconds from the first failure to the last."""
        return max(at for at, _why in self.failures) - min(at for at, _why in self.failures) if self.failures else 0.0


@contextmanager
def load(field: Field, host: str = "cli-1", url: str = "http://srv-1:8188", **kinds: int) -> Iterator[dict[str, Calls]]:
    """Let so many clients of each kind (``calls``, ``jobs``, ``socket``) work from *host* until the block ends."""
    found = {kind: Calls() for kind in kinds}
    script = "mkdir -p /run/callers; cat > /run/callers/caller.py"
    put = ["docker", "exec", "-i", f"{PROJECT}-{host}", "sh", "-c", script]
    subprocess.run(put, input=CALLER.read_bytes(), check=True)
    field.on(host, "rm -f /run/callers/stop /run/callers/*.json")
    results = []
    for kind, count in kinds.items():
        for number in range(count):
            result = f"/run/callers/{kind}-{number}.json"
            results.append((kind, result))
            path = FILES[number % len(FILES)]
            words = ["python3", "/run/callers/caller.py", kind, url, path, result, "/run/callers/stop"]
            subprocess.run(["docker", "exec", "-d", f"{PROJECT}-{host}", *words], check=True)
    try:
        yield found
    finally:
        field.on(host, "mkdir -p /run/callers; touch /run/callers/stop", check=False)
    deadline = time.monotonic() + 120
    for kind, result in results:
        while not (text := field.on(host, f"cat {result} 2>/dev/null", check=False)):
            assert time.monotonic() < deadline, f"{result} did not come"
            time.sleep(0.1)
        done = json.loads(text)
        found[kind].count += done["count"]
        found[kind].lost += done["lost"]
        found[kind].failures += list(map(tuple, done["failures"]))


@contextmanager
def calling(field: Field) -> Iterator[Calls]:
    """Let one client a file call until the block ends."""
    with load(field, calls=len(FILES)) as found:
        yield found["calls"]


def rotate(field: Field, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run rotate.yml."""
    return field.play("playbooks/rotate.yml", *arguments, **environment)


def killed(field: Field, name: str, *arguments: str) -> str:
    """Run rotate.yml and kill the controller when it comes to a task whose name holds *name*."""
    done = rotate(field, *arguments, STOP_AT_NAME=name, **CALLBACK)
    assert done.returncode == -9, f"{name} was never reached: {done.stdout[-4000:]}"
    return done.stdout + done.stderr


def overlap(field: Field, hours: int) -> None:
    """Set how long a former token stays valid."""
    given = json.dumps({"name": "main", "state": "present", "policy": {"overlap_hours": hours}})
    words = [str(BIN / "ansible"), "-i", str(INVENTORY), "srv-1", "-m", "genai.comfyui.credential", "-a", given]
    words += ["--vault-password-file", str(field.password_file)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def main_credential(field: Field) -> dict[str, t.Any]:
    """Return the credential main as the truth has it."""
    found: dict[str, t.Any] = field.truth()["credentials"]["main"]
    return found


def current(field: Field) -> tuple[str, str]:
    """Return name and token of the version in force."""
    item = main_credential(field)
    return item["labels"]["current"], item["versions"][item["labels"]["current"]]["hash"]


def status(field: Field, token: str) -> int:
    """Return what the server answers to this token."""
    connection = http.client.HTTPConnection(field.address("srv-1"), 8188, timeout=10)
    try:
        connection.request("GET", "/queue", headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def process(field: Field) -> str:
    """Return the main process of the instance."""
    return field.on("srv-1", "systemctl show -p MainPID --value comfyui@default").strip()
