# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""While a rotation runs: which versions a server lets in, and whether it runs with the guard."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from probe_servers import OTHER, TOKEN, Behaviour, serve

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._probe import Evidence, Other, Target, probe, prove

MODULE = "ansible_collections.genai.comfyui.plugins.modules.login_probe"
THIRD = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"


def ask(behaviour: Behaviour, *others: Other, wait: float = 0) -> Evidence:
    with serve(behaviour) as url:
        return prove(Target(url, TOKEN, version="v7", others=others), wait)


def test_names_the_versions_that_get_in_and_those_that_do_not() -> None:
    seen = ask(Behaviour(also=(OTHER,)), Other("v8", OTHER, True), Other("v6", THIRD, False))
    assert (seen.state, seen.accepts, seen.refuses, seen.guarded) == ("locked", ("v7", "v8"), ("v6",), True)
    assert [check.name for check in seen.checks] == [
        "anonymous",
        "empty_token",
        "random_token",
        "current_token",
        "token v8",
        "token v6",
    ]
    shown = json.dumps(seen.as_dict()) + repr(Other("v8", OTHER))
    assert OTHER not in shown
    assert THIRD not in shown


def test_without_expectations_it_only_asks() -> None:
    seen = ask(Behaviour(guarded=False), Other("v8", OTHER))
    assert (seen.state, seen.accepts, seen.refuses, seen.guarded) == ("locked", ("v7",), ("v8",), False)


def test_a_version_that_should_be_let_in_by_now_and_is_not() -> None:
    seen = ask(Behaviour(), Other("v8", OTHER, True))
    assert seen.state == "token_refused"
    assert seen.detail == f"the token of v8 ({fingerprint(OTHER)}) is refused, though the rotation needs it accepted"
    seen = ask(Behaviour(also=(OTHER,)), Other("v6", OTHER, False))
    assert seen.state == "unexpected"
    assert (
        seen.detail == f"the token of v6 ({fingerprint(OTHER)}) is still accepted, though it should be refused by now"
    )


def test_a_server_that_still_holds_the_old_one_says_which() -> None:
    seen = ask(Behaviour(token=OTHER), Other("v6", OTHER))
    assert (seen.state, seen.accepts, seen.refuses) == ("token_refused", ("v6",), ("v7",))


def test_waits_until_the_guard_has_read_its_file_again() -> None:
    behaviour = Behaviour()

    def later() -> None:
        behaviour.also = (OTHER,)

    timer = threading.Timer(0.3, later)
    timer.start()
    seen = ask(behaviour, Other("v8", OTHER, True), wait=10)
    assert seen.accepts == ("v7", "v8")
    assert 0.2 < seen.waited < 5


@pytest.mark.parametrize("behaviour", [Behaviour(check=False), Behaviour(any_token=True)])
def test_no_token_goes_to_an_open_server(behaviour: Behaviour) -> None:
    with serve(behaviour) as url:
        seen = probe(Target(url, TOKEN, others=(Other("v8", OTHER, True),)))
    assert (seen.state, seen.accepts, seen.refuses) == ("open", (), ())
    assert not [one for one in behaviour.seen if one[2] in (f"Bearer {TOKEN}", f"Bearer {OTHER}")]


def test_the_module(tmp_path: Path) -> None:
    given = tmp_path / "arguments"
    with serve(Behaviour(also=(OTHER,))) as url:
        target = {"name": "a", "url": url, "token": TOKEN, "version": "v7"}
        for others, said in (
            ([{"version": "v8", "token": OTHER, "accepted": True}], None),
            ([{"version": "v8", "token": "nonsense"}], "no token (a whole bcrypt hash): v8; nothing was sent"),
        ):
            given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"targets": [{**target, "others": others}]}}))
            done = subprocess.run(
                [sys.executable, "-m", MODULE, str(given)], capture_output=True, text=True, timeout=60, check=False
            )
            assert OTHER not in done.stdout
            assert TOKEN not in done.stdout
            result = json.loads(done.stdout)
            if said is None:
                (record,) = result["targets"]
                assert (record["accepts"], record["refuses"], record["guarded"]) == (["v7", "v8"], [], True)
            else:
                assert said in result["msg"]
