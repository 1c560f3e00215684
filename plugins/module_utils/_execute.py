# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running another program: no shell, a time limit for it and all its children, and its output in one text."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

_MORE_PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")


class ExecuteError(Exception):
    """A program could not be run to its end. ``str()`` says which, and holds none of its output."""


@dataclass(frozen=True)
class Ran:
    """How a program ended. ``out`` is its standard output; ``said`` that and its standard error, stripped."""

    status: int
    out: str
    said: str


def search_path() -> str:
    """Return the places where programs are looked for; an unprivileged user's often lack those of the system's."""
    places = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join([*(place for place in places if place), *(p for p in _MORE_PLACES if p not in places)])


def which(name: str) -> str | None:
    """Return the path of the program *name*, or None."""
    return shutil.which(name, path=search_path())


def execute(
    words: Sequence[str],
    *,
    timeout: float = 60.0,
    environment: Mapping[str, str] | None = None,
    directory: str = "/",
) -> Ran:
    """Run *words* in *directory* and return how it ended; nothing is given to its standard input.

    :param timeout: seconds, after which it and its children are killed.
    :param environment: instead of this process's own.

    Raises :class:`ExecuteError`.
    """
    program = which(words[0])
    if program is None:
        raise ExecuteError(f"there is no program {words[0]} on this host")
    given = dict(os.environ if environment is None else environment)
    try:
        # pylint: disable-next=ansible-bad-function,consider-using-with  # run_command knows no timeout
        process = subprocess.Popen(  # noqa: S603 - a list of words, no shell
            [program, *words[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=given, cwd=directory, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise ExecuteError(f"{words[0]} cannot be run ({error.strerror})") from None
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise ExecuteError(f"{words[0]} did not end within {timeout:g} s") from None
    texts = [one.decode("utf-8", "replace") for one in (out, err)]
    return Ran(process.returncode, texts[0], "\n".join(text.strip() for text in texts if text.strip()))
