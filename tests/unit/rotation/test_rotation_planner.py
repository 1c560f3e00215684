# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner's single decisions: what it refuses, what it waits for, and how it says so."""

from __future__ import annotations

from typing import Any

import pytest
from rotation_truths import LATER, NEW, ODD, OLD, OVERLAP_END, idle, rotating

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _rotation, _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation import RotationError, Start
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_declared import declared
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_evidence import EvidenceError, evidence_of
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_run import known_fingerprints

PLACES: Any = {"required": ["c1:env"], "servers": ["s1:a"]}
# As a whole untyped: tests look into what may be None.
planner: Any = _rotation
truth: Any = _truth
SERVER = {
    "host": "s1", "instance": "a", "reachable": True, "acceptor": "guard", "locked": True,
    "accepts": ["v1", "v2"], "password": "v1", "holds": "v1",
}  # fmt: skip
CLIENT = {"host": "c1", "id": "env", "reachable": True, "version": "v2", "status": "in_sync"}


def item(document: Any) -> Any:
    return document["credentials"]["main"]


def seen(server: dict[str, Any] | None = None, client: dict[str, Any] | None = None) -> Any:
    """Return evidence of one server and one client, with these differences from a field in order."""
    return evidence_of({"servers": [{**SERVER, **(server or {})}], "consumers": [{**CLIENT, **(client or {})}]}, "main")


def waits(document: Any, evidence: Any, now: str = LATER) -> list[str]:
    outcome = planner.advance(item(document), evidence, now)
    assert outcome.item is item(document), outcome.moves
    return [f"{one.kind} {one.id}: {one.why}" for one in outcome.waiting]


@pytest.mark.parametrize(
    ("phase", "server", "client", "text"),
    [
        (
            "pending",
            {"reachable": False, "detail": "no route"},
            {"version": "v1"},
            "s1:a: could not be reached (no route)",
        ),
        ("pending", {"locked": False}, {"version": "v1"}, "s1:a: was not proven to be locked"),
        ("pending", {"accepts": ["v1"]}, {"version": "v1"}, "s1:a: was not seen to accept v2"),
        (
            "pending",
            {"acceptor": "none"},
            {"version": "v1"},
            "s1:a: has no guard, so it cannot accept two tokens; install",
        ),
        ("accepted", {}, {"version": "v1"}, "c1:env: holds v1, not v2"),
        ("accepted", {}, {"version": None, "status": "damaged"}, "c1:env: holds no known version (damaged), not v2"),
        ("accepted", {}, {"reachable": False}, "c1:env: could not be reached"),
        ("accepted", {}, {"reload": "pending"}, "c1:env: its file holds v2, but its process is older than the file"),
        ("accepted", {"accepts": ["v1"]}, {}, "s1:a: was not seen to accept v2"),
        ("distributed", {}, {}, "s1:a: PASSWORD holds v1, not v2"),
        ("distributed", {"password": "v2"}, {"version": "v1"}, "c1:env: holds v1, not v2"),
    ],
)
def test_a_gate_says_who_keeps_it_shut(phase: str, server: Any, client: Any, text: str) -> None:
    said = waits(rotating(phase, **PLACES), seen(server, client))
    assert text in "\n".join(said)


def test_who_was_not_looked_at_is_waited_for() -> None:
    document = rotating("accepted", required=["c1:env", "c2:env"], servers=["s1:a", "s9:a"])
    assert waits(document, seen()) == [
        "server s9:a: could not be reached (nobody looked at it)",
        "consumer c2:env: nobody looked at it",
    ]


@pytest.mark.parametrize(
    ("server", "text"),
    [
        ({"password": "v2", "holds": "v1", "accepts": ["v1"]}, "the process was started with v1, not v2"),
        ({"password": "v2", "holds": "v2", "accepts": ["v2"]}, "was not seen to refuse v1"),
    ],
)
def test_without_a_guard_the_process_counts(server: Any, text: str) -> None:
    document = rotating("accepted", acceptor="none", **PLACES)
    assert text in "\n".join(waits(document, seen({"acceptor": "none", **server})))


def test_without_a_guard_it_begins_only_when_everything_is_there() -> None:
    document = rotating("pending", acceptor="none", **PLACES)
    assert waits(document, seen(None, {"reachable": False, "version": None}))
    assert waits(document, seen({"reachable": False}, {"version": "v1"}))
    assert planner.advance(item(document), seen(None, {"version": "v1"}), LATER).moves == ["accepted"]
    compromised = rotating("pending", acceptor="none", reason="compromise", **PLACES)
    assert planner.advance(item(compromised), evidence_of(None, "main"), LATER).moves == ["accepted"]


def test_it_goes_as_far_as_one_look_allows() -> None:
    outcome = planner.advance(item(rotating("pending", **PLACES)), seen({"password": "v2"}), LATER)
    assert outcome.moves == ["accepted", "distributed", "switched"]
    assert outcome.item["labels"] == {"current": "v2", "pending": None, "previous": "v1"}
    assert outcome.item["versions"]["v2"]["promoted"] == LATER
    assert outcome.item["rotation"]["overlap_until"] == OVERLAP_END
    assert [one.kind for one in outcome.waiting] == ["time"]


@pytest.mark.parametrize("now", ["2020-01-01T00:00:00Z", "2026-02-02T02:59:04Z"])
def test_a_clock_before_the_switch_ends_no_overlap_and_somebody_has_to_look(now: str) -> None:
    """Either this one is wrong now, or the other one was then and the overlap would be far too long."""
    document = rotating("switched", **PLACES)
    assert waits(document, seen({"password": "v2"}), now) == [
        f"clock : v1 stays valid until {OVERLAP_END}, as servers switched at {LATER}, but this clock shows {now}: set "
        "it right; or where the other one was wrong, end the overlap with reason compromise"
    ]
    ended = planner.escalate(item(document), now).item
    assert planner.advance(ended, seen({"password": "v2"}), now).moves == ["retiring"]


def test_clocks_of_controllers_may_differ_a_little() -> None:
    document = rotating("switched", **PLACES)
    said = waits(document, seen({"password": "v2"}), "2026-02-02T02:59:05Z")
    assert said == [f"time : v1 stays valid until {OVERLAP_END}"]


def test_the_former_token_goes_only_when_it_was_seen_refused() -> None:
    document = rotating("switched", retiring=True, **PLACES)
    assert waits(document, seen({"password": "v2"})) == ["server s1:a: was not seen to refuse v1"]
    outcome = planner.advance(item(document), seen({"accepts": ["v2"], "refuses": ["v1"]}), LATER)
    assert outcome.moves == ["idle"]
    assert outcome.item["retired"] == [{"version": "v1", "fp": fingerprint(OLD), "retired": LATER}]
    assert set(outcome.item["versions"]) == {"v2"}


def test_a_new_password_changes_with_the_labels() -> None:
    start = Start(NEW, "manual", ["c1:env"], ["s1:a"], password={"managed": True, "value": "Other-2"})
    begun = planner.begin(item(idle()), start, LATER)
    assert begun.item["password"]["value"] == "Correct-Horse-1"
    assert begun.item["versions"]["v2"]["origin"] == "generated"
    outcome = planner.advance(begun.item, seen({"password": "v2"}), LATER)
    assert outcome.item["password"] == {"managed": True, "value": "Other-2"}
    assert outcome.item["rotation"]["password"] == {"managed": True, "value": "Correct-Horse-1"}


def test_sessions_end_at_the_start_and_at_the_switch() -> None:
    start = Start(NEW, "manual", ["c1:env"], ["s1:a"], end_sessions=True)
    begun = planner.begin(item(idle()), start, LATER)
    assert begun.item["sessions_epoch"] == 1770001445
    outcome = planner.advance(begun.item, seen({"password": "v2"}), OVERLAP_END)
    assert outcome.item["sessions_epoch"] == 1770087845


def test_compromise_takes_over_a_running_rotation() -> None:
    for phase, after in (("pending", "pending"), ("accepted", "pending"), ("switched", "switched")):
        outcome = planner.escalate(item(rotating(phase, **PLACES)), LATER)
        assert outcome.item["rotation"]["reason"] == "compromise"
        assert outcome.item["rotation"]["phase"] == after
        assert [one["version"] for one in _truth_view(outcome.item)["accept"]] == ["v2"]
    refused = planner.advance(outcome.item, seen({"password": "v2"}), LATER)
    assert refused.moves == ["retiring"]
    with pytest.raises(RotationError, match="is being aborted; wait until that is done"):
        planner.escalate(item(rotating("accepted", aborting=True)), LATER)


def _truth_view(credential: Any) -> Any:
    return truth.view(dict(idle(), credentials={"main": credential}), "main")


def test_abort_goes_back_in_order() -> None:
    with pytest.raises(RotationError, match="has switched: v2 is the current version and there is no way back"):
        planner.abort(item(rotating("switched")), LATER)
    begun = planner.abort(item(rotating("distributed", **PLACES)), LATER)
    assert planner.phase_of(begun.item) == "aborting"
    still = planner.advance(begun.item, seen({"password": "v1"}), LATER)
    assert [one.id for one in still.waiting] == ["c1:env"]
    back = planner.advance(begun.item, seen({"password": "v1"}, {"version": "v1"}), LATER)
    assert back.item["rotation"]["phase"] == "pending"
    done = planner.advance(back.item, seen({"accepts": ["v1"], "refuses": ["v2"]}, {"version": "v1"}), LATER)
    assert done.item["rotation"] is None
    assert done.item["retired"][-1]["fp"] == fingerprint(NEW)
    document = truth.stamp(
        rotating("distributed"), dict(rotating(), credentials={"main": done.item}), now=LATER, by="a@b"
    )
    assert document["serial"] == 2


def test_an_optional_consumer_with_the_withdrawn_token_is_waited_for() -> None:
    document = rotating("accepted", aborting=True, required=[], servers=["s1:a"])
    assert waits(document, seen()) == ["consumer c1:env: still holds v2"]


@pytest.mark.parametrize(
    ("server", "clients", "newer"),
    [
        ({"fingerprint": fingerprint(ODD)}, [], True),
        ({"accept_fingerprints": [fingerprint(ODD)]}, [], True),
        ({"accept_versions": ["v1", "v9"]}, [], True),
        ({"accept_versions": ["v1", "PASSWORD"], "accept_fingerprints": [fingerprint(OLD)]}, [], False),
        ({}, [ODD, ODD], True),
        ({}, [ODD, OLD], False),
        ({}, [ODD], False),
    ],
)
def test_a_field_newer_than_the_truth_is_refused(server: Any, clients: list[str], newer: bool) -> None:
    consumers = [{**CLIENT, "id": f"c{n}", "fingerprint": fingerprint(one)} for n, one in enumerate(clients)]
    evidence = evidence_of({"servers": [{**SERVER, **server}], "consumers": consumers}, "main")
    known = known_fingerprints(idle())
    if newer:
        with pytest.raises(RotationError, match=r"knows versions up to v1 but not (v9|[0-9a-f]{12}) on"):
            planner.refuse_newer(item(idle()), evidence, known, "main")
    else:
        planner.refuse_newer(item(idle()), evidence, known, "main")


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        ([], "must be a mapping with the lists 'servers' and 'consumers'"),
        ({"servers": {}, "consumer": []}, "must be a mapping with the lists"),
        ({"servers": [{"host": "s1"}]}, r"evidence.servers\[0\].instance: is missing"),
        ({"servers": [{**SERVER, "accepts": "v1"}]}, r"servers\[0\].accepts: must be a list of texts"),
        ({"servers": [{**SERVER, "acceptor": "gate"}]}, "acceptor: must be guard or none"),
        ({"servers": [{**SERVER, "fingerprint": OLD}]}, "a fingerprint has 12 hexadecimal digits"),
        ({"consumers": [{**CLIENT, "version": 2}]}, r"consumers\[0\].version: must be text or null"),
    ],
)
def test_malformed_evidence_is_refused(evidence: Any, text: str) -> None:
    with pytest.raises(EvidenceError, match=text) as caught:
        evidence_of(evidence, "main")
    assert OLD not in str(caught.value)


def test_later_records_and_own_credentials_count() -> None:
    found = evidence_of(
        {"consumers": [{**CLIENT, "reachable": False}, CLIENT, {**CLIENT, "credential": "other", "version": "v9"}]},
        "main",
    )
    assert found.consumers["c1:env"].version == "v2"


class Broken(dict[str, Any]):
    def get(self, key: str, default: Any = None) -> Any:
        raise ValueError(f"a secret in {key}")


def test_whom_to_wait_for_comes_from_the_whole_inventory() -> None:
    groups = {"comfyui_servers": ["s1", "s2", "s3", "gone"], "comfyui_clients": ["c1"]}
    hosts: dict[str, Any] = {
        "s1": {"comfyui_login_guard": "no"},
        "s2": {"comfyui_instances": [{"name": "a", "credential": "other"}, {"name": "b"}]},
        "s3": {"comfyui_consumers": [{"id": "own", "required": False}]},
        "gone": {"comfyui_state": "absent"},
        "c1": {"comfyui_consumers": [{"id": "env"}, {"id": "url", "field": "url"}, {"id": "x", "credential": "other"}]},
        "elsewhere": {"comfyui_consumers": [{"id": "no"}]},
    }

    class Counted(dict[str, Any]):
        looks = 0

        def __getitem__(self, host: str) -> Any:
            Counted.looks += 1
            return super().__getitem__(host)

    found = declared(Counted(hosts), groups, "main")
    assert Counted.looks == 5, "one look a host, as each is expensive"
    assert found.servers == ["s1:default", "s2:b", "s3:default"]
    assert found.bare == ["s1:default"]
    assert (found.required, found.optional) == (["c1:env"], ["s3:own"])
    with pytest.raises(RotationError, match=r"host c1 cannot be read \(ValueError\), so nobody can tell") as caught:
        declared({**hosts, "c1": Broken()}, groups, "main")
    assert "a secret" not in str(caught.value)
    with pytest.raises(RotationError, match="comfyui_consumers of host c1 is not a list of mappings"):
        declared({**hosts, "c1": {"comfyui_consumers": ["x"]}}, groups, "main")
