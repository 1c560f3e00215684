#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of genai.comfyui.rotation; the work is done on the controller by the action of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Start, advance or abort the rotation of a credential
description:
  - Keeps in the truth how far the rotation of a credential is, and decides by evidence whether it may go on.
  - A rotation goes through the phases V(pending) (a new version is in the truth and nowhere else), V(accepted) (every
    server takes both tokens), V(distributed) (every required consumer holds the new one), V(switched) (it is the
    current one, and the former one stays valid for the overlap), V(retiring) (servers forget the former one) and
    V(idle).
  - It changes nothing but the truth. What hosts should be in each phase is in the view that
    P(genai.comfyui.credential#lookup) returns; M(genai.comfyui.sync) and M(genai.comfyui.accept) bring them there. So
    the order is, call this module, bring the field in line, gather evidence, call it again, until nothing changes.
  - Whom it waits for is frozen when it starts. A host that is unreachable, that failed, or that C(--limit), C(serial)
    or tags left out, proves nothing and keeps the rotation in its phase.
  - Runs on the controller and needs no connection. Use C(run_once).
  - Never returns or shows a password or token, only fingerprints.
requirements:
  - The Python package C(bcrypt) 3.2 or newer on the controller, or a C system library with bcrypt (libxcrypt).
options:
  name:
    description:
      - Name of one credential.
      - Exactly one of O(name) and O(names) is needed.
    type: str
  names:
    description: Names of several credentials, all read and written at once. All or none are changed.
    type: list
    elements: str
  state:
    description:
      - V(status) only tells, and never fails because of what the evidence says.
      - V(started) starts a rotation where none is running and the policy lets it; RV(why) says why it did not. With
        O(reason=compromise) it turns a running rotation into one for that reason.
      - V(advanced) goes as far as O(evidence) allows. Where no rotation is running it does nothing.
      - V(aborted) goes back. Refused once the phase is V(switched), and for reason V(compromise). Consumers go back
        first, then servers forget the new token; V(advanced) with evidence finishes it.
      - All but V(status) are refused when the evidence shows that the field is newer than the truth, which was then
        restored from an older copy.
    type: str
    choices: [started, advanced, aborted, status]
    default: status
  reason:
    description:
      - With O(state=started), why.
      - V(scheduled) starts only when the token is old enough, inside the window, and not on hold. V(manual) and
        V(drift) start unless the policy says hold. V(compromise) starts always, refuses the former token at once,
        ends browser sessions, and knows no overlap; consumers are refused until they hold the new token.
    type: str
    choices: [scheduled, manual, compromise, drift]
    default: manual
  rotate:
    description:
      - V(token) makes a new hash of the same password, so that people notice nothing.
      - V(password) and V(both) make a new password, too; the hash is the token, so a new password cannot keep it.
    type: str
    choices: [token, password, both]
    default: token
  password:
    description:
      - With O(rotate=password) the new password; by default 32 random letters and digits. Needed where the truth does
        not keep the password.
      - With O(rotate=token) the present one, needed only where the truth does not keep it.
    type: str
  sessions:
    description:
      - Whether browser sessions end, when the rotation starts and when it switches. By default they end for
        O(reason=compromise) only.
    type: str
    choices: [keep, end]
  acceptor:
    description:
      - Whether servers can accept two tokens at once. By default V(none) when C(comfyui_login_guard) is false on a
        server of the inventory that uses the credential, otherwise what the credential's policy says.
    type: str
    choices: [guard, none]
  required:
    description:
      - With O(state=started), the consumers without which the rotation may not finish, each C(host:id).
      - By default those with C(required) (the default there) in C(comfyui_consumers) of every host in the groups
        C(comfyui_servers) and C(comfyui_clients) of the whole inventory, whatever hosts the play has.
    type: list
    elements: str
  servers:
    description:
      - With O(state=started), the servers that use the credential, each C(host:instance).
      - By default by C(comfyui_instances) of every host in the group C(comfyui_servers).
    type: list
    elements: str
  forget:
    description:
      - With O(state=advanced), consumers or servers that are gone for good and are not waited for any more.
      - What they hold stops being valid when the rotation ends.
    type: list
    elements: str
    default: []
  evidence:
    description:
      - What was seen in the field since the last call. Records of other credentials are passed over. Of two records
        about one place the later one counts. An unknown key is refused.
    type: dict
    suboptions:
      servers:
        description:
          - One record an instance, C(host), C(instance), C(credential) (V(main) by default), C(acceptor) (V(guard) or
            V(none)), C(reachable), C(locked) (all of no, an empty and a random token were refused), C(accepts) and
            C(refuses) (versions proven by requests), C(password) (the version in its file), C(holds) (the version
            that its process was started with), C(fingerprint) (of the token in its file), C(accept_versions) and
            C(accept_fingerprints) (what its accept file held), C(at), C(detail), and C(clock) and C(asked) (what its
            clock and the controller's showed when it was asked, in seconds since 1970; a rotation neither starts nor
            gives an overlap nor ends one where they differ by more than five minutes, unless for O(reason=compromise)).
        type: list
        elements: dict
      consumers:
        description:
          - One record a consumer, C(host), C(id), C(credential), C(required), C(reachable), C(status), C(version),
            C(fingerprint), C(reload), C(at), C(detail), as M(genai.comfyui.sync) returns them.
        type: list
        elements: dict
  store:
    description: Where the credentials are, as for M(genai.comfyui.credential).
    type: dict
  now:
    description: The time to go by, such as V(2026-01-02T03:04:05Z); for tests. By default the controller's clock.
    type: str
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
      - Shows phases, versions and fingerprints; never a password or token.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
seealso:
  - module: genai.comfyui.credential
  - module: genai.comfyui.sync
  - plugin: genai.comfyui.credential
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Start a rotation where one is due
  genai.comfyui.rotation:
    name: main
    state: started
    reason: scheduled
  run_once: true

- name: Go as far as the evidence allows
  genai.comfyui.rotation:
    name: main
    state: advanced
    evidence:
      servers:
        - {host: gpu-1, instance: default, acceptor: guard, reachable: true, locked: true, accepts: [v7, v8],
           refuses: [], password: v7, holds: v7}
      consumers:
        - {host: web-1, id: notebooks, reachable: true, status: in_sync, version: v7}
  run_once: true
  register: rotation

- name: Somebody may know the token
  genai.comfyui.rotation:
    name: main
    state: started
    reason: compromise
    rotate: both
  run_once: true

- name: A host is gone for good
  genai.comfyui.rotation:
    name: main
    state: advanced
    forget: ["web-9:notebooks"]
  run_once: true
"""

RETURN = r"""
serial:
  description: Serial number of the document after this run. It grows by one with each write.
  type: int
  returned: success
  sample: 42
phase:
  description: As in RV(credentials[].phase); with O(name) all keys of the one credential are at the top, too.
  type: str
  returned: success
  sample: accepted
why:
  description: As in RV(credentials[].why).
  type: list
  elements: str
  returned: success
waiting_for:
  description: As in RV(credentials[].waiting_for).
  type: list
  elements: dict
  returned: success
credentials:
  description: One entry a name, in the order given.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: The credential's name.
      type: str
    changed:
      description: Whether this run changed (or would change) the credential.
      type: bool
    was:
      description: The phase before this run.
      type: str
    phase:
      description: V(idle), V(pending), V(accepted), V(distributed), V(switched), V(retiring) or V(aborting).
      type: str
    moves:
      description: The phases that this run entered, in order.
      type: list
      elements: str
    id:
      description: The rotation's id, null without one; so for the keys about a rotation that follow.
      type: str
    reason:
      description: Why it runs.
      type: str
    acceptor:
      description: V(guard) or V(none).
      type: str
    since:
      description: When the phase began, in UTC.
      type: str
    overlap_until:
      description: Until when the former token stays valid; null before the switch.
      type: str
    to:
      description: The version it brings.
      type: str
    versions:
      description: C(version) and C(fingerprint) by label, V(current), V(pending), V(previous).
      type: dict
    required:
      description: The consumers it waits for.
      type: list
      elements: str
    servers:
      description: The servers it waits for.
      type: list
      elements: str
    why:
      description: Why it is where it is now.
      type: list
      elements: str
    waiting_for:
      description:
        - What has to be seen before it goes on, each C(kind), C(id), C(why).
        - C(kind) is V(server), V(consumer), V(time), or V(clock) where one was or is wrong and somebody has to look.
      type: list
      elements: dict
    next:
      description: What the field has to be brought to now, in order.
      type: list
      elements: str
    newer:
      description: With O(state=status), how the evidence shows that the field is newer than the truth; else null.
      type: str
    due:
      description: Whether a rotation for reason V(scheduled) would start now.
      type: bool
    due_why:
      description: What each rule of the policy says about that.
      type: list
      elements: str
    due_at:
      description: When the current token is old enough, null where the policy has no age.
      type: str
    days_to_due:
      description: Days until then, negative when overdue; null where the policy has no age.
      type: float
    age_days:
      description: Age of the current token in days; negative where by this clock it is still to be made.
      type: float
    alarm:
      description: Whether the token is older than the policy's alarm age, or by this clock still to be made.
      type: bool
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Fail: whoever gets here bypassed the action."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "names": {"type": "list", "elements": "str"},
            "state": {"type": "str", "choices": ["started", "advanced", "aborted", "status"], "default": "status"},
            "reason": {"type": "str", "choices": ["scheduled", "manual", "compromise", "drift"], "default": "manual"},
            "rotate": {"type": "str", "choices": ["token", "password", "both"], "default": "token"},
            "password": {"type": "str", "no_log": True},
            "sessions": {"type": "str", "choices": ["keep", "end"]},
            "acceptor": {"type": "str", "choices": ["guard", "none"]},
            "required": {"type": "list", "elements": "str"},
            "servers": {"type": "list", "elements": "str"},
            "forget": {"type": "list", "elements": "str", "default": []},
            "evidence": {
                "type": "dict",
                "options": {
                    "servers": {"type": "list", "elements": "dict"},
                    "consumers": {"type": "list", "elements": "dict"},
                },
            },
            "store": {"type": "dict"},
            "now": {"type": "str"},
        },
        mutually_exclusive=[("name", "names")],
        required_one_of=[("name", "names")],
        supports_check_mode=True,
    )
    module.fail_json(
        msg="genai.comfyui.rotation runs on the controller; call it as a task of a playbook by its full name, "
        "so that Ansible finds the action plugin genai.comfyui.rotation."
    )


if __name__ == "__main__":
    main()
