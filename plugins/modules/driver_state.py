#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what of a host decides about its GPU driver."""

from __future__ import annotations

DOCUMENTATION = r"""
module: driver_state
short_description: Tell what of a host decides about its GPU driver
version_added: "0.1.0"
author: ["genai.comfyui contributors (@genai)"]
description:
  - Returns the system, its kernels with headers and driver modules, what DKMS says and the error of its last build, and
    whether the key that signs modules is enrolled.
  - Complements M(genai.comfyui.gpu_facts), which tells about the cards and the driver that is loaded.
attributes:
  check_mode:
    support: full
    description: Only reads, so check mode makes no difference.
  diff_mode:
    support: none
    description: Nothing changes, so there is nothing to show.
  platform:
    platforms: linux
    support: full
    description: Needs Linux.
options:
  kernel:
    description: Release of the kernel that the driver is to serve; the running one when not given.
    type: str
    default: ""
  root:
    description: Directory that stands for C(/) where device nodes are looked for.
    type: path
    default: /
"""

EXAMPLES = r"""
- name: Look at kernels and modules
  genai.comfyui.driver_state:
  register: state

- name: Show kernels without a driver module
  ansible.builtin.debug:
    msg: "{{ state.kernels | rejectattr('modules') | map(attribute='release') }}"
"""

RETURN = r"""
distribution:
  description: Id of the system, such as V(debian), and C(release), C(codename), C(arch) beside it.
  returned: always
  type: str
kernel:
  description: Release of the kernel to serve. C(running_kernel) and C(newest_kernel) are beside it.
  returned: always
  type: str
container:
  description: Whether the host is a container, whose kernel is somebody else's.
  returned: always
  type: bool
kernels:
  description: One record a kernel with C(release), C(headers), C(modules) (files of the driver) and C(bootable).
  returned: always
  type: list
  elements: dict
dkms:
  description: One record a line of C(dkms status) with C(name), C(version), C(kernel) and C(state).
  returned: always
  type: list
  elements: dict
build:
  description: C(path) and C(errors) of the newest build log.
  returned: always
  type: dict
mok_enrolled:
  description: Whether the module-signing key is enrolled; none when nobody can tell.
  returned: always
  type: bool
mok_pending:
  description: Whether a key waits to be confirmed at the console.
  returned: always
  type: bool
static_cdi:
  description: V(ours) or V(foreign) for a file C(/etc/cdi/nvidia.yaml); empty without one.
  returned: always
  type: str
nodes:
  description: The driver's device nodes.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _driver_state


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"kernel": {"type": "str", "default": ""}, "root": {"type": "path", "default": "/"}},
        supports_check_mode=True,
    )

    def run(command: list[str]) -> tuple[int, str, str]:
        path = module.get_bin_path(command[0])
        if path is None:
            return 127, "", f"{command[0]}: not found"
        status, out, err = module.run_command([path, *command[1:]], environ_update={"LC_ALL": "C"})
        return status, out, err

    facts = _driver_state.gather(module.params["root"], module.params["kernel"], run)
    module.exit_json(changed=False, **facts)


if __name__ == "__main__":
    main()
