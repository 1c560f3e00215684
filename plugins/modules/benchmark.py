#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: benchmark
short_description: Measure a ComfyUI server with one workflow
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Runs a workflow several times, one job after the other, and then if wanted by many clients at once.
  - Returns what it measured, job by job, and samples of the GPUs' memory and power. M(genai.comfyui.benchmark_report)
    makes figures, a comparison and verdicts of it.
  - Each job gets another seed, counted from a fixed one, because ComfyUI answers an equal job from its cache. So two
    servers make the same pictures.
  - Run it on the server's own host; GPUs are sampled with its C(nvidia-smi). Without one the memory is what the server
    says of its CUDA devices, and nothing tells the power. RV(samples) says what could not be sampled.
options:
  name:
    description: What this run is called, in file names.
    type: str
    default: default
  url:
    description: Base address of the server, as the host reaches it on which the module runs.
    type: str
    required: true
  token:
    description: The token.
    type: str
    required: true
  workflow:
    description:
      - A graph in API format, or a document of this collection, which is a graph with named parameters.
      - In a playbook also the name of a shipped one (see the role P(genai.comfyui.qwen_models#role)), or the path of a
        JSON file on the controller.
    type: raw
    required: true
  parameters:
    description: Values by the names of the document's parameters; for a bare graph the names are C(node.input).
    type: dict
    default: {}
  variant:
    description: A named set of parameters of the document; O(parameters) go before it.
    type: str
  vary:
    description: Parameter that every job gets another value of. The seed, in a bare graph all seeds, when not given.
    type: str
  seed:
    description: Value of O(vary) for the first job; each further job gets one more.
    type: int
    default: 1
  images:
    description:
      - Jobs to run one after the other. The first counts apart, because it may load models. V(0) runs none.
      - With O(clients=0), too, it only waits until the server is idle.
    type: int
    default: 6
  clients:
    description: Clients of the load test, which work at the same time. V(0) makes none.
    type: int
    default: 0
  jobs:
    description: Jobs of each client of the load test, one after the other.
    type: int
    default: 5
  timeout:
    description: Seconds that each job may take from its submission.
    type: int
    default: 900
  idle:
    description: Seconds to wait for jobs of others to end before anything is measured. The module fails after that.
    type: int
    default: 60
  free:
    description: Whether to have the server forget its models first, so that the first job loads them.
    type: bool
    default: false
  sample_every:
    description: Seconds between two samples of the GPUs.
    type: float
    default: 1
  gpus:
    description: GPUs to sample, by index or UUID. All when not given, none when empty.
    type: list
    elements: str
  nvidia_smi:
    description: Path of C(nvidia-smi). Looked for in E(PATH) and the usual places when not given.
    type: path
  check:
    description: What an output picture must be, as for M(genai.comfyui.workflow).
    type: str
    choices: [varied, decodable, none]
    default: varied
  save_to:
    description: Directory on this host to save the pictures of the first and the last jobs in.
    type: path
  keep:
    description: How many pictures are fetched, checked and saved.
    type: int
    default: 2
  pictures_to:
    description:
      - Directory on the controller to keep the pictures in, with O(name) in their names; in a playbook's task only.
      - Nothing stays on the host then. Not used together with O(save_to).
    type: path
  thresholds:
    description:
      - Limits by the name of a figure, as for M(genai.comfyui.benchmark_report), which judges by them.
      - In a playbook's task they are checked before anything is measured, and returned.
    type: dict
    default: {}
  slice:
    description: Seconds after which one call of the module returns although it is not over. Never when not given.
    type: int
  resume:
    description: What RV(state) was, to go on with that run.
    type: dict
extends_documentation_fragment: genai.comfyui.server
attributes:
  check_mode:
    description: Checks the workflow against the server and submits nothing.
    support: full
  diff_mode:
    description: A job leaves nothing to compare.
    support: none
notes:
  - Other programs on the same GPUs are part of what is sampled.
seealso:
  - module: genai.comfyui.benchmark_report
  - module: genai.comfyui.workflow
"""

EXAMPLES = r"""
- name: How long a picture takes
  genai.comfyui.benchmark:
    url: http://127.0.0.1:8188
    token: "{{ lookup('genai.comfyui.credential', 'main').token }}"
    workflow: qwen_image
    images: 6
  register: measured

- name: How eight people get on with it
  genai.comfyui.benchmark:
    url: http://127.0.0.1:8188
    token: "{{ lookup('genai.comfyui.credential', 'main').token }}"
    workflow: qwen_image
    variant: lightning_4step
    images: 2
    clients: 8
    jobs: 5
"""

RETURN = r"""
records:
  description:
    - One record a job that ended well. C(phase) is series or load; C(total), C(execution) and C(queue) are seconds,
      C(execution) and mostly also the rest by the server's own clock (C(clock)); C(step) is seconds a sampling step.
    - A job that the server answered from its cache is marked C(cached), and counts for nothing.
  returned: success
  type: list
  elements: dict
errors:
  description: What went wrong under load, with C(client), C(at) and C(said).
  returned: success
  type: list
  elements: dict
load:
  description: Begin, end, clients and jobs of the load test.
  returned: success
  type: dict
samples:
  description: C(source), C(every) seconds, C(gpus) with C(rows) of time, bytes, W, percent and degrees, and C(missing),
    which says why something could not be sampled.
  returned: success
  type: dict
server:
  description: Versions, arguments and devices, as the server tells them.
  returned: success
  type: dict
workflow:
  description: Name, variant and parameters of the workflow.
  returned: in a playbook's task
  type: dict
thresholds:
  description: The limits, as numbers.
  returned: in a playbook's task
  type: dict
state:
  description: What goes on, for O(resume), while C(over) is false. Holds no secret.
  returned: when not over
  type: dict
over:
  description: Whether everything was measured.
  returned: success
  type: bool
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _benchmark as bench
from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run
from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError
from ansible_collections.genai.comfyui.plugins.module_utils._sampler import Sampler, find_nvidia_smi
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import WorkflowError


def fetcher(params: dict[str, Any], client: run.Client) -> Callable[[dict[str, Any], int], list[dict[str, Any]]]:
    """Return what fetches, checks and saves the outputs of one job."""

    def fetch(record: dict[str, Any], number: int) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = run.outputs_of(record)
        for output in outputs:
            data = client.fetch(output)
            output.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
            output.update(run.judge(output["filename"], data, params["check"]))
            if params["save_to"] is not None:
                try:
                    output["path"] = run.save(data, params["save_to"], f"{number:03}-{output['filename']}")
                except OSError as error:
                    raise WorkflowError(f"save_to {params['save_to']}: {error.strerror}") from None
        return outputs

    return fetch


def begin(module: AnsibleModule, plan: bench.Plan) -> dict[str, Any]:
    """Check the workflow, wait until the server is idle, and return a fresh state."""
    bench.check(plan)
    if module.check_mode:
        module.exit_json(changed=True, over=True, msg=f"would run {plan.images} jobs on {plan.client.url}")
    state: dict[str, Any] = bench.fresh()
    state["waited"] = bench.await_idle(plan.client, module.params["idle"])
    if module.params["free"]:
        plan.client.request("POST", "/free", {"unload_models": True, "free_memory": True})
    state["freed"] = module.params["free"]
    state["server"] = bench.server_facts(plan.client)
    return state


def main() -> None:
    """Module entry point."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "default": "default"},
            "url": {"type": "str", "required": True},
            "token": {"type": "str", "required": True, "no_log": True},
            "workflow": {"type": "raw", "required": True},
            "parameters": {"type": "dict", "default": {}},
            "variant": {"type": "str"},
            "vary": {"type": "str"},
            "seed": {"type": "int", "default": 1},
            "images": {"type": "int", "default": 6},
            "clients": {"type": "int", "default": 0},
            "jobs": {"type": "int", "default": 5},
            "timeout": {"type": "int", "default": 900},
            "idle": {"type": "int", "default": 60},
            "free": {"type": "bool", "default": False},
            "sample_every": {"type": "float", "default": 1},
            "gpus": {"type": "list", "elements": "str"},
            "nvidia_smi": {"type": "path"},
            "check": {"type": "str", "choices": ["varied", "decodable", "none"], "default": "varied"},
            "save_to": {"type": "path"},
            "keep": {"type": "int", "default": 2},
            "pictures_to": {"type": "path"},
            "thresholds": {"type": "dict", "default": {}},
            "slice": {"type": "int"},
            "resume": {"type": "dict"},
            "origin": {"type": "str"},
            "ca_path": {"type": "path"},
            "validate_certs": {"type": "bool", "default": True},
        },
        mutually_exclusive=[("pictures_to", "save_to")],
        supports_check_mode=True,
    )
    params = module.params
    client = run.Client(
        params["url"].rstrip("/"), params["token"], params["ca_path"], params["validate_certs"], params["origin"]
    )
    state: dict[str, Any] | None = params["resume"]
    plan = None
    try:
        document = params["workflow"]
        if not isinstance(document, Mapping):
            raise WorkflowError("workflow is no mapping; names and paths of workflows work in a playbook's task only")
        if min(params["images"], params["clients"], params["keep"]) < 0:
            raise WorkflowError("images, clients and keep must be 0 at least")
        if params["clients"] and params["jobs"] < 1:
            raise WorkflowError("jobs must be 1 at least where there are clients")
        vary = bench.varied(document, params["vary"])
        plan = bench.Plan(
            client=client,
            graphs=bench.plan_graphs(document, params["parameters"], params["variant"], vary, params["seed"]),
            images=params["images"],
            clients=params["clients"],
            jobs=params["jobs"],
            timeout=params["timeout"],
            keep=params["keep"],
            fetch=fetcher(params, client),
        )
        if state is None:
            state = begin(module, plan)
        until = time.time() + (params["slice"] or 10**9)
        sampler = Sampler(
            lambda: list(client.json("GET", "/system_stats").get("devices", [])),
            find_nvidia_smi(params["nvidia_smi"]),
            params["gpus"],
            max(0.05, params["sample_every"]),
            state["samples"],
        )
        try:
            with sampler:
                bench.measure(plan, state, until)
        finally:
            state["samples"] = sampler.result()
    except (WorkflowError, HttpError) as error:
        message = str(error) if isinstance(error, WorkflowError) else f"{client.url}: {error}"
        taken = bench.cancel(plan, state) if plan is not None and state is not None else 0
        module.fail_json(msg=message, cancelled=taken)
        return
    if state["phase"] != "over":
        module.exit_json(changed=True, over=False, state=state)
    shown = ("records", "errors", "load", "samples", "server", "waited", "freed")
    module.exit_json(changed=True, over=True, **{name: state[name] for name in shown})


if __name__ == "__main__":
    main()
