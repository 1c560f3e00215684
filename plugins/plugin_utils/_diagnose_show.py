# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a diagnosis looks on a terminal, and as a document. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._diagnose import Cause, Finding, Walk, first_cause

Json = dict[str, Any]

_UTF8 = {True: "✓", False: "✗", None: "?", "arrow": "→"}
_ASCII = {True: "ok", False: "NO", None: "??", "arrow": "->"}


def lines(walks: Sequence[Walk], unchecked: Sequence[str], path: str | None, utf8: bool) -> list[str]:
    """Return what is shown: each walk that ends with a cause step by step, the others in a line; then the one cause."""
    marks = _UTF8 if utf8 else _ASCII
    shown = [""]
    for one in walks:
        name = f"{one.kind} {one.host}: {one.name}" if one.kind != "host" else f"host {one.host}"
        if one.cause is None:
            shown.append(f"{marks[_mark(one)]} {name}: {'in order' if _mark(one) else 'nothing wrong was found'}")
            continue
        shown.append(f"{marks[False]} {name}")
        shown += [_finding(item, marks) for item in one.findings]
        shown.append(f"    {marks['arrow']} {one.cause.code}: {one.cause.sentence}")
        shown += [f"      also {item.code}: {item.sentence}" for item in one.also]
    shown += [f"{marks[None]} {one}" for one in unchecked]
    first = first_cause(walks)
    if first is None:
        shown += ["", "No cause was found: what was looked at works."]
    else:
        cause, names = first
        shown += ["", *_told(cause, names)]
        others = {(one.cause.code, one.cause.where) for one in walks if one.cause} - {(cause.code, cause.where)}
        if others:
            shown.append(f"When that is mended, run this again: {len(others)} more of another cause.")
    shown.append(f"Report: {path or 'not written'}")
    clean = ["".join(c if unicodedata.category(c)[0] != "C" else "?" for c in line) for line in shown]
    return clean if utf8 else [line.encode("ascii", "replace").decode("ascii") for line in clean]


def _mark(one: Walk) -> bool | None:
    """Return True where the proof was made and nothing is wrong; None where the proof could not be made."""
    proven = any(item.step == "address" and item.fine for item in one.findings)
    return True if proven else None


def _finding(one: Finding, marks: dict[Any, str]) -> str:
    return f"    {marks[one.fine]} {one.step:<9} {one.text}"


def _told(cause: Cause, names: Sequence[str]) -> list[str]:
    return [
        f"Cause:  {cause.code} ({cause.certainty}): {cause.sentence}",
        f"Where:  {cause.where}",
        f"Mend:   {cause.mend}",
        f"Struck: {', '.join(names)}",
    ]


def document(walks: Sequence[Walk], unchecked: Sequence[str], versions: Json, finished: datetime) -> Json:
    """Return the diagnosis as plain JSON types. Times are UTC in ISO form."""
    first = first_cause(walks)
    return {
        "kind": "diagnose",
        "finished": finished.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "versions": versions,
        "walks": [one.as_dict() for one in walks],
        "not_checked": list(unchecked),
        "cause": {**first[0].as_dict(), "struck": first[1]} if first else None,
        "verdict": {"ok": first is None, "reasons": [] if first is None else [first[0].sentence]},
    }
