# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real file system whose files can share extents, in an image of its own; nothing is installed on this machine."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "btrfs"
# The least that mkfs.btrfs takes is 109 MiB; all but a few of it stay a hole.
SIZE = 128 << 20


def _run(*command: str) -> str:
    # What is unpacked brings libraries that this machine may lack.
    found = ":".join(sorted({str(one.parent) for one in CACHE.glob("root/**/*.so.*")}))
    environment = {**os.environ, "LD_LIBRARY_PATH": found} if command[0].startswith(str(CACHE)) else None
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no reflinks here: {command[0]} failed: {(done.stderr or done.stdout).strip()[-200:]}")
    return done.stdout


def _program(name: str) -> str:
    """Return a program of btrfs-progs: this machine's, or Debian's, downloaded by apt and unpacked."""
    installed = shutil.which(name)
    if installed:
        return installed
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (CACHE / "stamp").exists():
            if not shutil.which("apt-get"):
                pytest.skip(f"no reflinks here: there is no {name}, and no apt-get to get it")
            (CACHE / "debs" / "partial").mkdir(parents=True, exist_ok=True)
            options = [f"Dir::Cache::archives={CACHE / 'debs'}", "Debug::NoLocking=1", "APT::Sandbox::User=root"]
            given = [word for option in options for word in ("-o", option)]
            wanted = ("-y", "-qq", "-d", "--no-install-recommends", "install", "btrfs-progs")
            if subprocess.run(["apt-get", *given, *wanted], capture_output=True, check=False).returncode:
                _run("apt-get", "-qq", "update")
                _run("apt-get", *given, *wanted)
            for package in sorted((CACHE / "debs").glob("*.deb")):
                _run("dpkg", "-x", str(package), str(CACHE / "root"))
            (CACHE / "stamp").touch()
    for folder in ("sbin", "bin", "usr/sbin", "usr/bin"):
        if (CACHE / "root" / folder / name).exists():
            return str(CACHE / "root" / folder / name)
    pytest.skip(f"no reflinks here: btrfs-progs has no {name}")


def make_image(path: Path) -> None:
    """Write an empty btrfs to *path*. Skips, with the reason, where it cannot be had or mounted."""
    if os.geteuid() != 0:
        pytest.skip("no reflinks here: mounting a file system needs root")
    if "\tbtrfs\n" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        # A module is loaded by the first one who asks.
        subprocess.run(["modprobe", "btrfs"], capture_output=True, check=False)
    if not Path("/dev/loop-control").exists():
        pytest.skip("no reflinks here: there are no loop devices")
    with path.open("wb") as stream:
        stream.truncate(SIZE)
    _run(_program("mkfs.btrfs"), "-q", str(path))


def subvolume(path: Path) -> None:
    """Make a directory that no hard link leaves."""
    _run(_program("btrfs"), "-q", "subvolume", "create", str(path))


def extents(path: Path) -> list[tuple[int, int, bool]]:
    """Return physical place, length (both in blocks) and whether it is shared, of each extent of a file on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    text = _run("filefrag", "-v", str(path))
    found = re.findall(r"^ +\d+: +\d+\.\. +\d+: +(\d+)\.\. +\d+: +(\d+):(.*)$", text, re.MULTILINE)
    return [(int(place), int(length), "shared" in rest) for place, length, rest in found]
