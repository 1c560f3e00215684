# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``PROGRAM DIRECTORY VERB UNIT...``: stands in for systemctl, for units that are a JSON file and a real process.

A unit says ``argv``, ``folder`` and ``port``. A start ends when the process listens. With the verb ``journal`` it
stands in for journalctl, and shows what the processes wrote, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

HOME = Path(sys.argv[1])


def show(name: str) -> str:
    unit = json.loads((HOME / f"{name}.json").read_text())
    active = "active" if unit.get("pid") else "inactive"
    sub = "running" if unit.get("pid") else "dead"
    found = {"Id": name, "LoadState": "loaded", "ActiveState": active, "SubState": sub, "Result": "success"}
    found.update(MainPID=str(unit.get("pid", 0)), NeedDaemonReload="no", UnitFileState="enabled")
    return "\n".join(f"{key}={value}" for key, value in found.items())


def listening(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def stop(unit: dict[str, Any]) -> None:
    if unit.get("pid"):
        with suppress(ProcessLookupError):
            os.kill(unit["pid"], signal.SIGTERM)
        while listening(unit["port"]):
            time.sleep(0.01)
    unit["pid"] = 0


def note(path: str) -> None:
    """Add each line of the standard input, with its time and the process it is of, which the first line names."""
    pid = sys.stdin.readline().strip()
    with open(path, "a", encoding="utf-8") as journal:
        for line in sys.stdin:
            stamp = str(time.monotonic_ns() // 1000)
            entry = {"__MONOTONIC_TIMESTAMP": stamp, "_PID": pid, "MESSAGE": line.rstrip("\n")}
            journal.write(json.dumps(entry) + "\n")
            journal.flush()


def start(unit: dict[str, Any], journal: Path) -> None:
    words = [sys.executable, "-I", "-S", __file__, str(HOME), "note", str(journal)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True) as notes:
        process = subprocess.Popen(
            unit["argv"],
            cwd=unit["folder"],
            stdin=quiet,
            stdout=notes.stdin,
            stderr=notes.stdin,
            start_new_session=True,
        )
        if notes.stdin is not None:
            os.write(notes.stdin.fileno(), f"{process.pid}\n".encode())
            notes.stdin.close()
        notes.returncode = 0
    unit["pid"] = process.pid
    while not listening(unit["port"]):
        if process.poll() is not None:
            sys.exit(1)
        time.sleep(0.01)


def main() -> None:
    """Do what systemctl would."""
    if sys.argv[2] == "note":
        note(sys.argv[3])
    if sys.argv[2] == "journal":
        journal = HOME / f"{sys.argv[sys.argv.index('-u') + 1]}.journal"
        print(journal.read_text() if journal.exists() else "", end="")
    verb, names = sys.argv[2], [word for word in sys.argv[3:] if not word.startswith("-") and "," not in word]
    if verb == "show":
        print("\n\n".join(show(name) for name in names))
    for name in names if verb in ("start", "stop", "restart") else ():
        path = HOME / f"{name}.json"
        unit = json.loads(path.read_text())
        if verb in ("stop", "restart"):
            stop(unit)
        if verb in ("start", "restart") and not unit.get("pid"):
            start(unit, HOME / f"{name}.journal")
        path.write_text(json.dumps(unit))


if __name__ == "__main__":
    main()
