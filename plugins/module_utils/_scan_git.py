# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The git history of a scan: every object of a repository, also of files and branches that were deleted.

Each repository is read as its owner, because git may run programs that a repository's configuration names.
"""

from __future__ import annotations

import bisect
import os
import pwd
import subprocess
import tempfile
from typing import IO, Any

from ansible_collections.genai.comfyui.plugins.module_utils._scan_base import (
    TIME_IS_UP,
    Place,
    Scan,
    ended,
    kill,
    popen,
)
from ansible_collections.genai.comfyui.plugins.module_utils._scan_sieve import Sieve

_ENVIRONMENT = {
    "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_PAGER": "cat",
    "GIT_ALLOW_PROTOCOL": "",
}  # fmt: skip
_PATIENCE = 60.0
_KINDS = (b"blob", b"commit", b"tag")


def repositories(scan: Scan, sieve: Sieve, paths: list[str]) -> None:
    """Search the objects of the repositories at *paths*; an object that several have is read once."""
    seen: set[bytes] = set()
    for path in dict.fromkeys(os.path.realpath(one) for one in paths):
        if scan.clock.over():
            scan.skip(path, TIME_IS_UP)
            continue
        if os.path.isfile(path):
            # A worktree or submodule; its objects are in the repository that the file names.
            scan.skip(path, "a link to another repository")
            continue
        _Repository(scan, sieve, path).run(seen)


class _Repository:
    def __init__(self, scan: Scan, sieve: Sieve, path: str) -> None:
        self._scan = scan
        self._sieve = sieve
        self._path = path
        self._as_owner: dict[str, Any] = {}

    def run(self, seen: set[bytes]) -> None:
        """Search it, or note why not."""
        try:
            owner = os.stat(self._path)
            if owner.st_uid != os.geteuid():
                if os.geteuid() != 0:
                    self._scan.skip(self._path, "a repository of another user")
                    return
                try:
                    group = pwd.getpwuid(owner.st_uid).pw_gid
                except KeyError:
                    group = owner.st_gid
                self._as_owner = {"user": owner.st_uid, "group": group, "extra_groups": []}
            with tempfile.TemporaryFile() as names:
                sizes = self._list(names, seen)
                if sizes is not None:
                    self._read(names, sizes)
        except FileNotFoundError:
            self._scan.skip(self._path, "git is not installed")
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            self._scan.skip(self._path, f"git cannot be run ({getattr(error, 'strerror', None) or 'error'})")

    def _git(self, *words: str, **more: Any) -> subprocess.Popen[bytes]:
        settings = ["-c", "core.fsmonitor=false", "-c", "log.showSignature=false", "-c", "core.hooksPath=/dev/null"]
        return popen(
            ["git", "--no-pager", f"--git-dir={self._path}", *settings, *words],
            env=_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", **self._as_owner, **more,
        )  # fmt: skip

    def _list(self, names: IO[bytes], seen: set[bytes]) -> list[tuple[bytes, bytes, int]] | None:
        """Write the names of the objects to read into *names*; return (name, kind, size) of each."""
        form = "--batch-check=%(objectname) %(objecttype) %(objectsize)"
        process = self._git("cat-file", "--batch-all-objects", "--unordered", form, stdin=subprocess.DEVNULL)
        found = []
        with ended(process, self._scan.clock):
            for line in process.stdout or ():
                name, _blank, rest = line.partition(b" ")
                kind, _blank, size = rest.partition(b" ")
                if kind not in _KINDS or name in seen:
                    continue
                seen.add(name)
                if int(size) > self._scan.options.max_size:
                    self._scan.skip(f"{self._path}, object {name.decode()}", "larger than max_size")
                    continue
                found.append((name, kind, int(size)))
                names.write(name + b"\n")
            status = process.wait(timeout=_PATIENCE) if not self._scan.clock.over() else -1
        if self._scan.clock.over():
            self._scan.skip(self._path, TIME_IS_UP)
            return None
        if status != 0:
            self._scan.skip(self._path, "git cannot read the repository")
            return None
        names.seek(0)
        return found

    def _read(self, names: IO[bytes], objects: list[tuple[bytes, bytes, int]]) -> None:
        self._scan.count("repositories")
        self._scan.count("git_objects", len(objects))
        if not objects:
            return
        # Where each object begins in the output: "NAME KIND SIZE\n", the object, "\n".
        starts = []
        position = 0
        for name, kind, size in objects:
            starts.append(position)
            position += len(name) + len(kind) + len(str(size)) + 3 + size + 1
        wanted: set[int] = set()
        process = self._git("cat-file", "--batch", "--buffer", stdin=names)
        with ended(process, self._scan.clock):
            if process.stdout is not None:
                for offset in self._sieve.offsets(process.stdout):
                    wanted.add(bisect.bisect_right(starts, offset) - 1)
        if self._scan.clock.over():
            self._scan.skip(self._path, TIME_IS_UP)
        for number in sorted(wanted):
            name, kind, _size = objects[number]
            data = self._output("cat-file", kind.decode(), name.decode())
            if data and self._scan.secrets.find(data):
                self._scan.look(Place("git", self._path, self._where(name.decode(), kind)), data)

    def _where(self, name: str, kind: bytes) -> str:
        """Return in words where an object is in the history."""
        if kind != b"blob":
            return f"the message of {kind.decode()} {name[:12]}"
        told = self._output(
            "log", "--all", "--reflog", "--no-renames", f"--find-object={name}", "--format=%x00%h", "--name-only", "-z"
        )
        for commit in reversed((told or b"").split(b"\0\0")):
            mark, _line, path = commit.strip(b"\0\n").partition(b"\0")
            shown = path.strip(b"\0\n").split(b"\0")[0].decode("utf-8", "backslashreplace")
            if shown:
                return f"{shown} in commit {mark.decode('ascii', 'replace').strip()}, object {name[:12]}"
        return f"object {name[:12]}, in no commit"

    def _output(self, *words: str) -> bytes | None:
        process = self._git(*words, stdin=subprocess.DEVNULL)
        try:
            return process.communicate(timeout=min(_PATIENCE, max(0.01, self._scan.clock.left())))[0]
        except subprocess.TimeoutExpired:
            kill(process)
            process.communicate()
            return None
