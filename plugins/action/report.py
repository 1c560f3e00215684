# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.report; documented in plugins/modules/report.py."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version
from ansible.utils.display import Display

from ansible_collections.genai.comfyui.plugins.plugin_utils import _report_file as files
from ansible_collections.genai.comfyui.plugins.plugin_utils import _report_table as look
from ansible_collections.genai.comfyui.plugins.plugin_utils._ansible import host_variables
from ansible_collections.genai.comfyui.plugins.plugin_utils._pictures import embedded
from ansible_collections.genai.comfyui.plugins.plugin_utils._report import Read, Sources, collect, plain
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_html import page as html_page
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_verdict import HostReport, reasons, rows

ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "choices": ["site", "validate", "audit", "discover"], "required": True},
    "hosts": {"type": "list", "elements": "str", "required": True},
    "limited_to": {"type": "list", "elements": "str"},
    "sync": {"type": "list", "elements": "str", "default": []},
    "probes": {"type": "list", "elements": "str", "default": []},
    "instances": {"type": "str"},
    "leftovers": {"type": "str"},
    "scan": {"type": "str"},
    "credentials": {"type": "str"},
    "contact": {"type": "str"},
    "failure": {"type": "str"},
    "smoke": {"type": "str"},
    "dir": {"type": "str", "required": True},
    "fail_on": {"type": "str", "choices": ["failure", "drift", "never"], "default": "failure"},
    "started": {"type": "str"},
}
_ROOT = Path(__file__).resolve().parents[2]
# Taken when the class is loaded, in the main process: the worker that runs the task has no terminal any more.
_COLUMNS = shutil.get_terminal_size(fallback=(160, 24)).columns


class ActionModule(ActionBase):
    """Reports what registered results say; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task. :raises AnsibleActionFail: no report could be made."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        groups = task_vars.get("groups", {})
        declared = _ordered([str(host) for host in given["hosts"]], list(groups.get("all", ())))
        limit = None if given["limited_to"] is None else {str(host) for host in given["limited_to"]}
        hosts = [host for host in declared if limit is None or host in limit]
        left_out = [host for host in declared if host not in hosts]
        reads = {host: host_variables(task_vars["hostvars"], host).get for host in hosts}
        servers = set(groups.get("comfyui_servers", ()))
        sources = _sources(given, task_vars)
        reports = [collect(host, reads[host], sources, host in servers) for host in hosts]

        drift = given["fail_on"] == "drift"
        why = reasons(reports, drift)
        finished = datetime.now(timezone.utc)
        versions = {
            "collection": files.collection_version(_ROOT),
            "ansible_core": ansible_version,
            "python": platform.python_version(),
        }
        known = _credentials(reads.values(), given["credentials"])
        report = files.document(
            given["name"], reports, why, versions, plain(given["started"]), finished, files.ages(known, finished)
        )
        smoke = _smoke(reads, given["smoke"])
        report.update({"smoke": smoke} if smoke else {})
        report.update({"left_out": left_out} if left_out else {})
        path, problem = None, []
        try:
            # First of all: what the report holds is also what is shown.
            files.refuse_tokens(report)
            pictures = embedded(_directory(given["dir"]), (one.get("picture") for one in smoke))
            page = html_page(report, drift, pictures)
            # What a picture says of itself holds its workflow, and no token; its bytes may look like anything.
            files.refuse_tokens(html_page(report, drift) if pictures else page, "the page")
        except files.ReportError as error:
            raise AnsibleActionFail(str(error)) from None
        try:
            path = files.write(_directory(given["dir"]), report, finished, page)
        except files.ReportError as error:
            problem = [str(error)]
        self._show(given["name"], reports, reads, drift, why, path, left_out)
        written = {"path": str(path), "page": str(path.with_suffix(".html"))} if path else {"path": None, "page": None}
        result.update(changed=False, ok=not why, **written)
        told = [*(why if given["fail_on"] != "never" else []), *problem]
        if told:
            count = "1 reason" if len(told) == 1 else f"{len(told)} reasons"
            result.update(failed=True, msg=f"{given['name']}: {count}. " + "; ".join(told))
        return result

    def _show(
        self,
        kind: str,
        reports: list[HostReport],
        reads: Mapping[str, Read],
        drift: bool,
        why: list[str],
        path: Path | None,
        left_out: list[str],
    ) -> None:
        shown = rows(reports, drift)
        utf8 = look.is_utf8(getattr(sys.__stdout__, "encoding", None))
        lines = ["", look.table(shown, _COLUMNS, utf8), look.summary(shown, None if path is None else str(path))]
        lines += look.left_out_lines(left_out)
        if kind == "site" and not why and not self._task.check_mode:
            for report in reports:
                settings = {name: _safely(reads[report.host], name) for name in ("comfyui_instances", "comfyui_listen")}
                address = str(_safely(reads[report.host], "ansible_host") or report.host)
                lines += look.login_lines(report, address, settings)
        Display().display("\n".join(lines))


def _ordered(hosts: list[str], inventory: list[str]) -> list[str]:
    """Return each host once, in the inventory's order: set filters such as union() give any order."""
    places = {host: place for place, host in enumerate(inventory)}
    return sorted(dict.fromkeys(hosts), key=lambda host: (places.get(host, len(places)), host))


def _sources(given: Mapping[str, Any], variables: Mapping[str, Any]) -> Sources:
    chosen = set(variables.get("ansible_run_tags") or ["all"]) - {"all"} or variables.get("ansible_skip_tags")
    return Sources(
        sync=[str(name) for name in given["sync"]],
        probes=[str(name) for name in given["probes"]],
        instances=plain(given["instances"]),
        leftovers=plain(given["leftovers"]),
        scan=plain(given["scan"]),
        contact=plain(given["contact"]),
        failure=plain(given["failure"]),
        # Only of site.yml a part may be run; half an audit is none.
        left_out="left out by --tags or --skip-tags" if chosen and given["name"] == "site" else None,
    )


def _safely(read: Read, name: str) -> Any:
    with suppress(Exception):  # what a variable's template raises
        return plain(read(name))
    return None


def _credentials(reads: Iterable[Read], name: Any) -> Any:
    """Return the credentials as the first host that knows them has them; only :func:`files.ages` may see them."""
    found = (_safely(read, plain(name)) for read in reads) if name else ()
    return next((one for one in found if one), None)


def _smoke(reads: Mapping[str, Read], name: Any) -> list[dict[str, Any]]:
    """Return what smoke tests showed on each host, reduced to what a report may hold."""
    found = []
    for host, read in reads.items():
        for one in (_safely(read, plain(name)) if name else None) or []:
            if isinstance(one, Mapping):
                found.append(
                    {"host": host, **{key: one.get(key) for key in ("instance", "workflow", "seconds", "picture")}}
                )
    return found


def _directory(given: Any) -> Path:
    return Path(os.path.abspath(os.path.expanduser(str(given))))
