# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doing to one file what was planned for it. Not imported by an audit, which writes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from ansible_collections.genai.comfyui.plugins.module_utils import _durable
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import to_bytes, to_text
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._judge import token_in
from ansible_collections.genai.comfyui.plugins.module_utils._sync import FilePlan, Finding


def apply(result: FilePlan, secrets: Iterable[str] = ()) -> None:
    """Write one planned file and read it back. Raises :class:`DurableError` or :class:`CodecError`.

    *secrets* are what no parser's message may show.
    """
    if not result.changes:
        return
    consumer = result.findings[0].consumer
    mode, owner, group = consumer.mode, consumer.owner, consumer.group
    if result.text is not None:
        new, old = to_bytes(result.text), result.before.data
        asks = any(finding.consumer.validators for finding in result.findings)
        validator = partial(_validate, result, secrets) if asks else None
        _durable.write(result.path, new, expected=old, mode=mode, owner=owner, group=group, validator=validator)
    elif result.attributes and result.before.data is not None:
        _durable.set_attributes(result.path, expected=result.before.data, mode=mode, owner=owner, group=group)
    data = _durable.read(result.path).data
    text = to_text(data or b"")
    for finding in result.findings:
        _verify(finding, text)


def _validate(result: FilePlan, secrets: Iterable[str], temporary: str) -> None:
    """Ask the parsers of all consumers of the file, each once."""
    from ansible_collections.genai.comfyui.plugins.module_utils import _checkers
    from ansible_collections.genai.comfyui.plugins.module_utils._mask import masked, values_in

    asked: list[str] = []
    missing: list[str] = []
    expected = [pair for finding in result.findings for pair in finding.wanted]
    validators = {name: words for finding in result.findings for name, words in finding.consumer.validators}
    for name, words in validators.items():
        try:
            _checkers.ask(name, words, temporary, result.path, expected)
            asked.append(name)
        except _checkers.NotAsked as error:
            missing.append(f"{name} was not asked: {error}")
        except _checkers.Refused as error:
            result.validated, result.validator = False, name
            said = masked(str(error), secrets, values_in(f"{result.text}\n{to_text(result.before.data or b'')}"))
            hint = ""
            if result.before.data is not None:
                with suppress(_checkers.NotAsked):
                    try:
                        _checkers.ask(name, words, result.path, result.path, ())
                    except _checkers.Refused:
                        hint = "; it refuses the old file, too: mend that first, or set validate to false"
            message = f"{name} refuses the new content, so the old file stays{hint}: {said}"
            raise _durable.DurableError("refused_by_validator", result.path, message) from None
    result.validated = True if asked else None
    result.validator = "; ".join([*([", ".join(asked)] if asked else []), *missing]) or None


def _verify(finding: Finding, text: str) -> None:
    codec = finding.consumer.codec
    for key, value in finding.wanted:
        if codec.decode(text, key) != value or codec.doubt(text, key):
            raise _durable.DurableError(
                "read_back",
                finding.consumer.path,
                "what was read back is not what was written; look who else writes it",
            )
    key, name = finding.consumer.parts[0]
    span = codec.locate(text, key)
    finding.line = span.line if span else None
    token = token_in(name, codec.read(text, span)) if span else None
    finding.fingerprint = fingerprint(token) if token else None
    finding.version = finding.writes if finding.wanted else finding.version
