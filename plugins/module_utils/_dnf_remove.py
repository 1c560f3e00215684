# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what a package set brought by dnf, and nothing that somebody else needs by now.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import contextlib
import os

from ansible_collections.genai.comfyui.plugins.module_utils import _dnf_text as text
from ansible_collections.genai.comfyui.plugins.module_utils._dnf import (
    LOCKLIST,
    MODULES,
    Dnf,
    DnfError,
    content,
    write,
)
from ansible_collections.genai.comfyui.plugins.module_utils._package_remove import Removal
from ansible_collections.genai.comfyui.plugins.module_utils._record import Record


def plan(dnf: Dnf, record: Record) -> Removal:
    """Find out what may go.

    :raises DnfError: rpm cannot even tell
    """
    work = Removal(files=[path for path in record.files if os.path.exists(path)])
    have = dnf.locks()
    work.holds = [line for line in record.holds if line in have]
    ours = [name for name in record.packages if dnf.there(name)]
    # Who locked one of them since then wants to keep it.
    theirs = text.locked_names([line for line in have if line not in record.holds])
    work.names = removable(dnf, [name for name in ours if name not in theirs])
    work.kept = [name for name in ours if name not in work.names]
    return work


def removable(dnf: Dnf, names: list[str]) -> list[str]:
    """Return those of *names* that nothing else needs, as many as possible."""
    while names:
        status, out, err = dnf.run(["rpm", "-e", "--test", *names])
        if status == 0:
            return names
        kept: set[str] = set()
        for capability in text.needed(f"{out}\n{err}"):
            _status, found, _err = dnf.run(["rpm", "-q", "--whatprovides", "--qf", "%{NAME}\\n", capability])
            kept |= {name for name in names for provider in found.split() if is_of(name, provider)}
        if not kept:
            raise DnfError(f"rpm cannot remove {' '.join(names)}: {(err or out).strip()}")
        names = [name for name in names if name not in kept]
    return names


def is_of(recorded: str, name: str) -> bool:
    """Tell whether what is on record, a name or a name with its version, is of that package."""
    return recorded == name or (recorded.startswith(f"{name}-") and recorded[len(name) + 1 : len(name) + 2].isdigit())


def apply(dnf: Dnf, record: Record, work: Removal) -> None:
    """Remove it.

    :raises DnfError: dnf did not; the record stays
    """
    if work.holds:
        write(LOCKLIST, text.with_locks(content(LOCKLIST) or "", work.holds, []))
    keys = [name for name in work.names if name.startswith("gpg-pubkey-")]
    names = [name for name in work.names if name not in keys]
    if names:
        words = ["--setopt=clean_requirements_on_remove=False", "remove", "--noautoremove", *names]
        _status, out, err = dnf.run(["dnf", "-y", *words])
        left = [name for name in names if dnf.there(name)]
        if left:
            said = text.complaints(f"{out}\n{err}")
            raise DnfError(f"dnf remove left {', '.join(left)}. dnf says: {said}")
    for module, stream in record.streams.items():
        if dnf.enabled(module) == stream:
            # It wants to read the repositories; where that fails, the file alone says what is enabled.
            dnf.run(["dnf", "-y", "module", "reset", module])
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{MODULES}/{module}.module")
    if keys:
        dnf.run(["rpm", "-e", *keys])
    for path in work.files:
        os.unlink(path)
    record.drop()
