# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of genai.comfyui.diagnosis; documented in plugins/modules/diagnosis.py."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible import context
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.release import __version__ as ansible_version
from ansible.utils.display import Display

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _diagnose_show as show
from ansible_collections.genai.comfyui.plugins.plugin_utils import _report_file as files
from ansible_collections.genai.comfyui.plugins.plugin_utils._diagnose import Evidence, diagnose, first_cause
from ansible_collections.genai.comfyui.plugins.plugin_utils._report import plain
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_table import is_utf8

ARGUMENT_SPEC: dict[str, Any] = {
    "hosts": {"type": "list", "elements": "str", "required": True},
    "evidence": {"type": "str", "required": True},
    "credentials": {"type": "dict", "default": {}, "no_log": True},
    "client": {"type": "str", "default": ""},
    "consumer": {"type": "str", "default": ""},
    "dir": {"type": "str", "required": True},
    "fail": {"type": "bool", "default": True},
}
_ROOT = Path(__file__).resolve().parents[2]


class ActionModule(ActionBase):
    """Judges what the hosts told; needs no connection."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the task. :raises AnsibleActionFail: a host's evidence holds a token, or nobody told anything."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        _validation, given = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        hosts, missing, unchecked = self._told(given, task_vars["hostvars"])
        if not hosts and not missing:
            raise AnsibleActionFail(
                "diagnosis: no host told anything; mend comfyui_diagnose_client, comfyui_diagnose_consumer or --limit"
            )
        walks = diagnose(Evidence(hosts, missing, _truth(given["credentials"]), _play()))
        chosen = given["consumer"] or given["client"]
        if chosen and not any(one.kind == "consumer" for one in walks) and given["client"] not in missing:
            # Silence about what was asked for would pass for "in order".
            where = f"on {given['client']}" if given["client"] else "on any host that answered"
            what = f"no consumer {given['consumer']}" if given["consumer"] else "no consumer at all"
            raise AnsibleActionFail(
                f"diagnosis: {what} is declared {where}; mend comfyui_diagnose_client or comfyui_diagnose_consumer"
            )
        finished = datetime.now(timezone.utc)
        versions = {
            "collection": files.collection_version(_ROOT),
            "ansible_core": ansible_version,
            "python": platform.python_version(),
        }
        report = show.document(walks, unchecked, versions, finished)
        path, problem = None, ""
        try:
            # First of all: what the report holds is also what is shown.
            files.refuse_tokens(report)
        except files.ReportError as error:
            raise AnsibleActionFail(str(error)) from None
        try:
            path = files.write(Path(os.path.abspath(os.path.expanduser(given["dir"]))), report, finished)
        except files.ReportError as error:
            problem = str(error)
        utf8 = is_utf8(getattr(sys.__stdout__, "encoding", None))
        Display().display("\n".join(show.lines(walks, unchecked, None if path is None else str(path), utf8)))
        first = first_cause(walks)
        result.update(changed=False, path=None if path is None else str(path), cause=report["cause"], ok=first is None)
        told = f"{first[0].code}: {first[0].sentence}. Mend: {first[0].mend}" if first and given["fail"] else ""
        if told or problem:
            result.update(failed=True, msg="; ".join(filter(None, (told, problem))))
        return result

    def _told(
        self, given: Mapping[str, Any], hostvars: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, str], list[str]]:
        """Return the hosts' evidence, why others told nothing, and who was left out on purpose."""
        hosts: dict[str, Any] = {}
        missing: dict[str, str] = {}
        unchecked: list[str] = []
        for host in dict.fromkeys(str(name) for name in given["hosts"]):
            found = plain(hostvars[host].get(given["evidence"])) if host in hostvars else None
            if not isinstance(found, Mapping) or found.get("skipped"):
                unchecked.append(f"{host}: was left out of this run")
            elif isinstance(found.get("evidence"), Mapping):
                hosts[host] = found["evidence"]
            else:
                missing[host] = " ".join(str(found.get("msg") or "no reason given").split())[:300]
        return hosts, missing, unchecked


def _truth(credentials: Mapping[str, Any]) -> dict[str, Any]:
    """Return version and fingerprints of each credential."""
    found = {}
    for name, credential in plain(credentials).items():
        token = credential.get("token")
        if token:
            found[name] = {"version": credential.get("version"), "fingerprint": fingerprint(token)}
    return found


def _play() -> str:
    """Return how this run's inventory is named on a command line."""
    sources = context.CLIARGS.get("inventory") or ()
    return " ".join(["ansible-playbook", *(f"-i {shlex.quote(str(one))}" for one in sources)])
