# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be told of a rotation: phases, versions, times and fingerprints. Never a value."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth, _truth_view
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation import Outcome, may_start, phase_of
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_policy import explain
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_form import Credential


def record(
    name: str,
    before: Credential | None,
    outcome: Outcome,
    now: str,
    notes: Mapping[str, str],
    unmade: Collection[str],
) -> dict[str, Any]:
    """Return what is told of one credential; see RETURN of the module ``rotation``."""
    item = outcome.item
    rotation: Mapping[str, Any] = item["rotation"] or {}
    return {
        "name": name,
        "changed": before != item,
        "was": phase_of(before) if before is not None else "idle",
        "phase": phase_of(item),
        "moves": list(outcome.moves),
        "id": rotation.get("id"),
        "reason": rotation.get("reason"),
        "acceptor": rotation.get("acceptor", "guard") if rotation else None,
        "since": rotation.get("since"),
        "overlap_until": rotation.get("overlap_until"),
        "to": rotation.get("to"),
        "versions": {
            label: {"version": version, "fingerprint": _mark(item, version, label == "pending" and name in unmade)}
            for label, version in item["labels"].items()
            if isinstance(version, str)
        },
        "required": list(rotation.get("required", [])),
        "servers": list(rotation.get("servers", [])),
        "why": list(outcome.why),
        "waiting_for": [{"kind": one.kind, "id": one.id, "why": one.why} for one in outcome.waiting],
        "next": next_actions(item),
        "newer": notes.get(name),
        **_schedule(item, now),
    }


def _schedule(item: Credential, now: str) -> dict[str, Any]:
    """Return when the next rotation is due. A malformed window is told here; it must not stop a running rotation."""
    policy = _truth.policy_of(item)
    try:
        scheduled = may_start(item, "scheduled", now)
        why = list(explain(policy, _made(item), now))
    except _truth.TruthError as error:
        scheduled = may_start({**item, "policy": {**item["policy"], "window": None}}, "scheduled", now)
        scheduled = replace(scheduled, due=False)
        why = [str(error)]
    return {
        "due": scheduled.due and item["rotation"] is None,
        "due_why": why,
        "due_at": scheduled.due_at,
        "days_to_due": scheduled.days_to_due,
        "age_days": scheduled.age_days,
        "alarm": scheduled.alarm,
    }


def next_actions(item: Credential) -> list[str]:
    """Return what the field has to be brought to now, in the order that refuses nobody."""
    if item["rotation"] is None:
        return []
    shown = _truth_view.view(item)
    label = {"current": shown["version"], "pending": shown.get("pending", {}).get("version")}
    accepted = " and ".join(one["version"] for one in shown["accept"])
    steps = {
        "accept": f"guards accept {accepted}",
        "distribute": f"consumers hold {label[shown['distribute'] or 'current']}",
        "serve": f"PASSWORD of each server holds {label[shown['serve'] or 'current']}",
    }
    if item["rotation"].get("aborting") and item["rotation"]["phase"] == "accepted":
        return [steps["distribute"], steps["serve"], steps["accept"]]
    if item["rotation"].get("acceptor") == "none":
        # Without a guard nothing accepts two tokens: a server first, then its clients at once.
        return [steps["serve"] + " (drain, replace, restart, host by host)", steps["distribute"]]
    return [steps["accept"], steps["distribute"], steps["serve"]]


def diff_of(
    before: _truth.Document, after: _truth.Document, names: Sequence[str], unmade: Collection[str]
) -> dict[str, str]:
    """Return the difference in Ansible's form."""
    return {
        "before_header": "rotations in the truth",
        "after_header": "rotations in the truth",
        "before": "".join(line for name in names for line in _lines(before, name, ())),
        "after": "".join(line for name in names for line in _lines(after, name, unmade)),
    }


def _lines(document: _truth.Document, name: str, unmade: Collection[str]) -> list[str]:
    item = document["credentials"].get(name)
    if item is None:
        return []
    rotation = item["rotation"]
    lines = [f"{name}.phase: {phase_of(item)}\n"]
    if rotation is not None:
        lines.append(f"{name}.rotation: {rotation['id']} to {rotation['to']}, reason {rotation['reason']}\n")
    for label, version in item["labels"].items():
        if isinstance(version, str):
            mark = _mark(item, version, label == "pending" and name in unmade) or "made in the real run"
            lines.append(f"{name}.{label}: {version} ({mark})\n")
    lines += [f"{name}.retired: {one['version']} ({one['fp']})\n" for one in item["retired"]]
    return lines


def _mark(item: Credential, version: str, unmade: bool) -> str | None:
    return None if unmade else fingerprint(item["versions"][version]["hash"])


def _made(item: Credential) -> str:
    return item["versions"][item["labels"]["current"]]["made"]
