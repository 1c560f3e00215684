#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sync
short_description: Make the consumers of a host hold their credentials
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - A consumer is one place that holds a credential field, that is a file, a codec and a key. All consumers of a host
    are served by one call.
  - Every consumer is looked at before any file is written. When one of them cannot be served, nothing is written and
    the module fails with one message that names each of them; O(ignore:consumers) are in the result all the same.
  - Only the value's span of a file changes. Every other byte, line ending, byte order mark and comment stays. What a
    codec does not fully understand is refused with the line's number.
  - Files are replaced by renaming a complete temporary file over them, and are read back afterwards. Several files are
    never replaced together. When the module is interrupted, the message says which ones were written; run it again.
  - What is written is the version that the credential says is wanted now, C(distribute) for consumers and C(serve) for
    codec V(login_password), each V(current) or V(pending). Any other version is replaced. A credential that says
    nothing wants its current version, and a consumer that holds the C(pending) one already is reported as V(pending)
    and keeps it.
  - In check mode it is an audit. It reads, and its records tell what is there.
  - Beside a file that it has written, the module leaves an empty lock file C(.NAME.lock) of mode 0600. Do not delete it
    while something may be writing.
options:
  credentials:
    description:
      - The credentials by name, as the lookup P(genai.comfyui.credential#lookup) returns them.
      - A credential has C(username), C(password), C(token) and C(version). While a rotation runs or after one it has
        C(pending) and C(previous) (each with C(token) and C(version)) and C(retired) (a list of C(version),
        C(fingerprint), C(retired)). C(distribute) and C(serve) say which version is wanted.
      - A C(token) of V(null) stands for a credential that is yet to be created. It is accepted in check mode only.
    type: dict
    required: true
  unknown:
    description:
      - What to do with values of no known version, where neither the consumer nor its codec says.
      - See O(consumers[].unknown).
    type: str
    choices: [replace, refuse, refuse_token]
    default: replace
  state_dir:
    description:
      - Where it is remembered which reloads were done. The default is C(/var/lib/genai-comfyui/reload) for root, and
        C(genai-comfyui/reload) below E(XDG_STATE_HOME) or C(~/.local/state) for others.
    type: path
extends_documentation_fragment:
  - genai.comfyui.consumers
attributes:
  check_mode:
    description: Can run in check mode and tell what would change. Nothing is written, not even a lock file.
    support: full
  diff_mode:
    description: Shows fingerprints of tokens, statuses, and owner, group and mode. Never a value.
    support: full
seealso:
  - module: genai.comfyui.login_probe
"""

EXAMPLES = r"""
- name: Make this host's files agree with the truth
  genai.comfyui.sync:
    consumers:
      - id: notebooks
        path: /srv/notebooks/.env
        codec: dotenv
        key: COMFYUI_API_TOKEN
        owner: jupyter
        reload:
          systemd: notebooks.service
      - id: stack
        path: /srv/stack/compose.yaml
        codec: compose_yaml
        key: /services/worker/environment/COMFYUI_API_TOKEN
      - id: editor
        preset: vscode_mcp
        owner: ann
    credentials:
      main: "{{ lookup('genai.comfyui.credential', 'main') }}"
  register: synced

- name: Let the program judge its own file, and tell it
  genai.comfyui.sync:
    consumers:
      - id: gateway
        path: /etc/gateway/token.conf
        codec: ini
        key: /upstream/token
        validate: [/usr/sbin/gateway, --check, "%s"]
        reload:
          command: [/usr/sbin/gatewayctl, reload]
    credentials:
      main: "{{ lookup('genai.comfyui.credential', 'main') }}"

- name: Audit, that is look and change nothing
  genai.comfyui.sync:
    consumers: "{{ comfyui_consumers }}"
    credentials:
      main: "{{ lookup('genai.comfyui.credential', 'main') }}"
  check_mode: true
  register: audited
"""

RETURN = r"""
consumers:
  description: One record for each consumer, in the order given. Also returned on failure.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: As given.
      type: str
    path:
      description: As given.
      type: str
    codec:
      description: As given, or that of the preset; so are path, key and field.
      type: str
    key:
      description: As given.
      type: str
    credential:
      description: Name of the credential.
      type: str
    field:
      description: As given.
      type: str
    required:
      description: As given.
      type: bool
    status:
      description:
        - What the consumer is now. After a run that wrote it V(in_sync), or V(pending) where that value was kept.
          V(in_sync) is said of the wanted version, V(current), V(pending) and V(previous) of others.
        - V(too_open) stands for any wrong mode, owner or group; V(unparsable) also for what could not be looked at.
      type: str
      sample: in_sync
    was:
      description:
        - What was found, one of V(in_sync), V(current), V(pending), V(previous), V(stale), V(damaged), V(unknown),
          V(missing_file), V(missing_key), V(duplicate_key), V(unparsable), V(too_open), V(linked).
      type: str
      sample: stale
    version:
      description: Name of the version that the consumer holds, null where that is none or cannot be told.
      type: str
      sample: v7
    changed:
      description: Whether this run changed the consumer, or would in check mode.
      type: bool
    fingerprint:
      description: Fingerprint of the token in the file, where there is a whole one.
      type: str
      sample: 9dd7d353a709
    detail:
      description: What was found, in words. Which version, how it was damaged, which mode.
      type: str
      sample: "token of version v7, damaged: each $ doubled"
    line:
      description: The line of the value, from 1.
      type: int
    validated:
      description: Whether parsers took the new file. Null where nothing was written or none was asked.
      type: bool
    validator:
      description: Which parsers were asked, and which could not be and why.
      type: str
      sample: shell
    reload:
      description:
        - V(done) when this run reloaded what reads the file, V(pending) when what runs is older than the file or would
          be after the run that check mode foretells. Null where no reload is due or none is declared.
      type: str
changed_consumers:
  description: The ids of the consumers that changed, so that exactly what reads them can be restarted.
  returned: always
  type: list
  elements: str
changed_paths:
  description: The files that changed.
  returned: always
  type: list
  elements: str
written_ago:
  description:
    - Seconds from the last write of a file, or the reload of what reads it, until this result; none where nothing was.
  type: float
  returned: always
reloaded:
  description: What was reloaded, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["systemd unit notebooks.service (restart)"]
"""

import gc
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils._agree import agree
from ansible_collections.genai.comfyui.plugins.module_utils._secrets import secrets_of

_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def main() -> None:
    """Entry point."""
    consumer: dict[str, Any] = {
        "id": {"type": "str", "required": True},
        "preset": {
            "type": "str",
            "choices": [
                *("claude_desktop", "comfyui_login", "compose_env", "compose_raw_env", "compose_service", "curl"),
                *(
                    "cursor",
                    "jupyter_env",
                    "krita_ai_diffusion",
                    "mcp_json",
                    "open_webui",
                    "systemd_service",
                    "vscode_mcp",
                ),
            ],
        },
        "path": {"type": "path"},
        "codec": {"type": "str"},
        "key": {"type": "str", "no_log": False},
        "credential": {"type": "str", "default": "main"},
        "field": {"type": "str", "choices": ["token", "bearer", "password", "username", "url"]},
        "required": {"type": "bool", "default": True},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "mode": {"type": "raw", "default": "0600"},
        "url": {"type": "str"},
        "unknown": {"type": "str", "choices": ["replace", "refuse", "refuse_token"]},
        "create": {"type": "bool", "default": True},
        "validate": {"type": "raw", "default": True},
        "reload": {
            "type": "dict",
            "options": {
                "systemd": {"type": "str"},
                "action": {"type": "str", "choices": ["restart", "reload"]},
                "compose": {
                    "type": "dict",
                    "options": {
                        "project_dir": {"type": "path", "required": True},
                        "service": {"type": "str", "required": True},
                    },
                },
                "command": {"type": "list", "elements": "str"},
            },
            "mutually_exclusive": [("systemd", "compose", "command")],
            "required_one_of": [("systemd", "compose", "command")],
            "required_by": {"action": ("systemd",)},
        },
    }
    module = AnsibleModule(
        argument_spec={
            "consumers": {"type": "list", "elements": "dict", "options": consumer, "required": True},
            "credentials": {"type": "dict", "no_log": True, "required": True},
            "unknown": {"type": "str", "choices": ["replace", "refuse", "refuse_token"], "default": "replace"},
            "state_dir": {"type": "path"},
        },
        supports_check_mode=True,
    )
    # no_log on a dictionary hides every string in it, user names and version names too, wherever they appear.
    module.no_log_values = secrets_of(module.params["credentials"])
    outcome = agree(
        module.params["consumers"],
        module.params["credentials"],
        module.check_mode,
        module.params["state_dir"],
        module.params["unknown"],
    )
    result: dict[str, Any] = {
        "changed": bool(outcome.changed_paths or outcome.reloaded),
        "consumers": outcome.records,
        "changed_consumers": outcome.changed_consumers,
        "changed_paths": outcome.changed_paths,
        "reloaded": outcome.reloaded,
        "written_ago": None if outcome.written is None else round(time.monotonic() - outcome.written, 3),
        # The records say again what was given, and 200 of them are much to send twice.
        "invocation": {
            "module_args": {
                **module.params,
                "consumers": [one["id"] for one in module.params["consumers"]],
                "credentials": _HIDDEN,
            }
        },
    }
    if module._diff:
        result["diff"] = outcome.diff
    # Python looks through all objects for garbage before it ends, which takes as long as reading 200 files.
    gc.freeze()
    if outcome.error is not None:
        module.fail_json(msg=outcome.error, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
