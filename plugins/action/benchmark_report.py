# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.benchmark_report; documented in plugins/modules/benchmark_report.py."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version
from ansible.utils.display import Display

from ansible_collections.genai.comfyui.plugins.plugin_utils import _benchmark as judge
from ansible_collections.genai.comfyui.plugins.plugin_utils import _report_file as files
from ansible_collections.genai.comfyui.plugins.plugin_utils._ansible import host_variables
from ansible_collections.genai.comfyui.plugins.plugin_utils._benchmark_page import page as html_page
from ansible_collections.genai.comfyui.plugins.plugin_utils._pictures import embedded
from ansible_collections.genai.comfyui.plugins.plugin_utils._report import plain

ARGUMENT_SPEC: dict[str, Any] = {
    "hosts": {"type": "list", "elements": "str", "required": True},
    "results": {"type": "str", "required": True},
    "failure": {"type": "str"},
    "contact": {"type": "str"},
    "baseline": {"type": "str"},
    "dir": {"type": "str", "required": True},
    "picture_limit": {"type": "int", "default": 3145728},
    "page_limit": {"type": "int", "default": 25165824},
}
# Only what is named here gets into a report.
MEASURED = ("records", "errors", "load", "samples", "server", "waited", "freed")
_ROOT = Path(__file__).resolve().parents[2]


class ActionModule(ActionBase):
    """Reports what registered results say; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task. :raises AnsibleActionFail: no report could be made."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        given = {name: plain(value) for name, value in given.items()}
        if self._task.check_mode:
            return {**result, "changed": False, "ok": True, "missed": [], "figures": {}}
        runs, failures = gather((task_vars or {})["hostvars"], given)
        directory = Path(os.path.abspath(os.path.expanduser(given["dir"])))
        finished = datetime.now(timezone.utc)
        try:
            report = {
                "kind": "benchmark",
                "finished": finished.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "versions": {
                    "collection": files.collection_version(_ROOT),
                    "ansible_core": ansible_version,
                    "python": platform.python_version(),
                },
                **judge.document(runs, failures, given["baseline"]),
            }
            files.refuse_tokens(report)
            names = [
                file.get("kept")
                for run in report["runs"]
                for record in run["measured"].get("records") or []
                for file in record.get("files") or []
            ]
            pictures = embedded(directory, names, given["picture_limit"], given["page_limit"])
            page = html_page(report, pictures)
            path = files.write(directory, report, finished, page)
        except (judge.BenchmarkError, files.ReportError) as error:
            raise AnsibleActionFail(str(error)) from None
        Display().display("\n".join(["", *table(report), f"{path.with_suffix('.html')}"]))
        missed = report["verdict"]["reasons"]
        result.update(changed=False, ok=not missed, missed=missed, path=str(path), page=str(path.with_suffix(".html")))
        result["figures"] = {one["label"]: one["figures"] for one in report["runs"]}
        if missed:
            count = "1 reason" if len(missed) == 1 else f"{len(missed)} reasons"
            result.update(failed=True, msg=f"benchmark: {count}. " + "; ".join(missed))
        return result


def gather(hostvars: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return all runs, and what was to be measured and was not, with the reason."""
    runs: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    for host in given["hosts"]:
        known = host_variables(hostvars, host)
        found = plain(known.get(given["results"]) or [])
        for one in found:
            measured = one.get("measured") or {}
            runs.append(
                {
                    "host": host,
                    "instance": one.get("instance"),
                    "profile": one.get("profile"),
                    "cold_start": one.get("cold_start"),
                    "thresholds": measured.get("thresholds") or {},
                    "workflow": measured.get("workflow") or {},
                    "measured": {name: measured[name] for name in MEASURED if name in measured},
                }
            )
        failure = plain(known.get(given["failure"])) if given["failure"] else None
        contact = plain(known.get(given["contact"])) if given["contact"] else None
        if isinstance(contact, Mapping) and contact.get("unreachable"):
            failures.append({"host": host, "what": "host", "reason": f"unreachable: {contact.get('msg')}"})
        elif isinstance(failure, Mapping):
            failures.append({"host": host, "what": failure.get("task"), "reason": failure.get("msg")})
        elif not found:
            failures.append({"host": host, "what": "host", "reason": "this run measured nothing on it (see --limit)"})
    return runs, failures


def table(report: Mapping[str, Any]) -> list[str]:
    """Return the comparison as lines of text, one a figure and run."""
    rows = [
        (judge.FIGURES[row["figure"]].title, label, judge.shown(row["figure"], value), row["ratios"][label])
        for row in report["comparison"]["rows"]
        for label, value in row["values"].items()
    ]
    titles = max((len(title) for title, *_rest in rows), default=0)
    names = max((len(name) for _title, name, *_rest in rows), default=0)
    lines = []
    for title, name, value, ratio in rows:
        beside = f"  ({ratio:.2f} x)" if ratio is not None and len(report["runs"]) > 1 else ""
        lines.append(f"{title:<{titles}}  {name:<{names}}  {value}{beside}")
    lines += [f"{run['label']}: {said}" for run in report["runs"] for said in run["remarks"]]
    return [*lines, *(f"MISSED {one}" for one in report["verdict"]["reasons"])]
