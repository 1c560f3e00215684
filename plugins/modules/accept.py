#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: accept
short_description: Say which tokens the guard of a ComfyUI server accepts
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Writes the file C(ACCEPT.json) of each instance of a host, from which the guard takes the tokens that are valid now
    and the time before which browser sessions do not count. It takes effect within a second, without a restart.
  - Outside a rotation that is the current token. While a rotation runs it is what the credential says under C(accept).
  - A file that lists a token which the credential does not know, neither as a version nor as a retired fingerprint, is
    refused. The server is then newer than the truth, as after the restoration of a backup.
  - Beside it, in C(RETIRED.json), it keeps the fingerprints of tokens that the truth has called retired; it refuses to
    let one in again that this truth does not call so, as it is then a copy from before that.
  - Files are replaced whole, by renaming, and only their owner can read them.
  - Nothing is written anywhere when one instance is refused.
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
      path:
        description: Absolute path of the file, C(ACCEPT.json) beside C(PASSWORD).
        type: path
        required: true
      credential:
        description: Name of the credential that locks it.
        type: str
        default: main
      owner:
        description: Name of the user that owns the file, which is the service user. Kept when left out.
        type: str
      group:
        description: Name of the group of the file. Kept when left out.
        type: str
  credentials:
    description:
      - Credentials by name, as the lookup P(genai.comfyui.credential#lookup) returns them.
      - Needed for O(state=present).
    type: dict
    default: {}
  state:
    description:
      - V(present) writes what is wanted.
      - V(absent) removes the files, also what is kept of retired tokens. A guard that runs keeps what was in force; one
        that starts accepts the token in C(PASSWORD) only.
    type: str
    choices: [present, absent]
    default: present
attributes:
  check_mode:
    description: Says which files would change; also on a host that is still bare.
    support: full
  diff_mode:
    description: Shows versions and fingerprints.
    support: full
seealso:
  - module: genai.comfyui.sync
"""

EXAMPLES = r"""
- name: The guard accepts what the truth says
  genai.comfyui.accept:
    instances:
      - name: default
        path: /opt/comfyui/instances/default/ComfyUI/login/ACCEPT.json
        owner: comfyui
        group: comfyui
    credentials: "{{ lookup('genai.comfyui.credential', 'main', as_dict=true) }}"
"""

RETURN = r"""
instances:
  description: One record an instance, in the order given.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the instance.
      type: str
      sample: default
    path:
      description: The file.
      type: str
    credential:
      description: Name of the credential.
      type: str
      sample: main
    status:
      description:
        - How it is now; in check mode how it was found.
        - V(in_sync), V(missing), V(damaged), V(too_open), V(other) (another set), V(unknown) (it lists a token that the
          truth does not know), V(planned) (the credential is still to be created) or V(absent).
      type: str
      sample: in_sync
    was:
      description: How it was found.
      type: str
    changed:
      description: Whether it changed.
      type: bool
    versions:
      description: The versions that are wanted there.
      type: list
      elements: str
      sample: [v7, v6]
    fingerprints:
      description: Their fingerprints, in the same order.
      type: list
      elements: str
    epoch:
      description: The time from which on browser sessions count, in seconds since 1970.
      type: int
    found_versions:
      description: The versions that the file listed before.
      type: list
      elements: str
    found_fingerprints:
      description: Their fingerprints, in the same order.
      type: list
      elements: str
    detail:
      description: What was found, in words.
      type: str
"""

import grp
import os
import pwd
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _accept
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def secrets_of(credentials: dict[str, Any]) -> set[str]:
    """Return every token and password in *credentials*, which may have any form."""
    found: set[str] = set()
    for credential in credentials.values():
        given = credential if isinstance(credential, dict) else {}
        lists = [one for one in given.values() if isinstance(one, list)]
        for version in (given, *given.values(), *(entry for one in lists for entry in one)):
            if isinstance(version, dict):
                found |= {str(version[name]) for name in ("token", "password") if version.get(name)}
    return found


def _number(kind: str, name: str | None, check_mode: bool) -> int | None:
    """Return the numeric id of a user or group; in check mode an unknown one may still be created by the run."""
    if name is None:
        return None
    try:
        return pwd.getpwnam(name).pw_uid if kind == "owner" else grp.getgrnam(name).gr_gid
    except KeyError:
        if check_mode:
            return None
        raise ValueError(f"{kind} {name!r} does not exist on this host; create it first") from None


def _record(given: dict[str, Any], plan: _accept.Plan | None, check_mode: bool) -> dict[str, Any]:
    want = None if plan is None else plan.wanted
    entries = () if want is None else want.entries
    found = () if plan is None or plan.found is None else plan.found.entries
    was = "unknown" if plan is None else plan.was
    changed = plan is not None and plan.changes
    return {
        "name": given["name"],
        "path": given["path"],
        "credential": given["credential"],
        "status": "in_sync" if changed and not check_mode else was,
        "was": was,
        "changed": changed,
        "versions": [one.version for one in entries],
        "fingerprints": [fingerprint(one.token) for one in entries],
        "epoch": 0 if want is None else want.epoch,
        "found_versions": [one.version for one in found],
        "found_fingerprints": [fingerprint(one.token) for one in found],
        "detail": "" if plan is None else plan.detail,
    }


def _present(module: AnsibleModule) -> dict[str, Any]:
    """Plan all, refuse or write, and return the result. Raises DurableError and ValueError."""
    plans: list[tuple[dict[str, Any], _accept.Plan, int | None, int | None]] = []
    refused: list[str] = []
    for given in module.params["instances"]:
        name = given["credential"]
        credential = module.params["credentials"].get(name)
        try:
            if not isinstance(credential, dict):
                raise ValueError(f"credentials holds no {name!r}; declare it, or mend the name")
            owner = _number("owner", given["owner"], module.check_mode)
            group = _number("group", given["group"], module.check_mode)
            plan = _accept.plan(given["path"], name, credential, owner, group)
            plans.append((given, plan, owner, group))
            refused += [f"{given['name']}: {plan.refusal}"] if plan.refusal else []
        except (OSError, ValueError) as error:
            refused.append(f"{given['name']}: {error}")
    if refused:
        # What was found is told all the same: a rotation judges by it.
        records = [{**_record(given, plan, True), "changed": False} for given, plan, _owner, _group in plans]
        return {"instances": records, "diff": [], "refused": "nothing was written: " + " | ".join(refused)}
    for _given, plan, owner, group in plans:
        if not module.check_mode:
            _accept.apply(plan, owner, group)
    records = [_record(given, plan, module.check_mode) for given, plan, _owner, _group in plans]
    diff = [
        {
            "before_header": plan.path,
            "after_header": plan.path,
            "before": "".join(f"{line}\n" for line in _accept.described(plan.found)),
            "after": "".join(f"{line}\n" for line in _accept.described(plan.wanted)),
        }
        for _given, plan, _owner, _group in plans
        if plan.changes
    ]
    return {"instances": records, "diff": diff}


def _absent(module: AnsibleModule) -> dict[str, Any]:
    """Remove the files and return the result. Raises OSError."""
    records, diff = [], []
    for given in module.params["instances"]:
        places = [given["path"], _accept.receipt_of(given["path"])]
        there = [place for place in places if os.path.lexists(place)]
        for place in there if not module.check_mode else ():
            os.unlink(place)
        record = {**_record(given, None, module.check_mode), "changed": bool(there), "status": "absent"}
        records.append({**record, "was": "other" if there else "absent"})
        if there:
            header = {"before_header": given["path"], "after_header": given["path"]}
            diff.append({**header, "before": "present\n", "after": "absent\n"})
    return {"instances": records, "diff": diff}


def main() -> None:
    """Entry point."""
    instance = {
        "name": {"type": "str", "required": True},
        "path": {"type": "path", "required": True},
        "credential": {"type": "str", "default": "main"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "list", "elements": "dict", "required": True, "options": instance},
            "credentials": {"type": "dict", "default": {}, "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    # A whole dict as no_log would mask user names and version numbers in everything that is said.
    module.no_log_values = secrets_of(module.params["credentials"])
    invocation = {"module_args": {**module.params, "credentials": _HIDDEN}}
    try:
        result = _present(module) if module.params["state"] == "present" else _absent(module)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"accept: {error}", instances=[], invocation=invocation)
    if result.get("refused"):
        msg = f"accept: {result['refused']}"
        module.fail_json(msg=msg, instances=result["instances"], invocation=invocation)
    diff = result.pop("diff")
    if module._diff and diff:
        result["diff"] = diff
    changed = any(one["changed"] for one in result["instances"])
    module.exit_json(changed=changed, invocation=invocation, **result)


if __name__ == "__main__":
    main()
