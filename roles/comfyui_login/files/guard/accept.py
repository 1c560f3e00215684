# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files in ComfyUI's `login/` that decide who gets in, read strictly. Standard library only.

`PASSWORD` is the login node's own file. `ACCEPT.json` is ours: the tokens that are valid now and the time before
which sessions do not count::

    {"schema": 1, "epoch": 0, "tokens": [{"version": "v7", "token": "$2b$12$...", "expires": null}]}

`epoch` and `expires` are whole seconds since 1970 (UTC) or `2026-01-02T03:04:05Z`.
"""

from __future__ import annotations

import errno
import hmac
import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

LIMIT = 64 * 1024
MOST_TOKENS = 16
PAUSE = 0.5
"""Seconds between two looks at ACCEPT.json."""

_TOKEN = re.compile(r"\$2[aby]\$(?:0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.26CGKOSWaeimquy]")
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_FAR = 1 << 40

Stamp = tuple[int, ...]


class Unusable(Exception):
    """Why a file cannot be used, without anything of its content."""


def is_token(text: object) -> bool:
    """Whether *text* is one complete bcrypt hash in canonical form."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def _stamp(found: os.stat_result) -> Stamp:
    return (found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_private(path: Path, forbidden: int) -> tuple[bytes, Stamp]:
    """Read a small regular file that was not written to meanwhile; *forbidden* are mode bits it may not have."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = {errno.ENOENT: "does not exist", errno.ELOOP: "is a symbolic link"}.get(error.errno or 0, error.strerror)
        raise Unusable(f"{path}: {why}") from None
    try:
        before = os.fstat(handle)
        if not stat.S_ISREG(before.st_mode):
            raise Unusable(f"{path}: is not a regular file")
        if before.st_mode & forbidden:
            raise Unusable(f"{path}: others may touch it (mode {stat.S_IMODE(before.st_mode):04o})")
        data = os.read(handle, LIMIT + 1)
        if len(data) > LIMIT:
            raise Unusable(f"{path}: is larger than {LIMIT} bytes")
        if len(data) != before.st_size or _stamp(os.fstat(handle)) != _stamp(before):
            raise Unusable(f"{path}: was being written to")
        return data, _stamp(before)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from None
    finally:
        os.close(handle)


def read_password(path: Path) -> tuple[str, str]:
    """Return token and user name; raise Unusable for whatever would open ComfyUI-Login or break its form."""
    data, _status = read_private(path, 0o007)
    if b"\r" in data:
        raise Unusable(f"{path}: has CR line ends")
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Unusable(f"{path}: is not UTF-8") from None
    if not is_token(lines[0]):
        raise Unusable(f"{path}: line 1 is not a bcrypt hash and nothing else")
    if len(lines) < 2 or not lines[1].strip():
        raise Unusable(f"{path}: line 2 holds no user name")
    return lines[0], lines[1].strip()


@dataclass(frozen=True)
class Listed:
    """One token that is valid until *expires* (seconds since 1970; None: until it is taken out)."""

    version: str
    token: bytes
    expires: int | None = None

    def __repr__(self) -> str:
        return f"Listed({self.version})"


@dataclass(frozen=True)
class AcceptSet:
    """What is in force."""

    tokens: tuple[Listed, ...]
    epoch: int = 0

    def valid(self, now: float) -> list[Listed]:
        """Return the entries that have not ended."""
        return [one for one in self.tokens if one.expires is None or now < one.expires]

    def find(self, token: bytes, now: float) -> Listed | None:
        """Return the valid entry of *token*. All entries are compared, each in constant time."""
        found = None
        for one in self.tokens:
            if hmac.compare_digest(one.token, token) and (one.expires is None or now < one.expires):
                found = one
        return found


def _moment(value: Any, name: str) -> int:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            return int(datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp())
        except ValueError:
            pass
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _FAR:
        return value
    raise Unusable(f"{name} is neither whole seconds since 1970 nor a UTC time")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unusable("a key stands twice")
    return found


def _keys(value: Any, name: str, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise Unusable(f"{name} is not an object with the keys {', '.join(sorted(keys))}")
    return value


def parse_accept(data: bytes) -> AcceptSet:
    """Return what ACCEPT.json says; raise Unusable, and nothing else, for anything that is not exactly its form."""
    try:
        whole = json.loads(data.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        # The error's own text would quote the file.
        raise Unusable("is not JSON") from None
    whole = _keys(whole, "the document", {"schema", "epoch", "tokens"})
    if isinstance(whole["schema"], (bool, float)) or whole["schema"] != 1:
        raise Unusable("schema is not 1")
    entries = whole["tokens"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_TOKENS:
        raise Unusable(f"tokens is not a list of 1 to {MOST_TOKENS} entries")
    listed = []
    for number, entry in enumerate(entries, 1):
        name = f"token {number}"
        entry = _keys(entry, name, {"version", "token", "expires"})
        if not isinstance(entry["version"], str) or not _VERSION.fullmatch(entry["version"]):
            raise Unusable(f"version of {name} is not a short plain name")
        if not is_token(entry["token"]):
            raise Unusable(f"{name} is not a bcrypt hash")
        expires = None if entry["expires"] is None else _moment(entry["expires"], f"expires of {name}")
        listed.append(Listed(entry["version"], entry["token"].encode("ascii"), expires))
    if len({one.version for one in listed}) < len(listed) or len({one.token for one in listed}) < len(listed):
        raise Unusable("a version or a token stands twice")
    return AcceptSet(tuple(listed), _moment(whole["epoch"], "epoch"))


class Accept:
    """ACCEPT.json, followed while it changes. Without one at start, just the token in PASSWORD.

    A file that goes bad, or away, changes nothing in force; *report* is told once.
    """

    def __init__(self, path: Path, token: str, report: Callable[[str], None], clock: Callable[[], float]) -> None:
        """Read for the first time. Raises Unusable: a broken file at start leaves nothing to be in force."""
        self._path, self._report, self._clock = path, report, clock
        self._stamp: Stamp | None = None
        self._said, self._next = "", clock() + PAUSE
        self.current = AcceptSet((Listed("PASSWORD", token.encode("ascii")),))
        if os.path.lexists(path):
            self._load()

    def _load(self) -> None:
        data, stamp = read_private(self._path, 0o077)
        try:
            self.current = parse_accept(data)
        except Unusable as fault:
            raise Unusable(f"{self._path}: {fault}") from None
        self._stamp = stamp

    @property
    def present(self) -> bool:
        """Whether what is in force comes from the file."""
        return self._stamp is not None

    @property
    def sound(self) -> bool:
        """Whether the last look at the file found nothing wrong with it."""
        return not self._said

    def now(self) -> AcceptSet:
        """Return what is in force, after a look at the file if the last one is PAUSE seconds ago."""
        time = self._clock()
        if time >= self._next:
            self._next = time + PAUSE
            self._look()
        return self.current

    def _look(self) -> None:
        try:
            stamp: Stamp | None = _stamp(os.lstat(self._path))
        except OSError:
            stamp = None
        if stamp == self._stamp:
            self._said = ""
            return
        try:
            self._load()
        except Unusable as fault:
            if str(fault) != self._said:
                self._said = str(fault)
                self._report(f"{fault}; what was valid before stays so")
        else:
            self._said = ""
            versions = ", ".join(one.version for one in self.current.tokens)
            self._report(f"{self._path}: read again; valid: {versions}; sessions count from {self.current.epoch}")
