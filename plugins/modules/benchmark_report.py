#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of genai.comfyui.benchmark_report; the work is done on the controller by the action of that name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark_report
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Compare what benchmarks measured, write it, and fail when a threshold was missed
description:
  - Makes figures of what M(genai.comfyui.benchmark) measured on all hosts, puts them side by side, and writes them as
    JSON and as one HTML page with plots and pictures, which needs nothing else, loads nothing and runs nothing.
  - Fails when a threshold was missed, and names each one. A figure that was not measured keeps no threshold.
  - Meant for the last play of a playbook, on C(localhost). Needs no connection, and asks no host.
options:
  hosts:
    description: Inventory names of the hosts to report on.
    type: list
    elements: str
    required: true
  results:
    description:
      - Name of the variable in which each host has a list of its runs.
      - Each has C(instance), C(profile), C(cold_start) (seconds, or none) and C(measured), the module's result.
    type: str
    required: true
  failure:
    description: Name of a variable with C(task) and C(msg), set by a C(rescue) on hosts where the run stopped.
    type: str
  contact:
    description: Name of the variable with the result of the first contact, which says whether a host was reachable.
    type: str
  baseline:
    description: What the run is called that the others are held against, as the table has it. The first when not given.
    type: str
  dir:
    description:
      - Directory on the controller, relative to the working directory of the run. Made with mode 0750 if missing.
      - Receives C(benchmark-TIME.json) and C(.html), and both again as C(benchmark-latest), with mode 0600.
    type: str
    required: true
  picture_limit:
    description: A picture of more bytes is named in the page instead of shown.
    type: int
    default: 3145728
  page_limit:
    description: Bytes of all pictures of the page together.
    type: int
    default: 25165824
attributes:
  check_mode:
    description: Runs in check mode without changing managed hosts.
    support: full
    details:
      - Nothing was measured then, so nothing is written and nothing judged.
  diff_mode:
    description: Returns details on what has changed (or would change), when in diff mode.
    support: none
  async:
    description: Supports being used with the C(async) keyword.
    support: none
notes:
  - Never reports V(changed).
  - Thresholds are those that M(genai.comfyui.benchmark) was given. Their names are V(cold_start), V(first_image),
    V(s_per_image), V(s_per_image_worst), V(s_per_step), V(queue), V(vram_peak) in GiB, V(power_mean), V(power_peak),
    V(wh_per_image), V(latency_p50), V(latency_p90), V(latency_p95), V(latency_p99), V(error_rate) in percent, the most
    that each may be; V(throughput), the least images a minute; and V(slower_than_baseline), the most that the time of
    an image may be in relation to the baseline's.
seealso:
  - module: genai.comfyui.benchmark
"""

EXAMPLES = r"""
- name: Report
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Compare, and fail where a threshold was missed
      genai.comfyui.benchmark_report:
        hosts: "{{ groups.comfyui_servers }}"
        results: comfyui_benchmark_results
        dir: reports
"""

RETURN = r"""
path:
  description: The file that was written.
  type: str
  returned: when it could be written
  sample: /srv/ops/reports/benchmark-20260102T030405.678Z.json
page:
  description: The HTML page that was written.
  type: str
  returned: when it could be written
  sample: /srv/ops/reports/benchmark-20260102T030405.678Z.html
ok:
  description: Whether everything was measured and every threshold kept.
  type: bool
  returned: success or failure
missed:
  description: Each threshold that was missed and each host that was not measured, in words.
  type: list
  elements: str
  returned: success or failure
figures:
  description: The figures of each run by what it is called.
  type: dict
  returned: success or failure
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Fail: whoever gets here bypassed the action."""
    module = AnsibleModule(
        argument_spec={
            "hosts": {"type": "list", "elements": "str", "required": True},
            "results": {"type": "str", "required": True},
            "failure": {"type": "str"},
            "contact": {"type": "str"},
            "baseline": {"type": "str"},
            "dir": {"type": "str", "required": True},
            "picture_limit": {"type": "int", "default": 3145728},
            "page_limit": {"type": "int", "default": 25165824},
        },
        supports_check_mode=True,
    )
    module.fail_json(
        msg="genai.comfyui.benchmark_report runs on the controller; call it as a task of a playbook by its full name, "
        "so that Ansible finds the action plugin genai.comfyui.benchmark_report."
    )


if __name__ == "__main__":
    main()
