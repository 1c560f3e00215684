# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call for all consumers of a host: plan, refuse or write, and report. The back end of the module ``sync``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._consumers import (
    Consumer,
    ConsumerError,
    conflicts,
    parse,
)
from ansible_collections.genai.comfyui.plugins.module_utils._place import DurableError
from ansible_collections.genai.comfyui.plugins.module_utils._secrets import secrets_of
from ansible_collections.genai.comfyui.plugins.module_utils._sync import FilePlan, Finding, plan

# What only some calls need is imported where it is needed: a host compiles each file anew in every run.
if TYPE_CHECKING:
    from ansible_collections.genai.comfyui.plugins.module_utils._reload import Reload, Reloaded

Record = dict[str, Any]


class Outcome:
    """What a call found and did. ``error`` is the whole failure message, or None."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        """One a consumer, in the order given."""
        self.changed_consumers: list[str] = []
        self.changed_paths: list[str] = []
        self.written: float | None = None
        """When the last file was written, or what reads it reloaded, by the monotonic clock."""
        self.reloaded: list[str] = []
        """What was reloaded, in words; in check mode what would be."""
        self.diff: list[dict[str, str]] = []
        self.error: str | None = None


def agree(
    given: Sequence[Mapping[str, Any]],
    credentials: Mapping[str, Any],
    check_mode: bool,
    state_dir: str | None = None,
    unknown: str = "replace",
) -> Outcome:
    """Make the consumers *given* (the module's suboptions) hold what *credentials* say; in check mode only look.

    *state_dir* is where reloads are remembered, None for the default. *unknown* is the module's option of that name.

    Never raises for anything that files or arguments hold: that is ``Outcome.error``. When one consumer refuses,
    nothing at all is written.
    """
    consumers: list[Consumer | None] = []
    refusals: dict[int, str] = {}
    real = lru_cache(maxsize=None)(os.path.realpath)
    given = list(given)
    for index, one in enumerate(given):
        try:
            given[index] = _completed(one)
            consumers.append(parse(given[index], credentials, check_mode, unknown, real))
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
        from ansible_collections.genai.comfyui.plugins.module_utils._agree_words import refused

        outcome.error = refused(given, findings, refusals)
        files = []
    secrets = secrets_of(credentials)
    done = _change(outcome, files, credentials, check_mode, secrets)
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


def _change(
    outcome: Outcome, files: Sequence[FilePlan], credentials: Mapping[str, Any], check_mode: bool, secrets: set[str]
) -> list[FilePlan]:
    """Write the files that have to change, and return them; in check mode return those that would be written."""
    changing = [file for file in files if file.changes]
    done: list[FilePlan] = []
    if not changing:
        return done
    from ansible_collections.genai.comfyui.plugins.module_utils import _agree_words

    for file in changing:
        try:
            if not check_mode:
                _write(file, secrets)
                outcome.written = time.monotonic()
        except (DurableError, CodecError) as error:
            outcome.error = _agree_words.interrupted(error, file, done, files)
            break
        done.append(file)
        outcome.diff.append(_agree_words.difference(file, credentials))
    return done


def _write(file: FilePlan, secrets: set[str]) -> None:
    from ansible_collections.genai.comfyui.plugins.module_utils import _sync_write

    _sync_write.apply(file, secrets)


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
                if file.changes and (file.text is not None or file.before.data is None):
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
            outcome.written = None if check_mode else time.monotonic()
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
