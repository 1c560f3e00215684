# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory with a stand-in for the engine's client, which writes down how it was called and what it was to mount."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "comfyui" / "files" / "lib" / "container.py"
CLIENT = """#!{python}
import json, os, pathlib, sys
home = pathlib.Path({home!r})
words = sys.argv[1:]
with (home / "calls").open("a") as calls:
    calls.write(json.dumps([words, sorted(os.environ)]) + "\\n")
for word in words:
    if word.startswith("type=bind"):
        source, target = (part.partition("=")[2] for part in word.split(",")[2:])
        shown = home / "mounted" / target.strip("/").replace("/", "_")
        shown.parent.mkdir(exist_ok=True)
        names = sorted(pathlib.Path(source).glob("*")) if os.path.isdir(source) else [pathlib.Path(source)]
        shown.write_text(json.dumps({{one.name: [one.stat().st_mode & 0o777, one.read_text()] for one in names}}))
answer = json.loads((home / "answers").read_text()).get(words[0] if words[0] != "container" else words[1], [0, "", ""])
sys.stdout.write(answer[1])
sys.stderr.write(answer[2])
sys.exit(answer[0])
"""


class Host:
    """A directory with a client whose answers a test chooses, by its first word."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "bin").mkdir()
        client = home / "bin" / "docker"
        client.write_text(CLIENT.format(python=sys.executable, home=str(home)))
        client.chmod(0o755)
        self.answers({})

    def answers(self, answers: dict[str, tuple[int, str, str]]) -> None:
        (self.home / "answers").write_text(json.dumps({"inspect": (0, "null", ""), **answers}))

    def calls(self) -> list[tuple[list[str], list[str]]]:
        path = self.home / "calls"
        return [(one[0], one[1]) for one in map(json.loads, path.read_text().splitlines())] if path.exists() else []

    def mounted(self) -> dict[str, dict[str, list[t.Any]]]:
        """Return mode and content of each file by target of its mount, as they were when a container was started."""
        return {one.name: json.loads(one.read_text()) for one in (self.home / "mounted").iterdir()}

    def run(self, *words: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {**os.environ, "PATH": f"{self.home / 'bin'}:/usr/bin:/bin", **environment}
        command = [sys.executable, "-B", str(PROGRAM), *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=variables)

    def create(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("create", "--file", str(self.home / "compose.yaml"), "--name", "a", **environment)
