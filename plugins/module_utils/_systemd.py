# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thin wrapper of systemctl and journalctl: properties in, actions out, no shell.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass

PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "Result", "MainPID", "ExecMainStatus", "NeedDaemonReload",
    "UnitFileState", "FragmentPath", "DropInPaths",
)  # fmt: skip
# What the start programs say; the rest of the journal is ComfyUI's own and may be long.
_OURS = re.compile(r"(comfyui-(?:start|prove|guard): .*)")
_TYPES = ("service", "socket", "target", "timer", "path", "slice", "scope", "mount")
_TOKEN = re.compile(r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{50,}")


class SystemdError(Exception):
    """systemctl did not do what it was told; the message is its own."""


@dataclass(frozen=True)
class Unit:
    """What systemd says of a unit. ``pid`` is 0 when nothing runs."""

    name: str
    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    pid: int = 0
    status: int = 0
    needs_reload: bool = False
    enabled: bool = False
    files: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether there is such a unit at all."""
        return self.load != "not-found"

    @property
    def running(self) -> bool:
        """Whether processes of it exist or are about to."""
        return self.active in ("active", "activating", "reloading", "deactivating")

    @property
    def settling(self) -> bool:
        """Whether it is on its way to another state, and waiting will tell which."""
        # Between two tries of Restart= the unit is "activating" too, but nothing is under way.
        return self.active in ("activating", "reloading", "deactivating") and not self.sub.startswith("auto-restart")

    @property
    def drop_ins(self) -> str:
        """The directory of its own drop-ins; its time tells that one of them was removed."""
        return f"/etc/systemd/system/{self.name}.d"


def run(*words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a command in the C locale. Raises SystemdError when it cannot be run or does not end in time."""
    environment = {**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
    try:
        # pylint: disable-next=ansible-bad-function  # AnsibleModule.run_command knows no timeout
        return subprocess.run(  # noqa: S603 - fixed programs, no shell
            words, capture_output=True, text=True, errors="replace", check=False, timeout=timeout, env=environment
        )
    except subprocess.TimeoutExpired:
        raise SystemdError(f"'{' '.join(words[:3])}' did not end within {timeout:g} s") from None
    except OSError as error:
        raise SystemdError(f"{words[0]} cannot be run ({error.strerror}); this module needs systemd") from None


def parse(text: str) -> dict[str, Unit]:
    """Read the output of ``systemctl show -p ... UNIT UNIT``: blocks of KEY=VALUE with blank lines between."""
    units = {}
    for block in re.split(r"\n\s*\n", text.strip()):
        found = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if not found.get("Id"):
            continue
        paths = [found.get("FragmentPath", ""), *found.get("DropInPaths", "").split()]
        units[found["Id"]] = Unit(
            name=found["Id"],
            load=found.get("LoadState", "not-found"),
            active=found.get("ActiveState", "inactive"),
            sub=found.get("SubState", ""),
            result=found.get("Result", ""),
            pid=int(found.get("MainPID") or 0),
            status=int(found.get("ExecMainStatus") or 0),
            needs_reload=found.get("NeedDaemonReload") == "yes",
            enabled=found.get("UnitFileState") == "enabled",
            files=tuple(path for path in paths if path),
        )
    return units


def show(names: list[str]) -> dict[str, Unit]:
    """Return every named unit as systemd sees it, unknown ones included."""
    done = run("systemctl", "show", "-p", ",".join(PROPERTIES), *names)
    if done.returncode != 0:
        raise SystemdError(f"systemctl show: {done.stderr.strip() or done.stdout.strip()}")
    units = parse(done.stdout)
    return {name: units.get(name, Unit(name)) for name in names}


def systemctl(*words: str, timeout: float = 60.0) -> str:
    """Run systemctl; return an empty text, or what it said when it failed or did not end within *timeout* seconds."""
    try:
        done = run("systemctl", *words, timeout=timeout)
    except SystemdError as error:
        return str(error)
    return "" if done.returncode == 0 else (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}")


def started_at(pid: int) -> float | None:
    """Return when a process started, in seconds of the wall clock, exact to the kernel's tick; None when it is gone."""
    ticks = born(pid)
    if ticks is None:
        return None
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def born(pid: int) -> int | None:
    """Return the kernel's tick at which a process started, which tells it from a later one; None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            # The second field is the name in parentheses, and may hold blanks and parentheses.
            return int(file.read().rsplit(")", 1)[1].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def full_name(unit: str) -> str:
    """Return the unit's name as systemd itself writes it: a service unless the name says otherwise."""
    return unit if unit.rpartition(".")[2] in _TYPES else f"{unit}.service"


def settled(names: list[str], seconds: float) -> dict[str, Unit]:
    """Return every named unit once none is on its way to another state, or as they are after *seconds*."""
    deadline = time.monotonic() + seconds
    while True:
        units = show(names)
        if not any(unit.settling for unit in units.values()) or time.monotonic() >= deadline:
            return units
        time.sleep(0.2)


def said(unit: str, since: float | None = None) -> str:
    """Return the last things that our programs said in a unit's journal, without any token; empty when nothing.

    At most three different ones, in their order.
    """
    when = [] if since is None else ["--since", f"@{int(since)}"]
    words = ["journalctl", "--no-pager", "-q", "-o", "cat", "-n", "400", "-u", unit]
    try:
        lines = run(*words, *when).stdout.splitlines()
    except SystemdError:
        return ""
    ours = [match[1] for match in map(_OURS.search, lines) if match]
    return "; ".join(masked(line) for line in list(dict.fromkeys(ours))[-3:])


def journal(unit: str, lines: int) -> list[str]:
    """Return the last *lines* lines of a unit's journal with their times, without any token. Raises SystemdError."""
    words = ["journalctl", "--no-pager", "-q", "-o", "short-iso", "-n", str(lines), "-u", unit]
    return [masked(line) for line in run(*words).stdout.splitlines()]


def counted(unit: str, pid: int, text: str, since: float) -> int | None:
    """Return how many lines with *text* a process of the unit logged since then, by the monotonic clock.

    None where the journal cannot be read.
    """
    words = ["journalctl", "--no-pager", "-q", "-b", "-o", "json", "-n", "5000", "-u", unit]
    try:
        done = run(*words)
    except SystemdError:
        return None
    if done.returncode != 0:
        return None
    found = 0
    for line in done.stdout.splitlines():
        if text in line:
            with suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                own = entry["_PID"] == str(pid) and text in entry["MESSAGE"]
                found += own and int(entry["__MONOTONIC_TIMESTAMP"]) / 1e6 >= since
    return found


def masked(text: str) -> str:
    """Replace everything that looks like a token."""
    return _TOKEN.sub("<token>", text)
