# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the tests of rotations begin and end: with no rotation running, and with everything as the truth says."""

from __future__ import annotations

import pytest
from callers import current, main_credential, overlap, rotate, status
from field_hosts import Field


@pytest.fixture
def ready(converged: Field) -> Field:
    """Return the hosts, with no rotation running and no overlap to wait for."""
    overlap(converged, 0)
    if main_credential(converged)["rotation"] is not None:
        rotate(converged, "-e", "comfyui_rotation_reason=compromise")
    return converged


def settled(field: Field, was: tuple[str, str]) -> None:
    """Assert that a rotation is over: the former token is refused and forgotten, everything agrees with the truth."""
    item = main_credential(field)
    version, token = current(field)
    assert version != was[0]
    assert item["rotation"] is None
    assert list(item["versions"]) == [version]
    assert was[0] in [one["version"] for one in item["retired"]]
    assert (status(field, was[1]), status(field, token)) == (401, 200)
    audit = field.play("playbooks/audit.yml")
    assert audit.returncode == 0, audit.stdout[-4000:]
