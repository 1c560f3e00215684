#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's engine and Compose can, and which containers of instances there are; or remove them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_project
short_description: Look at the instances' containers, or remove them with network and images
version_added: "0.1.0"
author: ["genai.comfyui contributors (@genai)"]
description:
  - Says whether a container engine and Compose v2 answer, and what containers of instances there are.
  - Makes and starts no container. That is done by the units C(comfyui@<name>.service), which M(genai.comfyui.instance)
    starts.
attributes:
  check_mode:
    support: full
    description: Says what would be removed.
  diff_mode:
    support: none
    description: What is removed is in RV(removed).
  platform:
    platforms: linux
    support: full
    description: Needs the C(docker) command; without one, RV(complaint) says so.
options:
  state:
    description:
      - V(status) only looks.
      - V(absent) removes the instances' containers, network and images. Base images, volumes and files stay.
        A host without an engine has nothing to remove; an engine that is there and does not answer is an error.
    type: str
    choices: [status, absent]
    default: status
  image:
    description: Name of the images that M(genai.comfyui.container_image) built, without a tag.
    type: str
    default: genai-comfyui
  user:
    description: User whose number is asked for.
    type: str
    default: comfyui
  group:
    description: Group whose number is asked for.
    type: str
    default: comfyui
  addresses:
    description:
      - Addresses with ports, as V(127.0.0.1:8188) or V([::1]:8188), that containers are going to publish.
      - One that something else than an instance has taken is named in RV(conflicts), and so is one that the host has
        not.
    type: list
    elements: str
    default: []
  files:
    description: Files that are going to be mounted. One that is missing is named in RV(conflicts).
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: See whether containers can be made here
  genai.comfyui.compose_project:
  register: project

- name: Remove containers, network and images
  genai.comfyui.compose_project:
    state: absent
"""

RETURN = r"""
complaint:
  description: Why containers cannot be made here, and the mend; empty when they can.
  returned: always
  type: str
engine:
  description: Version of the engine; none when it does not answer.
  returned: always
  type: str
compose:
  description: Version of Compose; none when it does not answer.
  returned: always
  type: str
uid:
  description: Number of the user; none when there is no such user yet.
  returned: always
  type: int
gid:
  description: Number of the group; none when there is no such group yet.
  returned: always
  type: int
conflicts:
  description: What of O(addresses) and O(files) would keep a container from starting, a sentence each.
  returned: always
  type: list
  elements: str
containers:
  description: One record a container with C(name), C(id), C(state), C(health), C(image), C(image_id) and C(ports).
  returned: always
  type: list
  elements: dict
removed:
  description: What was removed, or would be in check mode, by C(containers), C(networks) and C(images).
  returned: with O(state=absent)
  type: dict
"""

from collections.abc import Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _compose_host as host
from ansible_collections.genai.comfyui.plugins.module_utils._compose_needs import conflicts
from ansible_collections.genai.comfyui.plugins.module_utils._image_build import Engine


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["status", "absent"], "default": "status"},
            "image": {"type": "str", "default": "genai-comfyui"},
            "user": {"type": "str", "default": "comfyui"},
            "group": {"type": "str", "default": "comfyui"},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params

    def run(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
        status, out, err = module.run_command(list(argv), environ_update=dict(environment))
        return status, out, err

    engine = Engine(run)
    uid, gid = host.numbers(params["user"], params["group"])
    result = {**host.versions(engine), "uid": uid, "gid": gid, "containers": [], "conflicts": []}
    changed = False
    try:
        if result["engine"]:
            result["containers"] = host.containers(engine)
        published = [port for one in result["containers"] if one["state"] == "running" for port in one["ports"]]
        result["conflicts"] = conflicts(params["addresses"], params["files"], published)
        if params["state"] == "absent":
            nothing: dict[str, list[str]] = {"containers": [], "networks": [], "images": []}
            if not result["engine"] and module.get_bin_path("docker"):
                module.fail_json(msg=f"{result['complaint']}. Nothing was removed.", **result)
            found = host.remains(engine, params["image"]) if result["engine"] else nothing
            changed = any(found.values())
            if not module.check_mode:
                host.remove(engine, found)
            result["removed"] = found
    except host.ProjectError as error:
        module.fail_json(msg=str(error), **result)
    module.exit_json(changed=changed, **result)


if __name__ == "__main__":
    main()
