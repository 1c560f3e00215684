# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model check of the real planner, 2 servers and 2 clients: crashes before and after every durable step, in any number.

In every state: no required client is refused outside the honest window, the truth knows every token in the field, and
plain runs lead to the end. And wrong orders are caught, or this would prove nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rotation_explore import PLAIN, Explored, Variant, complaints, explore, run_from, settled, stuck
from rotation_field import Run, World, world

from ansible_collections.genai.comfyui.plugins.module_utils import _accept
from ansible_collections.genai.comfyui.plugins.plugin_utils import _rotation, _rotation_gates
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation import Step

DOWN = [Variant(down=name) for name in ("s1", "s2", "c1", "c2")]
GUARD = pytest.mark.parametrize("guard", [True, False], ids=["guard", "none"])


def fine(found: Explored, states: int) -> None:
    """Assert that nothing is wrong, and that at least so many states were seen."""
    assert found.complaints == []
    assert stuck(found)[:1] == []
    assert len(found.states) >= states


@GUARD
def test_crashes_anywhere_with_hosts_unreachable(guard: bool) -> None:
    found = explore([world(guard)], [PLAIN, *DOWN, Variant(order="planner first"), Variant(event="reboot")])
    fine(found, 50)
    # The first run alone has that many durable steps; each was crashed before and after.
    assert found.crashes[0] >= 15


@GUARD
def test_aborts_anywhere(guard: bool) -> None:
    aborts = [Variant(event="abort"), Variant(event="abort", down="s1"), Variant(event="abort", down="c2")]
    fine(explore([world(guard)], [PLAIN, *DOWN, *aborts]), 150)


@GUARD
def test_compromise_at_any_moment(guard: bool) -> None:
    bad = [Variant(event="compromise"), Variant(event="compromise", down="s2")]
    fine(explore([world(guard)], [PLAIN, DOWN[0], DOWN[3], *bad]), 200)


@GUARD
def test_a_second_controller(guard: bool) -> None:
    """It takes over at any point, also between the first one's write and its publishing."""
    fine(explore([world(guard)], [PLAIN, Variant(who=1, down="s1"), Variant(down="c1")]), 200)


@GUARD
def test_a_truth_restored_from_any_older_copy(guard: bool) -> None:
    """At any moment, with any older truth: it converges, or it is refused because the field is newer."""
    states = explore([world(guard)], [PLAIN, *DOWN]).states.values()
    truths = {one.remote.text: one.remote for one in states}.values()
    starts = {}
    for now in states:
        for old in truths:
            if old.value["serial"] < now.remote.value["serial"]:
                one = replace(now, remote=old, local=(old, old), dirty=(False, False), marks=frozenset({"restored"}))
                starts[one.key()] = one
    found = explore(starts.values(), [PLAIN, DOWN[0], DOWN[2]])
    fine(found, 40)
    ends = {phase for _key, phase in found.ends.values()}
    assert "refused" in ends
    assert "idle" in ends


def beside(guard: bool, variants: list[Variant]) -> tuple[dict[Any, World], int, list[str]]:
    """Run the other playbook with any truth that was the newest once, at any moment after it.

    Return the worlds that follow, how many runs touched nothing, and what does not hold.
    """
    after: dict[Any, World] = {}
    refused, bad = 0, []
    for now in explore([world(guard)], variants).states.values():
        for old in now.past:
            seen: list[World] = []
            Run(now, lambda one, what, seen=seen: seen.append(one)).site(old)  # type: ignore[misc]
            refused += not seen
            # What is aborted before a server heard of it was never out, and no server is told of it at once.
            truths = [one.value["credentials"]["main"] for one in (now.remote, *now.local)]
            gone = {one["fp"] for item in truths for one in item["retired"]}
            told = all(gone <= one.retired for one in now.servers if one.guard)
            bad += [f"{one} {old.text}" for step in seen for one in complaints(step) if told or "retired" not in one]
            after.update({one.key(): one for one in seen if told})
    return after, refused, bad


def ends(now: World) -> list[str]:
    """Run the playbook of the right controller as often as it takes; return what is not in order then."""
    phase = ""
    for _run in range(8):
        now, phase = run_from(now, PLAIN, lambda world, what: None)
        if phase == "idle":
            return settled(now)
    return [f"no end, in phase {phase}"]


ABORTS = [Variant(event="abort"), Variant(event="abort", down="c2")]


def test_site_runs_with_any_older_truth_beside_it() -> None:
    """Another controller, also with a copy of an aborted rotation: nobody is refused, and what was out stays out."""
    after, refused, bad = beside(True, [PLAIN, DOWN[0], DOWN[2], *ABORTS])
    assert (refused > 100, bad) == (True, [])
    assert {end for one in after.values() for end in ends(one)} == set()
    # Without the guard there is no receipt, but only an abort needs one.
    after, refused, bad = beside(False, [PLAIN, *DOWN])
    assert (refused > 20, bad) == (True, [])
    assert {end for one in after.values() for end in ends(one)} == set()


def test_without_the_receipt_a_withdrawn_token_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accept, "_revives", lambda *given: False)
    _after, _refused, bad = beside(True, [PLAIN, *ABORTS])
    assert "takes a token that was retired" in bad[0]


DAYS = 10 * 86400
# Ahead and behind, from before the run on; and ahead, behind and right again at any moment of it.
WRONG = [Variant(jumps=((0, by),)) for by in (DAYS, -DAYS)]
JUMPS = [
    Variant(jumps=((0, was), (at, by))) for at in range(1, 25, 3) for was, by in ((0, DAYS), (0, -DAYS), (DAYS, 0))
]
AHEAD = [Variant(ahead=(by, 0)) for by in (DAYS, -DAYS)]


def test_a_controllers_clock_that_jumps_at_any_moment() -> None:
    """No overlap is cut short, nobody is refused, and with the right clock it comes to its end at the right time."""
    fine(explore([world(True)], [PLAIN, *WRONG, *JUMPS]), 60)
    # Without the guard there is no overlap.
    fine(explore([world(False)], [PLAIN, *WRONG, JUMPS[12], JUMPS[13]]), 60)


@GUARD
def test_a_server_whose_clock_is_wrong(guard: bool) -> None:
    """At any moment, and set right at any other: consumers are not refused, and the other server keeps its promise."""
    fine(explore([world(guard)], [PLAIN, *AHEAD, WRONG[0]]), 60)


def test_to_go_by_one_clock_alone_is_caught(skip: Any) -> None:
    skip(_rotation_gates.clocks_agree)
    for variants in (WRONG[:1], WRONG[1:]):
        found = explore([world(True)], [PLAIN, *variants])
        assert "refuses the previous token before the overlap is over" in found.complaints[0]


def test_to_take_a_look_for_a_clock_that_moved_since_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rotation_gates, "_moved", lambda rotation, seen, now: iter(()))
    found = explore([world(True)], [PLAIN, *JUMPS])
    assert "refuses the previous token before the overlap is over" in found.complaints[0]


def test_a_crash_free_run_ends_in_two_runs() -> None:
    """The first run goes to the overlap, the second one after it to the end."""
    for guard in (True, False):
        found = explore([world(guard)], [PLAIN])
        key, phase = found.ends[world(guard).key()]
        assert phase == ("switched" if guard else "idle")
        last, phase = found.ends[key]
        assert phase == "idle"
        assert settled(found.states[last]) == []


def without(*gates: Any) -> dict[str, dict[str, Step]]:
    """Return the planner's table with these gates taken out everywhere."""
    return {
        acceptor: {
            state: Step(tuple(gate for gate in step.gates if gate not in gates), step.enters, step.move)
            for state, step in steps.items()
        }
        for acceptor, steps in _rotation.STEPS.items()
    }


def broken(start: World, **options: Any) -> str:
    """Return what the exploration complains about first."""
    found = explore([start], [PLAIN, *DOWN], **options)
    return str((found.complaints or stuck(found) or ["nothing"])[0])


@pytest.fixture(name="skip")
def _skip(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda *gates: monkeypatch.setattr(_rotation, "STEPS", without(*gates))


def test_to_distribute_before_the_truth_is_written_is_caught() -> None:
    assert "the truth does not know the token" in broken(world(True), early=True)
    assert "is refused by" in broken(world(False), early=True)


def test_to_skip_the_acceptor_probe_is_caught(skip: Any) -> None:
    skip(_rotation_gates.servers_accept)
    assert "is refused by" in broken(world(True))


def test_to_retire_before_the_overlap_is_over_is_caught(skip: Any) -> None:
    skip(_rotation_gates.overlap_over)
    assert "refuses the previous token before the overlap is over" in broken(world(True))


def test_to_retire_before_all_clients_moved_is_caught(skip: Any) -> None:
    skip(_rotation_gates.consumers_hold)
    assert "is refused by" in broken(world(True))


@GUARD
def test_to_retire_before_servers_refuse_is_caught(guard: bool, skip: Any) -> None:
    skip(_rotation_gates.previous_refused, _rotation_gates.servers_serve)
    assert "takes a token that was retired" in broken(world(guard))


def test_to_withdraw_from_servers_before_clients_is_caught(skip: Any) -> None:
    skip(_rotation_gates.consumers_back)
    found = explore([world(True)], [PLAIN, *DOWN, Variant(event="abort"), Variant(event="abort", down="c1")])
    assert "is refused by" in found.complaints[0]
