# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.drain: asks the host again and again, and says how it goes."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

ARGUMENT_SPEC: dict[str, Any] = {
    "instances": {"type": "list", "elements": "dict", "required": True},
    "credentials": {"type": "dict", "required": True, "no_log": True},
    "timeout": {"type": "int", "default": 600},
    "every": {"type": "int", "default": 15},
    "force": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Runs genai.comfyui.instance until nothing is queued."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task; a queue that does not get empty in time is a failed result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        begun = time.monotonic()
        deadline = begun + (0 if self._task.check_mode else given["timeout"])
        host = (task_vars or {}).get("inventory_hostname", "")
        while True:
            left = max(0.0, deadline - time.monotonic())
            arguments = {
                "instances": given["instances"],
                "credentials": given["credentials"],
                "state": "drained",
                "drain": int(min(given["every"], left)),
            }
            seen = self._execute_module("genai.comfyui.instance", arguments, task_vars=task_vars)
            result["waited"] = round(time.monotonic() - begun, 1)
            if seen.get("failed") or seen.get("unreachable"):
                return {**seen, **result, **{key: seen[key] for key in ("failed", "unreachable", "msg") if key in seen}}
            queues = {one["name"]: one["queue"] if one["active"] else 0 for one in seen["instances"]}
            result.update(changed=False, queues=queues, drained=all(left == 0 for left in queues.values()))
            told = ", ".join(
                f"{name} {'unknown' if jobs is None else jobs}" for name, jobs in queues.items() if jobs != 0
            )
            if result["drained"]:
                return result
            if time.monotonic() >= deadline:
                break
            until = int(deadline - time.monotonic())
            Display().display(f"{host}: waiting for the queue, jobs left: {told}; {until} s until the deadline")
        if not given["force"] and not self._task.check_mode:
            result["failed"] = True
        result["msg"] = (
            f"jobs are still queued after {result['waited']:g} s: {told}; a restart would lose them. "
            "Wait longer, stop what submits them, or let it go on with force"
        )
        return result
