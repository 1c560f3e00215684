#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of genai.comfyui.credential; the work is done on the controller by the action of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: credential
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Keep the truth about ComfyUI credentials
description:
  - Makes, adopts or removes credentials in the credential store, the single source of truth of this collection.
  - A credential has a name, a user name, a password and a token. ComfyUI-Login uses the bcrypt hash itself as its
    API token, so a token is made once, stored, and never computed again.
  - Runs on the controller and needs no connection. Use C(run_once) when the play has many hosts; without it the
    result is the same, only slower.
  - Never returns or shows a password or token, only fingerprints. Read values with
    P(genai.comfyui.credential#lookup).
  - A store that is empty, damaged, encrypted with another password or written by a newer version of this collection
    is an error. It is never made anew.
requirements:
  - The Python package C(bcrypt) 3.2 or newer on the controller, or a C system library with bcrypt (libxcrypt).
options:
  name:
    description:
      - Name of one credential, 1 to 63 letters, digits, dots, underscores and dashes.
      - Exactly one of O(name) and O(names) is needed.
    type: str
  names:
    description: Names of several credentials, all read and written at once. All or none are changed.
    type: list
    elements: str
  state:
    description:
      - V(present) makes a credential with a new token, if there is none and O(create=true). One that is there keeps
        its token and password; O(username) and O(policy) are brought in line.
      - V(adopted) takes over the hash given in O(token), byte for byte. Where the credential has it already, nothing
        changes. A different hash over an existing credential is refused, unless O(force=true).
      - V(absent) removes the credential. Refused as long as a host of the inventory declares it in
        C(comfyui_consumers) or C(comfyui_instances), unless O(force=true).
    type: str
    choices: [present, absent, adopted]
    default: present
  store:
    description:
      - Where the credentials are. The default is the variable C(comfyui_credential_store).
      - C(type) is V(vault_file); C(path) names a file encrypted with ansible-vault, relative to the playbook;
        C(vault_id) is the vault id to encrypt with, by default the one that decrypted it.
      - The directory must exist. A new file has mode 0600.
      - C(publish) is a command as a list, such as V([git-publish]), that runs in the file's directory after each write,
        with the file's path in C(COMFYUI_STORE_PATH), within C(publish_timeout) (120) seconds. Until it succeeds nobody
        gets to read the new state, and the next run tries again. When another controller was first, the command
        replaces the file with that one's state before it fails; the change is then decided again.
      - Or C(type) is V(vault_kv2), a secret of HashiCorp Vault's KV version 2 at C(url), C(mount), C(path) and
        C(namespace), unlocked by C(auth). It needs the Python package hvac on the controller. The collection's
        C(docs/stores.md) has all of its keys.
    type: dict
  create:
    description:
      - Whether a credential, or the store's first document, may be made where there is none. Off by default, because
        a wrong path or name would otherwise lock everybody out with new tokens.
      - With O(state=adopted) only needed for the store's first document.
    type: bool
    default: false
  username:
    description:
      - The user name for the web form. A new credential gets V(admin) when this is not given.
      - Given for an existing credential, it replaces the user name there; not while a rotation runs.
    type: str
  password:
    description:
      - The password for the web form, at most 72 bytes in UTF-8 and without control characters.
      - With O(state=present), the password of a new credential; by default 32 random letters and digits (186 bits).
        An existing credential must have this password already.
      - With O(state=adopted), the password that belongs to the hash, if known. It is checked against the hash.
    type: str
  password_managed:
    description:
      - Whether the truth keeps the password. If not, O(password) is only used to make or check the token and then
        forgotten, and the token can later only be replaced by adopting another one.
    type: bool
    default: true
  token:
    description: The hash to adopt, exactly 60 characters. Required by O(state=adopted), not allowed otherwise.
    type: str
    aliases: [hash]
  policy:
    description:
      - How the credential is treated. Only what is given is stored or changed.
      - Changing O(policy.cost) or O(policy.ident) has effect on tokens that are made later.
    type: dict
    suboptions:
      ident:
        description: First characters of new hashes; V(2b) by default.
        type: str
        choices: [2a, 2b, 2y]
      cost:
        description: Cost of new hashes, 4 to 31; each step doubles the time. 12 by default.
        type: int
      rotate_after_days:
        description: Age in days at which a rotation is due. By default never.
        type: int
      window:
        description:
          - When a due rotation may start, in UTC, such as V(Sun 02:00-05:00Z), V(Mon-Fri 22:00-04:00Z) or
            V(daily 01:00-03:00Z), several with semicolons between them. By default at any time.
        type: str
      overlap_hours:
        description: Hours for which the former token stays valid; 24 by default.
        type: int
      alarm_after_days:
        description: Age in days at which an audit complains. By default never.
        type: int
      acceptor:
        description: What decides whether a request's token is good; V(guard) by default.
        type: str
        choices: [gateway, guard, none]
      hold:
        description: Whether no rotation may start; V(false) by default.
        type: bool
  force:
    description:
      - With O(state=adopted), let another hash replace the current one at once. The current one is retired and its
        password is forgotten, unless O(password) is given for the new one. A running rotation ends. This is the way
        out when the newest truth is lost and an older copy of it was restored.
      - With O(state=absent), remove the credential although it is declared somewhere or a rotation is running.
    type: bool
    default: false
attributes:
  check_mode:
    description: Runs in check mode without changing anything, and predicts what would change.
    support: full
    details:
      - The fingerprint of a token that would be made is not known, and V(null).
  diff_mode:
    description: Returns details on what has changed (or would change), when in diff mode.
    support: full
    details:
      - Shows user names, policies, versions and fingerprints; never a password or token.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
seealso:
  - plugin: genai.comfyui.credential
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Have the first credential made
  genai.comfyui.credential:
    name: main
    store: {type: vault_file, path: "{{ inventory_dir }}/credentials.vault.yml"}
    create: true
  run_once: true

- name: Have all that is declared made
  genai.comfyui.credential:
    names: [main, team-a]
    create: true
  run_once: true

- name: Take over what a server already uses
  genai.comfyui.credential:
    name: main
    state: adopted
    token: "{{ existing_password_file.content | b64decode | split('\n') | first }}"
    username: admin
    create: true
  run_once: true

- name: Remove a credential nobody declares any more
  genai.comfyui.credential:
    name: team-a
    state: absent
  run_once: true
"""

RETURN = r"""
name:
  description: The credential's name; with O(name) only.
  type: str
  returned: success
  sample: main
version:
  description: The version in force; with O(name) only. Null where there is none.
  type: str
  returned: success
  sample: v1
fingerprint:
  description: Fingerprint of the token; with O(name) only. Null where there is none, or none yet (check mode).
  type: str
  returned: success
  sample: 9f3c0c1d2e4b
username:
  description: The user name; with O(name) only. Null where there is no credential.
  type: str
  returned: success
  sample: admin
created:
  description: Whether this run added (or would add) the credential; with O(name) only.
  type: bool
  returned: success
serial:
  description: Serial number of the document after this run. It grows by one with each write.
  type: int
  returned: success
  sample: 42
credentials:
  description: One entry a name, in the order given.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The credential's name.
      type: str
    version:
      description: The version in force, or null.
      type: str
    fingerprint:
      description: Fingerprint of the token, or null.
      type: str
    username:
      description: The user name, or null.
      type: str
    created:
      description: Whether this run added it.
      type: bool
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Fail: whoever gets here bypassed the action."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "names": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["present", "absent", "adopted"], "default": "present"},
            "store": {"type": "dict"},
            "create": {"type": "bool", "default": False},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "password_managed": {"type": "bool", "default": True, "no_log": False},
            "token": {"type": "str", "no_log": True, "aliases": ["hash"]},
            "policy": {
                "type": "dict",
                "options": {
                    "ident": {"type": "str", "choices": ["2a", "2b", "2y"]},
                    "cost": {"type": "int"},
                    "rotate_after_days": {"type": "int"},
                    "window": {"type": "str"},
                    "overlap_hours": {"type": "int"},
                    "alarm_after_days": {"type": "int"},
                    "acceptor": {"type": "str", "choices": ["gateway", "guard", "none"]},
                    "hold": {"type": "bool"},
                },
            },
            "force": {"type": "bool", "default": False},
        },
        mutually_exclusive=[("name", "names")],
        required_one_of=[("name", "names")],
        required_if=[("state", "adopted", ("token",))],
        supports_check_mode=True,
    )
    module.fail_json(
        msg="genai.comfyui.credential runs on the controller; call it as a task of a playbook by its full name, "
        "so that Ansible finds the action plugin genai.comfyui.credential."
    )


if __name__ == "__main__":
    main()
