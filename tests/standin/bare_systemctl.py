# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``PROGRAM DIRECTORY VERB UNIT...``: stands in for systemctl, for units that are a JSON file and a real process.

A unit says ``argv``, ``folder`` and ``port``. A start ends when the process listens.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
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
        os.kill(unit["pid"], signal.SIGTERM)
        while listening(unit["port"]):
            time.sleep(0.01)
    unit["pid"] = 0


def start(unit: dict[str, Any]) -> None:
    with open(os.path.join(unit["folder"], "..", "log.txt"), "ab") as log:
        process = subprocess.Popen(
            unit["argv"],
            cwd=unit["folder"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    unit["pid"] = process.pid
    while not listening(unit["port"]):
        if process.poll() is not None:
            sys.exit(1)
        time.sleep(0.01)


def main() -> None:
    """Do what systemctl would."""
    verb, names = sys.argv[2], [word for word in sys.argv[3:] if not word.startswith("-") and "," not in word]
    if verb == "show":
        print("\n\n".join(show(name) for name in names))
    for name in names if verb in ("start", "stop", "restart") else ():
        path = HOME / f"{name}.json"
        unit = json.loads(path.read_text())
        if verb in ("stop", "restart"):
            stop(unit)
        if verb in ("start", "restart") and not unit.get("pid"):
            start(unit)
        path.write_text(json.dumps(unit))


if __name__ == "__main__":
    main()
