#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence
short_description: Gather what a host can tell about a refused token or an open server
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Looks, in one call, at everything between the files of this host's consumers and the process of each instance. That
    is what the files hold, what running processes were started with, who answers at the addresses, and what decides
    about the login of an instance.
  - It judges nothing. M(genai.comfyui.diagnosis) does, where the evidence of all hosts comes together.
  - The token of a consumer's file is sent to its own address as M(genai.comfyui.login_probe) sends it, that is only
    after strangers have been refused. Everything else is asked without any credential.
options:
  consumers:
    description: The consumers of this host, as for M(genai.comfyui.sync).
    type: list
    elements: dict
    default: []
  instances:
    description: The instances of this host.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the instance.
        type: str
        required: true
      unit:
        description: Its unit.
        type: str
        required: true
      url:
        description: Base address under which this host reaches it.
        type: str
        required: true
      credential:
        description: Name of the credential that locks it.
        type: str
        default: main
      origin:
        description: The Origin that it is declared to be started with.
        type: str
      guest:
        description: Whether guests are declared to be allowed.
        type: bool
        default: false
      user:
        description: The user that it runs as.
        type: str
      app:
        description: Directory of ComfyUI's C(main.py).
        type: path
        required: true
      login_node:
        description: Directory of the login node.
        type: path
        required: true
      password_file:
        description: Path of C(login/PASSWORD).
        type: path
        required: true
      session_key:
        description: Path of the login node's session key.
        type: path
        required: true
  credentials:
    description: The credentials by name, as the lookup P(genai.comfyui.credential#lookup) returns them.
    type: dict
    default: {}
  url:
    description: Address of the server for consumers without one of their own.
    type: str
  timeout:
    description: Time for one request, in seconds.
    type: float
    default: 5
attributes:
  check_mode:
    support: full
    description: Changes nothing in either mode; check mode looks just the same.
  diff_mode:
    support: none
    description: There is nothing to compare.
  platform:
    platforms: posix
    support: full
    description: Listeners and processes are seen on Linux, all of them by root only.
seealso:
  - module: genai.comfyui.diagnosis
  - module: genai.comfyui.login_probe
  - module: genai.comfyui.sync
"""

EXAMPLES = r"""
- name: Gather what this host can tell
  genai.comfyui.evidence:
    consumers: "{{ comfyui_consumers }}"
    credentials: "{{ lookup('genai.comfyui.credential', 'main', as_dict=true) }}"
    url: https://gpu-1.example.com
  register: seen
"""

RETURN = r"""
evidence:
  description: What was seen, with fingerprints in place of tokens.
  returned: always
  type: dict
  contains:
    consumers:
      description:
        - One record a consumer. C(sync) is the audit's record of it, C(unreadable) says why its owner cannot read the
          file, C(processes) are running ones that have its variable, C(way) is the way to its address without a
          credential, C(probe) the proof with the file's token.
      type: list
      elements: dict
    instances:
      description:
        - One record an instance. C(sync) is the audit's record of its C(PASSWORD), C(password), C(accept),
          C(session_key) and C(node) are the state of its files, C(unit) and C(process) what runs, C(probe) the proof
          with the truth's token.
      type: list
      elements: dict
    addresses:
      description: The host's own network addresses.
      type: list
      elements: str
    listeners:
      description: Who listens on the ports in question.
      type: list
      elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils._evidence import gather


def _secrets(credentials: dict[str, Any]) -> set[str]:
    """Return every token and password in *credentials*."""
    found: set[str] = set()
    for credential in credentials.values():
        for version in (credential, *credential.values()) if isinstance(credential, dict) else ():
            if isinstance(version, dict):
                found |= {str(version[name]) for name in ("token", "password") if version.get(name)}
    return found


def main() -> None:
    """Entry point."""
    instance: dict[str, Any] = {
        "name": {"type": "str", "required": True},
        "unit": {"type": "str", "required": True},
        "url": {"type": "str", "required": True},
        "credential": {"type": "str", "default": "main"},
        "origin": {"type": "str"},
        "guest": {"type": "bool", "default": False},
        "user": {"type": "str"},
        "app": {"type": "path", "required": True},
        "login_node": {"type": "path", "required": True},
        "password_file": {"type": "path", "required": True, "no_log": False},
        "session_key": {"type": "path", "required": True, "no_log": False},
    }
    module = AnsibleModule(
        argument_spec={
            "consumers": {"type": "list", "elements": "dict", "default": []},
            "instances": {"type": "list", "elements": "dict", "default": [], "options": instance},
            "credentials": {"type": "dict", "default": {}, "no_log": True},
            "url": {"type": "str"},
            "timeout": {"type": "float", "default": 5},
        },
        supports_check_mode=True,
    )
    params = module.params
    # A whole dict as no_log would mask user names and version numbers in everything that is said.
    module.no_log_values = _secrets(params["credentials"])
    if params["timeout"] <= 0:
        module.fail_json(msg="evidence: timeout must be more than 0 seconds")
    seen = gather(params["consumers"], params["instances"], params["credentials"], params["url"], params["timeout"])
    invocation = {"module_args": {**params, "credentials": sorted(params["credentials"])}}
    module.exit_json(changed=False, evidence=seen, invocation=invocation)


if __name__ == "__main__":
    main()
