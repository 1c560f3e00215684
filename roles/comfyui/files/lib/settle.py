# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command in a build so that what it leaves does not depend on when it ran.

    python settle.py COMMAND [ARGUMENT ...]
    python settle.py --all FOLDER

What the command made or changed gets one modification time, Python's bytecode is compiled without times in it, logs and
caches that say when something was installed go. Ends as the command ends. With --all, all that lies in a folder gets
that time. Runs in the image, by its Python; 3.9 or newer.
"""

from __future__ import annotations

import os
import py_compile
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

EPOCH = 1767225600
"""Seconds. The time that COPY gives its files, too: see container_image."""
VENV = "/opt/comfyui/venv"
# Each says when something was done, or is a cache, and nothing at run time reads it.
FORGOTTEN = (
    "/var/cache/ldconfig/aux-cache", "/var/cache/debconf", "/var/cache/apt", "/var/lib/apt/lists",
    "/var/log/apt", "/var/log/alternatives.log", "/var/log/dpkg.log", "/var/lib/dpkg/status-old",
    "/var/lib/dpkg/diversions-old", "/var/lib/dpkg/statoverride-old",
)  # fmt: skip
# CLOCK_REALTIME_COARSE of Linux, from which file systems take their times; Python has no name for it.
_COARSE = 5
_QUIET = {
    "PIP_NO_COMPILE": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "SOURCE_DATE_EPOCH": str(EPOCH),
}


def changed(root: str, since: int) -> Iterator[str]:
    """Yield the paths below a folder, and itself, that were changed since then; what is mounted there is left out.

    :param since: nanoseconds, of the clock that file systems use
    """
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as stream:
        mounted = {line.split(" ", 5)[4] for line in stream} - {"/"}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in mounted]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for path in [folder, *(os.path.join(folder, name) for name in names + links)]:
            if path not in mounted and os.path.lexists(path) and os.lstat(path).st_ctime_ns >= since:
                yield path


def now() -> int:
    """Return the time that a file gets which is written now, in nanoseconds; without writing one, which would show."""
    return time.clock_gettime_ns(_COARSE)


def forget(since: int) -> None:
    """Remove what tells of the time, as far as this step left it there."""
    for path in FORGOTTEN:
        folder = os.path.isdir(path)
        for inner in [os.path.join(path, name) for name in os.listdir(path)] if folder else [path]:
            if not os.path.lexists(inner) or os.lstat(inner).st_ctime_ns < since:
                continue
            if os.path.isdir(inner) and not os.path.islink(inner):
                shutil.rmtree(inner)
            else:
                os.unlink(inner)


def settle(root: str, venv: str, since: int) -> None:
    """Make what was changed below *root* the same whenever that was.

    :param venv: environment whose new modules are compiled
    :param since: see :func:`changed`
    """
    new = sorted(changed(venv, since)) if os.path.isdir(venv) else []
    for path in new:
        if os.path.basename(path) == "__pycache__":
            shutil.rmtree(path)
    for path in new:
        if path.endswith(".py") and os.path.isfile(path):
            try:
                py_compile.compile(path, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
            except (py_compile.PyCompileError, ValueError):
                # A template, or for another Python: pip lets it pass, too.
                continue
    set_back(root, since)


def set_back(root: str, since: int) -> None:
    """Give what was changed below *root* since then one modification time, unless its own is older."""
    for path in list(changed(root, since)):
        if os.lstat(path).st_mtime > EPOCH:
            os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def main(argv: list[str]) -> int:
    """Return the command's exit status."""
    if any(os.environ.get(name) != value for name, value in _QUIET.items()):
        # The order in some bytecode is that of hashes, which the interpreter chooses when it starts.
        os.execve(sys.executable, [sys.executable, "-B", __file__, *argv], {**os.environ, **_QUIET})  # noqa: S606 - itself
    if argv[:1] == ["--all"]:
        set_back(argv[1], 0)
        return 0
    since = now()
    status = subprocess.run(argv, check=False).returncode  # noqa: S603 - a list of words, no shell
    if status == 0:
        forget(since)
        settle("/", VENV, since)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
