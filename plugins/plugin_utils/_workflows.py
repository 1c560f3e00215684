# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows by name on the controller: those that the collection ships, and files of the user's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError

SHIPPED = Path(__file__).resolve().parents[2] / "roles" / "qwen_models" / "files" / "workflows"


def document(action: Any, name: str) -> Any:
    """Return the workflow that a task names.

    Looked for among the shipped ones, where Ansible looks for a task's files, and in the run's working directory.

    :param action: the action plugin of that task.
    :raises AnsibleActionFail: no such workflow, or the file is not JSON.
    """
    path = SHIPPED / f"{name}.json"
    if "/" in name or not path.is_file():
        try:
            path = Path(action._find_needle("files", name))
        except AnsibleError:
            path = Path(name)
        if not path.is_file():
            there = ", ".join(sorted(one.stem for one in SHIPPED.glob("*.json")))
            raise AnsibleActionFail(
                f"workflow {name!r} is neither a file on the controller nor a shipped one; shipped are: {there}"
            )
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AnsibleActionFail(f"workflow {path}: {error}") from None
