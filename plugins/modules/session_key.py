#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: session_key
short_description: Keep the session keys of ComfyUI-Login present, sound and different
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Makes sure that each file holds one sound record of a random key and a time so far ahead that the login node never
    renews it.
  - An empty or damaged key file makes the node fail to import, and ComfyUI then serves everything to everybody.
  - Instances must not share a key, because a browser session of one would open the other; a repeated key is replaced.
  - The key itself never shows; a fingerprint stands for it.
options:
  paths:
    description: Absolute paths of the files, one an instance.
    type: list
    elements: path
    required: true
  state:
    description:
      - V(valid) replaces what is missing, damaged, about to be renewed by the node, or used twice.
      - V(renewed) replaces every key. All browser sessions end once the instances have been restarted.
    type: str
    choices: [valid, renewed]
    default: valid
  owner:
    description: Name of the user that owns the files; the service user.
    type: str
  group:
    description: Name of the group of the files.
    type: str
  mode:
    description: Permissions as octal text. Others than owner and group must not get any.
    type: str
    default: "0600"
attributes:
  check_mode:
    description: Says which keys would be replaced and why; changes nothing, also on a host that is still bare.
    support: full
  diff_mode:
    description: Shows fingerprints.
    support: full
"""

EXAMPLES = r"""
- name: Each instance has a sound key of its own
  genai.comfyui.session_key:
    paths:
      - /opt/comfyui/instances/default/ComfyUI/custom_nodes/ComfyUI-Login/.secret-key.txt
    owner: comfyui
    group: comfyui

- name: End all browser sessions at the next restart
  genai.comfyui.session_key:
    paths: ["/opt/comfyui/instances/default/ComfyUI/custom_nodes/ComfyUI-Login/.secret-key.txt"]
    state: renewed
"""

RETURN = r"""
files:
  description: One record a file.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
    changed:
      description: Whether key or permissions changed.
      type: bool
    reason:
      description: Why; empty when nothing changed.
      type: str
    fingerprint:
      description: Stands for the key that is now there; none in check mode where a new one would be made.
      type: str
"""

import grp
import os
import pwd
from datetime import datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _durable, _session_key


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


def _one(path: str, seen: set[str], want: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring one file in order and return its record. Raises DurableError."""
    if check_mode and not os.path.isdir(os.path.dirname(path)):
        return {"path": path, "changed": True, "reason": "there is none", "before": None, "fingerprint": None}
    old = _durable.read(path)
    reason = _session_key.flaw(old.data, datetime.now())
    before = _session_key.key_fingerprint(old.data)
    if not reason and before in seen:
        reason = "another instance has the same key"
    if not reason and want["state"] == "renewed":
        reason = "a new key was asked for"
    wider = (old.mode, old.uid, old.gid) != tuple(
        have if asked is None else asked
        for have, asked in ((old.mode, want["mode"]), (old.uid, want["owner"]), (old.gid, want["group"]))
    )
    record = {"path": path, "changed": True, "reason": reason or "", "before": before, "fingerprint": before}
    attributes = {key: want[key] for key in ("mode", "owner", "group")}
    if reason:
        data = _session_key.new_record()
        record["fingerprint"] = None if check_mode else _session_key.key_fingerprint(data)
        if not check_mode:
            _durable.write(path, data, expected=old.data, **attributes)
    elif wider and old.data is not None:
        record["reason"] = "owner, group or mode differ"
        if not check_mode:
            _durable.set_attributes(path, expected=old.data, **attributes)
    else:
        record["changed"] = False
    if record["fingerprint"]:
        seen.add(str(record["fingerprint"]))
    return record


def main() -> None:
    """Module entry point."""
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "required": True, "no_log": False},
            "state": {"type": "str", "choices": ["valid", "renewed"], "default": "valid"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str", "default": "0600"},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        mode = int(params["mode"], 8)
        if mode & 0o007 or mode > 0o777:
            raise ValueError
    except ValueError:
        module.fail_json(msg=f"mode {params['mode']!r} must be octal text that gives others nothing, such as '0600'.")
    if len(set(params["paths"])) != len(params["paths"]):
        module.fail_json(msg="paths names a file twice; each instance needs a key file of its own.")
    records: list[dict[str, Any]] = []
    try:
        want = {
            "state": params["state"],
            "mode": mode,
            "owner": _number("owner", params["owner"], module.check_mode),
            "group": _number("group", params["group"], module.check_mode),
        }
        seen: set[str] = set()
        for path in params["paths"]:
            records.append(_one(path, seen, want, module.check_mode))
    except (OSError, ValueError) as error:
        module.fail_json(msg=str(error), files=records)
    before = "".join(f"{one['path']}: {one.pop('before')}\n" for one in records)
    after = "".join(
        f"{one['path']}: {one['fingerprint'] or 'a new key'}{', ' + one['reason'] if one['reason'] else ''}\n"
        for one in records
    )
    changed = any(one["changed"] for one in records)
    result: dict[str, Any] = {"changed": changed, "files": records}
    if changed:
        result["diff"] = {"before": before, "after": after}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
