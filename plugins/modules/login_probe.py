#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: login_probe
short_description: Prove over HTTP that ComfyUI servers are locked
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Asks each server who gets in. A server is V(locked) only when a request without credential, one with an empty
    C(?token=) and one with a made-up token are refused, the current token is accepted, and, where O(password) is
    given, the web form takes the password.
  - That the port answers, or that C(/login) answers, proves nothing. When the login node fails to load, ComfyUI serves
    everything to everybody.
  - The proof is made from the host the module runs on, so it also proves the way there.
  - The token is sent in a request header only, and only after strangers have been refused. The password is sent at
    most once for each target, because each try stalls the server.
options:
  targets:
    description:
      - The servers to look at. They are looked at in parallel.
      - Mutually exclusive with O(url).
    type: list
    elements: dict
    suboptions:
      name:
        description: What to call the target in results and messages. The address when left out.
        type: str
      url:
        description: Base address of the server, with C(http://) or C(https://).
        type: str
        required: true
      token:
        description:
          - The current token.
          - A server looked at without token is never V(locked); its state is then V(open), V(down) or V(unexpected).
        type: str
      from:
        description:
          - Read the token from this host's own file, by its codec, so that the proof covers what the client really has.
          - A value spelled C(Bearer <token>) is accepted. Anything else that is not a token is not sent.
          - Mutually exclusive with O(targets[].token).
        type: dict
        suboptions:
          path:
            description: Absolute path of the file.
            type: path
            required: true
          codec:
            description: Name of the codec, as in a consumer.
            type: str
            required: true
          key:
            description: Key of the value, for codecs that have keys.
            type: str
          field:
            description: What the file holds, as in a consumer. The token is taken out of it.
            type: str
            choices: [token, bearer, url]
            default: token
      credential:
        description: Name of the credential the token belongs to. For display only.
        type: str
      username:
        description: User name for the web form.
        type: str
      password:
        description: Password for the web form. Needs O(targets[].username). The form is not tried without it.
        type: str
      origin:
        description: Sent as C(Origin), exactly as given, for servers started with C(--enable-cors-header).
        type: str
      ca_path:
        description: PEM file, or directory of certificates, that the server's certificate is checked against.
        type: path
      validate_certs:
        description: Whether to check the server's certificate.
        type: bool
        default: true
      version:
        description: Name of the token's version, for RV(targets[].accepts) and RV(targets[].refuses).
        type: str
      others:
        description:
          - Other versions of the credential that are alive, as while a rotation runs. Never retired ones.
          - Each is asked once strangers have been refused. Even an empty list asks whether the guard runs.
        type: list
        elements: dict
        suboptions:
          version:
            description: Name of the version.
            type: str
            required: true
          token:
            description: Its token.
            type: str
            required: true
          accepted:
            description: Whether it must be let in (V(true)) or refused (V(false)). Only asked when left out.
            type: bool
  name:
    description: As O(targets[].name), for a single target.
    type: str
  url:
    description: As O(targets[].url), for a single target.
    type: str
  token:
    description: As O(targets[].token), for a single target.
    type: str
  from:
    description: As O(targets[].from), for a single target.
    type: dict
    suboptions:
      path:
        description: Absolute path of the file.
        type: path
        required: true
      codec:
        description: Name of the codec, as in a consumer.
        type: str
        required: true
      key:
        description: Key of the value, for codecs that have keys.
        type: str
      field:
        description: What the file holds, as in a consumer. The token is taken out of it.
        type: str
        choices: [token, bearer, url]
        default: token
  credential:
    description: As O(targets[].credential), for a single target.
    type: str
  username:
    description: As O(targets[].username), for a single target.
    type: str
  password:
    description: As O(targets[].password), for a single target.
    type: str
  origin:
    description: As O(targets[].origin), for a single target.
    type: str
  ca_path:
    description: As O(targets[].ca_path), for a single target.
    type: path
  validate_certs:
    description: As O(targets[].validate_certs), for a single target.
    type: bool
    default: true
  wait:
    description:
      - How long to look again while a server is down or not ready, in seconds. Each target has this long.
      - V(0) looks once.
    type: float
    default: 0
  wait_for_token:
    description: Whether a refused token is waited for too, for example while a server restarts with a new one.
    type: bool
    default: false
  timeout:
    description: Time for one request, in seconds.
    type: float
    default: 10
  expect:
    description:
      - V(locked) fails unless every target is locked.
      - V(any) only reports.
    type: str
    choices: [locked, any]
    default: locked
  asked:
    description:
      - When the caller asked, by its own clock, in seconds since 1970, such as C(now().timestamp()). It comes back
        beside RV(clock), so that whoever gathers the results can tell clocks apart that differ.
    type: float
attributes:
  check_mode:
    support: full
    description: Changes nothing in either mode; check mode looks just the same.
  diff_mode:
    support: none
    description: There is nothing to compare.
seealso:
  - module: genai.comfyui.sync
"""

EXAMPLES = r"""
- name: Prove the local server locked, once it has started
  genai.comfyui.login_probe:
    url: http://127.0.0.1:8188
    token: "{{ credential.token }}"
    username: "{{ credential.username }}"
    password: "{{ credential.password }}"
    wait: 120

- name: Prove from a client, with the token in its own file
  genai.comfyui.login_probe:
    targets:
      - name: notebooks
        url: https://comfyui.example.org
        credential: main
        from:
          path: /srv/notebooks/.env
          codec: dotenv
          key: COMFYUI_API_TOKEN

- name: See how things are, without failing
  genai.comfyui.login_probe:
    url: http://127.0.0.1:8188
    expect: any
  register: seen
"""

RETURN = r"""
clock:
  description: What the clock of the host that the module runs on showed when it began, in seconds since 1970.
  type: float
  returned: always
asked:
  description: The option O(asked), as given.
  type: float
  returned: always
locked:
  description: Whether every target is locked.
  type: bool
  returned: always
targets:
  description: One record for each target, in the order given.
  type: list
  elements: dict
  returned: always
  contains:
    name:
      description: The target's name.
      type: str
      sample: notebooks
    url:
      description: The address that was looked at.
      type: str
      sample: http://127.0.0.1:8188
    credential:
      description: Name of the credential, as given.
      type: str
      sample: main
    state:
      description:
        - V(locked), every check is as it must be.
        - V(open), a stranger was let in.
        - V(token_refused), strangers are refused and so is the token.
        - V(down), no answer.
        - V(unexpected), anything else, for example a refused password or no token to prove with.
      type: str
      sample: locked
    detail:
      description: One sentence that says what was seen last.
      type: str
    fingerprint:
      description: Fingerprint of the token that was used.
      type: str
      sample: 9f3c0c1d2e4b
    checks:
      description: The requests made, in order, up to the one that decided.
      type: list
      elements: dict
      contains:
        name:
          description:
            - V(anonymous), V(empty_token), V(random_token), V(current_token), V(form_login), or V(token) and a version.
          type: str
        expected:
          description: The status expected.
          type: str
        status:
          description: The status seen; none without an answer.
          type: int
        ok:
          description: Whether that is as it must be.
          type: bool
    at:
      description: When the last look ended, UTC.
      type: str
      sample: "2026-01-02T03:04:05Z"
    waited:
      description: How long it took until the last look began, in seconds.
      type: float
    accepts:
      description: The versions that were let in.
      type: list
      elements: str
      sample: [v7, v8]
    refuses:
      description: The versions that were refused.
      type: list
      elements: str
    guarded:
      description: Whether the process runs with the guard; none when O(targets[].others) was not given.
      type: bool
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError, check_url
from ansible_collections.genai.comfyui.plugins.module_utils._probe import LOCKED
from ansible_collections.genai.comfyui.plugins.module_utils._probe_targets import (
    look,
    not_tokens,
    target_spec,
    token_of,
)

_MOST_THREADS = 16


def _name(given: dict[str, Any]) -> str:
    return str(given["name"] or given["url"])


def main() -> None:
    """Entry point."""
    clock = round(time.time(), 3)
    item: dict[str, Any] = {
        "type": "list",
        "elements": "dict",
        "options": target_spec(True),
        "mutually_exclusive": [("token", "from")],
        "required_by": {"password": ("username",)},
    }
    module = AnsibleModule(
        argument_spec={
            "targets": item,
            **target_spec(False),
            "wait": {"type": "float", "default": 0},
            "wait_for_token": {"type": "bool", "default": False, "no_log": False},
            "timeout": {"type": "float", "default": 10},
            "asked": {"type": "float"},
            "expect": {"type": "str", "choices": ["locked", "any"], "default": "locked"},
        },
        mutually_exclusive=[("targets", "url"), ("token", "from")],
        required_one_of=[("targets", "url")],
        required_by={"password": ("username",)},
        supports_check_mode=True,
    )
    single = module.params["url"] is not None
    targets: list[dict[str, Any]] = [module.params] if single else module.params["targets"]
    for number, given in enumerate(targets, 1):
        try:
            check_url(given["url"])
        except HttpError as error:
            module.fail_json(msg=f"login_probe: target {number} ({given['name'] or 'no name'}): {error}")
    if not targets and module.params["expect"] == "locked":
        module.fail_json(msg="login_probe: targets is empty, so nothing would be proven")
    if module.params["timeout"] <= 0:
        module.fail_json(msg="login_probe: timeout must be more than 0 seconds")

    bad_versions = not_tokens(targets)
    if bad_versions:
        module.fail_json(
            msg=f"login_probe: no token (a whole bcrypt hash): {', '.join(bad_versions)}; nothing was sent"
        )
    tokens = [token_of(given) for given in targets]
    secrets = {given[name] for given in targets for name in ("token", "password") if given[name]}
    secrets |= {one["token"] for given in targets for one in given.get("others") or ()}
    module.no_log_values = secrets | {token for token, _problem in tokens if token is not None}

    times = [module.params[name] for name in ("timeout", "wait", "wait_for_token")]
    with ThreadPoolExecutor(max_workers=max(1, min(len(targets), _MOST_THREADS))) as pool:
        jobs = [pool.submit(look, given, *found, *times) for given, found in zip(targets, tokens)]
        evidence = [job.result() for job in jobs]

    records = [
        {"name": _name(given), "credential": given["credential"], **seen.as_dict()}
        for given, seen in zip(targets, evidence)
    ]
    bad = [record for record in records if record["state"] != LOCKED]
    result: dict[str, Any] = {"changed": False, "locked": not bad, "targets": records}
    result.update(clock=clock, asked=module.params["asked"])
    if bad and module.params["expect"] == "locked":
        told = "; ".join(f"{record['name']}: {record['state']}: {record['detail']}" for record in bad)
        module.fail_json(msg=f"{len(bad)} of {len(records)} targets not locked. {told}", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
