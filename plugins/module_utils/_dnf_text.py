# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that dnf reads and writes: repositories, scripts, transactions, version locks. Text to text, no I/O.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import fnmatch
import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.genai.comfyui.plugins.module_utils._apt_text import MARK, Simulation, Wish

# What dnf heads the parts of its table with, and what happens to the packages below.
_PARTS = {
    "Installing": "install", "Upgrading": "install", "Reinstalling": "install", "Downgrading": "downgrade",
    "Removing": "remove", "Enabling module streams": "stream", "Switching module streams": "stream",
    "Resetting modules": "",
}  # fmt: skip
_LOCK = re.compile(r"!?(?P<name>.+)-(?:(?P<epoch>\d+|\*):)?(?P<version>[^-:]+)-(?P<release>[^-]+)")


@dataclass
class Transaction(Simulation):
    """What dnf would do; ``downgrade`` names those of ``install`` that would become older."""

    downgrade: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return one line a package or stream, for people."""
        return super().lines() + [f"module stream {stream}" for stream in self.streams]


def repository(wanted: t.Mapping[str, t.Any], key: str) -> str:
    """Return the text of a file in /etc/yum.repos.d.

    :param wanted: ``name``, ``uri`` and ``verify``: ``packages``, or ``lists`` where only the lists are signed
    :param key: path of the key file
    """
    lists = wanted.get("verify") == "lists"
    return (
        f"{MARK}[genai-{wanted['name']}]\nname=genai-{wanted['name']}\nbaseurl={wanted['uri']}\nenabled=1\n"
        # A key file of our own: dnf would import whatever the vendor's address serves one day.
        f"gpgcheck={int(not lists)}\nrepo_gpgcheck={int(lists)}\ngpgkey=file://{key}\n"
    )


def spec(wish: Wish) -> str:
    """Return what dnf calls a package in a certain version."""
    return f"{wish.name}-{wish.version}" if wish.version else wish.name


def script(streams: t.Sequence[str], install: t.Sequence[str], run: bool) -> str:
    """Return the lines for ``dnf shell``: streams and packages in one transaction, listed or done.

    Without a last line that leaves, dnf would do at the end of the file what it was only asked to list.
    """
    lines = [f"module enable {stream}" for stream in streams]
    lines += [f"install {' '.join(install)}"] if install else []
    return "\n".join([*lines, "ts run" if run else "ts list", "quit", ""])


def read_transaction(text: str, installed: t.Mapping[str, str]) -> Transaction:
    """Read dnf's table. A long name stands on a line of its own, before the rest of its row."""
    found = Transaction()
    kind = ""
    words: list[str] = []
    for line in text.splitlines():
        if not line.startswith(" "):
            heading = line.rstrip(":").strip()
            first = re.sub(r" (weak |unused )?dependenc(y|ies)$| dependent packages$", "", heading)
            kind, words = _PARTS.get(first, "") if line.rstrip().endswith(":") else "", []
            continue
        if not kind or not line.strip() or line.strip().startswith("replacing"):
            continue
        words += line.split()
        if kind == "stream":
            found.streams.append(f"{words[0]}:{words[-1]}")
        elif len(words) < 4:
            continue
        elif kind == "remove":
            found.remove.append(words[0])
        else:
            found.install[words[0]] = (installed.get(words[0], ""), words[2])
            if kind == "downgrade":
                found.downgrade.append(words[0])
        words = []
    return found


def complaints(text: str, most: int = 12) -> str:
    """Return the lines of dnf's output that explain a failure, the first ones if there are many."""
    telling = re.compile(
        r"Error|Problem|No match|missing groups|All matches were filtered|GPG|Public key for|It is not possible|"
        r"\s+- |Curl error|Status code|Cannot |Import of key"
    )
    lines = [line.strip() for line in text.splitlines() if telling.match(line)]
    return " | ".join(list(dict.fromkeys(lines))[:most])


def failed(text: str) -> bool:
    """Tell whether dnf refused. ``dnf shell`` ends with status 0 all the same."""
    return any(line.startswith(("Error:", "No such command")) for line in text.splitlines())


def lock(name: str, version: str) -> str:
    """Return the version lock of a package as dnf's plugin writes it; *version* with its epoch."""
    return f"{name}-{version}.*"


def locks(text: str) -> list[str]:
    """Return the locks of a lock list, without comments."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def locked_names(lines: t.Sequence[str]) -> set[str]:
    """Return the packages that are locked to a version."""
    matches = [_LOCK.fullmatch(line) for line in lines if not line.startswith("!")]
    return {match["name"] for match in matches if match}


def with_locks(text: str, gone: t.Collection[str], new: t.Sequence[str]) -> str:
    """Return a lock list without some locks and with others; what else stands in it stays."""
    kept = [line for line in text.splitlines() if line.strip() not in gone]
    return "".join(f"{line}\n" for line in [*kept, *(one for one in new if one not in kept)])


def locked_by(lines: t.Sequence[str], transaction: Transaction) -> list[str]:
    """Return the locks that speak against a transaction."""
    against = []
    for line in lines:
        match = _LOCK.fullmatch(line)
        name, pattern = (match["name"], match) if match else (line.lstrip("!"), None)
        for package, (_old, new) in transaction.install.items():
            if not fnmatch.fnmatchcase(package, name):
                continue
            fits = pattern is None or _fits(pattern, new)
            if fits == line.startswith("!"):
                against.append(line)
                break
    return against


def _fits(lock_match: re.Match[str], version: str) -> bool:
    """Tell whether a version, with or without its epoch, is the one of a lock."""
    epoch, _colon, plain = version.rpartition(":")
    wanted = lock_match["release"]
    return (
        fnmatch.fnmatchcase(epoch or "0", lock_match["epoch"] or "*")
        and fnmatch.fnmatchcase(plain.rpartition("-")[0], lock_match["version"])
        and any(fnmatch.fnmatchcase(f"{plain.rpartition('-')[2]}{arch}", wanted) for arch in ("", ".x86_64", ".noarch"))
    )


def needed(text: str) -> list[str]:
    """Return the capabilities that ``rpm -e --test`` says others need."""
    found = re.findall(r"^\s*(\S+)(?: [<>=]+ \S+)? is needed by ", text, re.M)
    return list(dict.fromkeys(found))
