# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong clocks: what a rotation does not decide by them, and what figures and reports say. Times go forth and back."""

from __future__ import annotations

from typing import Any

import pytest
from rotation_truths import LATER, NEW, NOW, OVERLAP_END, OVERLAP_END_SECONDS, idle, rotating

from ansible_collections.genai.comfyui.plugins.plugin_utils import _metrics, _rotation, _rotation_run, _truth_view
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_evidence import EvidenceError, evidence_of
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_policy import due, moment, spell
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_form import DEFAULT_POLICY

PLACES: Any = {"required": ["c1:env"], "servers": ["s1:a"]}
planner: Any = _rotation
DAY = 86400
SWITCHED_SECONDS = OVERLAP_END_SECONDS - DAY


def item(document: Any) -> Any:
    return document["credentials"]["main"]


def seen(at: float, ahead: float = 0, **more: Any) -> Any:
    """Return evidence of a field in order, asked at this second by a server whose clock is that much ahead."""
    server = {
        "host": "s1", "instance": "a", "reachable": True, "acceptor": "guard", "locked": True, "accepts": ["v1", "v2"],
        "password": "v2", "asked": at, "clock": at + ahead, **more,
    }  # fmt: skip
    client = {"host": "c1", "id": "env", "reachable": True, "version": "v2"}
    return {"servers": [server], "consumers": [client]}


def advance(document: Any, evidence: Any, now: str) -> tuple[list[str], list[str]]:
    """Return where it goes, and what it waits for."""
    outcome = planner.advance(item(document), evidence_of(evidence, "main"), now)
    return outcome.moves, [f"{one.kind} {one.id}: {one.why}" for one in outcome.waiting]


@pytest.mark.parametrize(
    ("phase", "now"), [("distributed", LATER), ("switched", OVERLAP_END), ("switched", "2026-03-03T03:04:05Z")]
)
@pytest.mark.parametrize(
    ("ahead", "how"),
    [(10 * DAY, "10 days, 0:00:00 ahead of"), (-301, "0:05:01 behind"), (-10 * DAY, "10 days, 0:00:00")],
)
def test_nothing_moves_by_a_time_that_a_server_does_not_share(phase: str, now: str, ahead: int, how: str) -> None:
    moves, waits = advance(rotating(phase, **PLACES), seen(moment(now).timestamp(), ahead), now)
    assert moves == []
    assert len(waits) == 1
    assert waits[0].startswith(f"clock s1:a: its clock is {how}")
    assert waits[0].endswith("set the wrong one right; only reason compromise goes by no clock")


@pytest.mark.parametrize("ahead", [-300, 0, 300])
def test_clocks_may_differ_a_little(ahead: int) -> None:
    moves, _waits = advance(rotating("distributed", **PLACES), seen(SWITCHED_SECONDS, ahead), LATER)
    assert moves == ["switched"]
    moves, _waits = advance(rotating("switched", **PLACES), seen(OVERLAP_END_SECONDS, ahead), OVERLAP_END)
    assert moves == ["retiring"]


@pytest.mark.parametrize("later", [-301, 3601, 10 * DAY])
def test_a_clock_that_moves_between_look_and_decision_is_noticed(later: int) -> None:
    asked = OVERLAP_END_SECONDS + DAY
    now = spell(moment(OVERLAP_END).fromtimestamp(asked + later, moment(OVERLAP_END).tzinfo))
    assert advance(rotating("switched", **PLACES), seen(asked), now) == (
        [],
        [f"clock s1:a: this controller's clock moved by {later:+d} s since it was asked: run again"],
    )


@pytest.mark.parametrize(
    "more", [{"reason": "compromise"}, {"acceptor": "none"}, {"overlap_until": LATER}, {"overlap_until": NOW}]
)
@pytest.mark.parametrize("now", [NOW, LATER, OVERLAP_END])
def test_without_an_overlap_no_clock_counts(more: Any, now: str) -> None:
    """Backwards or forwards: what nobody was promised ends at once, and servers are told so."""
    document = rotating("switched", **{**PLACES, "overlap_until": LATER, **more})
    assert advance(document, seen(moment(now).timestamp(), 10 * DAY), now)[0] == ["retiring"]
    assert [one["version"] for one in _truth_view.view(item(document))["accept"]] == ["v2"]


def test_a_place_whose_clock_nobody_knows_is_judged_by_the_controllers() -> None:
    document = rotating("switched", **PLACES)
    assert advance(document, seen(0, clock=None, asked=None), OVERLAP_END)[0] == ["retiring"]


def test_a_clock_that_is_no_number_proves_nothing() -> None:
    for wrong in ("2026-01-02T03:04:05Z", True):
        with pytest.raises(EvidenceError, match=r"evidence.servers\[0\].clock: must be seconds since 1970 or null"):
            evidence_of(seen(0, clock=wrong), "main")


class Kept:
    """A store in memory."""

    where = "memory"

    def __init__(self, document: Any) -> None:
        self.document = document

    def read(self) -> tuple[Any, str]:
        return self.document, "1"

    def write(self, document: Any, etag: str | None) -> str:
        self.document = document
        return "1"

    def check_writable(self, etag: str | None) -> None:
        """Never asked."""


@pytest.mark.parametrize("reason", ["scheduled", "manual", "drift", "compromise"])
def test_it_does_not_start_while_clocks_differ(reason: str) -> None:
    """The new token's date would be wrong for good, and whether it is due is not known. A compromise cannot wait."""
    store: Any = Kept(idle(rotate_after_days=1))
    asked = moment(LATER).timestamp()
    wanted: dict[str, Any] = {
        "names": ["main"],
        "reason": reason,
        "servers": ["s1:a"],
        "required": ["c1:env"],
        "acceptor": "guard",
    }
    for state, ahead in (("started", -10 * DAY), ("status", -10 * DAY), ("started", 0)):
        one = _rotation_run.Wanted(**wanted, state=state, now=LATER, evidence=seen(asked, ahead, accepts=["v1"]))
        done = _rotation_run.apply(store, one, declared=lambda name: None, check_mode=False)  # type: ignore[arg-type, return-value]
        (told,) = done["credentials"]
        starts = (reason == "compromise" or ahead == 0) and state == "started"
        assert told["moves"] == (["pending"] if starts else [])
        if reason == "compromise":
            return
        assert [waiting["kind"] for waiting in told["waiting_for"]] == ([] if ahead == 0 else ["clock"])


def test_sessions_end_also_after_a_clock_was_ahead() -> None:
    """What ends them is a number that only grows; the same one again would let in whoever came since."""
    document = item(idle())
    document["sessions_epoch"] = OVERLAP_END_SECONDS + 3650 * DAY
    start = planner.Start(NEW, "compromise", ["c1:env"], ["s1:a"], end_sessions=True)
    assert planner.begin(document, start, LATER).item["sessions_epoch"] == document["sessions_epoch"] + 1


def test_a_token_from_the_future_is_an_alarm_and_not_an_age() -> None:
    for days, alarm in ((None, True), (45, True)):
        policy = {**DEFAULT_POLICY, "rotate_after_days": 30, "alarm_after_days": days}
        told = due(policy, OVERLAP_END, LATER, "scheduled")
        assert (told.due, told.age_days, told.alarm) == (False, -1.0, alarm)
        assert f"by this clock the token will be made on {OVERLAP_END}" in told.why[0]
        assert "if it is, rotate by hand" in told.why[0]
        just = due(policy, "2026-02-02T03:09:05Z", LATER, "scheduled")
        assert (just.due, just.alarm) == (False, False)
        assert "the token was just made" in just.why[0]
    assert due({**DEFAULT_POLICY}, OVERLAP_END, LATER, "manual").due


def test_the_figures_alarm_does_not_call_it_old() -> None:
    (line,) = _metrics.alarms([{"name": "main", "age_days": -3652.04, "alarm": True}])
    assert line == (
        "credential main: by this clock its token will be made in 3652.0 days, so one of two clocks is or was wrong "
        "and nobody knows its age"
    )
