# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Static checks by the usual tools, each one test. A tool's output is shown when it complains, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest
from quality_tools import CACHE, ROOT, files_below, must_pass, namespace_path, no_complaints, tool_environment


def test_ruff_check() -> None:
    """No finding of the rules chosen in pyproject.toml."""
    must_pass("ruff", "check", "--no-fix", "--cache-dir", CACHE / "ruff", ".")


def test_ruff_format() -> None:
    """The code is formatted."""
    must_pass("ruff", "format", "--check", "--diff", "--cache-dir", CACHE / "ruff", ".")


def mypy(*targets: str | Path, cwd: Path = ROOT) -> None:
    """Check *targets* with mypy; the cache makes the second run quick."""
    environment = tool_environment(MYPYPATH=str(namespace_path()))
    options = ("--config-file", ROOT / "pyproject.toml", "--cache-dir", CACHE / "mypy", "--no-error-summary")
    must_pass("mypy", *options, *targets, cwd=cwd, env=environment)


def test_mypy_plugins() -> None:
    """The collection is typed, seen under the name by which Ansible imports it."""
    mypy("-p", "ansible_collections.genai.comfyui.plugins")


def import_root(path: Path) -> str:
    """Return the folder from which Python imports *path*: the nearest one that is not a package."""
    return next(str(folder) for folder in path.parents if not (ROOT / folder / "__init__.py").exists())


def scripts() -> dict[str, list[Path]]:
    """Return the Python files outside the collection's plugins by import root, relative to it."""
    found: dict[str, list[Path]] = {}
    for path in files_below("tests", "tools", "molecule", "roles", suffixes=[".py"]):
        root = import_root(path)
        found.setdefault(root, []).append(path.relative_to(root))
    return found


@pytest.mark.parametrize("folder", sorted(scripts()))
def test_mypy_scripts(folder: str) -> None:
    """Tools, tests and what roles install are typed as well; a folder at a time, as names may repeat."""
    mypy("--scripts-are-modules", *scripts()[folder], cwd=ROOT / folder)


def test_yamllint() -> None:
    """YAML is tidy."""
    must_pass("yamllint", "-s", ".")


def test_ansible_lint() -> None:
    """Production profile, offline, without skips."""
    must_pass("ansible-lint", "-q", "--nocolor", "--offline")
    settings = (ROOT / ".ansible-lint").read_text()
    no_complaints(
        [f".ansible-lint holds {word}" for word in ("skip_list", "warn_list", "mock_modules") if word in settings]
    )


def test_changelog() -> None:
    """The fragments are well formed."""
    must_pass("antsibull-changelog", "lint")


def test_licences() -> None:
    """Every file says under which licence it is, in the way of REUSE."""
    must_pass("reuse", "lint")


def test_plugin_docs() -> None:
    """Documentation of plugins and roles is valid, and its references lead somewhere."""
    must_pass("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "self", ".")
