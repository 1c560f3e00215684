# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program that may hang, flood or be missing, and bring back what it said.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

LIMIT = 16 * 1024 * 1024
# A process that waits inside the kernel for a dead GPU does not even end by SIGKILL; it must not hold us, too.
_GRACE = 2.0


@dataclass(frozen=True)
class Answer:
    """What a program said. ``rc`` is None, and ``problem`` a sentence, when it did not end by itself."""

    rc: int | None
    out: str = ""
    err: str = ""
    problem: str = ""
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with status 0."""
        return self.rc == 0


def ask(argv: Sequence[str], timeout: float, limit: int = LIMIT) -> Answer:
    """Run a program in the C locale, in a process group of its own that does not outlive *timeout*.

    :param argv: absolute path of the program, and its arguments.
    :param timeout: seconds.
    :param limit: bytes of output after which it is stopped.
    """
    environment = {**os.environ, "LC_ALL": "C", "LANG": "C"}
    try:
        # pylint: disable-next=ansible-bad-function,consider-using-with  # run_command knows no timeout
        process = subprocess.Popen(  # noqa: S603 - fixed programs, no shell
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Answer(None, problem=f"{argv[0]} cannot be run ({getattr(error, 'strerror', None) or error})")
    output, problem = _collect(process, time.monotonic() + timeout, limit)
    if problem:
        # Not waited for yet, so the number still belongs to this group.
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()
    out, err = (data.decode("utf-8", "replace") for data in output)
    if problem == "time":
        return Answer(None, out, err, f"{argv[0]} did not end within {timeout:g} s", timed_out=True)
    if problem:
        return Answer(None, out, err, f"{argv[0]} wrote more than {limit} bytes")
    return Answer(process.returncode, out, err)


def _collect(process: subprocess.Popen[bytes], deadline: float, limit: int) -> tuple[list[bytearray], str]:
    """Read both pipes until they end; return what they held and what went wrong: '', 'time' or 'size'."""
    output = [bytearray(), bytearray()]
    with selectors.DefaultSelector() as selector:
        for number, pipe in enumerate((process.stdout, process.stderr)):
            if pipe:
                selector.register(pipe, selectors.EVENT_READ, number)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return output, "time"
            for key, _events in selector.select(left):
                data = os.read(key.fd, 65536)
                if not data:
                    selector.unregister(key.fileobj)
                output[key.data] += data
            if sum(map(len, output)) > limit:
                return output, "size"
    try:
        process.wait(max(deadline - time.monotonic(), 0.1))
    except subprocess.TimeoutExpired:
        return output, "time"
    return output, ""
