# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Planning what has to be done to a host's files. All are planned before one is written.

The rule about a rotation: the credential says which version is wanted, ``distribute`` for consumers and ``serve`` for
the server's own file, and whatever else a consumer holds is replaced. Without that word the current version is wanted,
and a consumer that holds the pending one already is reported as ``pending`` and keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import to_bytes, to_text
from ansible_collections.genai.comfyui.plugins.module_utils._consumers import ABSENT_ID, Consumer
from ansible_collections.genai.comfyui.plugins.module_utils._judge import (
    FieldError,
    compose,
    judge,
    labelled,
    version_name,
    wanted_label,
)
from ansible_collections.genai.comfyui.plugins.module_utils._place import DurableError, Snapshot, read

_STATUS_OF_REASON = {
    "symlink": "linked",
    "hard_link": "linked",
    "no_directory": "missing_file",
    "duplicate_key": "duplicate_key",
    "missing_key": "missing_key",
}


class Finding:
    """One consumer as it was found, and what is to become of it."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.status = "unparsable"
        self.detail = ""
        self.line: int | None = None
        self.fingerprint: str | None = None
        self.found_fingerprint: str | None = None
        """``fingerprint`` as it was before the run."""
        self.refusal: str | None = None
        self.wanted: list[tuple[str | None, str]] = []
        """Pairs of (codec key, value) to write; empty where nothing is to be written."""
        self.changes = False
        self.settled = "in_sync"
        """The status after a real run that changes it."""
        self.label = "current"
        """Of the version that it should hold, or that it holds and may keep."""
        self.kept = frozenset({"in_sync"})
        """The statuses of values that stay as they are."""
        self.version: str | None = None
        """The name of the version that it holds, None where that is none or cannot be told."""
        self.writes: str | None = None
        """The name of the version that is written."""


class FilePlan:
    """One file with all its consumers."""

    def __init__(self, path: str, findings: list[Finding]) -> None:
        self.path = path
        self.findings = findings
        self.before = Snapshot(path)
        self.text: str | None = None
        """The new text, None where it stays as it is."""
        self.attributes = False
        """Whether owner, group or mode are wrong."""
        self.validated: bool | None = None
        """Whether the consumers' own parsers took the new text; None where none was asked."""
        self.validator: str | None = None
        """Which ones were asked, and which could not be."""

    @property
    def changes(self) -> bool:
        """Whether a run has to touch the file."""
        return any(finding.changes for finding in self.findings)


def plan(consumers: list[Consumer], credentials: Mapping[str, Any], check_mode: bool) -> list[FilePlan]:
    """Look at every file once and decide; reads only. What cannot be done is a ``refusal`` in its finding."""
    files: dict[str, list[Consumer]] = {}
    for consumer in consumers:
        files.setdefault(consumer.place, []).append(consumer)
    return [_plan_file(sharing, credentials, check_mode) for sharing in files.values()]


def _plan_file(sharing: list[Consumer], credentials: Mapping[str, Any], check_mode: bool) -> FilePlan:
    path = sharing[0].path
    findings = [Finding(consumer) for consumer in sharing]
    result = FilePlan(path, findings)
    try:
        result.before = read(path)
    except DurableError as error:
        for finding in findings:
            finding.status = _STATUS_OF_REASON.get(error.reason, "unparsable")
            finding.detail = str(error)
            tolerable = error.reason == "no_directory" and (check_mode or not finding.consumer.required)
            finding.changes = tolerable and check_mode and finding.consumer.create and finding.consumer.required
            finding.refusal = None if tolerable else str(error)
        return result
    try:
        text = None if result.before.data is None else to_text(result.before.data)
    except CodecError as error:
        for finding in findings:
            finding.detail = finding.refusal = str(error)
            finding.line = error.line
        return result
    for finding in findings:
        _look(finding, text, credentials[finding.consumer.credential])
    _refuse_overlap(findings, text)
    if not any(finding.refusal for finding in findings):
        _compose_text(result, text)
        _look_at_attributes(result)
        _check_writable(result)
    return result


def _look(finding: Finding, text: str | None, credential: Mapping[str, Any]) -> None:
    """Fill in what is there and what is wanted."""
    consumer = finding.consumer
    planned = credential.get("token") is None
    by_server = consumer.codec.by_server
    try:
        finding.label = wanted_label(consumer.credential, credential, by_server)
        if not credential.get("serve" if by_server else "distribute"):
            finding.kept = frozenset({"in_sync", "pending"})
        replaced = True
        if text is None:
            finding.status, finding.detail = "missing_file", "the file does not exist"
            if not consumer.create:
                finding.refusal = f"{finding.detail}, and create is false; create it" if consumer.required else None
                return
        else:
            replaced = _judge_parts(finding, text, credential)
        if finding.status == "unknown" and consumer.keep_unknown == "refuse":
            mend = "adopt it into the credential, or set unknown to replace"
            finding.refusal = f"{finding.detail}, which codec {consumer.codec.name} does not overwrite; {mend}"
            return
        if finding.status == "unknown" and consumer.keep_unknown == "refuse_token" and finding.fingerprint:
            finding.refusal = (
                f"it holds a whole token ({finding.fingerprint}) that the truth does not know, and no server was "
                "looked at in this run that could tell whether the truth is an older copy; run it with the "
                "credential's servers (no --limit or tags that leave them out), or adopt the token "
                "(genai.comfyui.credential, 'state: adopted')"
            )
            return
        if planned:
            finding.changes = True
            note = "the credential will be created by this run"
            finding.detail = (
                finding.detail if note in finding.detail else "; ".join(filter(None, [finding.detail, note]))
            )
            return
        if replaced:
            version = labelled(credential, finding.label)
            finding.wanted = _values(consumer, credential, version)
            finding.writes = version_name(version)
            finding.changes = True
        else:
            finding.settled = finding.status
    except FieldError as error:
        finding.refusal = str(error)
    except CodecError as error:
        finding.status = _STATUS_OF_REASON.get(error.reason, "unparsable")
        finding.line = error.line
        finding.detail = finding.refusal = str(error)


def _judge_parts(finding: Finding, text: str, credential: Mapping[str, Any]) -> bool:
    """Fill in what is there; return whether it has to be written."""
    consumer, codec = finding.consumer, finding.consumer.codec
    (key, first), *others = consumer.parts
    span = codec.locate(text, key)
    if span is None:
        finding.status = "missing_key"
        finding.detail = "the key is not in the file" if codec.needs_key else "the file is empty"
        return True
    verdict = judge(codec.read(text, span), first, credential, consumer.url, finding.label)
    finding.status, finding.detail, finding.version = verdict.status, verdict.detail, verdict.version
    finding.fingerprint = finding.found_fingerprint = verdict.fingerprint
    finding.line = span.line
    if verdict.status not in finding.kept:
        return True
    if verdict.status != "in_sync":
        finding.label = finding.settled = verdict.status
    version = labelled(credential, finding.label)
    doubt = codec.doubt(text, key)
    for other, name in others:
        there = codec.locate(text, other)
        if there is None or codec.read(text, there) != compose(name, credential, version, consumer.url):
            doubt = doubt or f"the {name} beside it differs"
    if doubt is None:
        return False
    finding.status, finding.detail, finding.version = "damaged", f"{verdict.detail}, but {doubt}", None
    return True


def _values(
    consumer: Consumer, credential: Mapping[str, Any], version: Mapping[str, Any]
) -> list[tuple[str | None, str]]:
    values: list[tuple[str | None, str]] = []
    for key, name in consumer.parts:
        value = compose(name, credential, version, consumer.url)
        if value is None:
            raise FieldError(f"the credential {consumer.credential} has no {name}; create it first")
        values.append((key, value))
    return values


def _refuse_overlap(findings: list[Finding], text: str | None) -> None:
    if text is None or len(findings) < 2 or any(finding.refusal for finding in findings):
        return
    spans = []
    for finding in findings:
        for key, _name in finding.consumer.parts:
            span = finding.consumer.codec.locate(text, key)
            if span is not None:
                spans.append((span.start, span.end, finding))
    spans.sort(key=lambda one: (one[0], one[1]))
    for (_start, end, one), (start, _end, other) in zip(spans, spans[1:]):
        if start < end and one is not other:
            other.refusal = f"it claims the same place as consumer {one.consumer.id}; remove one of them"


def _compose_text(result: FilePlan, text: str | None) -> None:
    new = text
    for finding in result.findings:
        codec = finding.consumer.codec
        for key, value in finding.wanted:
            try:
                new = codec.new_text(key, value) if new is None else codec.replace(new, key, value)
                to_bytes(new)
            except CodecError as error:
                finding.detail = finding.refusal = str(error)
                finding.line = error.line or finding.line
                return
    result.text = new if new != text else None


def _look_at_attributes(result: FilePlan) -> None:
    consumer, before = result.findings[0].consumer, result.before
    if before.mode is None:
        return
    wrong = []
    if before.mode != consumer.mode:
        wrong.append(f"mode {before.mode:04o}, wanted {consumer.mode:04o}")
    for what, wanted, there in (("owner", consumer.owner, before.uid), ("group", consumer.group, before.gid)):
        if wanted not in (None, there):
            missing = "one that does not exist yet" if wanted == ABSENT_ID else str(wanted)
            wrong.append(f"{what} {there}, wanted {missing}")
    if not wrong:
        return
    result.attributes = True
    for finding in result.findings:
        finding.changes = True
        if finding.status in finding.kept:
            finding.status = "too_open"
        finding.detail = "; ".join(filter(None, [finding.detail, ", ".join(wrong)]))


def _check_writable(result: FilePlan) -> None:
    if not result.changes:
        return
    from ansible_collections.genai.comfyui.plugins.module_utils._durable import check_writable

    try:
        check_writable(result.path)
    except DurableError as error:
        for finding in result.findings:
            finding.refusal = str(error)
