# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.credential; documented in plugins/modules/credential.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.genai.comfyui.plugins.plugin_utils._ansible import store_spec, with_store
from ansible_collections.genai.comfyui.plugins.plugin_utils._credential import CredentialError, Wanted, apply
from ansible_collections.genai.comfyui.plugins.plugin_utils._declared import declared_users
from ansible_collections.genai.comfyui.plugins.plugin_utils._hashing import HashingError
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth import TruthError
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_form import plain, plain_text

ARGUMENT_SPEC: dict[str, Any] = {
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
}


class ActionModule(ActionBase):
    """Keeps the truth; needs no connection to the host it runs for."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task. A refusal is a failed result, with a text that holds no secret."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, given = self.validate_argument_spec(
            argument_spec=ARGUMENT_SPEC,
            mutually_exclusive=[("name", "names")],
            required_one_of=[("name", "names")],
            required_if=[("state", "adopted", ("token",))],
        )
        done = with_store(
            lambda: store_spec(given["store"], task_vars, self._templar),
            self._loader,
            lambda: _wanted(given),
            lambda store, wanted: apply(
                store,
                wanted,
                users=lambda name: declared_users(task_vars["hostvars"], task_vars["groups"], name),
                check_mode=bool(self._task.check_mode),
            ),
            (CredentialError, TruthError, HashingError),
        )
        if done.get("failed"):
            return {**result, **done}
        diff = done.pop("diff")
        result.update(done)
        if given["name"] is not None:
            result.update(done["credentials"][0])
        if self._task.diff:
            result["diff"] = diff
        return result


def _wanted(given: dict[str, Any]) -> Wanted:
    """Return the options as plain data. :raises CredentialError: options that do not go together."""
    names = [given["name"]] if given["name"] is not None else list(dict.fromkeys(given["names"]))
    if given["name"] is None and any(given[option] is not None for option in ("password", "token", "username")):
        raise CredentialError("username, password and token belong to one credential: use 'name', not 'names'")
    if given["token"] is not None and given["state"] != "adopted":
        raise CredentialError("a token can only be given with 'state: adopted'")
    policy = given["policy"]
    return Wanted(
        names=[plain_text(name) for name in names],
        state=plain_text(given["state"]),
        create=bool(given["create"]),
        username=plain(given["username"]),
        password=plain(given["password"]),
        password_managed=bool(given["password_managed"]),
        token=plain(given["token"]),
        policy=None if policy is None else plain({k: v for k, v in policy.items() if v is not None}),
        force=bool(given["force"]),
    )
