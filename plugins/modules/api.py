#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: api
short_description: Send one request to ComfyUI's own interface with the token
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Lists the queue and the history, fetches outputs, uploads pictures, interrupts, frees memory, and whatever else
    ComfyUI's interface offers.
  - Runs on the host, so it also reaches a server that listens on loopback only.
  - Unlike M(ansible.builtin.uri) it shows the token at no verbosity, not even where the server's answer holds it.
  - To run a workflow and wait for its pictures, M(genai.comfyui.workflow) does more.
options:
  url:
    description: Base address of the server, as the host reaches it on which the module runs.
    type: str
    default: http://127.0.0.1:8188
  token:
    description: The token.
    type: str
    required: true
  path:
    description: Path with its query, as in C(/history?max_items=5).
    type: str
    required: true
  method:
    description: V(POST) where there is a O(body) or a O(file), else V(GET), when not given.
    type: str
    choices: [GET, POST, DELETE, PUT, PATCH]
  body:
    description: What to send as JSON; text is taken for JSON already.
    type: raw
  file:
    description: Picture on this host to upload as the form's C(image), as for C(/upload/image).
    type: path
  overwrite:
    description: Whether an upload replaces a picture of that name. ComfyUI finds another name otherwise.
    type: bool
    default: false
  save_to:
    description: File on this host to save the answer in, as for C(/view).
    type: path
  timeout:
    description: Seconds.
    type: float
    default: 30
extends_documentation_fragment: genai.comfyui.server
attributes:
  check_mode:
    description: Only requests by V(GET) are sent, and nothing is saved.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
notes:
  - Keys for partner services, which old servers show to everybody who may see the queue, are left out.
seealso:
  - module: genai.comfyui.workflow
"""

EXAMPLES = r"""
- name: What waits and what runs
  genai.comfyui.api:
    token: "{{ lookup('genai.comfyui.credential', 'main').token }}"
    path: /queue

- name: Let go of the models
  genai.comfyui.api:
    token: "{{ lookup('genai.comfyui.credential', 'main').token }}"
    path: /free
    body: {unload_models: true, free_memory: true}
"""

RETURN = r"""
status:
  description: The answer's HTTP status.
  returned: when answered
  type: int
json:
  description: The answer, where it is JSON.
  returned: when it is
  type: raw
bytes:
  description: Size of an answer that is not JSON.
  returned: when it is not
  type: int
path:
  description: Where the answer was saved.
  returned: when O(save_to) is given
  type: str
"""

import json
import mimetypes
import os
import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run
from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import WorkflowError

PARTNER_KEYS = ("auth_token_comfy_org", "api_key_comfy_org")
_SHOWN = 500


def form_of(path: str, overwrite: bool) -> tuple[str, bytes]:
    """Return type and bytes of a form that uploads this file."""
    with open(path, "rb") as stream:
        data = stream.read()
    # What ends a line or the quotes would end the header.
    name = os.path.basename(path).translate({34: "_", 10: "_", 13: "_"})
    mark = secrets.token_hex(16)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'
    )
    again = str(overwrite).lower()
    rest = f'\r\n--{mark}\r\nContent-Disposition: form-data; name="overwrite"\r\n\r\n{again}\r\n--{mark}--\r\n'
    return f"multipart/form-data; boundary={mark}", head.encode() + data + rest.encode()


def without_keys(value: Any) -> Any:
    """Return *value* without the keys of partner services that clients sent along."""
    if isinstance(value, dict):
        return {key: without_keys(item) for key, item in value.items() if key not in PARTNER_KEYS}
    return [without_keys(item) for item in value] if isinstance(value, list) else value


def ask(module: AnsibleModule) -> dict[str, Any]:
    """Send the request; return the result. Raises WorkflowError, HttpError or OSError."""
    params = module.params
    method = params["method"] or ("GET" if params["body"] is None and params["file"] is None else "POST")
    if module.check_mode and method != "GET":
        return {"changed": True, "msg": f"would send {method} {params['path']}"}
    client = run.Client(
        params["url"].rstrip("/"),
        params["token"],
        params["ca_path"],
        params["validate_certs"],
        params["origin"],
        params["timeout"],
    )
    body = params["body"]
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            raise WorkflowError("body is not JSON") from None
    form = form_of(params["file"], params["overwrite"]) if params["file"] else None
    answer = client.request(method, params["path"], body, run.FILE_LIMIT, form)
    if answer.truncated:
        raise WorkflowError(f"{client.url}: the answer is larger than {run.FILE_LIMIT} bytes")
    result: dict[str, Any] = {"changed": method != "GET", "status": answer.status}
    if not 200 <= answer.status < 300:
        said = answer.body[:_SHOWN].decode("utf-8", "replace").strip()
        raise WorkflowError(
            f"{client.url}{params['path']} answers with status {answer.status}" + (f": {said}" if said else "")
        )
    try:
        result["json"] = without_keys(json.loads(answer.body))
    except ValueError:
        result["bytes"] = len(answer.body)
    if params["save_to"] and not module.check_mode:
        folder, name = os.path.split(params["save_to"])
        result["path"] = run.save(answer.body, folder or ".", name)
    return result


def main() -> None:
    """Module entry point."""
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "default": "http://127.0.0.1:8188"},
            "token": {"type": "str", "required": True, "no_log": True},
            "path": {"type": "str", "required": True},
            "method": {"type": "str", "choices": ["GET", "POST", "DELETE", "PUT", "PATCH"]},
            "body": {"type": "raw"},
            "file": {"type": "path"},
            "overwrite": {"type": "bool", "default": False},
            "save_to": {"type": "path"},
            "timeout": {"type": "float", "default": 30},
            "origin": {"type": "str"},
            "ca_path": {"type": "path"},
            "validate_certs": {"type": "bool", "default": True},
        },
        mutually_exclusive=[("body", "file")],
        supports_check_mode=True,
    )
    try:
        result = ask(module)
    except WorkflowError as error:
        module.fail_json(msg=str(error))
    except HttpError as error:
        module.fail_json(msg=f"{module.params['url']}: {error}")
    except OSError as error:
        module.fail_json(msg=f"{error.filename}: {error.strerror}")
    else:
        module.exit_json(**result)


if __name__ == "__main__":
    main()
