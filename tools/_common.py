# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tools share: where things are, how they report, how they fail. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_started = time.monotonic()


class Fault(SystemExit):
    """Ends the tool with one message on stderr and exit status 1."""


def say(step: str, text: str) -> None:
    """Print one progress line with the seconds since the tool started."""
    print(f"[{time.monotonic() - _started:4.0f} s] {step}: {text}", flush=True)


def output(command: Sequence[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it said; a missing program or a time-out reads as a failure, never as an exception.

    :param timeout: seconds
    """
    try:
        return subprocess.run(
            list(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(list(command), 127, "", f"{command[0]}: not found")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(list(command), 124, "", f"{command[0]}: no answer within {timeout:.0f} s")


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented, or a remark when there is none."""
    try:
        return "\n".join("    " + line for line in path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "    (no log)"


def write_if_changed(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write a file only when its content differs, so that what depends on it can see that nothing changed."""
    try:
        if path.read_text() == text:
            return False
    except OSError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    # In place, not by rename: containers hold bind mounts of the inode.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(text)
    return True


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Let one run at a time do a step; a second one waits and says so."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(name, "another run is doing this; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def is_root() -> bool:
    """Tell whether this process may install packages and start daemons."""
    return os.geteuid() == 0


def is_debian(release: Path = Path("/etc/os-release")) -> bool:
    """Tell whether this machine is Debian or a relative of it, such as Ubuntu."""
    try:
        values = dict(line.rstrip().split("=", 1) for line in release.read_text().splitlines() if "=" in line)
    except OSError:
        return False
    words = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").split()
    return "debian" in words or "ubuntu" in words


def apt_install(step: str, packages: Sequence[str]) -> None:
    """Install Debian packages without their recommendations; the output goes to a log.

    :raises Fault: apt-get failed; the end of its output is in the message.
    """
    CACHE.mkdir(exist_ok=True)
    log = CACHE / f"apt-{step}.log"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    say(step, f"installing {' '.join(packages)} with apt-get")
    with log.open("w") as stream:
        for command in (["update", "-qq"], ["install", "-y", "-q", "--no-install-recommends", *packages]):
            line = ["apt-get", *command]
            done = subprocess.run(
                line,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=environment,
                check=False,
            )
            # A half-failed update may still let the install succeed from what is cached.
            if done.returncode != 0 and command[0] == "install":
                raise Fault(f"{step}: apt-get install {' '.join(packages)} failed:\n{tail(log)}")


def main_guard() -> None:
    """Let system programs be found even where root's PATH lacks /usr/sbin."""
    os.environ["PATH"] = os.environ.get("PATH", "") + os.pathsep + SYSTEM_PATH
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
