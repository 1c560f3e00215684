#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of genai.comfyui.metrics; the work is done on the controller by the action of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: metrics
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Write figures about tokens, rotations and audits for node_exporter
description:
  - Writes a file in the text format of Prometheus on the controller, for the textfile collector of node_exporter.
  - What is not known has no line in it. So alert on C(absent()) and on old timestamps, too.
  - The file holds names of credentials and hosts, versions and fingerprints; never a password or token.
  - Needs no connection. Use C(run_once).
options:
  credentials:
    description: Records that M(genai.comfyui.rotation) returned in RV(genai.comfyui.rotation#module:credentials).
    type: list
    elements: dict
    required: true
  audit:
    description: The JSON report of the playbook C(audit), such as C(reports/audit-latest.json). It may not exist yet.
    type: str
  runs:
    description:
      - A JSON object, by job, of C(started), C(finished), C(succeeded) (seconds since 1970) and C(exit), which the
        program of the role P(genai.comfyui.comfyui_rotation_schedule#role) keeps. It may not exist yet.
    type: str
  path:
    description:
      - The file to write. It appears whole, with mode 0644; its directory must exist.
      - The collector reads names that end in C(.prom).
    type: str
    required: true
attributes:
  check_mode:
    description: Runs in check mode without changing anything.
    support: full
    details:
      - Never reports a change, because the figures hold the time.
  diff_mode:
    description: Returns details on what has changed (or would change), when in diff mode.
    support: none
  async:
    description: Supports being used with the C(async) keyword.
    support: none
seealso:
  - module: genai.comfyui.rotation
  - module: genai.comfyui.report
"""

EXAMPLES = r"""
- name: Look at the truth
  genai.comfyui.rotation:
    names: [main]
    state: status
  run_once: true
  register: rotation

- name: Write the figures
  genai.comfyui.metrics:
    credentials: "{{ rotation.credentials }}"
    audit: "{{ inventory_dir }}/reports/audit-latest.json"
    path: /var/lib/prometheus/node-exporter/comfyui_rotation.prom
  run_once: true
"""

RETURN = r"""
path:
  description: The file.
  type: str
  returned: success
  sample: /var/lib/prometheus/node-exporter/comfyui_rotation.prom
alarms:
  description: One line for each token that is older than its policy's alarm age.
  type: list
  elements: str
  returned: success
audited:
  description: Whether there was a report of an audit.
  type: bool
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Fail: whoever gets here bypassed the action."""
    module = AnsibleModule(
        argument_spec={
            "credentials": {"type": "list", "elements": "dict", "required": True},
            "audit": {"type": "str"},
            "runs": {"type": "str"},
            "path": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(
        msg="genai.comfyui.metrics runs on the controller; call it as a task of a playbook by its full name, "
        "so that Ansible finds the action plugin genai.comfyui.metrics."
    )


if __name__ == "__main__":
    main()
