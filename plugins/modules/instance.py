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
    token that it should hold. So a run that was killed between writing a file and restarting is made good by the next
    one.
  - A server that lets strangers in is stopped at once.
  - After each start the instance must prove itself locked. One that does not is stopped, and the module fails with
    the reason that the unit's programs gave.
  - A running server that gives no answer counts as stuck, and is restarted, only after 20 seconds.
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
        description: Its unit; C(comfyui@<name>.service) when left out. A name without a type is a service.
        type: str
      url:
        description: Base address under which this host reaches it.
        type: str
        required: true
      watch:
        description:
          - Files that the process has read; one that changed after the process started means a restart.
          - Of a directory its own time counts, that is, names that came or went, not the contents of the files in it.
          - The unit's own files and the directory of its drop-ins are always watched.
        type: list
        elements: path
        default: []
      password:
        description:
          - Its C(login/PASSWORD), which is watched like O(instances[].watch) unless the guard follows it.
        type: path
      accept:
        description:
          - Its C(login/ACCEPT.json). A newer O(instances[].password) is then no reason for a restart where the process
            lets the token in, runs with the guard (it refuses a path that the login node alone lets pass), and this
            file lists the token.
        type: path
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
      - Only the token that C(PASSWORD) should hold decides; that is the current one, or while a rotation says so the
        pending one. The others are used to ask for the queue.
    type: dict
    default: {}
  state:
    description:
      - V(started) starts what does not run and restarts what has to be. V(restarted) always restarts. V(stopped) stops.
      - A unit that is just coming up, as after a reboot, is waited for, and judged then.
      - V(status) only looks.
      - V(drained) waits up to O(drain) seconds for the empty queue of each that will have to be restarted because it
        holds another token than it should. Changes nothing; RV(instances[].queue) says how many jobs are left.
    type: str
    choices: [started, stopped, restarted, status, drained]
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
      - When the time is over the instance is stopped all the same; RV(instances[].detail) says how many jobs were lost,
        unless O(keep_queue) saves them.
      - A server that lets strangers in is not waited for.
    type: int
    default: 0
  logs:
    description:
      - Return this many of the last lines of each unit's journal in RV(instances[].log).
      - Tokens and the passwords in O(credentials) are replaced in them.
    type: int
    default: 0
  keep_queue:
    description:
      - Whether jobs that are queued when an instance is restarted are put back after it, under the same names and in
        the same order. A job that ran begins anew. RV(instances[].jobs) says which.
      - Not after a server that let strangers in. A job that is submitted in the moment between the look at the queue
        and the end of the process, some thousandths of a second, is lost all the same. RV(instances[].jobs) counts
        those that may have been, by what ComfyUI logs of each job (C(got prompt)).
      - A ComfyUI that does not let clients name their jobs gives them new names. Keys of people's accounts for API
        nodes are not told by ComfyUI, so jobs with such nodes fail when they run again.
    type: bool
    default: true
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
        password: /opt/comfyui/instances/default/ComfyUI/login/PASSWORD
        accept: /opt/comfyui/instances/default/ComfyUI/login/ACCEPT.json
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
    url:
      description: Its address, as given.
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
    queue:
      description: Jobs that ran or waited when its queue was looked at last; none when nobody looked.
      type: int
    jobs:
      description:
        - What became of jobs that were queued when it was restarted, by their C(prompt_id) in C(kept) (put back) and
          C(lost) (each C(id) and C(why)), and in C(late) how many came since the queue was asked for, of which nobody
          can tell the names; at most that many more are lost. None where nobody looked or could tell.
      type: dict
    gap:
      description:
        - Seconds from the moment at which a process took no connections any more until this result; none without one.
      type: float
    proven:
      description: The same until the next one was proven locked with the token that it should hold.
      type: float
    detail:
      description: What is wrong with it, or was lost on the way; empty when nothing is.
      type: str
    probe:
      description: The last evidence, as M(genai.comfyui.login_probe) returns it; none when it was not asked.
      type: dict
    log:
      description: The last lines of its journal, oldest first.
      returned: when O(logs) asks for some
      type: list
      elements: str
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _manage, _systemd


def secrets_of(credentials: dict[str, Any]) -> set[str]:
    """Return every token and password in *credentials*."""
    found = set()
    for credential in credentials.values():
        versions = credential if isinstance(credential, dict) else {}
        for version in (versions, versions.get("previous"), versions.get("pending")):
            found |= {version.get("token"), version.get("password")} if isinstance(version, dict) else set()
    return {one for one in found if isinstance(one, str) and one}


def main() -> None:
    """Module entry point."""
    instance = {
        "name": {"type": "str", "required": True},
        "unit": {"type": "str"},
        "url": {"type": "str", "required": True},
        "watch": {"type": "list", "elements": "path", "default": []},
        "password": {"type": "path", "no_log": False},
        "accept": {"type": "path"},
        "credential": {"type": "str", "default": "main"},
        "origin": {"type": "str"},
        "ca_path": {"type": "path"},
    }
    states = ["started", "stopped", "restarted", "status", "drained"]
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "list", "elements": "dict", "required": True, "options": instance},
            "credentials": {"type": "dict", "default": {}, "no_log": True},
            "state": {"type": "str", "choices": states, "default": "started"},
            "enabled": {"type": "bool"},
            "timeout": {"type": "int", "default": 300},
            "drain": {"type": "int", "default": 0},
            "keep_queue": {"type": "bool", "default": True},
            "logs": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    params = module.params
    credentials, wanted, timeout = params["credentials"], params["state"], params["timeout"]
    # A whole dict as no_log would mask user names and version numbers in everything that is said.
    module.no_log_values = secrets_of(credentials)
    invocation = {"module_args": {**params, "credentials": sorted(credentials)}}
    instances = [_manage.Instance(one, credentials.get(one["credential"]) or {}) for one in params["instances"]]
    changed = False
    logs: dict[str, list[str]] = {}
    try:
        _manage.find(instances, wanted, module.check_mode, timeout)
        changed = any(one.decision.action != "none" for one in instances)
        if wanted == "drained":
            _manage.drain(instances, params["drain"])
        elif wanted != "status":
            if params["enabled"] is not None:
                changed |= _manage.enable(instances, params["enabled"], module.check_mode)
            if not module.check_mode:
                _manage.act(instances, timeout, params["drain"], params["keep_queue"])
        if params["logs"] > 0:
            logs = {one.name: _systemd.journal(one.unit_name, params["logs"]) for one in instances}
    except _systemd.SystemdError as error:
        records = [one.record() for one in instances]
        module.fail_json(msg=str(error), changed=changed, instances=records, invocation=invocation)
    records = [{**one.record(), **({"log": logs[one.name]} if one.name in logs else {})} for one in instances]
    result = {"changed": changed, "instances": records, "invocation": invocation}
    bad = [one for one in instances if one.detail] if wanted not in ("status", "drained") else []
    if bad:
        what = "Not stopped." if wanted == "stopped" else "Stopped, because not locked."
        module.fail_json(msg=f"{what} " + "; ".join(f"{one.name}: {one.detail}" for one in bad), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
