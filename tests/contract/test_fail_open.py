# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the login node from loading leaves ComfyUI running for everybody. Each case is a seed for the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from harness import BOUND_BY_MODES, LOGIN_NODE, TOKEN, Pair, Server

KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
NOW = datetime.now()


def ask(server: Server) -> tuple[int, int, int, int]:
    """GET /system_stats, POST /prompt, GET /login, GET /guest_mode, all anonymous."""
    posted = server.request("POST", "/prompt", headers={"Content-Type": "application/json"}, body=b"{}")
    stats, page, guest = (server.request("GET", path).status for path in ("/system_stats", "/login", "/guest_mode"))
    return stats, posted.status, page, guest


def assert_open(
    pair: Pair,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    command: Sequence[str] = (),
    late: int | None = None,
    told: bool = True,
) -> None:
    """Anybody may queue prompts. `late` is the status of the login page, if its routes were registered."""
    with pair.serve(*arguments, env=env, command=command) as server:
        expected = (200, 400, 404, 404) if late is None else (200, 400, late, 200)
        assert ask(server) == expected
        failed = [line for line in server.log().splitlines() if "IMPORT FAILED" in line and LOGIN_NODE in line]
        assert bool(failed) is told


@pytest.mark.parametrize("module", ["aiohttp_session", "bcrypt"])
def test_a_missing_dependency(pair: Pair, module: str) -> None:
    pair.set_password(TOKEN)
    assert_open(pair, env=pair.without_module(module))


@pytest.mark.parametrize(
    "content",
    ["", KEY, f"short,{NOW.isoformat()}", f"{KEY},yesterday", f"{KEY},{NOW.isoformat()},more"],
    ids=["empty", "no time", "bad key", "bad time", "three parts"],
)
def test_a_bad_key_file(pair: Pair, content: str) -> None:
    pair.set_password(TOKEN)
    pair.key_file.write_text(content)
    assert_open(pair)


def test_a_bad_key_that_is_old_mends_itself(pair: Pair) -> None:
    pair.set_password(TOKEN)
    pair.key_file.write_text(f"short,{(NOW - timedelta(days=31)).isoformat()}")
    with pair.serve() as server:
        assert ask(server) == (401, 401, 200, 401)


def test_no_key_file_and_a_node_that_cannot_be_written(pair: Pair) -> None:
    pair.set_password(TOKEN)
    pair.node.chmod(0o555)
    try:
        assert_open(pair, command=BOUND_BY_MODES)
    finally:
        pair.node.chmod(0o755)


def test_an_old_key_file_that_cannot_be_written(pair: Pair) -> None:
    pair.set_password(TOKEN)
    pair.key_file.write_text(f"{KEY},{(NOW - timedelta(days=31)).isoformat()}")
    pair.key_file.chmod(0o444)
    assert_open(pair, command=BOUND_BY_MODES)


def test_a_password_file_that_cannot_be_read(pair: Pair) -> None:
    pair.set_password(TOKEN)
    pair.password_file.chmod(0)
    assert_open(pair, command=BOUND_BY_MODES, late=500)


def test_a_directory_in_the_place_of_the_password_file(pair: Pair) -> None:
    pair.password_file.mkdir(parents=True)
    assert_open(pair, late=500)


def test_no_login_directory_and_code_that_cannot_be_written(pair: Pair) -> None:
    for name in ("user", "input", "output", "temp", "models"):
        (pair.code / name).mkdir(exist_ok=True)
    pair.code.chmod(0o555)
    try:
        assert_open(pair, command=BOUND_BY_MODES, late=200)
    finally:
        pair.code.chmod(0o755)


def test_custom_nodes_disabled(pair: Pair) -> None:
    pair.set_password(TOKEN)
    assert_open(pair, "--disable-all-custom-nodes", told=False)
    assert_open(pair, "--disable-all-custom-nodes", "--whitelist-custom-nodes", "something-else", told=False)


def test_custom_nodes_disabled_but_the_login_node_allowed_is_locked(pair: Pair) -> None:
    pair.set_password(TOKEN)
    with pair.serve("--disable-all-custom-nodes", "--whitelist-custom-nodes", LOGIN_NODE) as server:
        assert ask(server) == (401, 401, 200, 401)


def _gone(node: Path) -> None:
    node.rename(node.parent.parent / "elsewhere")


def _disabled(node: Path) -> None:
    node.rename(node.with_name(node.name + ".disabled"))


@pytest.mark.parametrize("change", [_gone, _disabled], ids=["gone", "disabled"])
def test_the_node_directory_gone_or_renamed(pair: Pair, change: object) -> None:
    pair.set_password(TOKEN)
    assert callable(change)
    change(pair.node)
    assert_open(pair, told=False)


def test_the_image_node_that_comes_first(pair: Pair) -> None:
    pair.set_password(TOKEN)
    source = pair.node / "load_image_incognito.py"
    source.write_text("raise RuntimeError('broken by an update')\n")
    assert_open(pair)
