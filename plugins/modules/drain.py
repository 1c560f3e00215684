#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of genai.comfyui.drain; the work is done on the controller by the action of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: drain
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Wait until the queues of ComfyUI instances are empty
description:
  - Waits for the queue of each instance that will have to be restarted, because its process holds another token than
    C(PASSWORD) should hold. ComfyUI keeps its queue in memory; what runs when it ends has to begin anew, and what is
    queued then is put back by M(genai.comfyui.instance) where that is possible.
  - Shows how many jobs are left while it waits.
  - An instance that lets the token in already, or that does not run, is not waited for.
options:
  instances:
    description: The instances of this host, as for M(genai.comfyui.instance).
    type: list
    elements: dict
    required: true
  credentials:
    description: Credentials by name, as for M(genai.comfyui.instance).
    type: dict
    required: true
  timeout:
    description: Seconds to wait at most, for all of them together. V(0) looks once.
    type: int
    default: 600
  every:
    description: Seconds between two lines of progress.
    type: int
    default: 15
  force:
    description:
      - Whether to go on when the time is over. The jobs that are left begin anew after the restart.
      - Without it the task fails then, and nothing was changed.
    type: bool
    default: false
attributes:
  check_mode:
    description: Looks once and does not wait.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  async:
    description: Supports being used with the C(async) keyword.
    support: none
seealso:
  - module: genai.comfyui.instance
"""

EXAMPLES = r"""
- name: Lose no job to the restart
  genai.comfyui.drain:
    instances: "{{ my_instances }}"
    credentials: "{{ lookup('genai.comfyui.credential', 'main', as_dict=true) }}"
    timeout: 900
"""

RETURN = r"""
drained:
  description: Whether no jobs are left.
  returned: always
  type: bool
queues:
  description: Jobs by the name of the instance, as seen last; none where that could not be told.
  returned: always
  type: dict
  sample: {"default": 0}
waited:
  description: Seconds.
  returned: always
  type: float
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Refuse: an action plugin of the same name runs in its place."""
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "list", "elements": "dict", "required": True},
            "credentials": {"type": "dict", "required": True, "no_log": True},
            "timeout": {"type": "int", "default": 600},
            "every": {"type": "int", "default": 15},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="genai.comfyui.drain runs on the controller; call it through Ansible.")


if __name__ == "__main__":
    main()
