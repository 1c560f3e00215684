# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of the playbooks on real processes: more hosts do not cost more decryptions of the truth."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "standin"))

from crowd import Crowd  # isort: skip


IDLE = {"current": "v2", "pending": None, "previous": None}


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    made = Crowd(tmp_path)
    with made.serve(1):
        yield made


@pytest.mark.slow
def test_more_hosts_need_no_more_decryptions(crowd: Crowd) -> None:
    counts = []
    for clients in (1, 3):
        crowd.choose(1, clients)
        audited = crowd.play("playbooks/audit.yml")
        assert audited.code == 0, audited.out[-4000:]
        done = crowd.play("playbooks/rotate.yml")
        assert done.code == 0, done.out[-4000:]
        assert crowd.behind() == []
        assert crowd.document()["credentials"]["main"]["labels"] == IDLE
        counts.append((audited.decryptions, done.decryptions))
    assert counts[0][0] == ["credential.py"]
    # Once for each pass and each question whether it may go on, so there are some.
    assert len(counts[0][1]) > 5
    assert counts[1] == counts[0]
