# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of the playbooks with --limit: the verdict is there, about the hosts of the run and no others."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "standin"))

from crowd import Crowd  # isort: skip


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    """A server and two clients; the first client holds nothing that the truth knows."""
    made = Crowd(tmp_path)
    with made.serve(1):
        made.choose(1, 2)
        (tmp_path / "cli-000.env").write_text("COMFYUI_API_TOKEN=old\n")
        yield made


def report(crowd: Crowd, name: str) -> Any:
    return json.loads((crowd.where / "reports" / f"{name}-latest.json").read_text())


@pytest.mark.slow
def test_the_verdict_is_about_the_hosts_of_the_run(crowd: Crowd) -> None:
    bad = crowd.play("playbooks/audit.yml", "--limit", "cli-000")
    assert bad.code == 2, bad.out
    assert "audit: 1 reason. cli-000: " in bad.out
    assert "left out by --limit: 2 hosts (srv-000, cli-001)" in bad.out
    assert report(crowd, "audit")["left_out"] == ["srv-000", "cli-001"]
    good = crowd.play("playbooks/audit.yml", "--limit", "cli-001")
    assert good.code == 0, good.out
    assert "1 checked, 1 in order, 0 not checked" in good.out
    diagnosed = crowd.play("playbooks/diagnose.yml", "--limit", "cli-000,srv-000")
    assert diagnosed.code == 2, diagnosed.out
    assert "Mend: " in diagnosed.out
    searched = crowd.play(
        "playbooks/discover.yml", "--limit", "cli-001", "-e", json.dumps({"comfyui_discover_roots": []})
    )
    assert "left out by --limit: 2 hosts (srv-000, cli-000)" in searched.out


@pytest.mark.slow
def test_an_inventory_without_a_host_proves_nothing(crowd: Crowd) -> None:
    crowd.inventory.write_text("all: {}\n")
    for name in ("site", "validate", "audit"):
        done = crowd.play(f"playbooks/{name}.yml")
        assert done.code == 2, done.out
        assert "there is no host in comfyui_servers or comfyui_clients, so nothing was checked" in done.out
