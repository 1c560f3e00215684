# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time, whatever becomes of it."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.genai.comfyui.plugins.plugin_utils._run_lock import LockedError, hold, started


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_second_run_is_refused_as_long_as_the_first_lives(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    path = tmp_path / "new" / "lock"
    hold(path, other.pid)
    hold(path, other.pid)
    with pytest.raises(LockedError, match=rf"another run \(process {other.pid}, since 20.*\) is at work"):
        hold(path, os.getpid())
    hold(path, other.pid, "site.yml")
    with pytest.raises(LockedError, match=rf"another run \(site.yml, process {other.pid}, since 20.*nothing was done"):
        hold(path, os.getpid())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other.kill()
    other.wait()
    hold(path, os.getpid())
    assert json.loads(path.read_text())["pid"] == os.getpid()


def test_a_process_that_ended_and_was_not_reaped_holds_nothing(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    hold(tmp_path / "lock", other.pid)
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert started(other.pid) is None
    hold(tmp_path / "lock", os.getpid())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1, "started": "not this one", "at": ""}'])
def test_a_note_that_says_nothing_or_of_an_earlier_process_is_no_lock(tmp_path: Path, content: str) -> None:
    (tmp_path / "lock").write_text(content)
    hold(tmp_path / "lock", os.getpid())
