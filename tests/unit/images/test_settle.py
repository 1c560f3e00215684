# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step of a build leaves is the same whenever it ran."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _image_context

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "comfyui" / "files" / "lib" / "settle.py"


@pytest.fixture(scope="module")
def settle() -> ModuleType:
    """settle.py as a module."""
    spec = importlib.util.spec_from_file_location("genai_comfyui_settle", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tree(place: Path) -> dict[str, tuple[float, bytes]]:
    """Return the modification time and the content of all that lies below a folder."""
    paths = [place, *place.rglob("*")]
    return {
        str(one.relative_to(place)): (
            one.lstat().st_mtime,
            b"" if one.is_symlink() or one.is_dir() else one.read_bytes(),
        )
        for one in paths
    }


def fill(place: Path) -> None:
    """Write what an installation leaves, with bytecode that holds times as pip makes it."""
    package = place / "venv" / "lib" / "package"
    package.mkdir(parents=True)
    (package / "sound.py").write_text(
        "NAMES = {'a', 'b', 'c', 'd', 'e'}\nprint('b' in {'a', 'b', 'c', 'd', 'e', 'f'})\n"
    )
    (package / "template.py").write_text("class {{ name }}:\n")
    (package / "link.py").symlink_to("sound.py")
    (place / "away").symlink_to("/nowhere")
    script = "import py_compile, sys; py_compile.compile(sys.argv[1])"
    subprocess.run([sys.executable, "-c", script, str(package / "sound.py")], check=True)


def test_times_and_bytecode_are_the_same_each_time(settle: ModuleType, tmp_path: Path) -> None:
    seen = []
    for number in range(2):
        place = tmp_path / "root"
        since = settle.now()
        fill(place)
        before = tree(place)
        settle.settle(str(place), str(place / "venv"), since)
        seen.append(tree(place))
        assert before != seen[-1]
        place.rename(tmp_path / f"former-{number}")
    assert seen[0] == seen[1]
    assert {time for time, _content in seen[0].values()} == {settle.EPOCH} == {_image_context.EPOCH}
    (compiled,) = [content for name, (_time, content) in seen[0].items() if name.endswith(".pyc") and "sound" in name]
    # Flags of the header: by hash, and not to be checked.
    assert compiled[4:8] == b"\x01\x00\x00\x00"


def test_what_was_there_before_stays_as_it_was(settle: ModuleType, tmp_path: Path) -> None:
    """A touched file of the base would be in another layer once more, with all its bytes."""
    old = tmp_path / "old.py"
    old.write_text("1\n")
    kept = old.stat().st_mtime
    # Newer kernels give files times that are ahead of the clock that programs can ask.
    while settle.now() <= old.stat().st_ctime_ns:
        continue
    since = settle.now()
    (tmp_path / "package-of-the-distribution").touch()
    os.utime(tmp_path / "package-of-the-distribution", (1, 1))
    settle.settle(str(tmp_path), str(tmp_path), since)
    assert old.stat().st_mtime == kept
    assert not (tmp_path / "__pycache__").exists()
    assert (tmp_path / "package-of-the-distribution").stat().st_mtime == 1, "an older time stays"


def test_a_command_that_fails_ends_it_as_it_ended() -> None:
    done = subprocess.run([sys.executable, str(PROGRAM), "sh", "-c", "exit 7"], check=False)
    assert done.returncode == 7


def test_a_command_is_told_to_leave_no_times(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "sh", "-c", "env; exit 7"], capture_output=True, text=True, check=False
    )
    assert {"PYTHONHASHSEED=0", "PIP_NO_COMPILE=1", f"SOURCE_DATE_EPOCH={_image_context.EPOCH}"} <= set(
        done.stdout.splitlines()
    )
