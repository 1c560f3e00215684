#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of genai.comfyui.report; the work is done on the controller by the action of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Write and show what a run proved, and fail when it proved too little
description:
  - Gathers what the tasks of a run registered on its hosts, writes it as JSON and as one HTML page on the controller,
    prints a table with a summary line, and judges it.
  - A host or place that should have been looked at and was not is named with the reason. It never counts as in order.
  - Meant for the last play of a playbook, with C(run_once) and C(delegate_to=localhost). Needs no connection, and asks
    no host.
  - The report holds fingerprints, never values. A token found in a result is an error, and nothing is written or shown.
options:
  name:
    description: What kind of run this is. The files are called after it, and V(site) also shows where to log in.
    type: str
    choices: [site, validate, audit, discover]
    required: true
  hosts:
    description: Inventory names of the hosts to report on. No host at all is a reason to fail.
    type: list
    elements: str
    required: true
  limited_to:
    description:
      - The hosts this run is about, for runs with C(--limit). Others in O(hosts) are named as left out, not judged.
      - C(ansible_play_hosts_all) is the right value in a play that runs on the hosts themselves. A play on C(localhost)
        is left out by C(--limit), and its verdict with it.
    type: list
    elements: str
  sync:
    description: Names of the variables in which the hosts registered results of M(genai.comfyui.sync).
    type: list
    elements: str
    default: []
  probes:
    description: Names of the variables in which the hosts registered results of M(genai.comfyui.login_probe).
    type: list
    elements: str
    default: []
  instances:
    description: Name of the variable with the result of M(genai.comfyui.instance).
    type: str
  leftovers:
    description:
      - Name of the variable with the result of M(genai.comfyui.leftover_instances). One left is a reason to fail.
    type: str
  scan:
    description:
      - Name of the variable with the result of M(genai.comfyui.token_scan). A copy that no consumer declares, and a
        scan that ended early, is a reason to fail.
    type: str
  credentials:
    description:
      - Name of the variable in which a host has the credentials, as the lookup P(genai.comfyui.credential#lookup)
        returns them. The report takes from it versions, fingerprints and times, for the age of each token.
    type: str
  contact:
    description: Name of the variable with the result of the first contact, which says whether a host was reachable.
    type: str
  failure:
    description: Name of a variable with C(task) and C(msg), set by a C(rescue) on hosts where the run stopped.
    type: str
  smoke:
    description:
      - Name of a variable with a list of what smoke tests showed, each with C(instance), C(workflow), C(seconds) and
        C(picture), the name of a file in O(dir). The page shows the pictures, up to 3 MiB each.
    type: str
  dir:
    description:
      - Directory on the controller, relative to the working directory of the run. Made with mode 0750 if missing.
      - Receives C(NAME-TIME.json) and the same again as C(NAME-latest.json), each with mode 0600 and replaced whole.
      - Beside each is the same report as a page C(.html), which needs nothing else and loads nothing.
    type: str
    required: true
  fail_on:
    description:
      - V(failure) fails when a host has a failure, a declared place was not checked, an instance is not active, a
        server is not proven locked, or a consumer is neither V(in_sync) nor V(pending).
      - V(drift) fails when a consumer is not V(in_sync), V(pending), V(previous) or V(current), when its process is
        older than its file, or when a host was not checked.
      - V(never) only reports; its verdict is that of V(failure).
      - A consumer that cannot be proven over HTTP, because it holds no token or no URL is known, is listed as not
        checked, and so is what was skipped on purpose, for O(name=site) also by C(--tags). That alone is no reason to
        fail, unless nothing at all was checked.
    type: str
    choices: [failure, drift, never]
    default: failure
  started:
    description: When the run began, UTC in ISO form. Only reported.
    type: str
attributes:
  check_mode:
    description: Runs in check mode without changing managed hosts.
    support: full
    details:
      - The report is written and shown in check mode too, with the statuses as they were found. It is a file on the
        controller and changes nothing on a managed host.
  diff_mode:
    description: Returns details on what has changed (or would change), when in diff mode.
    support: none
  async:
    description: Supports being used with the C(async) keyword.
    support: none
notes:
  - Never reports V(changed).
  - The table has box drawing where the output takes UTF-8, and plain ASCII otherwise. Paths and details are cut to the
    width of the terminal, or to C(COLUMNS); the JSON has them whole.
seealso:
  - module: genai.comfyui.sync
  - module: genai.comfyui.login_probe
  - module: genai.comfyui.leftover_instances
  - module: genai.comfyui.token_scan
"""

EXAMPLES = r"""
- name: Audit
  hosts: comfyui_clients
  gather_facts: false
  tasks:
    - name: Compare every consumer with the truth
      genai.comfyui.sync:
        consumers: "{{ comfyui_consumers }}"
        credentials: "{{ lookup('genai.comfyui.credential', store=comfyui_credential_store, as_dict=true) }}"
      check_mode: true
      register: audit
      ignore_unreachable: true
      failed_when: false

- name: Report
  hosts: comfyui_clients
  gather_facts: false
  tasks:
    - name: Write the report and fail on drift
      genai.comfyui.report:
        name: audit
        hosts: "{{ groups.comfyui_clients }}"
        limited_to: "{{ ansible_play_hosts_all }}"
        sync: [audit]
        dir: reports
        fail_on: drift
      delegate_to: localhost
      run_once: true
"""

RETURN = r"""
path:
  description: The file that was written.
  type: str
  returned: when it could be written
  sample: /srv/ops/reports/audit-20260102T030405.678Z.json
page:
  description: The HTML page that was written.
  type: str
  returned: when it could be written
  sample: /srv/ops/reports/audit-20260102T030405.678Z.html
ok:
  description:
    - Whether there was no reason to fail, also with O(fail_on=never).
    - The JSON holds the reasons as C(verdict.reasons). It has the keys C(kind), C(started) (if given), C(finished),
      C(durations), C(versions), C(credentials) (if given), C(hosts), C(left_out) (if any), C(not_checked) and
        C(verdict).
  type: bool
  returned: success or failure
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Fail: whoever gets here bypassed the action."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "choices": ["site", "validate", "audit", "discover"], "required": True},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "limited_to": {"type": "list", "elements": "str"},
            "sync": {"type": "list", "elements": "str", "default": []},
            "probes": {"type": "list", "elements": "str", "default": []},
            "instances": {"type": "str"},
            "leftovers": {"type": "str"},
            "scan": {"type": "str"},
            "credentials": {"type": "str"},
            "contact": {"type": "str"},
            "failure": {"type": "str"},
            "smoke": {"type": "str"},
            "dir": {"type": "str", "required": True},
            "fail_on": {"type": "str", "choices": ["failure", "drift", "never"], "default": "failure"},
            "started": {"type": "str"},
        },
        supports_check_mode=True,
    )
    module.fail_json(
        msg="genai.comfyui.report runs on the controller; call it as a task of a playbook by its full name, "
        "so that Ansible finds the action plugin genai.comfyui.report."
    )


if __name__ == "__main__":
    main()
