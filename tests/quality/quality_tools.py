# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the quality tests share: where things are, which files belong to the project, how a tool is called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
CACHE = ROOT / ".cache"
SHOWN = 12_000
"""Characters of a tool's output that a failure shows: the end, where tools sum up."""


def tool_environment(**extra: str) -> dict[str, str]:
    """Return the environment for tools: this virtual environment first, no pyenv shims (they answer 127)."""
    parts = [p for p in os.environ.get("PATH", os.defpath).split(os.pathsep) if not p.endswith("pyenv/shims")]
    path = os.pathsep.join(dict.fromkeys([str(BIN), *parts]))
    plain = {"PATH": path, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    dropped = {"FORCE_COLOR", "PY_COLORS", "PYTEST_ADDOPTS"}
    return {**{k: v for k, v in os.environ.items() if k not in dropped}, **plain, **extra}


def run(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run a tool of this virtual environment (or of PATH) and return what it did; *timeout* is in seconds."""
    words = [str(word) for word in command]
    if os.sep not in words[0] and (BIN / words[0]).exists():
        words[0] = str(BIN / words[0])
    return subprocess.run(
        words,
        cwd=cwd,
        env=dict(env or tool_environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
    )


def must_pass(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, timeout: float = 600
) -> str:
    """Run a tool and return its output; fail the test with the end of that output when the tool complains."""
    done = run(*command, cwd=cwd, env=env, timeout=timeout)
    if done.returncode != 0:
        shown = " ".join(str(word) for word in command)
        pytest.fail(f"{shown}\nended with status {done.returncode}:\n{done.stdout[-SHOWN:]}", pytrace=False)
    return done.stdout


def no_complaints(complaints: Sequence[str]) -> None:
    """Fail the test with one line for each complaint, if there is any."""
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


@cache
def project_files() -> tuple[Path, ...]:
    """Return the project's files, relative to its root: what git tracks or would track. Links are left out."""
    done = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if done.returncode != 0:
        pytest.fail(f"These tests need the git checkout: {done.stdout}", pytrace=False)
    names = sorted({Path(name) for name in done.stdout.split("\0") if name})
    return tuple(name for name in names if (ROOT / name).is_file() and not (ROOT / name).is_symlink())


def files_below(*folders: str, suffixes: Sequence[str] = ()) -> Iterator[Path]:
    """Yield the project's files in *folders* (all folders, if none is given) whose names end with a suffix."""
    for path in project_files():
        if (not folders or path.parts[0] in folders) and (not suffixes or path.suffix in suffixes):
            yield path


def roles() -> list[str]:
    """Return the names of the collection's roles."""
    return sorted(p.name for p in (ROOT / "roles").glob("*") if (p / "tasks").is_dir())


def namespace_path() -> Path:
    """Return a folder in which the working tree is found as ``ansible_collections/genai/comfyui``.

    Type checkers and bare interpreters need it: they do not look into this virtual environment.
    """
    link = CACHE / "namespace" / "ansible_collections" / "genai" / "comfyui"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(ROOT)
    return CACHE / "namespace"
