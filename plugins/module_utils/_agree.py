# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call for all consumers of a host: plan, refuse or write, and report. The back end of the module ``sync``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._consumers import (
    Consumer,
    ConsumerError,
    conflicts,
    parse,
)
from ansible_collections.genai.comfyui.plugins.module_utils._durable import DurableError
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._judge import labelled
from ansible_collections.genai.comfyui.plugins.module_utils._mask import secrets_of
from ansible_collections.genai.comfyui.plugins.module_utils._sync import FilePlan, Finding, apply, plan

if TYPE_CHECKING:
    from ansible_collections.genai.comfyui.plugins.module_utils._reload import Reload, Reloaded

Record = dict[str, Any]


@dataclass
class Outcome:
    """What a call found and did. ``error`` is the whole failure message, or None."""

    records: list[Record] = field(default_factory=list)
    """One a consumer, in the order given."""
    changed_consumers: list[str] = field(default_factory=list)
    changed_paths: list[str] = field(default_factory=list)
    reloaded: list[str] = field(default_factory=list)
    """What was reloaded, in words; in check mode what would be."""
    diff: list[dict[str, str]] = field(default_factory=list)
    error: str | None = None


def agree(
    given: Sequence[Mapping[str, Any]],
    credentials: Mapping[str, Any],
    check_mode: bool,
    state_dir: str | None = None,
) -> Outcome:
    """Make the consumers *given* (the module's suboptions) hold what *credentials* say; in check mode only look.

    *state_dir* is where reloads are remembered, None for the default.

    Never raises for anything that files or arguments hold: that is ``Outcome.error``. When one consumer refuses,
    nothing at all is written.
    """
    consumers: list[Consumer | None] = []
    refusals: dict[int, str] = {}
    given = list(given)
    for index, one in enumerate(given):
        try:
            given[index] = _completed(one)
            consumers.append(parse(given[index], credentials, check_mode))
        except ConsumerError as error:
            consumers.append(None)
            refusals[index] = str(error)
    usable = [consumer for consumer in consumers if consumer is not None]
    where = {id(consumer): index for index, consumer in enumerate(consumers) if consumer is not None}
    for consumer, reason in conflicts(usable):
        refusals.setdefault(where[id(consumer)], reason)

    files = plan(usable, credentials, check_mode)
    findings = {where[id(finding.consumer)]: finding for file in files for finding in file.findings}
    for index, finding in findings.items():
        if finding.refusal:
            refusals.setdefault(index, finding.refusal)

    outcome = Outcome()
    if refusals:
        outcome.error = _refused(given, findings, refusals)
        files = []
    done: list[FilePlan] = []
    secrets = secrets_of(credentials)
    for file in files:
        if not file.changes:
            continue
        if not check_mode:
            try:
                apply(file, secrets)
            except (DurableError, CodecError) as error:
                outcome.error = _interrupted(error, file, done, files)
                break
        done.append(file)
        outcome.diff.append(_diff(file, credentials))
    reloads = {} if outcome.error else _reload_all(outcome, files, check_mode, state_dir, secrets)
    written = {id(finding) for file in done for finding in file.findings if finding.changes}
    of_file = {id(finding): file for file in files for finding in file.findings}
    for index, raw in enumerate(given):
        found = findings.get(index)
        touched = found is not None and id(found) in written
        record = _record(raw, found, refusals.get(index), touched, check_mode)
        file_of_it = of_file.get(id(found))
        if file_of_it is not None:
            record["validated"], record["validator"] = file_of_it.validated, file_of_it.validator
        reload = reloads.get(found.consumer.reload) if found is not None and found.consumer.reload else None
        if reload is not None:
            record["reload"] = reload.state
            record["detail"] = "; ".join(filter(None, [record["detail"], reload.note]))
        outcome.records.append(record)
    outcome.changed_paths = [file.path for file in done]
    outcome.changed_consumers = [record["id"] for record in outcome.records if record["changed"]]
    return outcome


def _completed(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the consumer says with what its preset says, or raise :class:`ConsumerError`."""
    if given.get("path") and given.get("codec") and not given.get("preset"):
        return given
    from ansible_collections.genai.comfyui.plugins.module_utils._presets import PresetError, resolve

    try:
        return resolve(given)
    except PresetError as error:
        raise ConsumerError(str(error)) from None


def _reload_all(
    outcome: Outcome, files: Sequence[FilePlan], check_mode: bool, state_dir: str | None, secrets: Iterable[str]
) -> dict[Reload, Reloaded]:
    """Reload what is older than its files, once each; what fails is the outcome's error, and the files stay."""
    groups: dict[Reload, set[str]] = {}
    changing: set[Reload] = set()
    for file in files:
        for finding in file.findings:
            if finding.consumer.reload is not None:
                groups.setdefault(finding.consumer.reload, set()).add(file.path)
                if check_mode and file.changes and (file.text is not None or file.before.data is None):
                    changing.add(finding.consumer.reload)
    if not groups:
        return {}
    from ansible_collections.genai.comfyui.plugins.module_utils._reload import carry_out

    done: dict[Reload, Reloaded] = {}
    errors: list[str] = []
    for reload, paths in groups.items():
        done[reload] = carry_out(reload, sorted(paths), state_dir, secrets, check_mode, reload in changing)
        if done[reload].state == "done" or (check_mode and done[reload].state):
            outcome.reloaded.append(str(reload))
        if done[reload].error:
            errors.append(str(done[reload].error))
    if errors:
        written = "all files are as they should be" if not check_mode else "nothing was tried"
        outcome.error = f"not everything could be reloaded ({written}; run again to retry): " + " | ".join(errors)
    return done


def _record(
    given: Mapping[str, Any], finding: Finding | None, refusal: str | None, touched: bool, check_mode: bool
) -> Record:
    record: Record = {
        "id": given.get("id"),
        "path": given.get("path"),
        "codec": given.get("codec"),
        "key": given.get("key"),
        "credential": given.get("credential") or "main",
        "field": given.get("field") or "token",
        "required": given.get("required", True),
        "changed": touched,
        "validated": None,
        "validator": None,
        "reload": None,
    }
    if finding is None:
        detail = f"not looked at: {refusal}"
        return {
            **record,
            "status": "unparsable",
            "was": "unparsable",
            "version": None,
            "fingerprint": None,
            "detail": detail,
            "line": None,
        }
    status = finding.settled if touched and not check_mode else finding.status
    detail = finding.detail
    if refusal and refusal not in detail:
        detail = f"{detail}; refused: {refusal}" if detail else f"refused: {refusal}"
    return {
        **record,
        "status": status,
        "was": finding.status,
        "version": finding.version,
        "fingerprint": finding.fingerprint,
        "detail": detail,
        "line": finding.line,
    }


def _refused(given: Sequence[Mapping[str, Any]], findings: Mapping[int, Finding], refusals: Mapping[int, str]) -> str:
    lines = []
    for index in sorted(refusals):
        path, reason = str(given[index].get("path")), refusals[index]
        reason = reason[len(path) + 2 :] if reason.startswith(f"{path}: ") else reason
        line = findings[index].line if index in findings else None
        if line is not None and not reason.startswith("line "):
            reason = f"line {line}: {reason}"
        lines.append(f"{given[index].get('id')} ({path}): {reason}")
    return f"nothing was written, for {len(lines)} of {len(given)} consumers cannot be served: " + " | ".join(lines)


def _interrupted(error: Exception, failed: FilePlan, done: Sequence[FilePlan], files: Sequence[FilePlan]) -> str:
    untouched = [one.path for one in files if one.changes and one not in done and one is not failed]
    text = str(error)
    message = text if text.startswith(failed.path) else f"{failed.path}: {text}"
    message += f"; consumers of this file: {', '.join(one.consumer.id for one in failed.findings)}"
    if done:
        message += f"; already written in this call: {', '.join(one.path for one in done)}"
    if untouched:
        message += f"; not written: {', '.join(untouched)}"
    return message + ". Files are never replaced together: mend the cause and run again"


def _diff(one: FilePlan, credentials: Mapping[str, Any]) -> dict[str, str]:
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
