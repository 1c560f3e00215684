# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to an instance, decided by evidence: what runs, since when, and who gets in.

Private to the collection. Pure, but for reading files' times.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ansible_collections.genai.comfyui.plugins.module_utils import _accept, _probe
from ansible_collections.genai.comfyui.plugins.module_utils._systemd import Unit

SLACK = 0.05
"""Seconds. File times and process start times are cut to the kernel's ticks (4 to 10 ms), so a file changed right at
the start counts as newer: one restart too many is harmless, one too few leaves an old token in force. A process reads
nothing of ours so soon after its start."""


@dataclass(frozen=True)
class Decision:
    """``action``: none, start, restart, stop, or stop_start (stop at once, then start). ``reasons`` are sentences."""

    action: str
    reasons: tuple[str, ...] = field(default_factory=tuple)


def newest_after(paths: list[str], started: float) -> str | None:
    """Return the file changed last among those changed after a process started, or None. Absent files do not count."""
    found: tuple[float, str] | None = None
    for path in paths:
        try:
            changed = os.stat(path).st_mtime_ns / 1e9
        except OSError:
            continue
        if changed > started - SLACK and (found is None or changed > found[0]):
            found = (changed, path)
    return found[1] if found else None


def followed(accept: str, token: str, target: _probe.Target) -> bool:
    """Return whether a change of login/PASSWORD needs no restart: a guard runs that takes its tokens from *accept*.

    Decided by what the process does now, not by what it was installed with; the caller has seen *token* let in.

    :param token: what PASSWORD should hold. :param target: where the process answers.
    """
    return _accept.lists(accept, token) and _probe.guarded(target) is True


def decide(
    wanted: str, unit: Unit, newer: str | None, evidence: _probe.Evidence | None, replaced: bool = False
) -> Decision:
    """Decide about one instance.

    :param wanted: started, stopped, restarted, status or drained.
    :param newer: a file that the running process is older than, see :func:`newest_after`.
    :param evidence: who gets in right now; None when nothing runs or there is no token to ask with.
    :param replaced: whether systemd was still to read the unit's files anew, as after a drop-in was removed.
    """
    if wanted in ("status", "drained"):
        return Decision("none")
    if wanted == "stopped":
        return Decision("stop", ("it runs",)) if unit.running else Decision("none")
    if not unit.running:
        why = "it failed" if unit.active == "failed" else "it does not run"
        return Decision("start", (why,))
    # Whatever else is to be done: an open server must not stay up while it is done.
    if evidence is not None and evidence.state == _probe.OPEN:
        return Decision("stop_start", (evidence.detail,))
    reasons = []
    if wanted == "restarted":
        reasons.append("a restart was asked for")
    if unit.active != "active":
        reasons.append(f"it does not come up by itself ({unit.active}, {unit.sub})")
    if newer is not None:
        reasons.append(f"{newer} changed after the process started")
    elif replaced:
        reasons.append("its unit files changed since systemd read them")
    if evidence is not None and evidence.state == _probe.TOKEN_REFUSED:
        reasons.append("the process holds another token than the truth")
    elif evidence is not None and evidence.state != _probe.LOCKED:
        reasons.append(f"it does not answer as it should: {evidence.detail}")
    return Decision("restart", tuple(reasons)) if reasons else Decision("none")
