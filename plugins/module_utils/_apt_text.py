# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that apt reads and writes: sources, pins, blacklists, simulations, complaints. Text to text, no I/O.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import fnmatch
import re
import typing as t
from dataclasses import dataclass, field

MARK = "# Managed by Ansible, collection genai.comfyui.\n"
ONLY = ["-o", "APT::Get::List-Cleanup=false", "-o", "Dir::Etc::sourceparts=-"]
"""Options that let ``apt-get update`` read one source and keep all other lists."""
_ACTION = re.compile(r"(Inst|Remv|Purg) (\S+)(?: \[([^\]]*)\])?(?: \((\S+)[^)]*\))?")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")


@dataclass(frozen=True)
class Wish:
    """A package and a glob that its version must match; an empty glob matches every version."""

    name: str
    version: str = ""

    def met(self, installed: t.Mapping[str, str]) -> bool:
        """Tell whether what is installed is what is wished."""
        have = installed.get(self.name)
        return have is not None and (not self.version or version_matches(have, self.version))


@dataclass
class Simulation:
    """What apt would do: new or changed version by package, and what would go."""

    install: dict[str, tuple[str, str]] = field(default_factory=dict)
    remove: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return one line a package, for people."""
        came = [f"{name} {new}" + (f" (was {old})" if old else "") for name, (old, new) in sorted(self.install.items())]
        return came + [f"{name} removed" for name in sorted(self.remove)]


def version_matches(version: str, pattern: str) -> bool:
    """Tell whether a Debian version matches a glob; an epoch that the glob does not name is left out.

    "580*" would match 5800: a glob that ends in a number alone is closed by the next part.
    """
    plain = version if ":" in pattern else version.split(":", 1)[-1]
    return fnmatch.fnmatchcase(plain, pattern)


def sources(repository: t.Mapping[str, t.Any], keyring: str) -> str:
    """Return the deb822 text of a repository: ``uri``, ``suite``, ``components`` and ``architectures`` may be lists."""
    flat = str(repository["suite"]).endswith("/")
    fields = [
        ("Types", "deb"),
        ("URIs", str(repository["uri"])),
        ("Suites", str(repository["suite"])),
        ("Components", "" if flat else " ".join(repository.get("components") or ["main"])),
        ("Architectures", " ".join(repository.get("architectures") or [])),
        ("Signed-By", keyring),
    ]
    return MARK + "".join(f"{name}: {value}\n" for name, value in fields if value)


def pins(entries: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """Return a preferences text of records with ``packages``, ``pin`` and ``priority``; the first that fits counts."""
    blocks = [
        f"Package: {' '.join(entry['packages'])}\nPin: {entry['pin']}\nPin-Priority: {entry['priority']}\n"
        for entry in entries
    ]
    return MARK + "\n".join(blocks)


def blacklist(patterns: t.Sequence[str]) -> str:
    """Return the setting that keeps unattended-upgrades away; each pattern matches the beginning of a name."""
    lines = "".join(f'    "{pattern}";\n' for pattern in patterns)
    return f"// {MARK[2:]}Unattended-Upgrade::Package-Blacklist {{\n{lines}}};\n"


def read_simulation(text: str) -> Simulation:
    """Read the output of ``apt-get -s``."""
    found = Simulation()
    for line in text.splitlines():
        match = _ACTION.match(line)
        if match is None:
            continue
        kind, name, old, new = match.groups()
        if kind == "Inst":
            found.install[name] = (old or "", new or "")
        elif name not in found.remove:
            found.remove.append(name)
    return found


def read_status(text: str) -> tuple[dict[str, str], list[str]]:
    """Read ``dpkg-query -W -f '${db:Status-Abbrev}\\t${Package}\\t${Version}\\n'``.

    :returns: version by installed package, and the packages that an earlier run left half-way
    """
    installed: dict[str, str] = {}
    broken: list[str] = []
    for line in text.splitlines():
        words = line.split("\t")
        if len(words) != 3:
            continue
        state = words[0].strip()
        if state[1:2] == "i":
            installed[words[1]] = words[2]
        elif state[1:2] in ("U", "F", "H", "W", "T", "t"):
            broken.append(words[1])
    return installed, broken


def without_holds(status: str, names: t.Collection[str]) -> str:
    """Return dpkg's status text with the holds of some packages taken off, for a simulation."""
    out: list[str] = []
    ours = False
    for line in status.splitlines(keepends=True):
        if line.startswith("Package: "):
            ours = line[9:].strip() in names
        out.append(line.replace("Status: hold ", "Status: install ", 1) if ours else line)
    return "".join(out)


def select(names: t.Iterable[str], globs: t.Sequence[str], but: t.Sequence[str]) -> list[str]:
    """Return the names that match one of *globs* and none of *but*, sorted."""
    return sorted(
        name
        for name in set(names)
        if any(fnmatch.fnmatchcase(name, glob) for glob in globs)
        and not any(fnmatch.fnmatchcase(name, glob) for glob in but)
    )


def missing_packages(text: str) -> list[str]:
    """Return the packages that apt says it does not know or has no version of."""
    found = re.findall(r"Unable to locate package (\S+)|Package '?([^\s']+)'? has no installation candidate", text)
    return list(dict.fromkeys(one or other for one, other in found))


def update_reason(text: str, name: str, fingerprints: t.Sequence[str]) -> str:
    """Say in words why ``apt-get update`` refused a repository."""
    keys = " or ".join(fingerprints)
    lower = text.lower()
    if "conflicting values set for option signed-by" in lower:
        return f"repository {name}: another source names the same address with another key"
    if "sha1" in lower and ("policy" in lower or "not considered secure" in lower):
        return (
            f"repository {name}: this release's apt refuses the SHA-1 signatures of key {keys}; use the repository "
            "made for this very release, and leave apt's policy as it is"
        )
    if "expkeysig" in lower or "expired" in lower:
        return f"repository {name}: its key {keys} has expired; get the renewed key from the vendor"
    if "no_pubkey" in lower or "missing key" in lower or "badsig" in lower:
        return f"repository {name}: it is not signed by key {keys}"
    if "not signed" in lower or "does not have a release file" in lower:
        return f"repository {name}: there is no signed release at its address"
    return f"repository {name}: apt cannot read it"


def complaints(text: str, most: int = 12) -> str:
    """Return the lines of apt's output that explain a failure, the last ones if there are many."""
    noise = re.compile(r"(Reading |Building |Hit:|Get:|Ign:|Fetched |\(Reading |Selecting |Preparing |Note, )")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not noise.match(line)]
    return " | ".join(lines[-most:])


def error_lines(log: str, most: int = 8) -> list[str]:
    """Return the lines of a build's log that name the error, or its last lines when none does."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    wrong = [
        line for line in lines if re.search(r"\berror\b|\bfatal\b|undefined reference|No rule to make", line, re.I)
    ]
    return (wrong or lines)[-most:] if len(wrong) <= most else wrong[:most]


def check_name(name: str) -> str:
    """Return a package name; raise ValueError for what is none, such as an option."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no package name")
    return name
