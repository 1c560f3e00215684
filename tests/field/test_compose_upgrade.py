# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An upgrade of a host with containers: the former image stays, and runs again where the new one is not proven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from compose_field import ComposeField
from field_hosts import Knocker
from test_operations import commit, pin

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

TAKEN_BACK = "The upgrade failed and was taken back; the former version runs and is proven locked. Reason:"
HEADS = "for one in ComfyUI ComfyUI-Login; do git -C /opt/comfyui/image/$one rev-parse HEAD; done"


@pytest.fixture
def pinned(compose: ComposeField, tmp_path: Path) -> Iterator[Path]:
    """Return a second inventory that pins other versions; the first one's are installed again at the end."""
    compose.ensure()
    yield tmp_path / "pins.json"
    done = compose.site()
    assert done.returncode == 0, done.stdout[-4000:]


def upgrade(field: ComposeField, pins: Path, *more: str) -> tuple[int, str]:
    """Upgrade; return the exit status and what was said, on one line."""
    done = field.play("playbooks/upgrade.yml", "-i", str(pins), "-e", "comfyui_upgrade_drain=5", *more)
    return done.returncode, " ".join(done.stdout.split())


def test_an_upgrade_is_proven_or_goes_back_to_the_former_image(compose: ComposeField, pinned: Path) -> None:
    first = compose.image()
    sound = commit(compose, "ComfyUI", "echo '# one more line' >> main.py")
    pin(pinned, **sound)
    with Knocker(compose.address("srv-1")) as knocker:
        status, said = upgrade(compose, pinned)
        assert status == 0, said[-6000:]
        assert f"-> {sound['comfyui_version'][:12]}" in said
        assert "until it is proven locked" in said
        assert "default: active, restarted" in said
        second = compose.image()
        assert (second != first, compose.works(), compose.left()) == (True, True, "")
        assert compose.on("srv-1", f"docker image inspect -f ok {first}").strip() == "ok", "kept for the way back"

        # One that the rehearsal finds: what runs is not touched at all.
        heads, before = compose.on("srv-1", HEADS), compose.box()
        pin(pinned, **sound, **compose.broken())
        status, said = upgrade(compose, pinned)
        assert status != 0
        assert f"{TAKEN_BACK} Stop before an image that does not start locked replaces what runs: The image" in said
        assert "No module named 'a_module_that_is_not_there'" in said
        assert (compose.box(), compose.works()) == (before, True)
        assert compose.on("srv-1", HEADS) == heads

        # And one that only its start finds, here by leaving the rehearsal out: the former image comes back.
        status, said = upgrade(compose, pinned, "-e", '{"comfyui__rehearse": false}')
        assert status != 0
        assert f"{TAKEN_BACK} Start the instances and wait until each has proven itself locked: " in said
        assert "Stopped, because not locked. default:" in said
        assert (compose.image(), compose.works()) == (second, True)
        assert compose.box() != before
        assert compose.on("srv-1", HEADS) == heads
    assert knocker.answers > 0
    assert knocker.let_in == []
    assert compose.on("srv-1", "ls /opt/comfyui/former.json 2>/dev/null", check=False) == ""
