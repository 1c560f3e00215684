# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the instances of a host to a state: look at all, decide, act on all at once, prove, stop what is not locked.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _queue, _systemd
from ansible_collections.genai.comfyui.plugins.module_utils._accept import token_served
from ansible_collections.genai.comfyui.plugins.module_utils._door import Door
from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError, request
from ansible_collections.genai.comfyui.plugins.module_utils._instances import (
    Decision,
    decide,
    followed,
    newest_after,
)
from ansible_collections.genai.comfyui.plugins.module_utils._probe import TOKEN_REFUSED, Evidence, Target, prove

PATIENCE = 20.0
"""Seconds that a running server may be silent before it counts as stuck: a busy one answers late, and its restart
would lose its jobs."""

_DONE = {"start": "started", "restart": "restarted", "stop": "stopped", "stop_start": "restarted", "none": "none"}
STARTS = ("start", "restart", "stop_start")
_SUBMITTED = "got prompt"
"""What ComfyUI logs of each job before it takes it."""


class Instance:
    """One instance: what was asked for, what was found, what came of it.

    ``detail`` is what is wrong with it now, ``lost`` what became of jobs that could not be saved. ``jobs``: what was
    queued when it was stopped for a restart, None where nobody looked or nobody could tell.
    """

    def __init__(self, asked: Mapping[str, Any], credential: Mapping[str, Any]) -> None:
        self.name: str = asked["name"]
        self.unit_name = _systemd.full_name(asked.get("unit") or f"comfyui@{asked['name']}.service")
        self.asked = asked
        self.token = token_served(credential)
        alive = [credential, *((credential.get(kind) or {}) for kind in ("previous", "pending"))]
        tokens = [self.token, *(one.get("token") for one in alive)]
        self.tokens = [token for token in dict.fromkeys(tokens) if token]
        self.unit = _systemd.Unit(self.unit_name)
        self.replaced = False
        self.decision = Decision("none")
        self.evidence: Evidence | None = None
        self.detail = ""
        self.lost = ""
        self.left: int | None = None
        self.jobs: list[_queue.Job] | None = None
        self.kept: list[str] = []
        self.dropped: list[dict[str, str]] = []
        self.late: int | None = None
        self.looked = 0.0
        self.pid = 0
        self.born: int | None = None
        self.ended: float | None = None
        self.proven: float | None = None

    def target(self, token: str) -> Target:
        """Return where and with what to ask."""
        origin, ca_path = self.asked.get("origin"), self.asked.get("ca_path")
        return Target(self.asked["url"], token=token, origin=origin or None, ca_path=ca_path or None)

    def look(self, wanted: str) -> None:
        """Collect the evidence and decide."""
        newer = None
        self.pid, self.born = self.unit.pid, _systemd.born(self.unit.pid)
        if self.unit.active == "active" and self.token and wanted != "stopped":
            self.evidence = prove(self.target(self.token), wait=PATIENCE)
        if self.unit.running and self.unit.pid and wanted not in ("stopped", "status", "drained"):
            started = _systemd.started_at(self.unit.pid)
            if started is not None:
                newer = self._newer(started)
        self.decision = decide(wanted, self.unit, newer, self.evidence, self.replaced)
        if wanted == "status" and self.unit.active != "active":
            self.detail = self.complaint()

    def _newer(self, started: float) -> str | None:
        """Return a file that the process should have read again, or None."""
        watch = [*self.asked["watch"], *self.unit.files, self.unit.drop_ins]
        password = self.asked.get("password")
        if password and newest_after([password], started) is not None and not self._follows():
            watch.append(password)
        return newest_after(watch, started)

    def _follows(self) -> bool:
        accept, token = self.asked.get("accept"), self.token
        if not accept or not token or self.evidence is None or not self.evidence.locked:
            return False
        return followed(accept, token, self.target(token))

    def complaint(self, since: float | None = None) -> str:
        """Return why the unit does not run: what our programs said, and how systemd calls it."""
        state = f"{self.unit.active}, {self.unit.result or 'no result'}, exit status {self.unit.status}"
        if not self.unit.known:
            return f"there is no unit {self.unit_name}; run the playbook for this host"
        said = _systemd.said(self.unit_name, since)
        return f"{said} ({state})" if said else f"{state}; see journalctl -u {self.unit_name}"

    def queued(self) -> int | None:
        """Return how many jobs run or wait; 0 when nothing listens, None when it cannot be told.

        Asks with every token that the process may hold.
        """
        for token in self.tokens:
            target = self.target(token)
            headers = {"Origin": target.origin} if target.origin else None
            try:
                answer = request("GET", target.url, "/prompt", token=token, headers=headers, ca_path=target.ca_path)
                if answer.status == 200:
                    return int(json.loads(answer.body)["exec_info"]["queue_remaining"])
            except HttpError as error:
                if error.kind == "unreachable":
                    # Nothing listens, so nothing is left to wait for.
                    return 0
            except (ValueError, KeyError, TypeError):
                continue
        return None

    def emptied(self, seconds: float) -> bool:
        """Wait for an empty queue, at most that long; return whether it is. ``left`` is what was seen last."""
        deadline = time.monotonic() + seconds
        while True:
            queued = self.queued()
            self.left = self.left if queued is None else queued
            if queued == 0 or time.monotonic() >= deadline:
                return queued == 0
            time.sleep(min(0.5, max(0.0, deadline - time.monotonic())))

    def drain(self, seconds: float, keep: bool) -> None:
        """Wait for an empty queue before a stop, and remember what is lost without it unless it is kept."""
        if not self.emptied(seconds) and not keep:
            left = "an unknown number of" if self.left is None else self.left
            self.lost = f"{left} jobs were still queued after {seconds:g} s and are lost"

    def remember(self) -> None:
        """Take the queue along and end the process at once, for what comes in between is lost."""
        self.looked = time.monotonic()
        told = _queue.look(self.target(self.tokens[0]), self.tokens) if self.tokens else None
        if told is not None and self.pid and self.born is not None and self.born == _systemd.born(self.pid):
            # What systemctl does first, too, but only after a while.
            with suppress(OSError):
                os.kill(self.pid, signal.SIGTERM)
        self.jobs = None if told is None else _queue.read(told)
        if self.jobs is None:
            self.lost = "its queue could not be read when it was stopped, so nobody knows which jobs were lost"

    def put_back(self) -> None:
        """Submit again what was queued, in its order; what ran begins anew. Count what came too late to be seen."""
        if self.jobs is not None:
            self.late = _systemd.counted(self.unit_name, self.pid, _SUBMITTED, self.looked)
        for job in self.jobs or []:
            if self.detail or not self.token:
                why = "the instance does not run, or has no token"
            else:
                why = _queue.put_back(self.target(self.token), self.token, job)
            if why and not why.startswith("runs under another name"):
                self.dropped.append({"id": job.id, "why": why})
            else:
                self.kept.append(job.id)
        if self.dropped:
            told = ", ".join(f"{one['id']} ({one['why']})" for one in self.dropped)
            self.lost = f"jobs that were queued could not be put back and are lost: {told}"
        if self.late:
            late = f"up to {self.late} more jobs came while it was being stopped, and may be lost"
            self.lost = "; ".join(filter(None, (self.lost, late)))

    def settle(self, begun: float, timeout: float) -> None:
        """After a start: be proven locked, or say why not."""
        if self.unit.active != "active":
            self.detail = self.complaint(begun)
        elif self.token:
            self.evidence = prove(self.target(self.token), wait=timeout, alive=self._alive)
            if not self.evidence.locked:
                said = _systemd.said(self.unit_name, begun)
                self.detail = self.evidence.detail + (f"; {said}" if said else "")
            elif self.ended is not None:
                self.proven = time.monotonic() - self.ended

    def _alive(self) -> bool:
        return bool(_systemd.show([self.unit_name])[self.unit_name].active == "active")

    def record(self) -> dict[str, Any]:
        """Return the result in plain types, without any token."""
        return {
            "name": self.name,
            "unit": self.unit_name,
            "url": self.asked["url"],
            "action": _DONE[self.decision.action],
            "reasons": list(self.decision.reasons),
            "active": self.unit.active == "active",
            "pid": self.unit.pid,
            "since": _systemd.started_at(self.unit.pid) if self.unit.pid else None,
            "detail": "; ".join(filter(None, (self.detail, self.lost))),
            "probe": self.evidence.as_dict() if self.evidence else None,
            "queue": self.left,
            "jobs": None if self.jobs is None else {"kept": self.kept, "lost": self.dropped, "late": self.late},
            "gap": None if self.ended is None else round(time.monotonic() - self.ended, 2),
            "proven": None if self.proven is None else round(self.proven, 2),
        }


def find(instances: list[Instance], wanted: str, check_mode: bool, timeout: float) -> None:
    """Look at every instance and decide what is to be done. Raises SystemdError."""
    names = [one.unit_name for one in instances]
    _take(instances, _systemd.show(names))
    looks = wanted in ("status", "drained")
    reread = any(one.unit.needs_reload or not one.unit.known for one in instances) and not looks
    if reread:
        for one in instances:
            one.replaced = one.unit.needs_reload
        if not check_mode:
            _complain(_systemd.systemctl("daemon-reload"), "daemon-reload")
    if wanted in ("started", "restarted"):
        # A unit that a reboot has just begun to start proves itself; to start it once more would only take longer.
        _take(instances, _systemd.settled(names, timeout))
    elif reread:
        _take(instances, _systemd.show(names))
    for one in instances:
        one.look(wanted)


def drain(instances: list[Instance], seconds: float) -> None:
    """Wait for empty queues of those whose process holds another token than it should, which costs a restart."""
    deadline = time.monotonic() + seconds
    for one in instances:
        if one.evidence is not None and one.evidence.state == TOKEN_REFUSED:
            one.emptied(max(0.0, deadline - time.monotonic()))
        elif one.unit.active == "active":
            one.left = 0


def act(instances: list[Instance], timeout: float, drain: float, keep: bool = False) -> None:
    """Carry the decisions out and stop what does not prove itself locked. Raises SystemdError.

    :param keep: put what is queued back after a restart.
    """
    # First of all, for whoever waits in another's queue must not leave an open server up.
    _each(instances, ("stop_start",), "stop", timeout)
    for one in instances:
        if drain and one.decision.action in ("stop", "restart") and one.unit.active == "active":
            one.drain(drain, keep and one.decision.action == "restart")
    begun = time.time()
    _each(instances, ("stop",), "stop", timeout)
    starting = [one for one in instances if one.decision.action in STARTS]
    if starting:
        _systemd.systemctl("reset-failed", *[one.unit_name for one in starting])
        told = time.monotonic()
        doors = {one.name: Door(one.asked["url"]) for one in starting if one.unit.running}
        for one in starting:
            if keep and one.decision.action == "restart" and one.unit.active == "active":
                one.remember()
        # Ends when the units' own proof has; what it says of a failure is in the units' state.
        _each(instances, STARTS, "restart", timeout)
        for one in starting:
            if one.name in doors:
                doors[one.name].leave()
                one.ended = doors[one.name].shut or told
    _take(instances, _systemd.show([one.unit_name for one in instances]))
    for one in starting:
        one.settle(begun, timeout)
        one.put_back()
    failed = [one for one in starting if one.detail]
    if failed:
        names = [one.unit_name for one in failed]
        _systemd.systemctl("stop", *names, timeout=timeout + 60)
        _take(failed, _systemd.show(names))
    for one in instances:
        if one.unit.running and (one.decision.action == "stop" or one in failed):
            one.detail = "; ".join(filter(None, (one.detail, "it could not be stopped and still runs")))


def _each(instances: list[Instance], actions: tuple[str, ...], verb: str, timeout: float) -> None:
    """Do one thing to all units at once. Whatever comes of it shows in the units' states."""
    names = [one.unit_name for one in instances if one.decision.action in actions]
    if names:
        _systemd.systemctl(verb, *names, timeout=timeout + 60)


def enable(instances: list[Instance], enabled: bool, check_mode: bool) -> bool:
    """Make the units start with the host, or not; return whether that was a change. Raises SystemdError."""
    wrong = [one for one in instances if one.unit.enabled != enabled and (one.unit.known or enabled)]
    if wrong and not check_mode:
        verb = "enable" if enabled else "disable"
        _complain(_systemd.systemctl(verb, *[one.unit_name for one in wrong]), verb)
    return bool(wrong)


def _take(instances: list[Instance], units: Mapping[str, _systemd.Unit]) -> None:
    for one in instances:
        one.unit = units[one.unit_name]


def _complain(complaint: str, verb: str) -> None:
    if complaint:
        raise _systemd.SystemdError(f"systemctl {verb}: {complaint}")
