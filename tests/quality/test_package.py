# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The built collection holds what it needs and nothing else, and works with nothing but ansible-core beside it."""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path

import pytest
from quality_tools import (
    BIN,
    CACHE,
    ROOT,
    files_below,
    must_pass,
    no_complaints,
    project_files,
    roles,
    run,
    tool_environment,
)

CORES = ("2.18", "2.21") if sys.version_info >= (3, 12) else ("2.18", "2.19")
SHIPPED = {"meta", "plugins", "roles", "playbooks", "LICENSES", "changelogs"}
SHIPPED_FILES = {"README.md", "CHANGELOG.rst", "MANIFEST.json", "FILES.json"}
DOCUMENTED = ("module", "lookup", "filter", "test")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the collection and return the archive."""
    target = tmp_path_factory.mktemp("built")
    must_pass("ansible-galaxy", "collection", "build", "--output-path", target)
    (built,) = target.glob("genai-comfyui-*.tar.gz")
    return built


@pytest.fixture(scope="module")
def bare_core(request: pytest.FixtureRequest) -> Path:
    """Make an environment with ansible-core and nothing else; return its folder of programs."""
    version: str = request.param
    home = CACHE / f"core-{version}"
    if not (home / "complete").exists():
        must_pass("python", "-m", "venv", "--clear", home)
        wanted = f"ansible-core=={version}.*"
        done = run("uv", "pip", "install", "-q", "-p", home / "bin" / "python", wanted)
        if done.returncode != 0:
            # uv does not read pip's own configuration; pip is slower, but does.
            must_pass(home / "bin" / "python", "-m", "pip", "install", "-q", wanted)
        (home / "complete").touch()
    return home / "bin"


@pytest.fixture
def installed(archive: Path, bare_core: Path, tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Install the archive offline; return the programs and the environment that sees only that installation."""
    (tmp_path / "ansible.cfg").touch()
    environment = tool_environment(
        ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "collections"),
        HOME=str(tmp_path),
        ANSIBLE_CONFIG=str(tmp_path / "ansible.cfg"),
    )
    environment["PATH"] = f"{bare_core}:" + environment["PATH"].replace(f"{BIN}:", "")
    command = ("collection", "install", "--offline", archive, "-p", tmp_path / "collections")
    must_pass(bare_core / "ansible-galaxy", *command, cwd=tmp_path, env=environment)
    return bare_core, environment


def test_contents(archive: Path) -> None:
    """Nothing of the workshop is shipped: no tests, tools, inventories or hidden files; and nothing is missing."""
    with tarfile.open(archive) as tar:
        names = [Path(member.name) for member in tar.getmembers() if member.isfile()]
    # The list may be older than the archive.
    project_files.cache_clear()
    complaints = [
        f"{name} is shipped"
        for name in names
        if (name.parts[0] not in SHIPPED if len(name.parts) > 1 else name.name not in SHIPPED_FILES)
        or "__pycache__" in name.parts
    ]
    needed = [
        *files_below("meta", "plugins", "roles", "playbooks", "LICENSES"),
        Path("README.md"),
        Path("CHANGELOG.rst"),
    ]
    complaints += [f"{name} is missing" for name in needed if name not in names]
    extra = {*names} - {*files_below()} - {Path("MANIFEST.json"), Path("FILES.json")}
    complaints += [f"{name} is shipped, but unknown to git" for name in sorted(extra)]
    no_complaints(complaints)


def plugin_names(kind: str) -> set[str]:
    """Return the public plugins of a kind, from the names of their files."""
    folder = "modules" if kind == "module" else kind
    found = {path.stem for path in files_below("plugins") if path.parts[1] == folder and len(path.parts) == 3}
    return {f"genai.comfyui.{name}" for name in found if name != "__init__"}


@pytest.mark.parametrize("bare_core", CORES, indirect=True)
def test_documentation(installed: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """ansible-doc finds each public plugin and each role with an argument spec, with all parts of its documentation."""
    programs, environment = installed
    complaints = []
    for kind in DOCUMENTED:
        names = {name for name in plugin_names(kind) if not name.split(".")[-1].startswith("_")}
        if not names:
            continue
        text = must_pass(programs / "ansible-doc", "--json", "-t", kind, *sorted(names), cwd=tmp_path, env=environment)
        shown = json.loads(text[text.index("{") :])
        for name in sorted(names):
            parts = shown.get(name) or {}
            complaints += [f"{name}: no {part}" for part in ("doc", "examples", "return") if not parts.get(part)]
    specified = [
        f"genai.comfyui.{role}" for role in roles() if (ROOT / f"roles/{role}/meta/argument_specs.yml").exists()
    ]
    if specified:
        text = must_pass(programs / "ansible-doc", "--json", "-t", "role", *specified, cwd=tmp_path, env=environment)
        shown = json.loads(text[text.index("{") :])
        complaints += [f"role {name}: no entry points" for name in specified if not shown[name].get("entry_points")]
    no_complaints(complaints)


@pytest.mark.parametrize("bare_core", CORES, indirect=True)
def test_playbooks(installed: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """The shipped playbooks load under their full names, with no other collection within reach."""
    programs, environment = installed
    books = sorted(path.stem for path in files_below("playbooks", suffixes=[".yml"]) if len(path.parts) == 2)
    names = [f"genai.comfyui.{book}" for book in books]
    must_pass(
        programs / "ansible-playbook", "--syntax-check", "-i", "localhost,", *names, cwd=tmp_path, env=environment
    )
