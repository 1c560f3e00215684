# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small base image for tests that build for real: a shell, and nothing else. No registry is asked."""

from __future__ import annotations

import io
import json
import re
import secrets
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

MODULE = "ansible_collections.genai.comfyui.plugins.modules.container_image"
PROGRAMS = {"bin/sh": "/bin/sh", "bin/sleep": "/bin/sleep"}


def docker(*words: str, check: bool = True) -> str:
    """Run the client and return what it said."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.strip()


def engine_answers() -> bool:
    """Tell whether there is an engine to build with."""
    try:
        return bool(docker("version", "--format", "{{.Server.Version}}", check=False))
    except (OSError, subprocess.SubprocessError):
        return False


def shell_base() -> bytes:
    """Return a root file system with a shell, as a tar."""
    wanted = dict(PROGRAMS)
    for program in PROGRAMS.values():
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        wanted.update({path.lstrip("/"): path for path in re.findall(r"(/\S+) \(0x", said)})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, path in sorted(wanted.items()):
            content = Path(path).read_bytes()
            record = tarfile.TarInfo(name)
            record.size, record.mode = len(content), 0o755
            tar.addfile(record, io.BytesIO(content))
    return buffer.getvalue()


class Workshop:
    """A context, a base image and names of its own; all images go at the end."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.name = f"genai-test-{secrets.token_hex(4)}"
        self.base = f"{self.name}-shell:1"
        self.context = place / "context"
        self.context.mkdir()
        self.write("FROM_SHELL", "COPY hello /hello\n")
        (self.context / "hello").write_text("hello\n")

    def write(self, kind: str, rest: str) -> None:
        """Write the Dockerfile: on the base image, then *rest*."""
        assert kind == "FROM_SHELL"
        (self.context / "Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\n{rest}")

    def import_base(self) -> None:
        """Bring the base image to the engine."""
        command = ["docker", "import", "-", self.base]
        subprocess.run(command, input=shell_base(), capture_output=True, check=True, timeout=60)

    def run(self, fails: bool = False, environment: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        """Run the module as Ansible does."""
        given = self.place / "arguments"
        arguments = {
            "name": self.name, "context": str(self.context), "base": self.base, "timeout": 120,
            "_ansible_tmpdir": str(self.place / "tmp"), **options,
        }  # fmt: skip
        (self.place / "tmp").mkdir(exist_ok=True)
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        command = [sys.executable, "-m", MODULE, str(given)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=environment)
        assert done.stdout, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        assert bool(result.get("failed")) == fails, result
        return result

    def tags(self) -> list[str]:
        """Return the images of this name, by the engine's own word."""
        return sorted(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", self.name).split())

    def close(self) -> None:
        """Remove every image and container of this name."""
        for box in docker("ps", "-aq", "--filter", f"label={self.name}").split():
            docker("rm", "-f", box)
        listed = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
        for tag in listed:
            if tag.startswith(self.name):
                docker("rmi", "-f", tag, check=False)
