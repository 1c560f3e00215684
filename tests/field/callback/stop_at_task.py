# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test only: kills the controller the hard way when the task with the number STOP_AT_TASK starts."""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: stop_at_task
type: aggregate
short_description: Test only
description: Kills the controller when a task starts.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Counts task starts."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stop_at_task"

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Count, and stop without any goodbye."""
        self.seen += 1
        name = os.environ.get("STOP_AT_NAME")
        if self.seen == int(os.environ.get("STOP_AT_TASK", "0")) or (name and name in task.get_name()):
            os.kill(os.getpid(), signal.SIGKILL)
