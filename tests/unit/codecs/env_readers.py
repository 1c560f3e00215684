# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers of environment files that other people wrote: shells, Node, and systemd's own parser."""

from __future__ import annotations

import ctypes
import functools
import glob
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

Reader = Callable[[Path, str], "str | None"]

EXAMPLES = int(os.environ.get("CODEC_EXAMPLES_FACTOR", "1"))
"""How many times as many random files are tried; CI at night takes 1000."""

TOKENS = {
    "letter": "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK",
    "digit": "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O",
    "dot": "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe",
    "slash": "$2b$04$/hRM0B3tgjpFRE39yawQi.SK6lcV1hbnSOqmkAioWQU3YsCsCoAxi",
}


def shell(program: str) -> Reader:
    """A reader that sources the file with the shell *program*."""

    def read(path: Path, key: str) -> str | None:
        script = f'set -a; . "$1"; printf "%s" "${{{key}}}"'
        done = subprocess.run([program, "-c", script, "sh", str(path)], capture_output=True, check=False)
        return done.stdout.decode("utf-8", "surrogateescape")

    return read


def node(path: Path, key: str) -> str | None:
    """``node --env-file``."""
    script = f"process.stdout.write(JSON.stringify(process.env[{json.dumps(key)}] ?? null))"
    done = subprocess.run(["node", f"--env-file={path}", "-e", script], capture_output=True, check=True, env={})
    found = json.loads(done.stdout)
    return None if found is None else str(found)


def node_reads_env_files() -> bool:
    """Whether the installed Node, if any, knows ``--env-file``."""
    program = shutil.which("node")
    if program is None:
        return False
    version = re.match(
        r"v(\d+)\.(\d+)", subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    )
    return version is not None and (int(version.group(1)), int(version.group(2))) >= (20, 6)


@functools.cache
def systemd_library() -> ctypes.CDLL | None:
    """systemd's shared library with its parser in it, or None."""
    for name in sorted(
        glob.glob("/usr/lib/*/systemd/libsystemd-shared-*.so") + glob.glob("/usr/lib*/systemd/libsystemd-shared-*.so")
    ):
        try:
            library = ctypes.CDLL(name)
            library.load_env_file.argtypes = [
                ctypes.c_void_p,
                ctypes.c_char_p,
                ctypes.POINTER(ctypes.POINTER(ctypes.c_char_p)),
            ]
        except (OSError, AttributeError):
            continue
        return library
    return None


def systemd(path: Path, key: str) -> str | None:
    """systemd's ``load_env_file``, called as a function. Raises OSError when it refuses the file."""
    library = systemd_library()
    assert library is not None
    found = ctypes.POINTER(ctypes.c_char_p)()
    error = library.load_env_file(None, str(path).encode(), ctypes.byref(found))
    if error < 0:
        raise OSError(-error, "load_env_file")
    index = 0
    value = None
    while found and found[index]:
        name, _equals, text = found[index].partition(b"=")
        if name == key.encode():
            value = text.decode("utf-8", "surrogateescape")
        index += 1
    return value
