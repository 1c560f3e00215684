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
      preset:
        description:
          - A tool whose way of keeping a token is known. It gives defaults for O(consumers[].codec),
            O(consumers[].key) and O(consumers[].field), and for V(vscode_mcp) for O(consumers[].path) below the home
            of O(consumers[].owner). What is given explicitly wins.
          - V(comfyui_login) is ComfyUI-Login's C(login/PASSWORD); V(jupyter_env) a C(.env) beside notebooks;
            V(compose_env), V(compose_raw_env) and V(compose_service) are a Compose project's C(.env), an C(env_file)
            with C(format) C(raw), and the Compose file (give the key); V(systemd_service) is an C(EnvironmentFile).
          - V(open_webui) is the variable C(COMFYUI_API_KEY). Open WebUI copies it to its database at its first start
            and looks there from then on, unless C(ENABLE_PERSISTENT_CONFIG) is C(False).
          - V(vscode_mcp), V(mcp_json) and V(claude_desktop) are MCP clients with a server named C(comfyui); the first
            two send a header, the last passes C(COMFYUI_API_TOKEN) to the program that it starts.
          - V(curl) is a file for C(curl -K) with an C(Authorization) header.
        type: str
        choices:
          - claude_desktop
          - comfyui_login
          - compose_env
          - compose_raw_env
          - compose_service
          - curl
          - jupyter_env
          - mcp_json
          - open_webui
          - systemd_service
          - vscode_mcp
      path:
        description:
          - Absolute path of the file. Required, unless O(consumers[].preset) knows it.
          - Refused are symbolic links, files with several names, mount points, and directories that are themselves
            symbolic links or that everybody may write to.
        type: path
      codec:
        description:
          - How the file spells values. Required, unless O(consumers[].preset) knows it. An unknown name is refused
            with a list of the known ones.
          - V(login_password) is ComfyUI-Login's own file C(login/PASSWORD), which holds token and user name.
          - V(dotenv) is a file that Compose, shells, systemd and C(dotenv) libraries read alike. It is written in
            single quotes.
          - V(dotenv_raw) is such a file for C(docker run --env-file) or Compose's C(format) C(raw), which keep quotes.
          - V(dotenv_expand) is one for dotenv-expand, Next.js or Vite, which expand in any quotes.
          - V(compose_env) is one that only Compose 2 or newer reads, where V($$) may stand for a dollar sign.
          - V(systemd_env) is a systemd C(EnvironmentFile).
          - V(shell) is a file that POSIX shells source, V(fish) one for fish, V(powershell) one for PowerShell. What is
            set in a block or conditionally is refused.
          - V(json) is JSON, with comments and trailing commas or without.
          - V(yaml) is YAML, one document of block mappings and lists. V(compose_yaml) is a Compose file, where each
            dollar sign is doubled.
          - V(toml) is TOML. V(ini) is what Python's configparser reads, V(ini_extended) the same with
            C(ExtendedInterpolation), where each dollar sign is doubled.
          - V(curl_config) is a file for C(curl -K), V(netrc) is C(.netrc).
          - V(htpasswd) is a password file of Apache or nginx, V(haproxy_map) a map or pattern file of HAProxy, and
            V(nginx_map) what an nginx C(map) includes.
          - V(line) is one line between two marker lines, V(raw) a file that holds the value and nothing else.
        type: str
      key:
        description:
          - Where in the file the value is. Nothing for V(login_password) and V(raw).
          - A variable's name for V(dotenv), V(dotenv_raw), V(dotenv_expand), V(compose_env), V(systemd_env), V(shell),
            V(fish) and V(powershell).
          - A JSON Pointer (RFC 6901), such as C(/servers/main/token), for V(json), V(yaml), V(compose_yaml) and
            V(toml); C(/section/key), or C(/key) before any section, for V(ini) and V(ini_extended). In a Compose file
            C(/services/web/environment/NAME) also finds C(- NAME=value) in a list.
          - An option such as C(oauth2-bearer) or a header such as C(header:Authorization) for V(curl_config); C(HOST),
            C(HOST/login) or C(HOST/account) for V(netrc).
          - The user for V(htpasswd), the word in the second column for V(haproxy_map) and V(nginx_map).
          - The text after C(BEGIN) and C(END) in the two markers for V(line).
          - A key that is missing is added, in structured files only to a collection that exists. Markers and machines
            of V(netrc) are not added.
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
          - The default is that of O(consumers[].preset), and V(token) without one.
        type: str
        choices: [token, bearer, password, username, url]
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
        C(fingerprint), C(retired)). C(distribute) and C(serve) say which version is wanted.
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
    if isinstance(credentials, dict):
        own = {str(credentials[name]) for name in ("token", "password") if isinstance(credentials.get(name), str)}
        found = {form for value in own if value for form in (value, quote(value, safe=""))}
        return found.union(*(_secrets(one) for one in credentials.values()))
    return set().union(*(_secrets(one) for one in credentials)) if isinstance(credentials, list) else set()


def main() -> None:
    """Entry point."""
    consumer: dict[str, Any] = {
        "id": {"type": "str", "required": True},
        "preset": {
            "type": "str",
            "choices": [
                *("claude_desktop", "comfyui_login", "compose_env", "compose_raw_env", "compose_service", "curl"),
                *("jupyter_env", "mcp_json", "open_webui", "systemd_service", "vscode_mcp"),
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
