# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.metrics; documented in plugins/modules/metrics.py."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.genai.comfyui.plugins.plugin_utils._metrics import MetricsError, alarms, text, write
from ansible_collections.genai.comfyui.plugins.plugin_utils._report import plain
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_file import ReportError, refuse_tokens

ARGUMENT_SPEC: dict[str, Any] = {
    "credentials": {"type": "list", "elements": "dict", "required": True},
    "audit": {"type": "str"},
    "runs": {"type": "str"},
    "path": {"type": "str", "required": True},
}


class ActionModule(ActionBase):
    """Writes a file on the controller; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task. A refusal is a failed result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        credentials = plain(given["credentials"])
        path = _path(given["path"])
        try:
            audit = _document(given["audit"])
            content = text(credentials, audit, _document(given["runs"]) or {}, time.time())
            refuse_tokens(content, "the metrics file")
            result.update(changed=False, path=str(path), alarms=alarms(credentials), audited=audit is not None)
            if not self._task.check_mode:
                # Not reported as a change: the file holds the time, so each run would be one.
                write(path, content)
        except (MetricsError, ReportError) as error:
            result.update(failed=True, msg=str(error))
        return result


def _path(given: Any) -> Path:
    return Path(os.path.abspath(os.path.expanduser(str(plain(given)))))


def _document(given: Any) -> Any:
    """Return a JSON mapping, None where there is no file yet. :raises MetricsError: something else stands there."""
    if not given:
        return None
    path = _path(given)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MetricsError(f"{path}: cannot be read ({error.strerror}); mend its owner or mode") from None
    except ValueError:
        raise MetricsError(f"{path}: is not JSON; remove it, the next run writes it anew") from None
    if not isinstance(found, Mapping):
        raise MetricsError(f"{path}: is not a JSON object; remove it, the next run writes it anew")
    return found
