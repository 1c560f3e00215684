# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's kernel tells: who listens, which processes hold a variable, who may read a file. Linux; reads only.

What cannot be read (another user's process, no ``/proc``) is left out, never guessed.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass

_LISTEN = "0A"
_LIMIT = 1 << 20


@dataclass(frozen=True)
class Listener:
    """A TCP socket that takes connections. ``pid`` is 0 where the owner cannot be seen."""

    address: str
    port: int
    pid: int
    name: str

    @property
    def loopback(self) -> bool:
        """Whether only this host reaches it."""
        return self.address.startswith("127.") or self.address in ("::1", "::ffff:127.0.0.1")


@dataclass(frozen=True)
class Holder:
    """A process that has a variable in its environment, and the unit it belongs to (empty: none)."""

    pid: int
    name: str
    unit: str
    value: str


def pids() -> list[int]:
    """Return all processes that can be seen."""
    try:
        return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read(_LIMIT)
    except OSError:
        return b""


def name_of(pid: int) -> str:
    """Return a process's short name, or an empty text."""
    return _read(f"/proc/{pid}/comm").decode("utf-8", "replace").strip()


def arguments_of(pid: int) -> list[str]:
    """Return a process's command line; empty when it is gone or hidden."""
    data = _read(f"/proc/{pid}/cmdline")
    return data.decode("utf-8", "replace").rstrip("\0").split("\0") if data else []


def unit_of(pid: int) -> str:
    """Return the systemd service (or Docker container) that a process belongs to, or an empty text."""
    data = _read(f"/proc/{pid}/cgroup").decode("utf-8", "replace")
    found = re.findall(r"/([^/\s]+\.service)(?=/|\s|\Z)", data)
    if found:
        return str(found[-1])
    container = re.search(r"docker[/-]([0-9a-f]{12})[0-9a-f]{52}", data)
    return f"container {container[1]}" if container else ""


def holders(names: set[str]) -> dict[str, list[Holder]]:
    """Return, for each environment variable of *names*, the processes that were started with it."""
    wanted = {name.encode("utf-8"): name for name in names}
    found: dict[str, list[Holder]] = {name: [] for name in names}
    own = os.getpid()
    for pid in pids() if names else ():
        if pid == own:
            continue
        for entry in _read(f"/proc/{pid}/environ").split(b"\0"):
            key, mark, value = entry.partition(b"=")
            if mark and key in wanted:
                text = value.decode("utf-8", "surrogateescape")
                found[wanted[key]].append(Holder(pid, name_of(pid), unit_of(pid), text))
    return found


def _unpacked(text: str) -> str:
    raw = bytes.fromhex(text)
    # The kernel prints each group of four bytes in the host's own order, which is little-endian where ComfyUI runs.
    raw = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)


def _sockets() -> Iterator[tuple[str, int, str]]:
    for name in ("tcp", "tcp6"):
        for line in _read(f"/proc/net/{name}").decode("ascii", "replace").splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == _LISTEN:
                address, _mark, port = words[1].partition(":")
                try:
                    yield _unpacked(address), int(port, 16), words[9]
                except (ValueError, OSError):
                    continue


def listeners(ports: set[int]) -> list[Listener]:
    """Return who listens on these TCP ports."""
    wanted = [(address, port, inode) for address, port, inode in _sockets() if port in ports]
    owners = _owners({inode for _address, _port, inode in wanted})
    found = []
    for address, port, inode in wanted:
        pid = owners.get(inode, 0)
        found.append(Listener(address, port, pid, name_of(pid) if pid else ""))
    return found


def _owners(inodes: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for pid in pids() if inodes else ():
        try:
            descriptors = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            except OSError:
                continue
            if target.startswith("socket:[") and target[8:-1] in inodes:
                # A worker inherits its parent's socket; the parent, with the lower number, is the one to name.
                found.setdefault(target[8:-1], pid)
    return found


def ports_of(pid: int) -> list[int]:
    """Return the TCP ports on which a process listens."""
    sockets = {inode: port for _address, port, inode in _sockets()}
    owned = _owners(set(sockets))
    return sorted({sockets[inode] for inode, owner in owned.items() if owner == pid})


def addresses() -> list[str]:
    """Return the host's own network addresses, loopback included."""
    found = set()
    lines = _read("/proc/net/fib_trie").decode("ascii", "replace").splitlines()
    for before, line in zip(lines, lines[1:]):
        address = re.search(r"\|-- ([0-9.]+)", before)
        if address and "/32 host LOCAL" in line:
            found.add(address[1])
    for line in _read("/proc/net/if_inet6").decode("ascii", "replace").splitlines():
        try:
            found.add(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])))
        except (ValueError, IndexError, OSError):
            continue
    return sorted(found)


def may_read(path: str, user: str | None) -> str | None:
    """Say why *user* cannot read the file, or None when it can, when there is no such file, or nobody is named.

    Judged by owner, groups and permission bits of the file and of every directory above it. Access lists are not
    looked at: with one, the answer may be too strict.
    """
    try:
        entry = pwd.getpwuid(int(user)) if user and user.isdecimal() else pwd.getpwnam(user or "")
    except (KeyError, ValueError):
        return f"there is no user {user} on this host" if user else None
    if entry.pw_uid == 0:
        return None
    groups = {entry.pw_gid, *(one.gr_gid for one in grp.getgrall() if entry.pw_name in one.gr_mem)}
    place = os.path.dirname(os.path.abspath(path))
    above = [place]
    while place != "/":
        place = os.path.dirname(place)
        above.append(place)
    for needed, where in [*((stat.S_IXOTH, one) for one in reversed(above)), (stat.S_IROTH, path)]:
        try:
            status = os.stat(where)
        except OSError:
            return None
        shift = 6 if status.st_uid == entry.pw_uid else 3 if status.st_gid in groups else 0
        if not status.st_mode & (needed << shift):
            kind = "read" if where == path else "enter"
            owner = f"owner {status.st_uid}, group {status.st_gid}, mode {stat.S_IMODE(status.st_mode):04o}"
            return f"user {entry.pw_name} may not {kind} {where} ({owner})"
    return None
