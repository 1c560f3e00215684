# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories, files without secrets and links: look at all of them first, then change what differs.

The plan is made before anything is touched, so that one impossible entry leaves the host as it was.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

KINDS = ("directory", "file", "link", "absent")
DEFAULT_MODES = {"directory": 0o755, "file": 0o644}

_OCTAL = re.compile(r"0?[0-7]{3,4}")
# A typing error in a variable must not be able to remove a system.
_SYSTEM = """
    / /bin /boot /dev /etc /home /lib /lib64 /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp /usr /usr/bin
    /usr/lib /usr/local /usr/sbin /usr/share /var /var/cache /var/lib /var/log /var/tmp /etc/systemd /etc/systemd/system
"""
_TEXT_LIMIT = 104448


class LayoutError(Exception):
    """An entry that is wrong or cannot be applied; the text names the path and the mend."""


@dataclass(frozen=True)
class Entry:
    """One wanted path. *mode* is a number, *content* text; None means "as it is"."""

    path: str
    state: str
    content: str | None = None
    src: str | None = None
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    recursive: bool = False
    validate: tuple[str, ...] = ()


@dataclass
class Step:
    """One entry with what must happen to it: *changes* is empty when the path is already as wanted."""

    entry: Entry
    changes: list[str] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """True when applying the step alters the host."""
        return bool(self.changes)

    def note(self, change: str, before: str, after: str) -> None:
        """Add one change with the texts that a diff shows for it."""
        self.changes.append(change)
        self.before[change] = before
        self.after[change] = after


def parse(raw: Mapping[str, Any]) -> Entry:
    """Return the entry that *raw* (as the user wrote it) describes; raise LayoutError for a wrong one."""
    path = str(raw.get("path") or "")
    state = str(raw.get("state") or "")
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise LayoutError(f"{path or '(empty path)'}: give an absolute path without '..'")
    path = os.path.normpath("/" + path.lstrip("/"))
    if state not in KINDS:
        raise LayoutError(f"{path}: state {state!r} is not known; use one of {', '.join(KINDS)}")
    for name, kinds in (
        ("content", ("file",)),
        ("validate", ("file",)),
        ("src", ("link",)),
        ("recursive", ("absent",)),
    ):
        if raw.get(name) not in (None, False, "", []) and state not in kinds:
            raise LayoutError(f"{path}: '{name}' has no meaning for state {state}; remove it or correct the state")
    if state == "link" and not raw.get("src"):
        raise LayoutError(f"{path}: a link needs 'src', the path that it points to")
    if state == "link" and raw.get("mode") is not None:
        raise LayoutError(f"{path}: a link has no mode of its own; set the mode on what it points to")
    return Entry(
        path=path,
        state=state,
        content=raw.get("content"),
        src=raw.get("src"),
        owner=_name(raw.get("owner")),
        group=_name(raw.get("group")),
        mode=parse_mode(raw.get("mode"), path),
        recursive=bool(raw.get("recursive")),
        validate=tuple(raw.get("validate") or ()),
    )


def parse_mode(mode: object, path: str) -> int | None:
    """Return the number that the octal text *mode* spells, None for None; raise LayoutError for anything else."""
    if mode is None or mode == "":
        return None
    # An unquoted 0644 reaches us as the number 420, and nobody can tell 420 from a wanted "0420".
    if isinstance(mode, str) and _OCTAL.fullmatch(mode):
        return int(mode, 8)
    raise LayoutError(f'{path}: mode {mode!r} is not understood; write it in quotes and octal, as "0644"')


def _name(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def plan(entries: Sequence[Entry], check: bool = False) -> list[Step]:
    """Return one step an entry, in order; raise LayoutError when any entry cannot be applied.

    With *check* true a missing parent, owner or group counts as something that an earlier task would have
    made: the entry is then reported as a change.
    """
    planner = _Planner(check)
    steps = [planner.step(entry) for entry in entries]
    if planner.refused:
        raise LayoutError("; ".join(planner.refused))
    return steps


class _Planner:
    """Knows what earlier entries of the same call will have made or removed."""

    def __init__(self, check: bool) -> None:
        self.check = check
        self.refused: list[str] = []
        self.future: dict[str, str] = {}
        self.seen: dict[str, Entry] = {}

    def step(self, entry: Entry) -> Step:
        step = Step(entry)
        try:
            earlier = self.seen.setdefault(entry.path, entry)
            if earlier != entry:
                raise LayoutError(f"{entry.path}: listed twice with different settings; keep one of the entries")
            if earlier is entry or entry.path not in self.future:
                getattr(self, "_" + entry.state)(entry, step)
                self.future[entry.path] = entry.state
        except LayoutError as error:
            self.refused.append(str(error))
        except OSError as error:
            self.refused.append(f"{entry.path}: {error.strerror or error}")
        return step

    def _look(self, path: str) -> os.stat_result | None:
        parent = os.path.dirname(path)
        while parent != "/":
            if self.future.get(parent) == "absent":
                return None
            parent = os.path.dirname(parent)
        try:
            return os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _parent(self, entry: Entry) -> None:
        parent = os.path.dirname(entry.path)
        kind = self.future.get(parent)
        if kind == "directory":
            return
        if kind in ("file", "absent"):
            raise LayoutError(f"{entry.path}: its parent {parent} is listed as {kind}; correct one of the two entries")
        _refuse_foreign_links(parent)
        if os.path.isdir(parent):
            return
        if os.path.lexists(parent):
            raise LayoutError(f"{entry.path}: its parent {parent} is not a directory; move it away")
        if not self.check:
            raise LayoutError(f"{entry.path}: its parent {parent} does not exist; list it before, with state directory")

    def _directory(self, entry: Entry, step: Step) -> None:
        self._parent(entry)
        now = self._look(entry.path)
        if now is None:
            step.note("state", "absent", "directory")
        elif stat.S_ISLNK(now.st_mode):
            raise LayoutError(
                f"{entry.path}: is a symbolic link to {os.readlink(entry.path)}, a directory is wanted; "
                "name the real directory instead, or remove the link"
            )
        elif not stat.S_ISDIR(now.st_mode):
            raise LayoutError(f"{entry.path}: is {kind_of(now)}, a directory is wanted; move it away")
        self._attributes(entry, now, step)

    def _file(self, entry: Entry, step: Step) -> None:
        self._parent(entry)
        now = self._look(entry.path)
        if now is None:
            step.note("state", "absent", "file")
            if entry.content:
                step.note("content", "", entry.content)
        elif stat.S_ISLNK(now.st_mode):
            raise LayoutError(
                f"{entry.path}: is a symbolic link to {os.readlink(entry.path)}, a file is wanted; "
                "name the real file instead, or remove the link"
            )
        elif not stat.S_ISREG(now.st_mode):
            raise LayoutError(f"{entry.path}: is {kind_of(now)}, a file is wanted; move it away")
        elif now.st_nlink > 1:
            raise LayoutError(
                f"{entry.path}: has {now.st_nlink} names (hard links), and the others would keep the old content; "
                "remove the other names"
            )
        elif entry.content is not None:
            self._content(entry, now, step)
        self._attributes(entry, now, step)

    def _content(self, entry: Entry, now: os.stat_result, step: Step) -> None:
        wanted = (entry.content or "").encode("utf-8")
        if now.st_size == len(wanted) and _read(entry.path) == wanted:
            return
        old = _read(entry.path) if now.st_size <= _TEXT_LIMIT else b"\0"
        try:
            shown = old.decode("utf-8")
        except UnicodeDecodeError:
            shown = "\0"
        step.note("content", f"({now.st_size} bytes)\n" if "\0" in shown else shown, entry.content or "")

    def _link(self, entry: Entry, step: Step) -> None:
        self._parent(entry)
        now = self._look(entry.path)
        target = entry.src or ""
        if now is None:
            step.note("state", "absent", "link")
            step.note("target", "", target)
        elif not stat.S_ISLNK(now.st_mode):
            raise LayoutError(f"{entry.path}: is {kind_of(now)}, a link is wanted; move it away")
        elif os.readlink(entry.path) != target:
            step.note("target", os.readlink(entry.path), target)
        self._attributes(entry, now, step)

    def _absent(self, entry: Entry, step: Step) -> None:
        now = self._look(entry.path)
        if now is None:
            return
        _refuse_foreign_links(os.path.dirname(entry.path))
        if stat.S_ISDIR(now.st_mode):
            if not entry.recursive:
                raise LayoutError(f"{entry.path}: is a directory; say 'recursive: true' to remove it with all it holds")
            _refuse_removal(entry.path, now)
        step.note("state", kind_of(now), "absent")

    def _attributes(self, entry: Entry, now: os.stat_result | None, step: Step) -> None:
        for change, wanted, lookup, current in (
            ("owner", entry.owner, uid_of, now.st_uid if now else -1),
            ("group", entry.group, gid_of, now.st_gid if now else -1),
        ):
            if wanted is None:
                continue
            number = lookup(wanted)
            if number is None and not self.check:
                raise LayoutError(f"{entry.path}: {change} {wanted!r} does not exist on this host; create it before")
            if now is not None and number != current:
                step.note(change, str(current), wanted)
        if now is not None and entry.mode is not None and stat.S_IMODE(now.st_mode) != entry.mode:
            step.note("mode", f"{stat.S_IMODE(now.st_mode):04o}", f"{entry.mode:04o}")


def uid_of(name: str) -> int | None:
    """Return the number of the user *name* (or of a number written as text), None when there is none."""
    if name.isdigit():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def gid_of(name: str) -> int | None:
    """Return the number of the group *name* (or of a number written as text), None when there is none."""
    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def kind_of(found: os.stat_result) -> str:
    """Return what *found* is, as a word for a message."""
    for test, word in ((stat.S_ISDIR, "directory"), (stat.S_ISREG, "file"), (stat.S_ISLNK, "link")):
        if test(found.st_mode):
            return word
    return "device, pipe or socket"


def _refuse_foreign_links(directory: str) -> None:
    # A service user who owns a directory could point it at /etc and let root write there.
    trusted = {0, os.geteuid()}
    path = directory
    while path != "/":
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            pass
        else:
            if stat.S_ISLNK(found.st_mode) and found.st_uid not in trusted:
                raise LayoutError(
                    f"{path}: is a symbolic link that belongs to user {found.st_uid}, it is not followed; "
                    "replace it by the real directory or let root own it"
                )
        path = os.path.dirname(path)


def _refuse_removal(path: str, now: os.stat_result) -> None:
    if path in _SYSTEM.split():
        raise LayoutError(f"{path}: is part of the system and is never removed; correct the path")
    if os.path.ismount(path):
        raise LayoutError(f"{path}: is a mount point; unmount it before removing it")
    for directory, names, _files in os.walk(path):
        for name in names:
            inner = os.path.join(directory, name)
            if os.lstat(inner).st_dev != now.st_dev:
                raise LayoutError(f"{path}: holds the mount point {inner}; unmount it before removing the tree")


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def run_validators(steps: Sequence[Step], directory: str, run: Callable[[list[str]], tuple[int, str]]) -> None:
    """Let every changed file's validator judge a copy in *directory*; raise LayoutError at the first refusal.

    The copy has the file's own name, because some programs (``systemd-analyze verify``) go by the name.
    *run* takes the words of a command and returns its exit status and its output.
    """
    for number, step in enumerate(steps):
        entry = step.entry
        if not entry.validate or "content" not in step.changes:
            continue
        if not any("%s" in word for word in entry.validate):
            raise LayoutError(f"{entry.path}: 'validate' must hold %s, which stands for the file to be checked")
        place = os.path.join(directory, str(number))
        os.mkdir(place, 0o700)
        copy = os.path.join(place, os.path.basename(entry.path))
        with open(copy, "wb") as stream:
            stream.write((entry.content or "").encode("utf-8"))
        status, output = run([word.replace("%s", copy) for word in entry.validate])
        if status != 0:
            raise LayoutError(
                f"{entry.path}: {entry.validate[0]} refuses the new content (exit status {status}): "
                f"{output.strip().replace(copy, entry.path) or 'it gave no reason'}; correct the content"
            )


def describe_error(step: Step, error: OSError) -> str:
    """Return the message for *error*, which happened while *step* was applied."""
    mends = {
        errno.EACCES: "run as root (become)",
        errno.EPERM: "run as root (become)",
        errno.EROFS: "make the file system writable",
        errno.ENOSPC: "free some space",
    }
    mend = mends.get(error.errno or 0, "mend that and run again")
    return f"{step.entry.path}: {error.strerror or error}; {mend}"
