# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what a package set brought, and nothing that somebody else needs by now.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ansible_collections.genai.comfyui.plugins.module_utils import _apt_text as text
from ansible_collections.genai.comfyui.plugins.module_utils._apt import Apt, AptError
from ansible_collections.genai.comfyui.plugins.module_utils._record import Record

_PURGE = ["purge", "--"]


@dataclass
class Removal:
    """Packages that go, packages that stay because others need them, files that go."""

    names: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)


def plan(apt: Apt, record: Record) -> Removal:
    """Find out what may go.

    :raises AptError: apt cannot even simulate it
    """
    installed, broken = apt.installed()
    ours = [name for name in record.packages if name in installed or name in broken]
    held = apt.held()
    work = Removal(files=[path for path in record.files if os.path.exists(path)])
    work.holds = [name for name in record.holds if name in held]
    if ours:
        apt.release_holds(record.holds)
        # Who put one of them on hold since then wants to keep it.
        work.names = _free(apt, [name for name in ours if name not in held or name in record.holds])
        work.kept = sorted(set(ours) - set(work.names))
    return work


def _free(apt: Apt, ours: list[str]) -> list[str]:
    """Return those of our packages whose removal takes nothing else along, as many as possible."""
    names = sorted(ours)
    while names:
        simulation, said = apt.simulate([*_PURGE, *names])
        if simulation is None:
            raise AptError(f"apt cannot remove {' '.join(names)}. apt says: {text.complaints(said)}")
        others = set(simulation.remove) - set(ours)
        if not others and not simulation.install:
            return names
        needed = _needed_by(apt, names, others)
        if not needed:
            theirs = ", ".join(sorted(others))
            raise AptError(f"Removing {' '.join(names)} would also remove {theirs}, which somebody else installed")
        names = [name for name in names if name not in needed]
    return []


def _needed_by(apt: Apt, names: list[str], others: set[str]) -> set[str]:
    """Return those of *names* that cannot go alone without taking one of the others along."""
    found = set()
    for name in names:
        simulation, _said = apt.simulate([*_PURGE, name])
        if simulation is None or set(simulation.remove) & others or simulation.install:
            found.add(name)
    return found


def apply(apt: Apt, record: Record, work: Removal) -> None:
    """Remove it.

    :raises AptError: apt did not; the record stays
    """
    if work.holds:
        apt.run(["apt-mark", "unhold", *work.holds])
    if work.names:
        words = ["apt-get", "-y", "-o", "DPkg::Lock::Timeout=300", *_PURGE, *work.names]
        status, out, err = apt.run(words)
        if status != 0:
            raise AptError(f"apt-get purge failed. apt says: {text.complaints(out + err)}")
    for path in work.files:
        os.unlink(path)
    record.drop()
