# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.model: runs it apart from the connection, and says how far it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

LIMIT = 24 * 3600
"""Seconds that one run may take, unless the task has its own ``async``."""
FIRST_LOOK, PAUSE = 1.0, 5.0


class ActionModule(ActionBase):
    """Starts the module in the background of the host and follows it."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        name = "genai.comfyui.model"
        brief = self._task.check_mode or arguments.get("state", "present") != "present"
        if brief or self._task.async_val:
            done = self._execute_module(
                name, module_args=arguments, task_vars=task_vars, wrap_async=self._task.async_val
            )
            return {**result, **done}
        checked = self._check(arguments, task_vars)
        if checked.get("failed") or all(one["status"] == "present" for one in checked["files"]):
            # Nothing to fetch: the round trips of a background job would cost more than the work.
            return {**result, **self._execute_module(name, module_args=arguments, task_vars=task_vars)}
        self._task.async_val = LIMIT
        try:
            started = self._execute_module(name, module_args=arguments, task_vars=task_vars, wrap_async=True)
        finally:
            self._task.async_val = 0
        if "ansible_job_id" not in started:
            return {**result, **started}
        return {**result, **self._follow(started["ansible_job_id"], arguments, task_vars or {})}

    def _check(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        self._task.check_mode = True
        try:
            checked: dict[str, Any] = self._execute_module(
                "genai.comfyui.model", module_args=arguments, task_vars=task_vars
            )
            return checked
        finally:
            self._task.check_mode = False

    def _follow(self, job: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        host, pause = task_vars.get("inventory_hostname", ""), FIRST_LOOK
        asked = {"jid": job, "mode": "status", "_async_dir": self._async_dir()}
        while True:
            # The host tells nothing by itself: between two looks at the background job there is nothing to wait on.
            time.sleep(pause)
            pause = PAUSE
            status: dict[str, Any] = self._execute_module(
                "ansible.legacy.async_status", module_args=asked, task_vars=task_vars
            )
            if status.get("finished") or status.get("failed"):
                self._execute_module(
                    "ansible.legacy.async_status", module_args={**asked, "mode": "cleanup"}, task_vars=task_vars
                )
                return {
                    key: value for key, value in status.items() if key not in ("finished", "started", "results_file")
                }
            looked = self._execute_module(
                "genai.comfyui.model",
                module_args={"files": [], "dir": arguments["dir"], "state": "progress"},
                task_vars=task_vars,
            )
            for line in describe(looked.get("progress") or {}):
                Display().display(f"  {host}: {line}")

    def _async_dir(self) -> str:
        # As ansible.builtin.async_status does.
        shell = self._connection._shell
        return str(shell.get_option("async_dir") or "~/.ansible_async")


def describe(progress: Mapping[str, Any]) -> list[str]:
    """Return one line a file that is on its way: percent, rate and the time that is left."""
    lines = []
    for name, entry in sorted(progress.items()):
        done, total = entry["done"], entry["total"]
        passed = entry["at"] - entry["since"]
        rate = (done - (entry["first"] or 0)) / passed if passed > 0 else 0.0
        share = f"{100 * done / total:.1f} % of {_size(total)}" if total else _size(done)
        left = f", {_time((total - done) / rate)} left" if total and rate > 0 else ""
        lines.append(f"{name}: {share}, {_size(rate)}/s{left}")
    return lines


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def _time(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
