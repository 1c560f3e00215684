# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for systemctl and journalctl, for there is no systemd here: a unit is a JSON file and a real process.

``PROGRAM systemctl|journalctl ARGUMENTS``; the directory with the units is ``$FAKE_SYSTEMD``. Every call but ``show``
is noted in ``calls``. A start ends when the process listens, and fails when the unit says ``refuses`` or ``hangs``.
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

HOME = Path(os.environ["FAKE_SYSTEMD"])
SERVER = Path(__file__).with_name("instance_server.py")
Json = dict[str, Any]


def load(name: str) -> Json | None:
    path = HOME / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def store(name: str, unit: Json) -> None:
    (HOME / f"{name}.json").write_text(json.dumps(unit))


def show(name: str) -> str:
    unit = load(name)
    found = {"Id": name, "LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead", "MainPID": "0"}
    if unit is not None:
        if unit.get("comes_up") and unit["active"] == "activating":
            # What another job does meanwhile: each look is one step nearer to its end.
            unit["comes_up"] -= 1
            unit["active"] = "activating" if unit["comes_up"] else "active"
            store(name, unit)
        found.update(
            LoadState="loaded",
            ActiveState=unit["active"],
            SubState=unit.get("sub", ""),
            Result=unit.get("result", "success"),
            MainPID=str(unit.get("pid", 0)),
            ExecMainStatus=str(unit.get("status", 0)),
            NeedDaemonReload="yes" if unit.get("reload") else "no",
            UnitFileState="enabled" if unit.get("enabled") else "disabled",
            FragmentPath=unit.get("fragment", ""),
        )
    return "\n".join(f"{key}={value}" for key, value in found.items())


def listening(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def stop(name: str, unit: Json) -> None:
    if unit.get("pid"):
        with suppress(ProcessLookupError):
            os.kill(unit["pid"], signal.SIGKILL)
        while listening(unit["port"]):
            time.sleep(0.01)
    unit.update(active="inactive", sub="dead", pid=0)
    store(name, unit)


def start(name: str, unit: Json) -> int:
    if unit["active"] == "active":
        return 0
    if unit.get("refuses"):
        with (HOME / f"{name}.log").open("a") as log:
            log.write(unit["refuses"] + "\n")
        unit.update(active="failed", sub="failed", result="exit-code", status=78)
        store(name, unit)
        return 1
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(SERVER), str(HOME / name), str(unit["port"])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    unit.update(pid=process.pid, active="activating", sub="start-post", result="success", status=0)
    store(name, unit)
    while not listening(unit["port"]):
        time.sleep(0.01)
    if unit.get("hangs"):
        time.sleep(unit["hangs"])
        return 1
    unit.update(active="active", sub="running")
    store(name, unit)
    return 0


def systemctl(words: list[str]) -> int:
    verb, names = words[0], [word for word in words[1:] if not word.startswith("-") and "," not in word]
    if verb == "show":
        print("\n\n".join(show(name) for name in names))
        return 0
    with (HOME / "calls").open("a") as calls:
        calls.write(" ".join(words) + "\n")
    worst = 0
    for path in HOME.glob("*.json") if verb == "daemon-reload" else ():
        store(path.stem, {**json.loads(path.read_text()), "reload": False})
    for name in names:
        unit = load(name)
        if unit is None:
            print(f"Failed to {verb} {name}: Unit {name} not found.", file=sys.stderr)
            worst = 5
            continue
        if verb in ("stop", "restart") and not unit.get("unstoppable"):
            stop(name, unit)
        if verb in ("start", "restart"):
            worst = start(name, unit) or worst
        if verb in ("enable", "disable"):
            store(name, {**unit, "enabled": verb == "enable"})
    return worst


def journalctl(words: list[str]) -> int:
    log = HOME / f"{words[words.index('-u') + 1]}.log"
    print(log.read_text() if log.exists() else "", end="")
    return 0


if __name__ == "__main__":
    sys.exit({"systemctl": systemctl, "journalctl": journalctl}[sys.argv[1]](sys.argv[2:]))
