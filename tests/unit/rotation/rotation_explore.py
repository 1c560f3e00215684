# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every state that any sequence of crashes can lead to, and what must hold in each of them.

A run that crashed leaves one of its snapshots, and the next run knows nothing else. So the states reached by one
crash are the snapshots of one run, those reached by two are the snapshots of runs from these, and so on: exploring
until nothing new appears covers sequences of any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from rotation_field import CLIENTS, SERVERS, START, Run, Server, World, spell

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation import RotationError
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_policy import moment
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_run import known_fingerprints

# Entered only after every server was seen to refuse what somebody may know.
_REFUSING = ("accepted", "distributed")
# When servers without a guard change over.
_WINDOW = ("accepted", "distributed")
_REFUSING_BARE = ("distributed",)


@dataclass(frozen=True)
class Variant:
    """How a run differs from the plain one."""

    who: int = 0
    down: str = ""
    order: str = "playbook"
    event: str = "run"
    jumps: tuple[tuple[int, int], ...] = ()
    ahead: tuple[int, int] = (0, 0)
    """How wrong the controller's clock is, from which moment of the run on, and how wrong the servers' are."""


PLAIN = Variant()


@dataclass
class Explored:
    """What was found. ``complaints``: broken invariants; ``states``: all worlds by key."""

    states: dict[Any, World] = field(default_factory=dict)
    ends: dict[Any, tuple[Any, str]] = field(default_factory=dict)
    """Where the plain run leads from a state, and the phase it ended in (or ``refused``)."""
    complaints: list[str] = field(default_factory=list)
    runs: int = 0
    crashes: list[int] = field(default_factory=list)
    """Number of snapshots of each run: the places where it could crash."""


def complaints(now: World) -> list[str]:
    """Return what does not hold in this state."""
    item = now.remote.value["credentials"]["main"]
    rotation = item["rotation"] or {}
    found = []
    if "restored" not in now.marks:
        known = known_fingerprints(now.remote.value)
        found += [
            f"{place}: the truth does not know the token" for place, t in in_field(now) if fingerprint(t) not in known
        ]
    bare = not now.servers[0].guard
    # The honest window: without a guard while it distributes, after a compromise until the new token is there.
    window = bool(rotation) and (
        rotation["reason"] == "compromise" or (bare and (rotation["phase"] in _WINDOW or "aborting" in rotation))
    )
    window = window or ("restored" in now.marks and bare) or "compromised" in now.marks
    if not window:
        found += _refused(now)
    if not rotation and "restored" not in now.marks:
        retired = {one["fp"] for one in item["retired"]}
        found += [
            f"{name} takes a token that was retired"
            for index, name, one in _clocked(now)
            for _place, value in in_field(now)
            if fingerprint(value) in retired and one.takes(value, now.shows(index))
        ]
    if rotation and rotation["reason"] == "compromise" and rotation["phase"] in (_REFUSING_BARE if bare else _REFUSING):
        known = item["versions"][item["labels"]["current"]]["hash"]
        found += [
            f"{n} takes the compromised token" for n, one in zip(SERVERS, now.servers) if one.takes(known, now.clock)
        ]
    if not {"restored", "compromised"} & now.marks:
        # Consumers that nobody declared have until the end of the overlap.
        former, until = now.promised
        found += [
            f"{name} refuses the previous token before the overlap is over"
            for _index, name, one in _clocked(now)
            if now.clock < until and not one.takes(former, now.clock)
        ]
    return found


def in_field(now: World) -> Iterator[tuple[str, str]]:
    """Yield place and token of every token in the field."""
    for name, one in zip(SERVERS, now.servers):
        yield f"PASSWORD of {name}", one.password
        yield f"process of {name}", one.holds
        for _version, value, _end in one.accept if one.guard else ():
            yield f"accept file of {name}", value
    for name, value in zip(CLIENTS, now.clients):
        yield f"file of {name}", value


def _clocked(now: World) -> list[tuple[int, str, Server]]:
    """Return the servers whose clocks are right; no other can be expected to know when a time is over."""
    return [(i, name, one) for i, (name, one) in enumerate(zip(SERVERS, now.servers)) if not now.ahead[i]]


def _refused(now: World) -> list[str]:
    return [
        f"{client} is refused by {name}"
        for client, value in zip(CLIENTS, now.clients)
        for index, (name, one) in enumerate(zip(SERVERS, now.servers))
        if not one.takes(value, now.shows(index))
    ]


def settled(now: World) -> list[str]:
    """Return what is not as it should be when all is over."""
    item = now.remote.value["credentials"]["main"]
    current = item["versions"][item["labels"]["current"]]["hash"]
    found = [f"the rotation is in phase {item['rotation']['phase']}"] if item["rotation"] else []
    found += [f"{name} holds another token" for name, value in zip(CLIENTS, now.clients) if value != current]
    for name, one in zip(SERVERS, now.servers):
        if one.password != current or (not one.guard and one.holds != current):
            found.append(f"PASSWORD of {name} holds another token")
        if one.guard and [value for _v, value, _e in one.accept] != [current]:
            found.append(f"{name} accepts something else")
    return found


def run_from(now: World, variant: Variant, see: Any, early: bool = False) -> tuple[World, str]:
    """Run the playbook from this state; return the world after it and the phase, or ``refused``."""
    run = Run(now, see, variant.who, variant.down, variant.order, early, dict(variant.jumps))
    # Whoever set a clock right did it before this run.
    run.world = replace(run.world, ahead=variant.ahead)
    if run.world.key() != now.key():
        see(run.world, "servers' clocks")
    begun = now.remote.value["credentials"]["main"]
    fresh = begun["rotation"] is None and not begun["retired"]
    first, options = ("started", {"reason": "manual"}) if fresh else ("advanced", {})
    if variant.event == "abort":
        first, options = "aborted", {}
        run.world = replace(run.world, marks=run.world.marks | {"aborted"})
    elif variant.event == "compromise":
        first, options = "started", {"reason": "compromise"}
        run.world = replace(run.world, marks=run.world.marks | {"compromised"})
    elif variant.event == "reboot":
        # A server's process starts anew, with what its PASSWORD holds by now.
        first_server, second = (replace(one, holds=one.password) for one in now.servers)
        run.world = replace(run.world, servers=(first_server, second))
        see(run.world, "reboot")
    try:
        phase = run.go(first, **options)
    except RotationError:
        return run.world, "refused"
    if run.refused and "restored" in run.world.marks:
        return run.world, "refused"
    if phase == "switched":
        # The next run comes when the overlap is over.
        until = run.world.remote.value["credentials"]["main"]["rotation"].get("overlap_until", spell(START))
        run.world = replace(run.world, clock=max(run.world.clock, int(moment(until).timestamp()) + 1))
        see(run.world, "the overlap is over")
    return run.world, phase


def explore(start: Iterable[World], variants: Iterable[Variant], early: bool = False, most: int = 100_000) -> Explored:
    """Run all variants from all states that they lead to; stop at the first complaints."""
    found = Explored()
    variants = list(variants)
    todo = list(start)
    for one in todo:
        found.states[one.key()] = one
    while todo and not found.complaints and len(found.states) < most:
        now = todo.pop()
        for variant in variants:
            if variant.event in ("abort", "compromise") and now.marks:
                continue
            if variant.event == "abort" and not _abortable(now):
                continue
            trail: list[str] = []

            def see(after: World, what: str, run: tuple[list[str], Variant] = (trail, variant)) -> None:
                run[0].append(what)
                key = after.key()
                if key not in found.states:
                    found.states[key] = after
                    todo.append(after)
                    bad = complaints(after)
                    if bad:
                        found.complaints.append(f"{bad} after {run[0]} ({run[1]})")

            after, phase = run_from(now, variant, see, early)
            found.runs += 1
            found.crashes.append(len(trail))
            if after.key() not in found.states:
                see(after, "end")
            if variant == PLAIN:
                found.ends[now.key()] = (after.key(), phase)
    return found


def _abortable(now: World) -> bool:
    rotation = now.remote.value["credentials"]["main"]["rotation"]
    return rotation is not None and rotation["phase"] != "switched" and rotation["reason"] != "compromise"


def stuck(found: Explored, runs: int = 8) -> list[str]:
    """Return the states from which plain runs, with everything reachable, do not lead to the end."""
    bad = []
    for key, now in found.states.items():
        at = key
        for _run in range(runs):
            at, phase = found.ends[at]
            if phase == "refused" and "restored" in now.marks:
                break
            if phase in ("idle", "refused"):
                left = ["refused"] if phase == "refused" else settled(found.states[at])
                if left:
                    bad.append(f"{left} from {now.key()}")
                break
        else:
            bad.append(f"no end after {runs} runs from {now.key()}: {phase}")
    return bad
