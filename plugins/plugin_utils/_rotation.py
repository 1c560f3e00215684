# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner of a rotation: pure functions of (credential, evidence, now). Nothing here reads a clock or a file.

The truth holds a phase; the view of the truth says what the field should be in it; evidence says what the field is. A
step to the next phase is one write of the truth, and it is only taken when every gate of the phase is open.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _rotation_gates as gates
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_evidence import Evidence
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_gates import Gate, Waiting
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_policy import Due, due, moment, spell
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_form import (
    DEFAULT_POLICY,
    Credential,
    Password,
    Rotation,
)


class RotationError(Exception):
    """What was asked for is not possible; the message names the mend and holds no secret. Nothing was changed."""


@dataclass(frozen=True)
class Outcome:
    """A credential after the planner, and why it is there.

    :param item: the credential; the very one that was given when nothing moved.
    :param moves: the phases that were entered, in order.
    :param waiting: what has to be seen before it goes on.
    """

    item: Credential
    moves: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)


@dataclass(frozen=True)
class Start:
    """What a new rotation is. ``password`` None: the same one as before. ``token``: the new hash."""

    token: str
    reason: str
    required: Collection[str]
    servers: Collection[str]
    acceptor: str = "guard"
    password: Password | None = None
    end_sessions: bool = False


@dataclass(frozen=True)
class Step:
    """The way out of a state: the gates, and the move behind them."""

    gates: tuple[Gate, ...]
    enters: str
    move: Callable[[Credential, Rotation, str], None]


def phase_of(item: Credential) -> str:
    """Return ``idle``, the phase, ``retiring`` (the end of switched) or ``aborting``."""
    rotation = item["rotation"]
    if rotation is None:
        return "idle"
    if rotation.get("aborting"):
        return "aborting"
    return "retiring" if rotation.get("retiring") else rotation["phase"]


def refuse_newer(item: Credential, seen: Evidence, known: Collection[str], name: str) -> None:
    """Refuse to go on when the field is newer than the truth, which is then an old copy.

    :param known: fingerprints of all tokens that the truth knows, retired ones and other credentials' included.
    :raises RotationError: a server, or two consumers alike, hold a token that the truth never knew.
    """
    newest = max(_numbers(item))
    proof: list[str] = []
    odd: dict[str, list[str]] = {}
    for server in seen.servers.values():
        later = [version for version in server.listed if number_of(version) > newest]
        proof += [f"{what} on {server.id}" for what in sorted({*(server.fingerprints - set(known)), *later})]
    for consumer in seen.consumers.values():
        if consumer.fingerprint and consumer.fingerprint not in known:
            odd.setdefault(consumer.fingerprint, []).append(consumer.id)
    # One consumer with an odd token is damage, and sync mends it. Two alike, or a server, are a later truth.
    proof += [f"{mark} on {' and '.join(sorted(on))}" for mark, on in sorted(odd.items()) if len(on) > 1]
    if proof:
        raise RotationError(
            f"credential {name!r}: the field is newer than the truth, which knows versions up to v{newest} but not "
            f"{'; '.join(proof)}. The truth was probably restored from an older copy: restore the newest one. If that "
            "is lost, take over what the servers hold: genai.comfyui.credential, 'state: adopted' and 'force: true'"
        )


def number_of(version: str) -> int:
    """Return 7 for ``v7``, and 0 for what is no version's name."""
    return int(version[1:]) if version[:1] == "v" and version[1:].isascii() and version[1:].isdecimal() else 0


def _numbers(item: Credential) -> list[int]:
    return [number_of(version) for version in [*item["versions"], *(one["version"] for one in item["retired"])]]


def may_start(item: Credential, reason: str, now: str) -> Due:
    """Return what the policy says about a rotation for this reason. :raises TruthError: a malformed window."""
    made = item["versions"][item["labels"]["current"]]["made"]
    return due({**DEFAULT_POLICY, **item["policy"]}, made, now, reason)


def begin(item: Credential, start: Start, now: str) -> Outcome:
    """Begin a rotation: the new version becomes part of the truth, and nothing in the field knows it yet.

    :raises RotationError: one is running, or there is no server that could be rotated.
    """
    if item["rotation"] is not None:
        raise RotationError(f"rotation {item['rotation']['id']} is running; a rotation is finished or aborted")
    if not start.servers:
        raise RotationError("no server uses this credential, so nothing could prove a new token; nothing was started")
    new = copy.deepcopy(item)
    version = f"v{max(_numbers(item)) + 1}"
    origin = "rehash" if start.password is None else "generated"
    new["versions"][version] = {"hash": start.token, "made": now, "origin": origin}
    new["labels"]["pending"] = version
    rotation: Rotation = {
        "id": "r-" + now.replace("-", "").replace(":", ""),
        "to": version,
        "reason": start.reason,
        "phase": "pending",
        "since": now,
        "required": sorted(set(start.required)),
        "servers": sorted(set(start.servers)),
        "acceptor": start.acceptor,
        "sessions": "end" if start.end_sessions else "keep",
    }
    if start.password is not None:
        rotation["password"] = start.password
    new["rotation"] = rotation
    _end_sessions(new, rotation, now)
    return Outcome(new, ["pending"], [f"{version} was made for reason {start.reason}; nobody has seen it yet"])


def escalate(item: Credential, now: str) -> Outcome:
    """Turn a running rotation into one for reason compromise: from now on only the newest version counts."""
    rotation = item["rotation"]
    if rotation is None or rotation["reason"] == "compromise":
        return Outcome(item, why=["a rotation for this reason is running already"])
    if rotation.get("aborting"):
        raise RotationError(f"rotation {rotation['id']} is being aborted; wait until that is done, then start again")
    new = copy.deepcopy(item)
    running = _running(new)
    running["reason"], running["sessions"] = "compromise", "end"
    if running["phase"] != "switched":
        # Again from the first gate: now it proves that every server refuses what somebody may know.
        running["phase"], running["since"] = "pending", now
    else:
        running["overlap_until"] = now if moment(now) < moment(running["since"]) else running["since"]
    _end_sessions(new, running, now)
    return Outcome(
        new,
        [phase_of(new)],
        [
            f"the running rotation to {running['to']} is one for reason compromise now: only {running['to']} is valid. "
            f"Where {running['to']} may be known too, start another one when this is done"
        ],
    )


def abort(item: Credential, now: str) -> Outcome:
    """Begin to go back; what was distributed is withdrawn in the order that refuses nobody.

    :raises RotationError: after the labels moved, or after a compromise.
    """
    rotation = item["rotation"]
    if rotation is None:
        return Outcome(item, why=["no rotation is running"])
    if rotation.get("aborting"):
        return Outcome(item, why=["it is being aborted already"])
    if rotation["phase"] == "switched":
        raise RotationError(
            f"rotation {rotation['id']} has switched: {rotation['to']} is the current version and there is no way "
            "back. Let it finish, or start another one when it has"
        )
    if rotation["reason"] == "compromise":
        raise RotationError(
            f"rotation {rotation['id']} is one for reason compromise: to abort it would make the token valid again "
            "that somebody may know. Let it finish"
        )
    new = copy.deepcopy(item)
    # Whatever the phase: first consumers go back while both are valid, then the servers forget.
    _running(new).update({"aborting": True, "phase": "accepted", "since": now})
    return Outcome(new, ["aborting"], [f"{rotation['to']} is withdrawn"])


def forget(item: Credential, ids: Collection[str]) -> Credential:
    """Take hosts that are gone for good out of the frozen lists.

    :raises RotationError: an id that is not in them, or the last server.
    """
    rotation = item["rotation"]
    if not ids or rotation is None:
        return item
    there = {*rotation["required"], *rotation.get("servers", [])}
    for one in ids:
        if one not in there:
            raise RotationError(f"{one!r} is not waited for; the rotation waits for {', '.join(sorted(there))}")
    new = copy.deepcopy(item)
    running = _running(new)
    running["required"] = [one for one in running["required"] if one not in ids]
    running["servers"] = [one for one in running.get("servers", []) if one not in ids]
    if not running["servers"]:
        raise RotationError("these are all servers; without one nothing can prove the new token")
    return new


def advance(item: Credential, seen: Evidence, now: str) -> Outcome:
    """Go as far as the gates allow. Call :func:`refuse_newer` before, with the same evidence."""
    outcome = Outcome(item)
    while True:
        rotation = outcome.item["rotation"]
        if rotation is None:
            return replace(outcome, why=outcome.why or ["no rotation is running"])
        step = step_of(rotation)
        waiting = [one for gate in step.gates for one in gate(outcome.item, rotation, seen, now)]
        jump = _ahead(outcome.item, rotation, seen)
        if waiting and not jump:
            return replace(outcome, waiting=waiting)
        new = copy.deepcopy(outcome.item)
        running = _running(new)
        step.move(new, running, now)
        why = f"entered {step.enters}: " + (jump or _because(step))
        outcome = Outcome(new, [*outcome.moves, step.enters], [*outcome.why, why])


def _running(item: Credential) -> Rotation:
    """Return the rotation of an item that is known to have one."""
    return cast("Rotation", item["rotation"])


def step_of(rotation: Rotation) -> Step:
    """Return the way out of the state that the rotation is in."""
    state = rotation["phase"]
    if rotation.get("aborting"):
        state = "withdrawing" if state == "accepted" else "withdrawn"
    elif rotation.get("retiring"):
        state = "retiring"
    return STEPS["none" if rotation.get("acceptor") == "none" else "guard"][state]


def _because(step: Step) -> str:
    said = [(gate.__doc__ or gate.__name__).splitlines()[0].rstrip(".") for gate in step.gates]
    return "; ".join(said) or "nothing has to be seen for that"


def _ahead(item: Credential, rotation: Rotation, seen: Evidence) -> str:
    """Say whether the field shows that this rotation had been further than the truth knows.

    A consumer or server only ever got the new token after all servers had been seen to accept it, so its order was
    kept, and going back would refuse those who hold it.
    """
    if rotation["phase"] != "pending" or rotation.get("aborting") or rotation["reason"] == "compromise":
        return ""
    to = rotation["to"]
    ahead = [n for n in rotation["required"] if n in seen.consumers and seen.consumers[n].version == to]
    ahead += [n for n in rotation.get("servers", []) if n in seen.servers and seen.servers[n].password == to]
    return (
        f"{', '.join(ahead)} held {to} already, so the truth is an older copy; it goes on from there" if ahead else ""
    )


def _enter(phase: str) -> Callable[[Credential, Rotation, str], None]:
    def move(item: Credential, rotation: Rotation, now: str) -> None:
        rotation["phase"], rotation["since"] = phase, now

    return move


def _switch(item: Credential, rotation: Rotation, now: str) -> None:
    """Move the labels: the one moment at which the new token becomes the current one."""
    labels = item["labels"]
    item["labels"] = {"current": rotation["to"], "pending": None, "previous": labels["current"]}
    item["versions"][rotation["to"]]["promoted"] = now
    hours = {**DEFAULT_POLICY, **item["policy"]}["overlap_hours"]
    if rotation["reason"] == "compromise" or rotation.get("acceptor") == "none":
        hours = 0
    rotation["phase"], rotation["since"] = "switched", now
    rotation["overlap_until"] = spell(moment(now) + timedelta(hours=hours))
    if "password" in rotation:
        item["password"], rotation["password"] = rotation["password"], item["password"]
    _end_sessions(item, rotation, now)


def _retiring(item: Credential, rotation: Rotation, now: str) -> None:
    rotation["retiring"], rotation["since"] = True, now


def _retire(item: Credential, rotation: Rotation, now: str) -> None:
    _drop(item, str(item["labels"]["previous"]), now)
    item["labels"]["previous"] = None
    item["rotation"] = None


def _withdraw(item: Credential, rotation: Rotation, now: str) -> None:
    rotation["phase"], rotation["since"] = "pending", now


def _forget_pending(item: Credential, rotation: Rotation, now: str) -> None:
    _drop(item, rotation["to"], now)
    item["labels"]["pending"] = None
    item["rotation"] = None


def _drop(item: Credential, version: str, now: str) -> None:
    mark = fingerprint(item["versions"].pop(version)["hash"])
    item["retired"].append({"version": version, "fp": mark, "retired": now})


def _end_sessions(item: Credential, rotation: Rotation, now: str) -> None:
    if rotation.get("sessions") == "end":
        # Always a new one, or sessions of the time since a clock was ahead would outlive it.
        item["sessions_epoch"] = max(item.get("sessions_epoch", 0) + 1, int(moment(now).timestamp()))


_END: dict[str, Step] = {
    "retiring": Step((gates.consumers_hold, gates.previous_refused), "idle", _retire),
    "withdrawing": Step((gates.consumers_back, gates.servers_back), "aborting", _withdraw),
    "withdrawn": Step((gates.consumers_back, gates.withdrawn_refused), "idle", _forget_pending),
}

STEPS: dict[str, dict[str, Step]] = {
    "guard": {
        "pending": Step((gates.servers_accept,), "accepted", _enter("accepted")),
        "accepted": Step((gates.servers_accept, gates.consumers_hold), "distributed", _enter("distributed")),
        "distributed": Step(
            (gates.servers_accept, gates.consumers_hold, gates.servers_serve, gates.clocks_agree), "switched", _switch
        ),
        "switched": Step((gates.overlap_over, gates.consumers_hold, gates.clocks_agree), "retiring", _retiring),
        **_END,
    },
    "none": {
        "pending": Step((gates.all_there,), "accepted", _enter("accepted")),
        "accepted": Step((gates.servers_serve, gates.consumers_hold), "distributed", _enter("distributed")),
        "distributed": Step((gates.servers_serve, gates.consumers_hold), "switched", _switch),
        "switched": Step((gates.overlap_over, gates.consumers_hold), "retiring", _retiring),
        **_END,
    },
}
"""By acceptor and state: what must be seen to leave the state, and what is then written."""
