# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of the playbooks on real processes: hosts do not cost decryptions of the truth."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "standin"))

from crowd import Crowd  # isort: skip


# Each looks at the truth once, however many hosts there are.
LOOKS = (
    "Look at the truth",
    "Start a rotation of what was idle",
    "Read the truth, once for all hosts",
    "Go as far as that allows",
    "Know that it moved, and what is wanted now",
    "Know how far it came",
)
IDLE = {"current": "v2", "pending": None, "previous": None}


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    made = Crowd(tmp_path)
    with made.serve(1):
        yield made


@pytest.mark.slow
def test_the_truth_is_decrypted_once_a_task_for_all_hosts(crowd: Crowd) -> None:
    crowd.choose(1, 2)
    assert crowd.play("playbooks/audit.yml").decryptions == ["credential.py"]
    done = crowd.play("playbooks/rotate.yml")
    assert done.code == 0, done.out[-4000:]
    assert crowd.behind() == []
    assert crowd.document()["credentials"]["main"]["labels"] == IDLE
    # By headers, so that a task that ran for each host counts once, too.
    ran = [len(re.findall(rf"TASK \[{re.escape(name)}\].*\n(?:ok|changed):", done.out)) for name in LOOKS]
    assert all(ran), ran
    assert len(done.decryptions) == sum(ran)
