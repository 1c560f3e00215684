# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit of a container does besides starting it. Runs on the host; talks to the engine through its client.

    python container.py create --file COMPOSE --name INSTANCE    # before the start: make it, anew where it changed
    python container.py ended --name INSTANCE                    # after the end: leave nothing running, say why
    python container.py help --image IMAGE --cache DIR           # what ComfyUI in the image says to --help

Ends with 0, or with 1 and one line on stderr that names the mend. Gives no variable of its own to anybody, so neither
COMPOSE_*, DOCKER_* nor somebody's client configuration changes what is made.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = "comfyui"
APP, PYTHON = "/opt/comfyui/app", "/opt/comfyui/venv/bin/python"
_MEND = "run the playbook for this host again"
# How the engine says it, and how people are told.
_TOLD = (
    (r"Cannot connect to the Docker daemon|connection refused|no such file or directory.*docker\.sock",
     "the container engine does not answer; see: systemctl status docker"),
    (r"bind source path does not exist: (\S+)", "{0} is missing and nothing is made up in its place; " + _MEND),
    (r"No such image: (\S+)", "the image {0} is not there; " + _MEND),
    (r"(?:listen \w+ |Bind for )(\S+?):? (?:bind: address already in use|failed: port is already allocated)",
     "{0} is taken by something else; free it or choose another port in comfyui_instances"),
    (r"cannot assign requested address", "this host has no such address; mend comfyui_listen"),
    (r"unresolvable CDI devices? (.+)", "the engine knows no GPU {0}; " + _MEND),
    (r'could not select device driver "(\S+)"', "the engine has no way to GPUs ({0}); run role nvidia_gpu first"),
    (r"error setting rlimit", "the engine may not raise the limit of open files so far; lower comfyui_nofile_limit"),
    (r"no space left on device", "the disk of the engine is full; free some of it (docker system df)"),
)  # fmt: skip


class ContainerError(Exception):
    """What does not work, and the mend, in one sentence."""


def told(said: str) -> str:
    """Return what the engine said, in one line and in our words where they are known."""
    line = " ".join(said.split())
    for pattern, words in _TOLD:
        match = re.search(pattern, line, re.IGNORECASE)
        if match:
            return words.format(*match.groups())
    return line[-400:] or "the container engine's client failed and said nothing"


def docker(*words: str, timeout: float = 120.0) -> str:
    """Run the engine's client and return its output. Raises ContainerError."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 - a list of words, no shell
            [shutil.which("docker") or "docker", *words], capture_output=True, text=True, errors="replace",
            check=False, timeout=timeout, stdin=subprocess.DEVNULL, env={**kept, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        raise ContainerError(f"there is no docker command on this host; {_MEND}") from None
    except subprocess.TimeoutExpired:
        raise ContainerError(
            f"docker {words[0]} did not end within {timeout:g} s; see: systemctl status docker"
        ) from None
    if done.returncode != 0:
        raise ContainerError(told(done.stderr or done.stdout))
    return done.stdout


def create(file: Path, name: str) -> None:
    """Make the container of one instance, anew only when its definition changed. Raises ContainerError."""
    # Two at once would both make the network.
    with (file.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        project = ["--env-file", "/dev/null", "--project-name", PROJECT, "--file", str(file)]
        docker("compose", *project, "create", "--no-build", name)
    # The engine checks a container that is there already only when it starts, and keeps no record of what it said.
    for mount in (
        json.loads(docker("container", "inspect", "--format", "{{json .HostConfig.Mounts}}", f"{PROJECT}-{name}")) or []
    ):
        if mount["Type"] == "bind" and not os.path.exists(mount["Source"]):
            raise ContainerError(told(f"bind source path does not exist: {mount['Source']}"))


def ended(name: str) -> None:
    """Stop a container whose client was killed, and say why the engine could not start it. Raises ContainerError."""
    container = f"{PROJECT}-{name}"
    failed = os.environ.get("SERVICE_RESULT", "success") != "success"
    state = docker("container", "inspect", "--format", "{{.State.Running}} {{.State.Error}}", container).strip()
    running, _blank, error = state.partition(" ")
    if running == "true":
        docker("stop", container)
    if failed and error:
        raise ContainerError(told(error))


def help_text(image: str, cache: Path) -> str:
    """Return the help of the ComfyUI in *image*; asked once an image. Raises ContainerError."""
    known = cache / f"help-{hashlib.sha256(image.encode()).hexdigest()[:16]}.txt"
    if known.exists():
        return known.read_text(encoding="utf-8")
    box = ["--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--pull", "never"]  # noqa: S108
    text = docker("run", *box, "--workdir", APP, "--entrypoint", PYTHON, image, "-B", "main.py", "--help")
    for old in cache.glob("help-*.txt"):
        old.unlink()
    part = known.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(known)
    return text


def main(argv: list[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="container.py", allow_abbrev=False)
    parser.add_argument("do", choices=["create", "ended", "help"])
    parser.add_argument("--file", type=Path, help="Compose file")
    parser.add_argument("--name", help="instance")
    parser.add_argument("--image", help="image whose ComfyUI is asked")
    parser.add_argument("--cache", type=Path, help="directory that keeps the answer")
    options = parser.parse_args(argv)
    try:
        if options.do == "create":
            create(options.file, options.name)
        elif options.do == "ended":
            ended(options.name)
        else:
            print(help_text(options.image, options.cache), end="")
    except ContainerError as error:
        # The prefix by which the instance's module finds the reason in the journal.
        print(f"comfyui-start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
