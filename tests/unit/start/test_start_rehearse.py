# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rehearsal ends with 0 only when ComfyUI proved itself locked, and listens nowhere, whatever becomes of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from started import STARTUP, Locked, Strangers

from harness import TOKEN, free_port  # isort: skip


def rehearse(locked: Locked, *arguments: str, seconds: str = "60") -> tuple[int, str]:
    """Rehearse while strangers knock; return the status and all that was said."""
    port = free_port()
    line = [sys.executable, str(locked.lib / "rehearse.py"), seconds, "--app", str(locked.pair.code)]
    line += ["--socket", str(locked.root / "run" / "prove.sock")]
    line += ["--", "--listen", "127.0.0.1", "--port", str(port), *arguments]
    with Strangers(f"http://127.0.0.1:{port}") as strangers:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=STARTUP)
    assert not strangers.answers, "nobody is answered"
    said = done.stdout + done.stderr
    assert TOKEN not in said
    return done.returncode, said


def refused(locked: Locked, *arguments: str, seconds: str = "60") -> str:
    status, said = rehearse(locked, *arguments, seconds=seconds)
    assert status == 78, said
    lines = [line for line in said.splitlines() if line.startswith("comfyui-start: refused: ")]
    assert len(lines) == 1, said
    return lines[0]


def test_a_sound_server_is_proven_and_ends(locked: Locked) -> None:
    status, said = rehearse(locked)
    assert status == 0, said
    assert "comfyui-start: proven locked" in said


def test_a_login_node_that_cannot_be_imported_is_named_with_the_cause(locked: Locked) -> None:
    (locked.pair.node / "__init__.py").write_text("import a_module_that_is_not_there\n")
    said = refused(locked)
    assert "custom_nodes/ComfyUI-Login" in said
    assert "No module named 'a_module_that_is_not_there'" in said


@pytest.mark.parametrize(
    ("first", "arguments", "why"),
    [
        ("import a_module_that_is_not_there", (), "ComfyUI failed before it listened: ModuleNotFoundError: No module"),
        ("raise SystemExit(3)", (), "ComfyUI ended with status 3 before it listened"),
        ("", ("--no-such-argument",), "ComfyUI ended with status 2 before it listened"),
        ("", ("--quick-test-for-ci",), "ComfyUI ended with status 0 before it listened"),
    ],
)
def test_one_that_never_comes_to_listen_is_refused(
    locked: Locked, first: str, arguments: tuple[str, ...], why: str
) -> None:
    program = locked.pair.code / "main.py"
    text = program.read_text()
    program.write_text(text.replace("import comfy.options\n", f"{first}\nimport comfy.options\n", 1))
    assert why in refused(locked, *arguments)


def test_one_that_takes_too_long_is_ended(locked: Locked) -> None:
    locked.add_node("slow", "import time\ntime.sleep(100)\n")
    assert "it was not ready within 3 s" in refused(locked, seconds="3")


def test_damage_is_refused_as_at_a_start(locked: Locked) -> None:
    locked.pair.password_file.unlink()
    assert "login/PASSWORD: does not exist" in refused(locked)
