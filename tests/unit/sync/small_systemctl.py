# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A systemctl with one unit, kept in $SMALL_SYSTEMCTL/unit.json; the process that it starts is a real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

HOME = Path(os.environ["SMALL_SYSTEMCTL"])
NAME = "web.service"


def main(words: list[str]) -> int:
    """Do what *words* say, and note it in the file ``calls``."""
    unit = json.loads((HOME / "unit.json").read_text())
    if words[0] == "show":
        for name in words[3:]:
            known = name == NAME
            state = unit["active"] if known else "inactive"
            print(f"Id={name}\nLoadState={'loaded' if known else 'not-found'}\nActiveState={state}")
            print(f"SubState=x\nMainPID={unit['pid'] if known else 0}\n")
        return 0
    with (HOME / "calls").open("a") as calls:
        calls.write(" ".join(words) + "\n")
    if unit.get("fails"):
        print(f"Job for {NAME} failed: {unit['fails']}", file=sys.stderr)
        (HOME / "unit.json").write_text(json.dumps({**unit, "active": "failed", "pid": 0}))
        return 1
    if words[0] == "restart":
        if unit["pid"]:
            os.kill(unit["pid"], signal.SIGKILL)
        if unit.get("ends"):
            (HOME / "unit.json").write_text(json.dumps({**unit, "active": unit["ends"], "pid": 0}))
            return 0
        process = subprocess.Popen(
            ["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        (HOME / "unit.json").write_text(json.dumps({"active": "active", "pid": process.pid}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
