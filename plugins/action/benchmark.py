# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.benchmark: finds the workflow, measures in slices, and brings the pictures here."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.genai.comfyui.plugins.plugin_utils._benchmark import BenchmarkError, check_settings
from ansible_collections.genai.comfyui.plugins.plugin_utils._report import plain
from ansible_collections.genai.comfyui.plugins.plugin_utils._workflows import document

SLICE = 60
"""Seconds of one call of the module: no connection idles longer, and the pauses between two calls are few."""


class ActionModule(ActionBase):
    """Calls the module until everything is measured."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        host = str((task_vars or {}).get("inventory_hostname", ""))
        given = arguments.get("workflow")
        try:
            result["thresholds"] = check_settings(plain(arguments.get("thresholds") or {}))
        except BenchmarkError as error:
            raise AnsibleActionFail(str(error)) from None
        if isinstance(given, str):
            arguments["workflow"] = document(self, given)
        result["workflow"] = {
            "name": plain(given) if isinstance(given, str) else "a graph",
            "variant": plain(arguments.get("variant")),
            "parameters": plain(arguments.get("parameters") or {}),
        }
        pictures = arguments.pop("pictures_to", None)
        if pictures is None or self._task.check_mode:
            return {**result, **self._measure(arguments, host, task_vars)}
        place = self._execute_module(
            "ansible.builtin.tempfile", {"state": "directory", "suffix": ".comfyui-benchmark"}, task_vars=task_vars
        )
        if "path" not in place:
            return {**result, **place}
        try:
            done = self._measure({**arguments, "save_to": place["path"]}, host, task_vars)
            name = f"benchmark-{host}-{arguments.get('name', 'default')}"
            for record in done.get("records", []):
                for file in record.get("files", []):
                    self._bring(file, Path(os.path.abspath(os.path.expanduser(str(pictures)))), name, task_vars)
        finally:
            self._execute_module(
                "ansible.builtin.file", {"path": place["path"], "state": "absent"}, task_vars=task_vars
            )
        return {**result, **done}

    def _measure(self, arguments: dict[str, Any], host: str, task_vars: dict[str, Any] | None) -> dict[str, Any]:
        arguments = {"slice": SLICE, **arguments}
        while True:
            done: dict[str, Any] = self._execute_module(
                "genai.comfyui.benchmark", module_args=arguments, task_vars=task_vars
            )
            if done.get("failed") or done.get("over") is not False:
                return done
            Display().display(f"  {host}: {describe(done['state'], arguments)}")
            arguments["resume"] = done["state"]

    def _bring(self, file: dict[str, Any], place: Path, prefix: str, task_vars: dict[str, Any] | None) -> None:
        """Copy one picture to the controller, readable by its owner only, as the report beside it."""
        path = file.pop("path", None)
        if path is None:
            return
        read = self._execute_module("ansible.builtin.slurp", {"src": path}, task_vars=task_vars)
        if "content" not in read:
            raise AnsibleActionFail(f"{path}: the picture cannot be read: {read.get('msg')}")
        name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{prefix}-{os.path.basename(str(path))}")
        try:
            place.mkdir(mode=0o750, parents=True, exist_ok=True)
            descriptor = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(base64.b64decode(read["content"]))
        except OSError as error:
            raise AnsibleActionFail(f"pictures_to {place}: {error.strerror}") from None
        file["kept"] = name


def describe(state: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Return in words how far it is."""
    done = sum(one["phase"] == state["phase"] for one in state["records"])
    if state["phase"] == "series":
        return f"{done} of {arguments.get('images', 6)} images in a row are made"
    wanted = int(arguments.get("clients", 0)) * int(arguments.get("jobs", 5))
    return f"load test: {done} of {wanted} jobs ended well, {len(state['errors'])} did not"
