# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fake nvidia-smi: replays a scenario of fixtures/, exit status, hang and flood included.

Usage: fake_nvidia_smi.py SCENARIO.json ARGUMENTS... The rows of CSV are printed for just the fields that are asked for,
and a field that the scenario calls unknown fails the query, as the real one does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any


def play(answer: dict[str, Any], folder: Path) -> int:
    """Do what the scenario says for one question and return the exit status."""
    if answer.get("hang"):
        child = subprocess.Popen(["sleep", "600"])
        Path(os.environ["FAKE_NVIDIA_SMI_PIDS"]).write_text(f"{os.getpid()} {child.pid}")
        while True:
            signal.pause()
    if answer.get("flood"):
        while True:
            sys.stdout.write("x" * 65536)
    sys.stdout.write(answer.get("out", ""))
    if "file" in answer:
        sys.stdout.write((folder / answer["file"]).read_text())
    sys.stderr.write(answer.get("err", ""))
    return int(answer.get("rc", 0))


def main(scenario: str, *arguments: str) -> int:
    """Answer one question."""
    path = Path(scenario)
    told = json.loads(path.read_text())
    if arguments == ("-q", "-x"):
        return play(told["xml"], path.parent)
    if len(arguments) != 2 or arguments[1] != "--format=csv,noheader,nounits":
        sys.stdout.write("Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n")
        return 2
    fields = arguments[0].removeprefix("--query-gpu=").split(",")
    answer = told["csv"]
    for field in fields:
        if field in answer.get("unknown", []) or (answer.get("rows") and field not in answer["rows"][0]):
            sys.stdout.write(f'Field "{field}" is not a valid field to query.\n\n')
            return 2
    rows = "".join(", ".join(row[field] for field in fields) + "\n" for row in answer.get("rows", []))
    return play({**answer, "out": answer.get("out", rows)}, path.parent)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
