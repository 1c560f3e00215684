# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which model files a host should have, which it has, and where the missing ones come from. Reads; fetches nothing.

The record (``.genai-comfyui-models.json`` in the models directory) remembers what was verified: while a file has the
inode, size and time that it had then, no byte of it is read again. It is also the list of what may be removed.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import ssl
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

RECORD = ".genai-comfyui-models.json"
LINKS = ("hard", "reflink", "symlink", "copy")

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


class ModelError(ValueError):
    """A model cannot be as asked; the text names the file or the option, and the mend."""


@dataclass
class Model:
    """One file that is wanted: ``path`` below the models directory, what it must be, and where it comes from."""

    path: str
    sha256: str | None
    size: int | None
    url: str | None
    """Absolute address, or the path below a hub's endpoint (``/org/repo/resolve/rev/file``)."""
    src: str | None
    gated: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return os.path.basename(self.path)

    def addresses(self, endpoints: Iterable[str]) -> list[str]:
        """Return where to download it from, best first."""
        if self.url is None:
            return []
        return [endpoint.rstrip("/") + self.url for endpoint in endpoints] if self.url.startswith("/") else [self.url]


def address(url: str) -> str:
    """Return *url* without what may be secret: its query, which may be a signature, and a user's name and password."""
    try:
        parts = urlsplit(url)
        return parts._replace(query="", fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]


def parse(given: Mapping[str, Any]) -> Model:
    """Return one wanted file. :raises ModelError: an option is missing, malformed or does not go with another."""
    asked = {name: value for name, value in given.items() if value is not None}
    sources = [name for name in ("repo", "url", "src") if name in asked]
    label = asked.get("name") or asked.get("path") or address(asked.get("url", "")) or asked.get("src") or "a file"
    if len(sources) != 1:
        raise ModelError(f"{label}: give exactly one of repo, url and src; given is {', '.join(sources) or 'none'}")
    url = None
    if "repo" in asked:
        if "path" not in asked or "revision" not in asked:
            raise ModelError(f"{label}: repo needs path and revision; 'main' moves, pin a commit")
        if not _REPO.fullmatch(asked["repo"]) or not _REVISION.fullmatch(asked["revision"]) or ".." in asked["path"]:
            raise ModelError(f"{label}: repo, revision or path is malformed")
        place = quote(asked["path"].strip("/"))
        url = f"/{asked['repo']}/resolve/{quote(asked['revision'], safe='')}/{place}"
    elif "url" in asked:
        url = asked["url"]
        if not url.startswith(("http://", "https://")):
            raise ModelError(f"{label}: url must start with http:// or https://")
    plain = asked.get("path") or asked.get("src") or (url or "").partition("?")[0]
    name = asked.get("name") or os.path.basename(plain)
    folder = asked.get("kind", "")
    place = os.path.normpath(os.path.join(folder, name))
    if not name or os.path.isabs(place) or place.startswith("..") or os.path.basename(place).startswith("."):
        raise ModelError(f"{label}: {place!r} is no place below the models directory")
    digest = asked.get("sha256")
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise ModelError(f"{label}: sha256 is not 64 hex digits")
    if digest is None and "repo" not in asked:
        raise ModelError(f"{label}: sha256 is missing; only a hub's repository can tell it")
    return Model(place, digest and digest.lower(), asked.get("size"), url, asked.get("src"))


def parse_all(given: Iterable[Mapping[str, Any]]) -> list[Model]:
    """Return all wanted files. :raises ModelError: also when two claim one place."""
    found = [parse(one) for one in given]
    seen: dict[str, Model] = {}
    for one in found:
        if one.path in seen:
            raise ModelError(f"{one.path}: two files claim this place")
        seen[one.path] = one
    return found


@dataclass
class Record:
    """What was verified, by path below *folder*."""

    folder: str
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    _mine: set[str] = field(default_factory=set, init=False)

    @classmethod
    def read(cls, folder: str) -> Record:
        """Return the record of *folder*; an unreadable one counts as none, because everything can be verified again."""
        try:
            with open(os.path.join(folder, RECORD), encoding="utf-8") as stream:
                entries = json.load(stream)["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return cls(folder)
        sound = isinstance(entries, dict) and all(isinstance(entry, dict) for entry in entries.values())
        return cls(folder, entries if sound else {})

    def write(self) -> None:
        """Write what was noted and forgotten here into the file; what other runs wrote there meanwhile stays."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):
                # Some network file systems have no locks on directories.
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            entries = Record.read(self.folder).entries
            for path in self._mine:
                entries.pop(path, None)
                if path in self.entries:
                    entries[path] = self.entries[path]
            self.entries = entries
            self._write()
        finally:
            os.close(descriptor)

    def _write(self) -> None:
        content = json.dumps({"schema": 1, "files": self.entries}, indent=1, sort_keys=True) + "\n"
        # Always the same name: what a kill leaves is overwritten.
        temporary = os.path.join(self.folder, RECORD + ".new")
        try:
            how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, how, 0o644), "w", encoding="utf-8") as stream:
                stream.write(content)
                os.fchmod(stream.fileno(), 0o644)
            os.replace(temporary, os.path.join(self.folder, RECORD))
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def known(self, path: str, found: os.stat_result) -> str | None:
        """Return the sha256 that was verified for this very file; None when it was not, or has changed since."""
        entry = self.entries.get(path, {})
        same = entry.get("inode") == found.st_ino and entry.get("size") == found.st_size
        return entry.get("sha256") if same and entry.get("mtime_ns") == found.st_mtime_ns else None

    def note(self, path: str, sha256: str, *, laid: bool) -> None:
        """Remember that the file was verified; *laid*: we put it there, and may remove it."""
        target = os.path.join(self.folder, path)
        found = os.stat(target)
        laid = laid or bool(self.entries.get(path, {}).get("laid"))
        entry: dict[str, Any] = {"inode": found.st_ino, "size": found.st_size, "mtime_ns": found.st_mtime_ns}
        if os.path.islink(target):
            entry["symlink"] = os.readlink(target)
        self.entries[path] = {**entry, "sha256": sha256, "laid": laid}
        self._mine.add(path)

    def forget(self, path: str) -> None:
        """Remember nothing of the file."""
        self.entries.pop(path, None)
        self._mine.add(path)

    def replaceable(self, path: str, found: os.stat_result) -> bool:
        """Tell whether the file is the one that was laid down here, so that another may take its place."""
        entry = self.entries.get(path, {})
        # Inodes are given out again, and a restored backup has others. Of a link, the store keeps what it is.
        same = entry.get("size") == found.st_size and entry.get("mtime_ns") == found.st_mtime_ns
        link = os.path.islink(os.path.join(self.folder, path)) or found.st_nlink > 1
        return bool(entry.get("laid")) and (same or link)


@dataclass
class Step:
    """What has to be done for one file. *action* is ``none``, ``verify``, ``link`` or ``download``."""

    model: Model
    action: str
    store: str | None = None
    """Where a link or copy comes from."""
    missing: int = 0
    """Bytes that it will take on the file system, as far as known."""
    replaces: bool = False


def look(model: Model, record: Record, stores: Iterable[str], always: bool) -> Step:
    """Decide about one wanted file by looking at names and sizes. :raises ModelError: what is there is not ours."""
    target = os.path.join(record.folder, model.path)
    replaces = False
    try:
        found: os.stat_result | None = os.stat(target)
    except FileNotFoundError:
        found = None
    except OSError as error:
        raise ModelError(f"{target}: {error.strerror}") from None
    if found is not None:
        if not stat.S_ISREG(found.st_mode):
            raise ModelError(f"{target} is there, but no regular file; move it away")
        known = record.known(model.path, found)
        if known is not None and model.sha256 in (None, known) and not always:
            return Step(model, "none")
        laid = record.replaceable(model.path, found)
        if model.size in (None, found.st_size) and (known is None or always or model.sha256 == known):
            return Step(model, "verify", replaces=laid)
        if not laid:
            raise ModelError(
                f"{target} is there and is another file ({found.st_size} bytes, wanted are {model.size}); nothing is "
                "overwritten that was not laid down here: move it away, or give this one another name"
            )
        replaces = True
    source = find_stored(model, stores)
    if source is not None:
        return Step(model, "link", source, model.size or 0, replaces)
    part = os.path.join(os.path.dirname(target), f".{model.name}.part")
    have = os.path.getsize(part) if os.path.exists(part) else 0
    return Step(model, "download", None, max(0, (model.size or 0) - have), replaces)


def find_stored(model: Model, stores: Iterable[str]) -> str | None:
    """Return where a shared store has the file, judged by name and size; None where none has."""
    if model.src is not None:
        if not os.path.isfile(model.src):
            raise ModelError(f"{model.src} does not exist, or is no regular file")
        return model.src
    names = [model.path, model.name]
    if model.url is not None and "/resolve/" in model.url:
        names.append(model.url.partition("/resolve/")[2].partition("/")[2])
    for store in stores:
        for name in names:
            place = os.path.join(store, name)
            if os.path.isfile(place) and model.size in (None, os.path.getsize(place)):
                return place
    return None


def mount_of(path: str) -> str:
    """Return the mount point that *path*, or its nearest parent that exists, lies on."""
    place = os.path.realpath(path)
    while not os.path.exists(place):
        place = os.path.dirname(place)
    while not os.path.ismount(place):
        place = os.path.dirname(place)
    return place


def check_authorities(path: str | None) -> None:
    """Raise ModelError unless *path*, where one is given, is a directory or a file of certificate authorities."""
    if path is None:
        return
    try:
        os.stat(path)
        if os.path.isdir(path):
            return
        ssl.create_default_context(cafile=path)
    except OSError as error:
        # OpenSSL's errors are of this class too, with words that help nobody.
        why = "there is no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise ModelError(f"ca_path {path}: {why}; give a PEM file or a directory of certificate authorities") from None


def check_space(steps: Iterable[Step], folder: str, link: str, reserve: int) -> None:
    """Raise ModelError unless everything fits, with *reserve* bytes left, on each file system."""
    needed: dict[str, int] = {}
    for step in steps:
        if step.action == "download" or (step.action == "link" and link == "copy"):
            mount = mount_of(os.path.join(folder, step.model.path))
            needed[mount] = needed.get(mount, 0) + step.missing
    for mount, count in needed.items():
        found = os.statvfs(mount)
        free = found.f_bavail * found.f_frsize
        if count and free < count + reserve:
            raise ModelError(
                f"{mount} has {free} bytes free; {count} are needed and {reserve} stay in reserve: "
                f"{count + reserve - free} bytes are missing"
            )
