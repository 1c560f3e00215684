# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.run_lock; documented in plugins/modules/run_lock.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase

from ansible_collections.genai.comfyui.plugins.plugin_utils._ansible import store_spec
from ansible_collections.genai.comfyui.plugins.plugin_utils._run_lock import LockedError, hold, place


class ActionModule(ActionBase):
    """Notes this run; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task. A lock that somebody else holds is a failed result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(
            argument_spec={"path": {"type": "path"}, "store": {"type": "dict"}}
        )
        if given["path"]:
            path = Path(os.path.expanduser(str(given["path"])))
        else:
            path = place(store_spec(given["store"], task_vars or {}, self._templar))
        result.update(changed=False, path=str(path))
        if self._task.check_mode:
            return result
        try:
            # A worker's parent is the process that runs the playbook.
            hold(path, os.getppid(), _playbooks())
        except (LockedError, OSError) as error:
            result.update(failed=True, msg=str(error))
        return result


def _playbooks() -> str:
    """Return the names of the playbooks of this run, without their folders and without any other argument."""
    return ", ".join(Path(str(one)).name for one in context.CLIARGS.get("args") or ())
