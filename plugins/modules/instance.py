#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: instance
short_description: Start, restart and stop ComfyUI instances by evidence
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Brings all instances of a host to a state in one call, and decides by evidence instead of by "a task changed".
  - A running instance is restarted only when its process is older than a file it has read, or when it refuses the
    current token. So a run that was killed between writing a file and restarting is made good by the next one.
  - A server that lets strangers in is stopped at once.
  - After each start the instance must prove itself locked. One that does not is stopped, and the module fails with
    the reason that the unit's programs gave.
options:
  instances:
    description: The instances of this host.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the instance.
        type: str
        required: true
      unit:
        description: Its unit; C(comfyui@<name>.service) when left out.
        type: str
      url:
        description: Base address under which this host reaches it.
        type: str
        required: true
      watch:
        description: Files that the process has read; one that changed after the process started means a restart.
        type: list
        elements: path
        default: []
      credential:
        description: Name of the credential that locks it.
        type: str
        default: main
      origin:
        description: The Origin it was started with (C(--enable-cors-header)).
        type: str
      ca_path:
        description: Certificate authorities to trust when O(instances[].url) is HTTPS.
        type: path
  credentials:
    description:
      - Credentials by name, as the lookup P(genai.comfyui.credential#lookup) returns them.
      - An instance whose credential is not among them is judged by its process and files only.
    type: dict
    default: {}
  state:
    description:
      - V(started) starts what does not run and restarts what has to be. V(restarted) always restarts. V(stopped) stops.
      - V(status) only looks.
    type: str
    choices: [started, stopped, restarted, status]
    default: started
  enabled:
    description: Whether the instances start with the host. Left as it is when not given.
    type: bool
  timeout:
    description: Seconds that a start may take, the proof included.
    type: int
    default: 300
  drain:
    description:
      - Seconds to wait for an empty queue before an instance is stopped or restarted.
      - ComfyUI keeps its queue in memory; what is queued when it ends is lost.
    type: int
    default: 0
attributes:
  check_mode:
    description: Says what would be done and why; also on a host where the units are not there yet.
    support: full
  diff_mode:
    description: The reasons are in RV(instances).
    support: none
"""

EXAMPLES = r"""
- name: Every instance runs, holds the current token and is locked
  genai.comfyui.instance:
    instances:
      - name: default
        url: http://127.0.0.1:8188
        watch: [/opt/comfyui/instances/default/ComfyUI/login/PASSWORD]
    credentials: "{{ lookup('genai.comfyui.credential', 'main', as_dict=true) }}"
    enabled: true
"""

RETURN = r"""
instances:
  description: One record an instance.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the instance.
      type: str
    unit:
      description: Its unit.
      type: str
    action:
      description: none, started, restarted or stopped; in check mode what would be done.
      type: str
    reasons:
      description: Why.
      type: list
      elements: str
    active:
      description: Whether it runs now.
      type: bool
    pid:
      description: Its main process; 0 when it does not run.
      type: int
    since:
      description: When that process started, in seconds of the wall clock.
      type: float
    detail:
      description: What is wrong with it; empty when nothing is.
      type: str
    probe:
      description: The last evidence, as M(genai.comfyui.login_probe) returns it; none when it was not asked.
      type: dict
"""

import json
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _systemd
from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError, request
from ansible_collections.genai.comfyui.plugins.module_utils._instances import Decision, decide, newest_after
from ansible_collections.genai.comfyui.plugins.module_utils._probe import Evidence, Target, probe, prove

_DONE = {"start": "started", "restart": "restarted", "stop": "stopped", "stop_start": "restarted", "none": "none"}


class Instance:
    """One instance: what was asked for, what was found, what came of it."""

    def __init__(self, asked: dict[str, Any], credential: dict[str, Any]) -> None:
        self.name: str = asked["name"]
        self.unit_name: str = asked["unit"] or f"comfyui@{asked['name']}.service"
        self.asked = asked
        self.tokens = [version["token"] for version in _versions(credential) if version.get("token")]
        self.unit = _systemd.Unit(self.unit_name)
        self.decision = Decision("none")
        self.evidence: Evidence | None = None
        self.detail = ""

    def target(self, token: str) -> Target:
        """Return where and with what to ask."""
        return Target(
            self.asked["url"], token=token, origin=self.asked["origin"] or None, ca_path=self.asked["ca_path"] or None
        )

    def look(self, wanted: str) -> None:
        """Collect the evidence and decide."""
        newer = None
        if self.unit.active == "active":
            started = _systemd.started_at(self.unit.pid)
            if started is not None:
                newer = newest_after([*self.asked["watch"], *self.unit.files], started)
            if self.tokens and wanted != "stopped":
                self.evidence = probe(self.target(self.tokens[0]))
        self.decision = decide(wanted, self.unit, newer, self.evidence)
        if wanted == "status" and self.unit.active != "active":
            self.detail = f"{self.unit.active}: {_systemd.said(self.unit_name) or self.unit.result}"

    def drain(self, seconds: int) -> None:
        """Wait for an empty queue; asks with every token that the process may hold."""
        deadline = time.monotonic() + seconds
        left: Any = "an unknown number of"
        while time.monotonic() < deadline:
            for token in self.tokens:
                target = self.target(token)
                try:
                    answer = request("GET", target.url, "/prompt", token=token, ca_path=target.ca_path)
                    left = json.loads(answer.body)["exec_info"]["queue_remaining"]
                except HttpError:
                    # Nothing answers, so nothing is left to wait for.
                    return
                except (ValueError, KeyError, TypeError):
                    continue
                if left == 0:
                    return
                break
            time.sleep(0.5)
        self.detail = f"{left} jobs were still queued after {seconds} s and are lost"

    def settle(self, timeout: float) -> None:
        """After a start: be proven locked, or say why not."""
        if self.unit.active != "active":
            why = _systemd.said(self.unit_name, self.begun)
            state = f"{self.unit.active}, {self.unit.result}, status {self.unit.status}"
            self.detail = why or f"systemd says: {state}; see journalctl -u {self.unit_name}"
        elif self.tokens:
            self.evidence = prove(self.target(self.tokens[0]), wait=timeout)
            if not self.evidence.locked:
                self.detail = self.evidence.detail

    begun = 0.0

    def record(self) -> dict[str, Any]:
        """Return the result."""
        return {
            "name": self.name,
            "unit": self.unit_name,
            "action": _DONE[self.decision.action],
            "reasons": list(self.decision.reasons),
            "active": self.unit.active == "active",
            "pid": self.unit.pid,
            "since": _systemd.started_at(self.unit.pid) if self.unit.pid else None,
            "detail": self.detail,
            "probe": self.evidence.as_dict() if self.evidence else None,
        }


def _versions(credential: dict[str, Any]) -> list[dict[str, Any]]:
    """Return current, previous and pending version, current first."""
    return [credential, credential.get("previous") or {}, credential.get("pending") or {}]


def _refresh(instances: list[Instance]) -> None:
    units = _systemd.show([one.unit_name for one in instances])
    for one in instances:
        one.unit = units[one.unit_name]


def _enable(instances: list[Instance], enabled: bool | None, check_mode: bool) -> bool:
    """Make the units start with the host, or not; return whether that was a change."""
    wrong = [one for one in instances if enabled is not None and one.unit.enabled != enabled]
    wrong = [one for one in wrong if one.unit.known or enabled]
    if wrong and not check_mode:
        verb = "enable" if enabled else "disable"
        complaint = _systemd.systemctl(verb, *[one.unit_name for one in wrong])
        if complaint:
            raise _systemd.SystemdError(f"systemctl {verb}: {complaint}")
    return bool(wrong)


def _act(instances: list[Instance], timeout: int, drain: int) -> None:
    """Carry the decisions out, all instances at once, and stop what does not prove itself locked."""
    for one in instances:
        if drain and one.decision.action in ("stop", "restart"):
            one.drain(drain)
    stopping = [one.unit_name for one in instances if one.decision.action in ("stop", "stop_start")]
    if stopping:
        _systemd.systemctl("stop", *stopping, timeout=timeout)
    begun = time.time()
    starting = [one for one in instances if one.decision.action in ("start", "restart", "stop_start")]
    if starting:
        names = [one.unit_name for one in starting]
        _systemd.systemctl("reset-failed", *names)
        # Ends when the units' own proof has; what it says of a failure is in the units' state.
        _systemd.systemctl("restart", *names, timeout=timeout + 60)
    _refresh(instances)
    for one in starting:
        one.begun = begun
        one.settle(timeout)
    failed = [one.unit_name for one in starting if one.detail]
    if failed:
        _systemd.systemctl("stop", *failed, timeout=timeout)
        _refresh(instances)


def main() -> None:
    """Module entry point."""
    instance = {
        "name": {"type": "str", "required": True},
        "unit": {"type": "str"},
        "url": {"type": "str", "required": True},
        "watch": {"type": "list", "elements": "path", "default": []},
        "credential": {"type": "str", "default": "main"},
        "origin": {"type": "str"},
        "ca_path": {"type": "path"},
    }
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "list", "elements": "dict", "required": True, "options": instance},
            "credentials": {"type": "dict", "default": {}, "no_log": True},
            "state": {"type": "str", "choices": ["started", "stopped", "restarted", "status"], "default": "started"},
            "enabled": {"type": "bool"},
            "timeout": {"type": "int", "default": 300},
            "drain": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    params = module.params
    credentials = params["credentials"]
    instances = [Instance(one, credentials.get(one["credential"]) or {}) for one in params["instances"]]
    secrets = {token for one in instances for token in one.tokens}
    secrets |= {one["password"] for one in credentials.values() if isinstance(one, dict) and one.get("password")}
    # A whole dict as no_log would mask user names and version numbers in everything that is said.
    module.no_log_values = secrets
    invocation = {"module_args": {**params, "credentials": sorted(credentials)}}
    try:
        _refresh(instances)
        if any(one.unit.needs_reload or not one.unit.known for one in instances) and params["state"] != "status":
            if not module.check_mode:
                _systemd.systemctl("daemon-reload")
            _refresh(instances)
        for one in instances:
            one.look(params["state"])
        changed = any(one.decision.action != "none" for one in instances)
        if params["state"] != "status":
            changed |= _enable(instances, params["enabled"], module.check_mode)
            if not module.check_mode:
                _act(instances, params["timeout"], params["drain"])
    except _systemd.SystemdError as error:
        module.fail_json(msg=str(error), instances=[one.record() for one in instances], invocation=invocation)
    records = [one.record() for one in instances]
    bad = [one for one in instances if one.detail and one.decision.action in ("start", "restart", "stop_start")]
    bad = [one for one in bad if not (one.evidence and one.evidence.locked)]
    if bad and not module.check_mode:
        said = "; ".join(f"{one.name}: {one.detail}" for one in bad)
        module.fail_json(msg=f"Stopped, because not locked. {said}", instances=records, invocation=invocation)
    module.exit_json(changed=changed, instances=records, invocation=invocation)


if __name__ == "__main__":
    main()
