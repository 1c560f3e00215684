# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What genai.comfyui.rotation does, without Ansible: feed the planner, make tokens, keep the result in the truth."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _hashing, _rotation, _rotation_gates, _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation import Outcome, RotationError, Start
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_declared import Declared
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_evidence import Evidence, evidence_of
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_gates import Waiting
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_tell import diff_of, record
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import Store, change
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores._interface import utc_now
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_form import Credential, Password


@dataclass(frozen=True)
class Wanted:
    """What is asked for, as the module's options have it. None: to be derived, or not given."""

    names: Sequence[str]
    state: str = "advanced"
    reason: str = "manual"
    rotate: str = "token"
    password: str | None = None
    required: Sequence[str] | None = None
    servers: Sequence[str] | None = None
    acceptor: str | None = None
    sessions: str | None = None
    forget: Sequence[str] = ()
    evidence: Any = None
    now: str | None = None


def apply(store: Store, wanted: Wanted, *, declared: Callable[[str], Declared], check_mode: bool) -> dict[str, Any]:
    """Take the rotation as far as it can go; return ``changed``, ``serial``, ``credentials`` and ``diff``.

    :param declared: returns the places that use a credential; asked only where nothing was frozen or given.
    :raises RotationError, EvidenceError: refused. :raises TruthError, HashingError, StoreError: as they say.
    """
    edit = _Edit(wanted, declared, check_mode)
    settle = getattr(store, "settle", None)
    if wanted.state == "status" and settle is not None and not check_mode:
        # A playbook asks this first. What it then does to hosts must not go by an old or unpublished truth.
        settle(True)
    before, after = change(store, edit, dry_run=check_mode or wanted.state == "status", fresh=True)
    return {
        "changed": before != after,
        "serial": after["serial"],
        "credentials": [
            record(name, before["credentials"].get(name), edit.outcomes[name], edit.now, edit.notes, edit.unmade)
            for name in wanted.names
        ],
        "diff": diff_of(before, after, wanted.names, edit.unmade),
    }


class _Edit:
    """The change as a function of the document. After a conflict it decides again, with what the other wrote."""

    def __init__(self, wanted: Wanted, declared: Callable[[str], Declared], check_mode: bool) -> None:
        self._wanted = wanted
        self._declared = declared
        self._check_mode = check_mode
        self._made: dict[str, tuple[str, Password | None]] = {}
        self.now = wanted.now or utc_now()
        self.outcomes: dict[str, Outcome] = {}
        # By name: what the field says against the truth, for status, which does not fail.
        self.notes: dict[str, str] = {}
        # Names whose new token stands in for one that only the real run would make.
        self.unmade: set[str] = set()

    def __call__(self, document: _truth.Document) -> _truth.Document:
        self.notes.clear()
        new = copy.deepcopy(document)
        for name in self._wanted.names:
            item = _truth.get(document, name)
            outcome = self._decide(document, item, name)
            self.outcomes[name] = outcome
            if self._wanted.state != "status":
                new["credentials"][name] = outcome.item
        return new

    def _decide(self, document: _truth.Document, item: Credential, name: str) -> Outcome:
        wanted = self._wanted
        seen = evidence_of(wanted.evidence, name)
        try:
            _rotation.refuse_newer(item, seen, known_fingerprints(document), name)
        except RotationError as error:
            if wanted.state != "status":
                raise
            self.notes[name] = str(error)
        if wanted.state == "started":
            return self._start(item, name, seen)
        if wanted.state == "aborted":
            begun = _rotation.abort(item, self.now)
            went = _rotation.advance(begun.item, seen, self.now)
            return Outcome(went.item, [*begun.moves, *went.moves], [*begun.why, *went.why], went.waiting)
        if wanted.state == "status":
            # What the gates say now, without going through them.
            went = _rotation.advance(item, seen, self.now)
            if item["rotation"] is None:
                return replace(went, waiting=self._clocks(seen))
            return Outcome(
                item, [], went.why if not went.moves else [f"would go on: {w}" for w in went.why], went.waiting
            )
        return _rotation.advance(_rotation.forget(item, wanted.forget), seen, self.now)

    def _clocks(self, seen: Evidence) -> list[Waiting]:
        return list(_rotation_gates.clocks_differ(seen, sorted(seen.servers)))

    def _start(self, item: Credential, name: str, seen: Evidence) -> Outcome:
        wanted = self._wanted
        if item["rotation"] is not None:
            if wanted.reason == "compromise":
                return _rotation.escalate(item, self.now)
            return Outcome(
                item, why=[f"rotation {item['rotation']['id']} is running already; it goes on with advanced"]
            )
        may = _rotation.may_start(item, wanted.reason, self.now)
        if not may.due:
            return Outcome(item, why=may.why)
        clocks = self._clocks(seen) if wanted.reason != "compromise" else []
        if clocks:
            # Neither the age nor the window is known then, and the new token's date would be wrong for good.
            return Outcome(item, why=["it does not start while clocks differ"], waiting=clocks)
        places = self._places(name)
        acceptor = wanted.acceptor or ("none" if places.bare else _truth.policy_of(item)["acceptor"])
        if acceptor == "gateway":
            raise RotationError(
                f"credential {name!r}: its policy says acceptor gateway, which rotations cannot drive yet; "
                "set it to guard or none"
            )
        if name not in self._made:
            self._made[name] = self._make(item, name)
        token, password = self._made[name]
        start = Start(
            token=token,
            password=password,
            reason=wanted.reason,
            required=places.required,
            servers=places.servers,
            acceptor=acceptor,
            end_sessions=(wanted.sessions or ("end" if wanted.reason == "compromise" else "keep")) == "end",
        )
        begun = _rotation.begin(item, start, self.now)
        return Outcome(begun.item, begun.moves, [*may.why, *begun.why])

    def _places(self, name: str) -> Declared:
        wanted = self._wanted
        if wanted.required is not None and wanted.servers is not None and wanted.acceptor is not None:
            return Declared(list(wanted.servers), list(wanted.required), [], [])
        found = self._declared(name)
        return Declared(
            found.servers if wanted.servers is None else list(wanted.servers),
            found.required if wanted.required is None else list(wanted.required),
            found.optional,
            found.bare,
        )

    def _make(self, item: Credential, name: str) -> tuple[str, Password | None]:
        """Return the new token, and the new password where that changes."""
        wanted = self._wanted
        kept = item["password"].get("value")
        policy = _truth.policy_of(item)
        password: Password | None = None
        if wanted.rotate == "token":
            text = self._same_password(item, name, kept)
        else:
            if wanted.password is None and not item["password"]["managed"]:
                raise RotationError(
                    f"credential {name!r}: the truth does not keep its password, so a new one must be given, or nobody "
                    "would know it"
                )
            text = wanted.password if wanted.password is not None else _hashing.random_password()
            _hashing.check_password(text)
            password = {"managed": True, "value": text} if item["password"]["managed"] else {"managed": False}
        cost = policy["cost"]
        if self._check_mode:
            # The cheapest hash proves that hashing works; it is thrown away and never shown.
            cost = _hashing.MIN_COST
            self.unmade.add(name)
        return _hashing.make_token(text, cost=cost, ident=policy["ident"]), password

    def _same_password(self, item: Credential, name: str, kept: str | None) -> str:
        given = self._wanted.password
        if given is None:
            if kept is None:
                raise RotationError(
                    f"credential {name!r}: the truth does not keep its password, which a new token needs. Give the "
                    "password, or have it changed with 'rotate: password'"
                )
            return kept
        if not (given == kept if kept is not None else _hashing.verify(given, _truth.current_token(item))):
            raise RotationError(
                f"credential {name!r}: the password given is not the one in force; to change it, use 'rotate: password'"
            )
        return given


def known_fingerprints(document: _truth.Document) -> set[str]:
    """Return the fingerprints of all tokens that the truth knows or knew, of every credential."""
    found: set[str] = set()
    for item in document["credentials"].values():
        found.update(fingerprint(content["hash"]) for content in item["versions"].values())
        found.update(one["fp"] for one in item["retired"])
    return found
