# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.rotation; documented in plugins/modules/rotation.py."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.genai.comfyui.plugins.plugin_utils._ansible import store_spec, with_store
from ansible_collections.genai.comfyui.plugins.plugin_utils._hashing import HashingError
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation import RotationError
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_declared import declared
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_evidence import EvidenceError
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_run import Wanted, apply
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth import TruthError
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_checks import TIME_PATTERN, plain, plain_text

ARGUMENT_SPEC: dict[str, Any] = {
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
}


class ActionModule(ActionBase):
    """Drives rotations in the truth; needs no connection to the host it runs for."""

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
        )
        done = with_store(
            lambda: store_spec(given["store"], task_vars, self._templar),
            self._loader,
            lambda: _wanted(given),
            lambda store, wanted: apply(
                store,
                wanted,
                declared=lambda name: declared(task_vars["hostvars"], task_vars["groups"], name),
                check_mode=bool(self._task.check_mode),
            ),
            (RotationError, EvidenceError, TruthError, HashingError),
        )
        if done.get("failed"):
            return {**result, **done}
        diff = done.pop("diff")
        if given["name"] is not None:
            result.update(done["credentials"][0])
        result.update(done)
        if self._task.diff:
            result["diff"] = diff
        return result


def _wanted(given: dict[str, Any]) -> Wanted:
    """Return the options as plain data. :raises RotationError: options that do not go together."""
    names = [given["name"]] if given["name"] is not None else list(dict.fromkeys(given["names"]))
    if given["name"] is None and any(given[option] is not None for option in ("password", "required", "servers")):
        raise RotationError("password, required and servers belong to one credential: use 'name', not 'names'")
    if given["forget"] and (given["name"] is None or given["state"] != "advanced"):
        raise RotationError("forget belongs to one credential and to 'state: advanced'")
    if given["now"] is not None and not TIME_PATTERN.fullmatch(given["now"]):
        raise RotationError("now must be a time in UTC such as 2026-01-02T03:04:05Z")
    return Wanted(
        names=[plain_text(name) for name in names],
        state=plain_text(given["state"]),
        reason=plain_text(given["reason"]),
        rotate=plain_text(given["rotate"]),
        password=plain(given["password"]),
        sessions=plain(given["sessions"]),
        acceptor=plain(given["acceptor"]),
        required=plain(given["required"]),
        servers=plain(given["servers"]),
        forget=plain(given["forget"]),
        evidence=plain(given["evidence"]),
        now=plain(given["now"]),
    )
