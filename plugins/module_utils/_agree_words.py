# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call says about its consumers beyond their records: refusals, interruptions, differences. Never a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._judge import labelled
from ansible_collections.genai.comfyui.plugins.module_utils._sync import FilePlan, Finding


def refused(given: Sequence[Mapping[str, Any]], findings: Mapping[int, Finding], refusals: Mapping[int, str]) -> str:
    """Return the message of a call that wrote nothing, from the reasons by the consumers' places in *given*."""
    lines = []
    for index in sorted(refusals):
        path, reason = str(given[index].get("path")), refusals[index]
        reason = reason[len(path) + 2 :] if reason.startswith(f"{path}: ") else reason
        line = findings[index].line if index in findings else None
        if line is not None and not reason.startswith("line "):
            reason = f"line {line}: {reason}"
        lines.append(f"{given[index].get('id')} ({path}): {reason}")
    return f"nothing was written, for {len(lines)} of {len(given)} consumers cannot be served: " + " | ".join(lines)


def interrupted(error: Exception, failed: FilePlan, done: Sequence[FilePlan], files: Sequence[FilePlan]) -> str:
    """Return the message of a call that ended at the file *failed*, with the files *done* written before."""
    untouched = [one.path for one in files if one.changes and one not in done and one is not failed]
    text = str(error)
    message = text if text.startswith(failed.path) else f"{failed.path}: {text}"
    message += f"; consumers of this file: {', '.join(one.consumer.id for one in failed.findings)}"
    if done:
        message += f"; already written in this call: {', '.join(one.path for one in done)}"
    if untouched:
        message += f"; not written: {', '.join(untouched)}"
    return message + ". Files are never replaced together: mend the cause and run again"


def difference(one: FilePlan, credentials: Mapping[str, Any]) -> dict[str, str]:
    """Return what Ansible shows as the difference that a file's change makes."""
    before, after = [], []
    for finding in one.findings:
        if not finding.changes:
            continue
        consumer = finding.consumer
        name = f"{consumer.id}{f' ({consumer.key})' if consumer.key else ''}"
        credential = credentials[consumer.credential]
        version = labelled(credential, finding.label)
        token = version.get("token")
        before.append(f"{name}: {_shown(finding.found_fingerprint, finding.status)}")
        if consumer.field in ("password", "username"):
            after.append(f"{name}: {consumer.field} of version {version.get('version')}")
        else:
            planned = "of the credential that this run creates"
            after.append(f"{name}: {_shown(fingerprint(token) if token else None, planned)}")
    consumer = one.findings[0].consumer
    if one.before.mode is not None:
        before.append(f"mode {one.before.mode:04o}, owner {one.before.uid}, group {one.before.gid}")
    owner = one.before.uid if consumer.owner is None else consumer.owner
    group = one.before.gid if consumer.group is None else consumer.group
    after.append(
        f"mode {consumer.mode:04o}"
        + (f", owner {owner}" if owner is not None else "")
        + (f", group {group}" if group is not None else "")
    )
    return {
        "before_header": one.path,
        "after_header": one.path,
        "before": "".join(f"{line}\n" for line in before),
        "after": "".join(f"{line}\n" for line in after),
    }


def _shown(mark: str | None, otherwise: str) -> str:
    return f"token fingerprint {mark}" if mark else otherwise
