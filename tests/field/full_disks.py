# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders on a small file system of their own, which can be filled up: on a host, or on this machine."""

from __future__ import annotations

import subprocess
from types import TracebackType

import pytest
from field_hosts import PROJECT

# The folder's files, on a small file system that is mounted over it; the folder below stays in reach for the way back.
_MOUNT = """
set -e
mkdir -p "$2"
size=$(( $(du -sk "$1" | cut -f1) * 2 + 128 ))
mount --bind "$1" "$2"
mount --make-private "$2"
mount -t tmpfs -o size="${size}k",mode="$(stat -c %a "$2")",uid="$(stat -c %u "$2")",gid="$(stat -c %g "$2")" tmpfs "$1"
cp -a "$2/." "$1/"
"""
_FILL = 'dd if=/dev/zero of="$1/.filler" bs=4k 2>&1 | grep -q "No space left"'
_FREE = 'rm -f "$1/.filler"'
# Each file whole, as somebody may be reading it.
_UNMOUNT = """
rm -f "$1/.filler"
cd "$2"
find "$1" -xdev -type f | while read -r file; do
  name="${file#"$1"/}"
  cmp -s "$file" "$name" || { mkdir -p "$(dirname "$name")"; cp -a "$file" "$name.back" && mv "$name.back" "$name"; }
done
cd /
umount -l "$1" && umount "$2" && rmdir "$2"
"""


class Small:
    """A folder on a host (None: on this machine) that can be full. Its files survive."""

    def __init__(self, host: str | None, folder: str) -> None:
        self._host, self._folder = host, folder
        self._below = f"/run/below-{folder.strip('/').replace('/', '-')}"

    def _run(self, script: str) -> subprocess.CompletedProcess[str]:
        there = ["docker", "exec", f"{PROJECT}-{self._host}"] if self._host else []
        words = [*there, "sh", "-c", script, "sh", self._folder, self._below]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    def __enter__(self) -> Small:
        done = self._run(_MOUNT)
        if "must be superuser" in done.stderr or "permission denied" in done.stderr:
            pytest.skip(f"no file system can be mounted on this machine: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        done = self._run(_UNMOUNT)
        assert done.returncode == 0, done.stdout + done.stderr

    def fill(self) -> None:
        """Leave no byte."""
        done = self._run(_FILL)
        assert done.returncode == 0, done.stderr

    def free(self) -> None:
        """Give the space back."""
        assert self._run(_FREE).returncode == 0

    def names(self) -> list[str]:
        """Return all files in it, with their paths below it."""
        return sorted(self._run('cd "$1" && find . -type f').stdout.split())
