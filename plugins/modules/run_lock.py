#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of genai.comfyui.run_lock; the work is done on the controller by the action of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Let only one run at a time work on the credentials
description:
  - Notes the process that runs this playbook in a file, and fails while another one that is noted there lives. The lock
    ends with the process, however that ends; nothing has to be cleaned up.
  - Two runs that write at once would bring hosts to what the truth said at different times. What only reads needs no
    lock.
  - Runs on the controller and needs no connection. Use C(run_once). Another controller, and another user of this one,
    are not noticed.
options:
  path:
    description:
      - The file, on the controller. It may stay for ever.
      - When left out, one below C(~/.ansible/genai-comfyui), the same for all runs with the same O(store).
    type: path
  store:
    description: Where the truth lives; the variable C(comfyui_credential_store) when left out.
    type: dict
attributes:
  check_mode:
    description: Does nothing.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  async:
    description: Supports being used with the C(async) keyword.
    support: none
seealso:
  - module: genai.comfyui.rotation
"""

EXAMPLES = r"""
- name: One run at a time
  genai.comfyui.run_lock:
  run_once: true

- name: One run at a time, of all who use this file
  genai.comfyui.run_lock:
    path: /run/lock/comfyui-rotation.lock
  run_once: true
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Refuse: an action plugin of the same name runs in its place."""
    module = AnsibleModule(
        argument_spec={"path": {"type": "path"}, "store": {"type": "dict"}}, supports_check_mode=True
    )
    module.fail_json(msg="genai.comfyui.run_lock runs on the controller; call it through Ansible.")


if __name__ == "__main__":
    main()
