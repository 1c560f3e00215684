# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a consumer read its file again, done once for all consumers that share it, and by evidence.

A reload is due when a process that is running is older than its file, whether or not this run changed the file: so a
crash between write and reload is made good by the next run. Beside the process there is a receipt, a small file that
names the files' times of change and the process for which a reload was done. It is what decides where there is no
process to look at (a command) or where a process stays the same (``systemctl reload``), and it remembers a failure.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _checkers, _durable, _systemd
from ansible_collections.genai.comfyui.plugins.module_utils._execute import ExecuteError, execute, search_path
from ansible_collections.genai.comfyui.plugins.module_utils._mask import masked

_TIMEOUT = 300.0
_SLACK = 0.05
"""Seconds. Times of files and of processes are cut to the kernel's ticks; a file changed at a start counts as newer."""
_KINDS = ("systemd", "compose", "command")


class ReloadError(ValueError):
    """A declaration that makes no sense, or a reload that failed. ``str()`` says what and how to mend it."""


@dataclass(frozen=True)
class Reload:
    """One way to reload: ``kind`` is systemd, compose or command, ``words`` its arguments. Equal ones are done once."""

    kind: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        if self.kind == "systemd":
            return f"systemd unit {self.words[0]} ({self.words[1]})"
        if self.kind == "compose":
            return f"Compose service {self.words[1]} in {self.words[0]}"
        return f"command {self.words[0]}"

    @classmethod
    def parse(cls, given: Any) -> Reload | None:
        """Return what the suboption *given* declares, None for nothing. Raises :class:`ReloadError`."""
        if not given:
            return None
        kinds = [kind for kind in _KINDS if isinstance(given, Mapping) and given.get(kind)]
        if len(kinds) != 1:
            raise ReloadError("'reload' names one of systemd, compose and command; mend it")
        kind, value = kinds[0], given[kinds[0]]
        if kind != "systemd" and given.get("action"):
            raise ReloadError("'action' in 'reload' belongs to systemd; remove it")
        if kind == "systemd":
            action = given.get("action") or "restart"
            if action not in ("restart", "reload"):
                raise ReloadError("'action' in 'reload' is restart or reload; mend it")
            return cls(kind, (_systemd.full_name(str(value)), str(action)))
        if kind == "compose":
            project, service = (str(value.get(name) or "") for name in ("project_dir", "service"))
            if not os.path.isabs(project) or not service or service.startswith("-"):
                raise ReloadError("'compose' in 'reload' needs project_dir, an absolute path, and service")
            return cls(kind, (os.path.normpath(project), service))
        words = [str(word) for word in value] if isinstance(value, (list, tuple)) else []
        if not words or not words[0]:
            raise ReloadError("'command' in 'reload' is a list of words, for there is no shell")
        return cls(kind, tuple(words))


@dataclass(frozen=True)
class Reloaded:
    """What became of a reload. ``state`` is None where none was due, ``done`` or ``pending``."""

    state: str | None = None
    note: str = ""
    error: str | None = None


@dataclass(frozen=True)
class _Process:
    """What runs. ``identity`` changes with each start; ``started`` is in seconds of the wall clock, None if unknown."""

    runs: bool
    identity: str = ""
    started: float | None = None
    note: str = ""


def carry_out(
    reload: Reload,
    paths: Sequence[str],
    state_dir: str | None,
    secrets: Iterable[str],
    check_mode: bool,
    changing: bool = False,
) -> Reloaded:
    """Do *reload* if what it reloads is older than one of *paths*; in check mode tell whether it would be done.

    :param state_dir: directory of the receipts, None for the default one.
    :param secrets: what no message may show.
    :param changing: whether this run changed a file, or would in check mode: then what runs is older, whatever the
        clock of the host says.
    """
    try:
        receipt = _Receipt(reload, state_dir)
        process = _look(reload)
        if not process.runs and not receipt.failed:
            return Reloaded(note=process.note)
        files = _times(paths)
        if not (changing or receipt.failed or _due(process, receipt, files)):
            return Reloaded()
        if check_mode:
            return Reloaded("pending", f"{reload} is older than its file" if not changing else "")
    except (ReloadError, OSError) as error:
        return Reloaded(None, error=masked(str(error), secrets))
    try:
        receipt.write({}, "", failed=True)
        _do(reload)
        receipt.write(files, _look(reload).identity, failed=False)
    except (ReloadError, OSError) as error:
        text = masked(str(error), secrets)
        return Reloaded("pending", f"{reload} was not reloaded", text)
    return Reloaded("done", f"{reload} was reloaded")


def _due(process: _Process, receipt: _Receipt, files: Mapping[str, int]) -> bool:
    if not files:
        return False
    if receipt.process == process.identity:
        # What this very process was given last is known, whatever clocks say.
        return bool(receipt.files != files)
    if process.started is None:
        return True
    return max(files.values()) / 1e9 > process.started - _SLACK


def _times(paths: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in paths:
        try:
            found[path] = os.stat(path).st_mtime_ns
        except OSError:
            continue
    return found


class _Receipt:
    """What was reloaded last, and whether that was begun and not ended."""

    def __init__(self, reload: Reload, state_dir: str | None) -> None:
        self.folder = state_dir or _default_folder()
        name = hashlib.sha256("\0".join([reload.kind, *reload.words]).encode("utf-8", "surrogateescape")).hexdigest()
        self.path = os.path.join(self.folder, f"{name[:32]}.json")
        self.data: bytes | None = None
        found: Any = {}
        try:
            self.data = _durable.read(self.path).data
            found = json.loads(self.data or b"{}")
        except _durable.DurableError as error:
            if error.reason != "no_directory":
                raise
        except ValueError:
            found = {}
        found = found if isinstance(found, dict) else {}
        self.files = found.get("files")
        self.process = found.get("process")
        self.failed = bool(found.get("failed"))

    def write(self, files: Mapping[str, int], process: str, failed: bool) -> None:
        """Replace the receipt. Raises OSError."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        text = json.dumps({"files": dict(files), "process": process, "failed": failed}, sort_keys=True) + "\n"
        data = text.encode("ascii")
        _durable.write(self.path, data, expected=self.data, mode=0o600)
        self.data = data


def _default_folder() -> str:
    if os.geteuid() == 0:
        return "/var/lib/genai-comfyui/reload"
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(home, "genai-comfyui", "reload")


def _look(reload: Reload) -> _Process:
    """Return what runs and would have to be reloaded. Raises :class:`ReloadError`."""
    if reload.kind == "command":
        return _Process(True)
    return _look_at_unit(reload.words[0]) if reload.kind == "systemd" else _look_at_service(*reload.words)


def _look_at_unit(name: str) -> _Process:
    try:
        unit = _systemd.show([name])[name]
    except _systemd.SystemdError as error:
        raise ReloadError(f"systemd unit {name}: {error}") from None
    if not unit.known:
        return _Process(False, note=f"there is no systemd unit {name} on this host, so nothing was restarted")
    if not unit.running or (unit.active != "active" and not unit.pid):
        return _Process(False)
    if not unit.pid:
        # It is active without a process; only the receipt can tell what it has read.
        return _Process(True)
    started = _systemd.started_at(unit.pid)
    return _Process(started is not None, f"{unit.pid} {_ticks(unit.pid)}", started)


def _ticks(pid: int) -> str:
    """Return when a process started in the kernel's own words, which no clock changes."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def _look_at_service(project: str, service: str) -> _Process:
    ids = _compose(project, "ps", "-q", service).split()
    if not ids:
        return _Process(False)
    try:
        ran = execute(["docker", "inspect", "-f", "{{.Created}}", *ids], environment=_environment())
    except ExecuteError as error:
        raise ReloadError(f"Compose service {service}: {error}") from None
    if ran.status:
        raise ReloadError(f"Compose service {service} in {project}: docker inspect: {ran.said}")
    # A container has the environment of its making, whenever it was started last.
    return _Process(True, " ".join(sorted(ids)), min(_seconds(line) for line in ran.out.split()))


def _seconds(text: str) -> float:
    match = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", text)
    if not match:
        raise ReloadError("docker inspect told no time in UTC")
    whole = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    return whole + float(match[2] or 0)


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": search_path(), "LC_ALL": "C.UTF-8"}


def _compose(project: str, *words: str) -> str:
    try:
        compose = [*_checkers.compose_words(), "--project-directory", project]
        ran = execute([*compose, *words], timeout=_TIMEOUT, environment=_environment(), directory=project)
    except (ExecuteError, _checkers.NotAsked) as error:
        raise ReloadError(f"Compose project {project}: {error}") from None
    if ran.status:
        raise ReloadError(f"Compose project {project}: {words[0]} failed: {ran.said}")
    return ran.out


def _do(reload: Reload) -> None:
    if reload.kind == "systemd":
        unit, action = reload.words
        said = _systemd.systemctl(action, unit, timeout=_TIMEOUT)
        if not said:
            # One that ends well by itself is "inactive" now, which is no fault.
            after = _systemd.settled([unit], 10.0)[unit]
            if after.active == "failed" or after.sub.startswith("auto-restart"):
                said = f"it is {after.active} ({after.sub}) now; see journalctl -u {unit}"
        if said:
            raise ReloadError(f"{reload}: {said}")
    elif reload.kind == "compose":
        _compose(reload.words[0], "up", "-d", "--no-deps", "--force-recreate", reload.words[1])
    else:
        try:
            ran = execute(reload.words, timeout=_TIMEOUT, environment=_environment())
        except ExecuteError as error:
            raise ReloadError(f"{reload}: {error}") from None
        if ran.status:
            raise ReloadError(f"{reload} ended with status {ran.status}: {ran.said}")
