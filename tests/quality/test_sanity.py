# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity, the unit tests and the imports under the oldest and the newest supported Pythons and cores."""

from __future__ import annotations

import glob
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from quality_tools import BIN, CACHE, ROOT, files_below, must_pass, namespace_path, project_files, run, tool_environment

pytestmark = pytest.mark.slow

MAIN = f"{sys.version_info[0]}.{sys.version_info[1]}"
OLDER = "3.11"
GET_PIP = """\
import subprocess, sys
if __name__ == "__main__":
    wanted = [a for a in sys.argv[1:] if a.startswith("pip==")] or ["pip"]
    subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
    subprocess.check_call([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"] + wanted)
"""
IMPORT_ALL = """\
import importlib, sys
for name in sys.stdin.read().split():
    importlib.import_module(name)
"""


def say(config: pytest.Config, text: str) -> None:
    """Write a line to the terminal even when all tests pass: what was not checked must be seen."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.stdout.write(f"\n{text}\n")
        sys.stdout.flush()


@pytest.fixture(scope="session")
def older_tools() -> Path:
    """Make the tools' environment with the older core; return its folder of programs."""
    if MAIN == OLDER:
        pytest.skip("this environment has the older core itself")
    tools = ROOT / f".venv-py{OLDER.replace('.', '')}"
    must_pass(sys.executable, "tools/venv.py", "--python", OLDER, "--venv", tools, timeout=900)
    return tools / "bin"


@pytest.fixture(params=["newest core", "older core"])
def tools(request: pytest.FixtureRequest) -> tuple[Path, str]:
    """The programs and the Python version of a tools' environment."""
    if request.param == "newest core":
        return BIN, MAIN
    return request.getfixturevalue("older_tools"), OLDER


def cache_home() -> Path:
    """Return where copies for ansible-test live: it skips files that an enclosing repository ignores."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genai-comfyui"


@pytest.fixture
def collection_copy(tools: tuple[Path, str]) -> Path:
    """Copy the project to a path that ends as ansible-test wants it, and return that path."""
    copy = cache_home() / f"python{tools[1]}" / "ansible_collections" / "genai" / "comfyui"
    copy.mkdir(parents=True, exist_ok=True)
    for old in copy.iterdir():
        # tests/output holds ansible-test's own environment, which takes longest to make.
        if old.name != "tests":
            remove(old)
    for old in (copy / "tests").glob("*"):
        if old.name != "output":
            remove(old)
    # What the workshop alone uses is looked at once, with the newest core.
    workshop = ("tests", "tools", "molecule", "inventories") if tools[0] != BIN else ()
    for path in project_files():
        if path.parts[0] in workshop:
            continue
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, copy / path)
    return copy


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all it holds."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def lend_get_pip(programs: Path) -> None:
    """Give ansible-test a pip bootstrap that needs no download beyond the configured package index."""
    code = "import ansible_test._internal.python_requirements as m; print(m.__file__)"
    source = Path(must_pass(programs / "python", "-c", code).strip()).read_text()
    for version in set(re.findall(r"get_pip_([0-9_]+)\.py", source)) | {
        found.replace(".", "_") for found in re.findall(r"pip='([0-9.]+)'", source)
    }:
        place = Path.home() / ".ansible" / "test" / "cache" / f"get_pip_{version}.py"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(GET_PIP)


def test_sanity(tools: tuple[Path, str], collection_copy: Path, pytestconfig: pytest.Config) -> None:
    """All of ansible-test's sanity tests pass, without a file of exceptions."""
    programs, version = tools
    assert not [path for path in files_below("tests") if path.match("sanity/ignore-*")], "no exceptions here"
    lend_get_pip(programs)
    environment = tool_environment()
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    command = (programs / "ansible-test", "sanity", "--venv", "--python", version, "--color", "no")
    done = run(*command, cwd=collection_copy, env=environment, timeout=1200)
    output = done.stdout
    log = CACHE / f"sanity-{version}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text(output)
    if done.returncode != 0:
        # Between the findings stand pages of pip's own talk.
        found = [line for line in output.splitlines() if line.startswith(("ERROR:", "FATAL:"))]
        pytest.fail("\n".join([*found, f"(all of it: {log})"]), pytrace=False)
    ran = re.findall(r"^Running sanity test \"([\w-]+)\"", output, re.MULTILINE)
    assert len(set(ran)) > 20, f"only {sorted(set(ran))} ran; see {log}"
    skipped = re.findall(r"^(?:WARNING|NOTICE): (.*[Ss]kip.*)$", output, re.MULTILINE)
    if not shutil.which("shellcheck"):
        skipped.append("shellcheck is not installed, so shell scripts were not looked at")
    for line in dict.fromkeys(skipped):
        say(pytestconfig, f"sanity {version}, not checked: {line}")


def test_units_older_core(older_tools: Path) -> None:
    """The unit tests pass with the older core and the Python it runs on."""
    must_pass(older_tools / "python", "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "tests/unit")


def interpreters() -> Iterator[tuple[str, str]]:
    """Yield version and path of every Python from 3.9 on that this machine has."""
    seen = set()
    pyenv = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3.*")))
    system = sorted(glob.glob("/usr/bin/python3.*") + glob.glob("/usr/local/bin/python3.*"))
    for path in [*pyenv, *system]:
        found = re.fullmatch(r"python3\.(\d+)", Path(path).name)
        if found and int(found[1]) >= 9 and found[1] not in seen:
            seen.add(found[1])
            yield f"3.{found[1]}", path


@pytest.mark.parametrize(("version", "python"), [pytest.param(v, p, id=v) for v, p in interpreters()])
def test_managed_host_python(version: str, python: str, tmp_path: Path) -> None:
    """Modules and their utilities can be imported by *version*, with nothing but Ansible's own module_utils."""
    shipped = run("python", "-c", "import ansible; print(ansible.__path__[0])").stdout.strip()
    (tmp_path / "ansible").mkdir()
    (tmp_path / "ansible" / "__init__.py").touch()
    (tmp_path / "ansible" / "module_utils").symlink_to(Path(shipped) / "module_utils")
    names = [
        "ansible_collections.genai.comfyui." + ".".join(path.with_suffix("").parts)
        for path in files_below("plugins", suffixes=[".py"])
        if path.parts[1] in ("modules", "module_utils") and path.name != "__init__.py"
    ]
    wanted = tmp_path / "names"
    wanted.write_text("\n".join(names))
    environment = tool_environment(PYTHONPATH=f"{namespace_path()}{os.pathsep}{tmp_path}")
    # -S: nothing that happens to be installed beside the interpreter may help.
    must_pass(python, "-S", "-c", IMPORT_ALL.replace("sys.stdin", f"open({str(wanted)!r})"), env=environment)
