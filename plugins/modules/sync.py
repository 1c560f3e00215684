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
  - What is written is always the credential's current value. A consumer that holds the C(pending) value of a running
    rotation already is reported as V(pending) and keeps it.
  - In check mode it is an audit. It reads, and its records tell what is there.
  - Beside a file that it has written, the module leaves an empty lock file C(.NAME.lock) of mode 0600. Do not delete it
    while something may be writing.
options:
  consumers:
    description: The consumers of this host. Several may share one file, which is then written once.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: A name for the consumer, unique on the host.
        type: str
        required: true
      path:
        description:
          - Absolute path of the file.
          - Refused are symbolic links, files with several names, mount points, and directories that are themselves
            symbolic links or that everybody may write to.
        type: path
        required: true
      codec:
        description:
          - How the file spells values. An unknown name is refused with a list of the known ones.
          - V(login_password) is ComfyUI-Login's own file C(login/PASSWORD), which holds token and user name.
          - V(dotenv) is a file that Compose, shells, systemd and C(dotenv) libraries read alike. It is written in
            single quotes.
          - V(systemd_env) is a systemd C(EnvironmentFile).
          - V(json) is JSON, with comments or without.
          - V(raw) is a file that holds the value and nothing else.
        type: str
        required: true
      key:
        description:
          - Where in the file the value is. A variable's name for V(dotenv) and V(systemd_env); a JSON Pointer (RFC
            6901), such as C(/servers/main/token), for V(json); nothing for V(login_password) and V(raw).
          - A key that is missing is added, in JSON only to an object that exists.
        type: str
      credential:
        description: Name of the credential in O(credentials).
        type: str
        default: main
      field:
        description:
          - What of the credential the consumer holds. V(bearer) is the token after the word C(Bearer); V(url) is
            O(consumers[].url) with the token as its query parameter.
          - Leave it out for codec V(login_password), which holds two fields.
        type: str
        choices: [token, bearer, password, username, url]
        default: token
      required:
        description:
          - Whether a rotation has to wait for this consumer.
          - When V(false), a missing directory, or a missing file with O(consumers[].create=false), is reported and is
            no failure.
        type: bool
        default: true
      owner:
        description: Owner of the file, a name or a number. When left out, a file keeps its owner.
        type: str
      group:
        description: Group of the file, a name or a number. When left out, a file keeps its group.
        type: str
      mode:
        description:
          - Permission bits of the file, octal and in quotes. Bits for others are refused.
        type: raw
        default: "0600"
      url:
        description: Address to which O(consumers[].field=url) adds the token. It must be http or https.
        type: str
      unknown:
        description:
          - What to do with a value that belongs to no known version of the credential.
          - The default is V(refuse) for codec V(login_password) and V(replace) for all others.
        type: str
        choices: [replace, refuse]
      create:
        description: Whether the file may be created when it is missing. Directories are never created.
        type: bool
        default: true
  credentials:
    description:
      - The credentials by name, as the lookup P(genai.comfyui.credential#lookup) returns them.
      - A credential has C(username), C(password), C(token) and C(version). While a rotation runs or after one it has
        C(pending) and C(previous) (each with C(token) and C(version)) and C(retired) (a list of C(version),
        C(fingerprint), C(retired)).
      - A C(token) of V(null) stands for a credential that is yet to be created. It is accepted in check mode only.
    type: dict
    required: true
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
      - id: editor
        path: /home/ann/.config/editor/mcp.json
        codec: json
        key: /servers/comfyui/headers/Authorization
        field: bearer
        owner: ann
    credentials:
      main: "{{ lookup('genai.comfyui.credential', 'main') }}"
  register: synced

- name: Restart what reads the first file
  ansible.builtin.systemd_service:
    name: notebooks.service
    state: restarted
  when: "'notebooks' in synced.changed_consumers"

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
      description: As given.
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
        - V(too_open) stands for any wrong mode, owner or group; V(unparsable) also for what could not be looked at.
      type: str
      sample: in_sync
    was:
      description:
        - What was found, one of V(in_sync), V(pending), V(previous), V(stale), V(damaged), V(unknown), V(missing_file),
          V(missing_key), V(duplicate_key), V(unparsable), V(too_open), V(linked).
      type: str
      sample: stale
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
"""

from typing import Any
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils._agree import agree

_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


def _secrets(credentials: Any) -> set[str]:
    """Return every token and password in *credentials*, which may have any form."""
    found: set[str] = set()
    for credential in credentials.values() if isinstance(credentials, dict) else ():
        for version in (credential, *credential.values()) if isinstance(credential, dict) else ():
            for name in ("token", "password"):
                value = version.get(name) if isinstance(version, dict) else None
                if isinstance(value, str) and value:
                    found |= {str(value), quote(value, safe="")}
    return found


def main() -> None:
    """Entry point."""
    consumer: dict[str, Any] = {
        "id": {"type": "str", "required": True},
        "path": {"type": "path", "required": True},
        "codec": {"type": "str", "required": True},
        "key": {"type": "str", "no_log": False},
        "credential": {"type": "str", "default": "main"},
        "field": {
            "type": "str",
            "choices": ["token", "bearer", "password", "username", "url"],
            "default": "token",
        },
        "required": {"type": "bool", "default": True},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "mode": {"type": "raw", "default": "0600"},
        "url": {"type": "str"},
        "unknown": {"type": "str", "choices": ["replace", "refuse"]},
        "create": {"type": "bool", "default": True},
    }
    module = AnsibleModule(
        argument_spec={
            "consumers": {"type": "list", "elements": "dict", "options": consumer, "required": True},
            "credentials": {"type": "dict", "no_log": True, "required": True},
        },
        supports_check_mode=True,
    )
    # no_log on a dictionary hides every string in it, user names and version names too, wherever they appear.
    module.no_log_values = _secrets(module.params["credentials"])
    outcome = agree(module.params["consumers"], module.params["credentials"], module.check_mode)
    result: dict[str, Any] = {
        "changed": bool(outcome.changed_paths),
        "consumers": outcome.records,
        "changed_consumers": outcome.changed_consumers,
        "changed_paths": outcome.changed_paths,
        "invocation": {"module_args": {**module.params, "credentials": _HIDDEN}},
    }
    if module._diff:
        result["diff"] = outcome.diff
    if outcome.error is not None:
        module.fail_json(msg=outcome.error, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
