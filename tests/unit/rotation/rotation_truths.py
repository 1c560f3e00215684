# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents for the tests of rotation, at each point of one."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth

PASSWORD = "Correct-Horse-1"
OLD = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
NEW = "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O"
ODD = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"
NOW = "2026-01-02T03:04:05Z"
LATER = "2026-02-02T03:04:05Z"
OVERLAP_END = "2026-02-03T03:04:05Z"
OVERLAP_END_SECONDS = 1770087845


def idle(**policy: Any) -> Any:
    """Return a written document with the credential main, version v1."""
    new = _truth.new_document()
    new = _truth.add_generated(new, "main", token=OLD, password=PASSWORD, now=NOW, policy={"cost": 4, **policy})
    return _truth.stamp(_truth.new_document(), new, now=NOW, by="me@here")


def rotating(phase: str = "pending", reason: str = "manual", **more: Any) -> Any:
    """Return the document with a rotation of main from v1 to v2 in this phase; *more* are keys of the rotation."""
    new = copy.deepcopy(idle())
    item = new["credentials"]["main"]
    item["versions"]["v2"] = {"hash": NEW, "made": LATER, "origin": "rehash"}
    item["rotation"] = {"id": "r-1", "to": "v2", "reason": reason, "phase": phase, "since": LATER, "required": []}
    item["labels"] = {"current": "v1", "pending": "v2", "previous": None}
    if phase == "switched":
        item["labels"] = {"current": "v2", "pending": None, "previous": "v1"}
        item["rotation"]["overlap_until"] = OVERLAP_END
    item["rotation"].update(more)
    return _truth.parse(_truth.render(new))
