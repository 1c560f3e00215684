# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a scan: which there are below its roots, which are left out and why, and what the others hold."""

from __future__ import annotations

import fnmatch
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress

from ansible_collections.genai.comfyui.plugins.module_utils._scan_base import TIME_IS_UP, Place, Scan
from ansible_collections.genai.comfyui.plugins.module_utils._scan_sieve import Sieve

# Models, pictures, sound, archives: large, and what they hold is compressed or no text. Never opened.
_MEDIA = frozenset({
    "safetensors", "ckpt", "pt", "pth", "gguf", "onnx", "bin", "npz", "npy", "png", "jpg", "jpeg", "webp", "gif",
    "avif", "mp4", "webm", "mov", "mkv", "mp3", "wav", "flac", "ogg", "ttf", "otf", "woff", "woff2", "iso", "img",
    "qcow2", "vmdk", "so", "a", "o", "pyc",
})  # fmt: skip
_PACKED = frozenset({
    "gz", "xz", "bz2", "zst", "lz4", "zip", "7z", "rar", "whl", "jar", "deb", "rpm", "tgz", "txz",
})  # fmt: skip
# Shells, interpreters and database clients keep what was typed; editors and pagers what was looked at.
HISTORIES = (
    ".bash_history", ".zsh_history", ".zhistory", ".histfile", ".sh_history", ".ash_history", ".ksh_history",
    ".history", ".python_history", ".node_repl_history", ".psql_history", ".mysql_history", ".sqlite_history",
    ".rediscli_history", ".lesshst", ".viminfo", ".local/share/fish/fish_history",
    ".local/share/powershell/PSReadLine/ConsoleHost_history.txt",
)  # fmt: skip
_HISTORY_NAMES = frozenset(os.path.basename(name) for name in HISTORIES)
# What Ansible itself runs now: its arguments are what this scan was told to look for.
_OWN = "AnsiballZ_token_scan.py"


class Files:
    """Walks the roots of a scan. Git repositories on the way are kept in ``repositories``."""

    def __init__(self, scan: Scan, sieve: Sieve) -> None:
        self._scan = scan
        self._sieve = sieve
        self._seen: set[tuple[int, int]] = set()
        self._named: list[str] = []
        self.repositories: list[str] = []

    def run(self) -> None:
        """Search all files below the roots."""
        self._search(self._walk())

    def histories(self) -> None:
        """Search the histories in the homes of all users, wherever the roots are."""
        homes = {os.path.realpath(user.pw_dir) for user in pwd.getpwall() if user.pw_dir.startswith("/")}
        homes.add(os.path.realpath(os.path.expanduser("~")))
        self._search(self._histories(sorted(homes - {"/"})))

    def _histories(self, homes: Iterable[str]) -> Iterator[str]:
        for home in homes:
            for name in HISTORIES:
                path = os.path.join(home, name)
                with suppress(OSError):
                    status = os.stat(path, follow_symlinks=False)
                    if self._wanted(path, status):
                        self._scan.count("histories")
                        yield path

    def _search(self, paths: Iterable[str]) -> None:
        for path, problem in self._sieve.files(paths):
            if problem:
                self._scan.skip(path, problem)
            else:
                self._look(path)

    def _look(self, path: str) -> None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                data = stream.read(self._scan.options.max_size + 1)
        except OSError as error:
            self._scan.skip(path, (error.strerror or "cannot be read").lower())
            return
        kind = "history" if os.path.basename(path) in _HISTORY_NAMES else "file"
        self._scan.look(Place(kind, path), data)

    def _walk(self) -> Iterator[str]:
        for root in self._scan.options.roots:
            real = os.path.realpath(root)
            try:
                status = os.stat(real)
            except OSError as error:
                self._scan.skip(root, (error.strerror or "cannot be read").lower())
                continue
            if stat.S_ISDIR(status.st_mode):
                yield from self._directory(real, status)
            elif self._wanted(real, status):
                yield real

    def _directory(self, root: str, status: os.stat_result) -> Iterator[str]:
        pending = [(root, 0, status.st_dev)]
        while pending:
            path, depth, device = pending.pop()
            if self._scan.clock.over():
                self._scan.skip(path, TIME_IS_UP)
                continue
            try:
                with os.scandir(path) as entries:
                    listed = list(entries)
            except OSError as error:
                self._scan.skip(path, (error.strerror or "cannot be read").lower())
                continue
            if self._enter(path, listed):
                pending += [
                    (entry.path, depth + 1, device)
                    for entry in listed
                    if entry.is_dir(follow_symlinks=False) and self._below(entry, depth + 1, device)
                ]
                for entry in listed:
                    with suppress(OSError):
                        if not self._file(entry):
                            continue
                        if any(entry.path.startswith(name) for name in self._named):
                            # A path that holds a secret is no argument for a program.
                            self._look(entry.path)
                        else:
                            yield entry.path

    def _enter(self, path: str, listed: list[os.DirEntry[str]]) -> bool:
        """Look at the names in a directory, and say whether to look at what they name."""
        status = os.stat(path)
        inode = (status.st_dev, status.st_ino)
        if inode in self._seen:
            return False
        self._seen.add(inode)
        self._scan.count("directories")
        names = "\n".join(entry.name for entry in listed)
        for line in {hit.start for hit in self._scan.secrets.find(os.fsencode(names))}:
            # A name with a line break moves those after it; then one of the neighbours is named.
            name = listed[min(os.fsencode(names).count(b"\n", 0, line), len(listed) - 1)].name
            place = Place("name", os.path.join(path, name), "the name of a file", line=False)
            self._scan.look(place, os.fsencode(name))
            self._named.append(place.path)
        present = {entry.name for entry in listed}
        if ".git" in present:
            self.repositories.append(os.path.join(path, ".git"))
        elif {"HEAD", "objects", "refs"} <= present and os.path.basename(path) != ".git":
            self.repositories.append(path)
        return True

    def _below(self, entry: os.DirEntry[str], depth: int, device: int) -> bool:
        if self._excluded(entry.path):
            return False
        if depth > self._scan.options.max_depth:
            self._scan.skip(entry.path, "deeper than max_depth")
            return False
        if entry.name == "objects" and os.path.exists(os.path.join(os.path.dirname(entry.path), "HEAD")):
            # Packed; source "git" reads them.
            return False
        try:
            elsewhere = entry.stat(follow_symlinks=False).st_dev != device
        except OSError as error:
            self._scan.skip(entry.path, (error.strerror or "cannot be read").lower())
            return False
        if elsewhere and self._scan.options.one_file_system:
            self._scan.skip(entry.path, "another file system")
            return False
        return True

    def _file(self, entry: os.DirEntry[str]) -> bool:
        if entry.is_symlink():
            self._scan.skip(entry.path, "a symbolic link")
            return False
        if entry.is_dir(follow_symlinks=False) or self._excluded(entry.path):
            return False
        return self._wanted(entry.path, entry.stat(follow_symlinks=False))

    def _excluded(self, path: str) -> bool:
        for pattern in self._scan.options.exclude:
            if fnmatch.fnmatchcase(path, pattern):
                self._scan.skip(path, "excluded")
                return True
        return False

    def _wanted(self, path: str, status: os.stat_result) -> bool:
        """Say whether to open a file, and note why not."""
        name = os.path.basename(path)
        ending = name.rpartition(".")[2].lower()
        reason = None
        if not stat.S_ISREG(status.st_mode):
            reason = "no regular file"
        elif status.st_size == 0:
            return False
        elif ending in _MEDIA:
            reason = "a model, picture, sound or program"
        elif ending in _PACKED:
            reason = "compressed"
        elif status.st_size > self._scan.options.max_size:
            reason = "larger than max_size"
        elif name == _OWN:
            reason = "this scan's own program"
        if reason:
            self._scan.skip(path, reason)
            return False
        if status.st_nlink > 1 or name in _HISTORY_NAMES:
            # Once, whatever the number of its names; histories may also lie below a root.
            inode = (status.st_dev, status.st_ino)
            if inode in self._seen:
                return False
            self._seen.add(inode)
        self._scan.count("files")
        self._scan.count("bytes", status.st_size)
        return True
