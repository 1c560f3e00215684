#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of genai.comfyui.diagnosis; the work is done on the controller by the action of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnosis
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Name the one cause of a refused token or an open server
description:
  - Walks, for each consumer and each instance, from the client's file to the truth along what M(genai.comfyui.evidence)
    saw on the hosts, and ends with one named cause and the command that mends it.
  - What only follows from something else is not named while that is known. A stopped unit refuses connections; an empty
    C(PASSWORD) stops the unit; it is the C(PASSWORD) that is named.
  - Meant for the last play of a playbook, on C(localhost). Needs no connection, and asks no host.
  - Shows fingerprints, never values. A token found in the evidence is an error, and nothing is written or shown.
options:
  hosts:
    description: Inventory names of the hosts that were asked.
    type: list
    elements: str
    required: true
  evidence:
    description: Name of the variable in which the hosts registered the result of M(genai.comfyui.evidence).
    type: str
    required: true
  credentials:
    description: The credentials by name, as the lookup P(genai.comfyui.credential#lookup) returns them.
    type: dict
    default: {}
  client:
    description: The only client that was asked about, if there is one. That it told of no consumer is an error then.
    type: str
    default: ''
  consumer:
    description: The id of the only consumer that was asked about, likewise.
    type: str
    default: ''
  dir:
    description:
      - Directory on the controller, relative to the working directory of the run. Made with mode 0750 if missing.
      - Receives C(diagnose-TIME.json) and the same again as C(diagnose-latest.json), each with mode 0600.
    type: str
    required: true
  fail:
    description:
      - Whether a cause that is found fails the task. It does by default, as in an audit, so that a script can tell by
        the exit code whether all is well.
    type: bool
    default: true
attributes:
  check_mode:
    description: Runs in check mode without changing managed hosts.
    support: full
    details:
      - The report is written and shown in check mode too. It is a file on the controller.
  diff_mode:
    description: Returns details on what has changed (or would change), when in diff mode.
    support: none
  async:
    description: Supports being used with the C(async) keyword.
    support: none
notes:
  - Never reports V(changed).
seealso:
  - module: genai.comfyui.evidence
  - module: genai.comfyui.report
"""

EXAMPLES = r"""
- name: Ask a client
  hosts: comfyui_clients
  gather_facts: false
  tasks:
    - name: Gather what the host can tell
      genai.comfyui.evidence:
        consumers: "{{ comfyui_consumers }}"
        credentials: "{{ lookup('genai.comfyui.credential', store=comfyui_credential_store, as_dict=true) }}"
        url: https://gpu-1.example.com
      register: seen
      ignore_unreachable: true

- name: Judge
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Name the cause
      genai.comfyui.diagnosis:
        hosts: "{{ groups.comfyui_clients }}"
        evidence: seen
        credentials: "{{ lookup('genai.comfyui.credential', store=comfyui_credential_store, as_dict=true) }}"
        dir: reports
"""

RETURN = r"""
ok:
  description: Whether no cause was found.
  type: bool
  returned: success or failure
cause:
  description: The one cause to mend first; none when nothing is wrong.
  type: dict
  returned: success or failure
  contains:
    code:
      description: Its name.
      type: str
      sample: token_eaten
    sentence:
      description: What is wrong.
      type: str
    where:
      description: Host and place.
      type: str
    mend:
      description: The command or setting that mends it.
      type: str
    certainty:
      description: V(sure), or V(likely) where something else would look the same from outside.
      type: str
    struck:
      description: The consumers and instances that fail for it.
      type: list
      elements: str
path:
  description: The file that was written.
  type: str
  returned: when it could be written
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Fail: whoever gets here bypassed the action."""
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "str", "required": True},
            "evidence": {"type": "str", "required": True},
            "credentials": {"type": "dict", "default": {}, "no_log": True},
            "client": {"type": "str", "default": ""},
            "consumer": {"type": "str", "default": ""},
            "dir": {"type": "str", "required": True},
            "fail": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="diagnosis works on the controller, through its action plugin; do not run it as a module")


if __name__ == "__main__":
    main()
