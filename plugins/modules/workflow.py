#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: workflow
short_description: Run a workflow on a ComfyUI server and fetch what it put out
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Checks a workflow in API format against what the server offers, submits it with the token, waits for its end, and
    returns its outputs and timings.
  - A missing node, a model that the server does not have and a value that is no choice are each named before anything
    is submitted.
  - Follows by WebSocket, and by polling where that cannot be had; both with the token.
  - Run as a task, it says every few seconds how far it is.
  - What it submitted it cancels when it fails. A job that a restart of the server lost is reported as lost.
options:
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
      - Needed unless O(resume) is given.
    type: raw
  parameters:
    description:
      - Values by the names of the document's parameters.
      - For a bare graph the names are C(node.input), as in C(6.text).
      - Null does what the document says for it. C(image) of V(qwen_image_edit_2509) is then a plain picture, and no
        upload is needed; C(lora) takes the LoRA out.
    type: dict
    default: {}
  variant:
    description: A named set of parameters of the document; O(parameters) go before it.
    type: str
  wait:
    description: Whether to wait for the end. Without it the job is submitted and its name returned.
    type: bool
    default: true
  timeout:
    description: Seconds that the job may take from its submission, the time in the queue included.
    type: int
    default: 600
  slice:
    description: Seconds after which one call of the module returns although the job goes on; O(timeout) when not given.
    type: int
  resume:
    description: What RV(job) was, to go on waiting for that job instead of submitting one.
    type: dict
  cancel:
    description: Whether to take the job back when it took too long, or the waiting fails.
    type: bool
    default: true
  front:
    description: Whether to put the job before those that wait.
    type: bool
    default: false
  save_to:
    description: Directory on this host to save outputs in; they are only checked when not given.
    type: path
  check:
    description:
      - What an output picture must be.
      - V(varied) is whole and not all of one colour, V(decodable) is whole, V(none) is anything, and is not fetched.
      - Only PNG is decoded to the last pixel; JPEG and WebP are checked for being complete.
    type: str
    choices: [varied, decodable, none]
    default: varied
extends_documentation_fragment: genai.comfyui.server
attributes:
  check_mode:
    description: Checks the workflow against the server and submits nothing.
    support: full
  diff_mode:
    description: A job leaves nothing to compare.
    support: none
"""

EXAMPLES = r"""
- name: A picture comes out
  genai.comfyui.workflow:
    url: http://127.0.0.1:8188
    token: "{{ lookup('genai.comfyui.credential', 'main').token }}"
    workflow: qwen_image
    variant: lightning_8step
    parameters:
      prompt: a lighthouse in fog
      seed: 7
    save_to: /var/tmp

- name: The user's own graph, as exported with Save (API)
  genai.comfyui.workflow:
    url: https://gpu-1.example.com
    token: "{{ lookup('genai.comfyui.credential', 'main').token }}"
    workflow: "{{ lookup('ansible.builtin.file', 'portrait.json') | from_json }}"
    parameters:
      6.text: a lighthouse in fog
"""

RETURN = r"""
state:
  description: done, queued, running, unreachable, or in check mode checked.
  returned: success
  type: str
job:
  description: What names the job, for O(resume). Holds no secret.
  returned: when submitted
  type: dict
outputs:
  description: One record a file. C(path), C(bytes), C(sha256), C(kind), C(width) and C(height) if it was fetched.
  returned: when done
  type: list
  elements: dict
timings:
  description: Seconds. C(total) from the submission to the end that was seen, C(execution) by the server's own clock,
    C(waiting) the rest.
  returned: when done
  type: dict
position:
  description: Place in the queue, 1 is next.
  returned: when queued
  type: int
queued:
  description: How many jobs wait.
  returned: when queued
  type: int
progress:
  description: Node that runs, and its C(value) of C(max) steps, as last heard.
  returned: when running
  type: dict
vram_peak:
  description: Most VRAM in use in bytes, of all that was sampled while the job ran; not given without a CUDA device.
  returned: when sampled
  type: int
followed_by:
  description: websocket or polling.
  returned: when waited
  type: str
"""

import hashlib
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run
from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import Graph, WorkflowError, prepare, problems


def submit(module: AnsibleModule, client: run.Client) -> dict[str, Any]:
    """Check the workflow, and submit it unless in check mode; return the job."""
    document = module.params["workflow"]
    if not isinstance(document, Mapping):
        raise WorkflowError("workflow is no mapping; names and paths of workflows work in a playbook's task only")
    graph: Graph = prepare(document, module.params["parameters"], module.params["variant"])
    found = problems(graph, client.offered(graph))
    if found:
        raise WorkflowError(f"{client.url}: the workflow cannot run: " + "; ".join(found))
    if module.check_mode:
        module.exit_json(changed=True, state="checked", msg=f"would submit {len(graph)} nodes to {client.url}")
    name, us = str(uuid.uuid4()), str(uuid.uuid4())
    client.submit(graph, name, us, module.params["front"])
    return {"prompt_id": name, "client_id": us, "submitted": time.time(), "vram_peak": None}


def fetch(module: AnsibleModule, client: run.Client, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the job's outputs, checked and saved as asked."""
    outputs: list[dict[str, Any]] = run.outputs_of(record)
    if not outputs:
        raise WorkflowError(f"{client.url}: the job ended well, but put out nothing (all of it was cached?)")
    check, directory = module.params["check"], module.params["save_to"]
    for output in outputs:
        if check == "none" and directory is None:
            continue
        data = client.fetch(output)
        output.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        output.update(run.judge(output["filename"], data, check))
        if directory is not None:
            try:
                output["path"] = run.save(data, directory, output["filename"])
            except OSError as error:
                raise WorkflowError(f"save_to {directory}: {error.strerror}") from None
    return outputs


def wait(module: AnsibleModule, client: run.Client, job: dict[str, Any]) -> dict[str, Any]:
    """Follow the job for one slice; return the result. Raises WorkflowError for every end but a good one."""
    deadline = job["submitted"] + module.params["timeout"]
    left = max(0.0, deadline - time.time())
    seen = run.Seen(vram=job.get("vram_peak"))
    state = run.follow(client, job["prompt_id"], job["client_id"], min(left, module.params["slice"] or left), seen)
    job["vram_peak"] = seen.vram
    result: dict[str, Any] = {"state": state["state"], "job": job, "followed_by": seen.by}
    if seen.vram is not None:
        result["vram_peak"] = seen.vram
    name = f"{client.url}: job {job['prompt_id']}"
    if state["state"] == "done":
        total = time.time() - job["submitted"]
        execution = run.execution_seconds(state["record"])
        result["timings"] = {"total": round(total, 3)}
        if execution is not None:
            result["timings"].update(execution=round(execution, 3), waiting=round(max(0.0, total - execution), 3))
        result["outputs"] = fetch(module, client, state["record"])
        return result
    if state["state"] in ("error", "interrupted"):
        raise WorkflowError(f"{name} failed: {run.failure_of(state['record'])}")
    if state["state"] == "lost":
        raise WorkflowError(
            f"{name} is lost: it is neither in the queue nor in the history. ComfyUI keeps both in memory only: it was "
            "restarted, or somebody cleared them. Submit it again"
        )
    if time.time() >= deadline:
        what = state.get("detail") or f"it is still {state['state']}"
        raise WorkflowError(f"{name} did not end within {module.params['timeout']} s: {what}")
    result.update({key: state[key] for key in ("position", "queued", "detail") if key in state})
    if seen.progress is not None:
        result["progress"] = {"node": seen.node, "value": seen.progress[0], "max": seen.progress[1]}
    return result


def main() -> None:
    """Module entry point."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "token": {"type": "str", "required": True, "no_log": True},
            "workflow": {"type": "raw"},
            "parameters": {"type": "dict", "default": {}},
            "variant": {"type": "str"},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 600},
            "slice": {"type": "int"},
            "resume": {"type": "dict"},
            "cancel": {"type": "bool", "default": True},
            "front": {"type": "bool", "default": False},
            "save_to": {"type": "path"},
            "check": {"type": "str", "choices": ["varied", "decodable", "none"], "default": "varied"},
            "origin": {"type": "str"},
            "ca_path": {"type": "path"},
            "validate_certs": {"type": "bool", "default": True},
        },
        required_one_of=[("workflow", "resume")],
        supports_check_mode=True,
    )
    params = module.params
    client = run.Client(
        params["url"].rstrip("/"), params["token"], params["ca_path"], params["validate_certs"], params["origin"]
    )
    job: dict[str, Any] | None = params["resume"]
    try:
        if job is None:
            job = submit(module, client)
        if not params["wait"]:
            module.exit_json(changed=True, state="queued", job=job)
        result = wait(module, client, job)
    except (WorkflowError, HttpError) as error:
        message = str(error) if isinstance(error, WorkflowError) else f"{client.url}: {error}"
        cancelled = False
        if job is not None and params["cancel"]:
            try:
                cancelled = client.cancel(job["prompt_id"])
            except (WorkflowError, HttpError):
                message += "; it could not be cancelled"
        module.fail_json(msg=message, job=job, cancelled=cancelled)
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
