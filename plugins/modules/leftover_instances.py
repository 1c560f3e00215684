#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: leftover_instances
short_description: Find or remove instances that nobody lists any more
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - An instance that was taken off the inventory runs on with the token it had, and no rotation, proof or audit looks at
    it. This module finds such instances by their units, drop-ins and code, for every deployment alike.
  - Says what is there, and removes it only when told. Models, results and user files are never touched.
options:
  instances:
    description: Names of the instances that belong on this host.
    type: list
    elements: str
    required: true
  home:
    description: The servers' directory, with the code of each instance in C(instances/NAME) below it.
    type: path
    required: true
  state:
    description:
      - V(reported) changes nothing.
      - V(absent) stops and disables the units, and deletes their drop-ins and their code, with the token in it.
    type: str
    choices: [reported, absent]
    default: reported
  timeout:
    description: Seconds that the stop of a unit may take.
    type: int
    default: 60
attributes:
  check_mode:
    description: Says what would be removed.
    support: full
  diff_mode:
    description: What is removed is in RV(leftovers).
    support: none
"""

EXAMPLES = r"""
- name: Nothing runs that is not listed
  genai.comfyui.leftover_instances:
    instances: [default, edit]
    home: /opt/comfyui
    state: absent
"""

RETURN = r"""
leftovers:
  description: One record for each instance that was found.
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
    active:
      description: Whether it ran when it was found.
      type: bool
    enabled:
      description: Whether it started with the host.
      type: bool
    paths:
      description: Its drop-ins and code, as far as they were there.
      type: list
      elements: str
    action:
      description: none, or removed; in check mode what would be done.
      type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _leftover, _systemd


def main() -> None:
    """Module entry point."""
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "list", "elements": "str", "required": True},
            "home": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["reported", "absent"], "default": "reported"},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    home, removes = module.params["home"], module.params["state"] == "absent"
    try:
        found = _leftover.find(home, "/etc/systemd/system", set(module.params["instances"]))
        records = [{**one, "action": "removed" if removes else "none"} for one in found]
        if removes and found and not module.check_mode:
            _leftover.remove(found, module.params["timeout"])
    except (_systemd.SystemdError, _leftover.LeftoverError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be read: {error.strerror}")
    module.exit_json(changed=removes and bool(records), leftovers=records)


if __name__ == "__main__":
    main()
