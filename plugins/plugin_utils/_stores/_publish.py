# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing a truth that is a file: a command, such as a git commit and push, that must succeed after each write.

A mark beside the file says that a write is not published yet. It is there before the write and goes after the command,
so that a crash in between is seen: the next write publishes first, and until then nobody may read what other
controllers may never get to know.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ansible_collections.genai.comfyui.plugins.module_utils import _durable

DEFAULT_TIMEOUT = 120
_MOST = 300


class PublishError(Exception):
    """The command did not succeed; the text says how, without anything that looks like a login in a URL."""


class Publisher:
    """Runs the command for one file.

    :param command: program and arguments; run in the file's directory, with the environment of this process and
        ``COMFYUI_STORE_PATH`` (the file's path).
    :param timeout: seconds after which the command is killed.
    """

    def __init__(self, path: str, command: Sequence[str], timeout: int = DEFAULT_TIMEOUT) -> None:
        self._path = path
        self._command = list(command)
        self._timeout = timeout
        directory, name = os.path.split(path)
        self._mark = os.path.join(directory, f".{name}.unpublished")
        self._turn = os.path.join(directory, f"{name}.publishing")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold back other processes of this host that write or publish the file. :raises DurableError:"""
        with _durable.locked(self._turn, self._timeout + 60.0):
            yield

    def marked(self) -> str | None:
        """Return the etag of the write that is not published; None without one. :raises DurableError:"""
        data = _durable.read(self._mark).data
        return None if data is None else data.decode("ascii", "replace").strip() or None

    def mark(self, etag: str) -> None:
        """Note durably that the write that gives this etag has to be published. :raises DurableError:"""
        _durable.write(self._mark, f"{etag}\n".encode("ascii"), expected=_durable.read(self._mark).data)

    def clear(self) -> None:
        """Take the mark away, durably."""
        with suppress(FileNotFoundError):
            os.unlink(self._mark)
        directory = os.open(os.path.dirname(self._mark), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def run(self) -> None:
        """Run the command. :raises PublishError: it cannot be started, fails, or takes too long."""
        environment = {**os.environ, "COMFYUI_STORE_PATH": self._path}
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
                self._command,
                cwd=os.path.dirname(self._path),
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PublishError(f"it did not finish within {self._timeout} seconds") from None
        except OSError as error:
            raise PublishError(f"it cannot be started: {error.strerror}") from None
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[-_MOST:]
            # A remote's URL may hold a password.
            said = " ".join(re.sub(r"//[^/@\s]*@", "//***@", said).split())
            raise PublishError(f"it failed with exit code {done.returncode}{f': {said}' if said else ''}")
