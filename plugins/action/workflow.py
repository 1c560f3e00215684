# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.workflow: finds the workflow, and waits in slices to say how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.genai.comfyui.plugins.plugin_utils._workflows import document

SLICE = 10
"""Seconds of one call of the module: short enough that no connection idles, long enough to cost little."""

_GOING_ON = ("queued", "running", "unreachable")


class ActionModule(ActionBase):
    """Calls the module until the job has ended."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if isinstance(arguments.get("workflow"), str):
            arguments["workflow"] = document(self, arguments["workflow"])
        arguments.setdefault("slice", SLICE)
        # From a command line it is text.
        wait = boolean(arguments.get("wait", True), strict=False)
        host = (task_vars or {}).get("inventory_hostname", "")
        shown = ""
        while True:
            done = self._execute_module("genai.comfyui.workflow", module_args=arguments, task_vars=task_vars)
            if done.get("failed") or done.get("state") not in _GOING_ON or not wait:
                return {**result, **done}
            progress = describe(done)
            if progress != shown:
                shown = progress
                Display().display(f"  {host}: {progress}")
            arguments["resume"] = done["job"]


def describe(result: Mapping[str, Any]) -> str:
    """Return in words how far a job is."""
    state = result["state"]
    if state == "queued":
        return f"in the queue, place {result.get('position')} of {result.get('queued')}"
    if state == "unreachable":
        return f"the server does not answer ({result.get('detail')}); waiting for it"
    progress = result.get("progress")
    return f"running, step {progress['value']} of {progress['max']}" if progress else "running"
