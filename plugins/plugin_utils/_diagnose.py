# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From evidence to one named cause. Pure; no Ansible import.

    walks = diagnose(evidence)          # evidence: see Evidence below

Each consumer and each instance is walked along, from the client's file to the truth; what is wrong on the way is a
finding. The deepest one decides: what only follows from something else (a refused connection from a stopped unit, a
stopped unit from an empty PASSWORD) is never named while that something else is known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._diagnose_causes import CAUSES

Json = dict[str, Any]

STEPS = ("file", "header", "address", "origin", "node", "process", "password", "truth")
"""The walk, in its order."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. ``fine``: True, False, or None where it could not be looked at."""

    step: str
    fine: bool | None
    text: str
    code: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cause:
    """Why it does not work. ``where``: host and place; ``mend``: a command or setting; ``certainty``: sure, likely."""

    code: str
    sentence: str
    where: str
    mend: str
    certainty: str

    def as_dict(self) -> Json:
        """Plain types, for a report."""
        return {name: getattr(self, name) for name in ("code", "sentence", "where", "mend", "certainty")}


@dataclass
class Walk:
    """One consumer or instance: what was found on the way, and the cause, None where it works."""

    kind: str
    host: str
    name: str
    findings: list[Finding] = field(default_factory=list)
    cause: Cause | None = None
    also: list[Cause] = field(default_factory=list)

    def as_dict(self) -> Json:
        """Plain types, for a report."""
        return {
            "kind": self.kind,
            "host": self.host,
            "name": self.name,
            "findings": [
                {"step": one.step, "fine": one.fine, "text": one.text, "code": one.code} for one in self.findings
            ],
            "cause": self.cause.as_dict() if self.cause else None,
            "also": [one.as_dict() for one in self.also],
        }


@dataclass(frozen=True)
class Evidence:
    """What all hosts told.

    ``hosts``: name to the result of module ``evidence`` (``consumers``, ``instances``, ``addresses``, ``listeners``).
    ``missing``: name of a host that told nothing to the reason. ``truth``: name of a credential to its ``fingerprint``
    (with ``version``, and ``previous`` and ``pending`` fingerprints where there are such). ``play``: how a playbook is
    started, the inventory included.
    """

    hosts: Mapping[str, Json]
    missing: Mapping[str, str]
    truth: Mapping[str, Json]
    play: str = "ansible-playbook"


@dataclass(frozen=True)
class Server:
    """An instance, the host it is on, and what that host told."""

    host: str
    record: Json
    told: Json


def servers(evidence: Evidence) -> list[Server]:
    """Return all instances that told something."""
    return [Server(host, one, told) for host, told in evidence.hosts.items() for one in told.get("instances") or []]


def server_of(evidence: Evidence, host: str, consumer: Json) -> Server | None:
    """Return the instance that a consumer means: the one at its address, else the one with its credential."""
    way = consumer.get("way") or {}
    known = servers(evidence)
    at = set(way.get("addresses") or ())
    here = [one for one in known if at & _reachable_at(one, host)]
    exact = [one for one in here if one.record.get("port") == way.get("port")]
    if exact:
        return exact[0]
    for choice in (here, known):
        locked = [one for one in choice if one.record["credential"] == consumer["credential"]]
        own = [one for one in locked if one.host == host]
        if own or len(locked) == 1:
            return (own or locked)[0]
    return None


def _reachable_at(server: Server, host: str) -> set[str]:
    """Return the addresses under which *host* reaches a server: its loopback ones only from itself."""
    own = set(server.told.get("addresses") or ())
    if server.host == host:
        return own | {"127.0.0.1", "::1"}
    return {one for one in own if not one.startswith("127.") and one != "::1"}


def cause_of(found: Finding, values: Mapping[str, Any], host: str, play: str) -> Cause:
    """Return the cause that a finding with a code stands for."""
    kind = CAUSES[found.code or ""]
    known: defaultdict[str, Any] = defaultdict(lambda: "?", {**values, **found.values, "play": play})
    where = str(found.values.get("where") or f"{host}: {known['place']}")
    certainty = "sure" if kind.sure else "likely"
    return Cause(found.code or "", kind.sentence.format_map(known), where, kind.mend.format_map(known), certainty)


def decide(walk: Walk, values: Mapping[str, Any], play: str) -> Walk:
    """Fill in the cause: the first deep finding on the way, else the last symptom; the other deep ones go to also."""
    bad = [one for one in walk.findings if one.code]
    deep = [one for one in bad if not CAUSES[one.code or ""].symptom]
    causes = [cause_of(one, values, walk.host, play) for one in deep or bad[-1:]]
    walk.cause = causes[0] if causes else None
    walk.also = [one for one in causes[1:] if walk.cause is None or one.code != walk.cause.code]
    return walk


def diagnose(evidence: Evidence) -> list[Walk]:
    """Return one walk an unreachable host, instance and consumer, in this order. Never raises for what hosts told."""
    from ansible_collections.genai.comfyui.plugins.plugin_utils import _diagnose_client, _diagnose_server

    walks = []
    for host, why in evidence.missing.items():
        walk = Walk("host", host, "host")
        walk.findings.append(Finding("address", False, f"it told nothing: {why}", "host_unreachable", {"detail": why}))
        walks.append(decide(walk, {"host": host, "place": "the host itself"}, evidence.play))
    walks += [_diagnose_server.walk(evidence, one) for one in servers(evidence)]
    walks += [
        _diagnose_client.walk(evidence, host, one)
        for host, told in evidence.hosts.items()
        for one in told.get("consumers") or []
    ]
    return walks


def first_cause(walks: Sequence[Walk]) -> tuple[Cause, list[str]] | None:
    """Return the one cause to mend first, and the names of all that fail for it; None when everything works.

    An open server comes first, then the cause that the most walks end with, then the order of the walks.
    """
    found: dict[tuple[str, str], tuple[Cause, list[str]]] = {}
    urgent: tuple[str, str] | None = None
    for walk in walks:
        if walk.cause is None:
            continue
        mark = (walk.cause.code, walk.cause.where)
        found.setdefault(mark, (walk.cause, []))[1].append(f"{walk.host}: {walk.name}")
        if walk.kind == "server" and any(one.code == "server_open" for one in walk.findings):
            urgent = urgent or mark
    if not found:
        return None
    if urgent is not None:
        return found[urgent]
    most = max(len(names) for _cause, names in found.values())
    return next(one for one in found.values() if len(one[1]) == most)
