# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server the contract is held against, by environment variables (empty means unset):

* nothing: the stand-in and our own login node, started here;
* CONTRACT_GUARD=1: with our guard beside the login node; what the guard changes on purpose is left out;
* CONTRACT_COMFYUI_PATH, CONTRACT_LOGIN_PATH, CONTRACT_PYTHON: checkouts to copy and start, and their interpreter;
* CONTRACT_URL with CONTRACT_TOKEN_FILE (or CONTRACT_TOKEN): a running server. Only what changes nothing of
  importance is asked of it: one small picture is queued and saved. Tests that need more are skipped.

A token file may be a `login/PASSWORD`: its first line counts.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "standin"))

from harness import STANDIN_COMFYUI, STANDIN_LOGIN, TOKEN, Pair, Server, Site  # isort: skip

# Here, so that it is one for all: each module that imported it would start a server of its own.
from real_comfyui import real  # isort: skip

__all__ = ["real"]

GUARD = Path(__file__).resolve().parents[2] / "roles" / "comfyui_login" / "files" / "guard"

# About faults of the login node, or about trees without PASSWORD: with the guard these do not come to listen.
WITHOUT_GUARD = ("test_fail_open.py", "test_known_holes.py", "test_loading.py", "test_password_file.py")
CHANGED_BY_GUARD = (
    "test_guests_are_let_in_while_the_file_is_there",
    "test_the_right_password_gives_a_cookie_that_opens",
    "test_a_form_without_a_password_is_a_server_error",
    "test_a_password_beyond_72_bytes_is_a_server_error",
    "test_a_malformed_authorization_is_a_server_error",
    "test_only_a_restart_brings_a_new_token_and_password",
    "test_logout_spoils_only_the_browsers_own_cookie",
)


def _setting(name: str) -> str:
    return os.environ.get(f"CONTRACT_{name}", "")


@dataclass
class Running(Site):
    """A server somebody else runs. The token stays out of pytest's reports."""

    url: str
    _token: str

    def __repr__(self) -> str:
        return f"Running({self.url})"


class Bearer(dict[str, str]):
    """A header that does not print its token."""

    def __repr__(self) -> str:
        return "Bearer(...)"


def pytest_configure(config: pytest.Config) -> None:
    """Keep the arguments of failed tests, a real token among them, out of the report."""
    if _setting("URL"):
        config.option.tbstyle = "short"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what the guard changes on purpose; tests/attack says what holds instead."""
    for item in items if _setting("GUARD") else []:
        if item.path.name in WITHOUT_GUARD or item.name.partition("[")[0] in CHANGED_BY_GUARD:
            item.add_marker(pytest.mark.skip(reason="the guard changes this"))


def _make_pair(root: Path) -> Pair:
    if _setting("URL"):
        pytest.skip("needs a server of its own, and CONTRACT_URL names a running one")
    made = Pair(
        root,
        comfyui=Path(_setting("COMFYUI_PATH") or STANDIN_COMFYUI),
        login=Path(_setting("LOGIN_PATH") or STANDIN_LOGIN),
        python=_setting("PYTHON") or sys.executable,
        # Without a GPU the real one does not start otherwise.
        arguments=("--cpu",),
    )
    if _setting("GUARD"):
        shutil.copytree(GUARD, made.custom_nodes / "ComfyUI-Login-Guard", ignore=shutil.ignore_patterns("__pycache__"))
    return made


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A fresh tree without PASSWORD and without session key; removed afterwards, a real one is large."""
    made = _make_pair(tmp_path)
    yield made
    shutil.rmtree(made.code, ignore_errors=True)


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with PASSWORD in place, shared by all tests that leave it as it is."""
    made = _make_pair(tmp_path_factory.mktemp("locked"))
    made.set_password(TOKEN)
    with made.serve() as server:
        yield server
    shutil.rmtree(made.code, ignore_errors=True)


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Any:
    """The running server of CONTRACT_URL, or `locked`."""
    if not _setting("URL"):
        return request.getfixturevalue("locked")
    file = _setting("TOKEN_FILE")
    found = Path(file).read_text(encoding="ascii").split("\n")[0].strip() if file else _setting("TOKEN")
    if not found:
        pytest.fail("CONTRACT_URL needs CONTRACT_TOKEN_FILE or CONTRACT_TOKEN")
    return Running(_setting("URL"), found)


@pytest.fixture(scope="session")
def bearer(site: Any) -> dict[str, str]:
    """The header that opens `site`."""
    return Bearer(Authorization=f"Bearer {site._token if isinstance(site, Running) else TOKEN}")


@pytest.fixture(scope="session")
def own_login() -> bool:
    """Whether the login node is ours, so that its words may be looked at."""
    return not (_setting("URL") or _setting("LOGIN_PATH"))
