# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated field around the real planner: servers, clients, a published truth, and the playbook's order of steps.

Each durable step is atomic, as the real writers' are, and is followed by a snapshot: a crash is to go on from one of
them with an empty memory. A crash before a step is a crash after the one before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _accept
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _rotation_run, _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_declared import Declared
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import Conflict

SERVERS = ("s1:default", "s2:default")
CLIENTS = ("c1:env", "c2:env")
START = 1_767_323_045  # 2026-01-02T03:04:05Z
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def token(number: int) -> str:
    """Return the token that is made as number *number*."""
    return "$2b$04$" + _ALPHABET[number] * 21 + "." + "x" * 30 + "."


def spell(seconds: int) -> str:
    """Return the time as the document spells it."""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Doc:
    """A truth and its text, by which two are compared."""

    value: Any
    text: str

    @staticmethod
    def of(value: Any) -> Doc:
        return Doc(value, json.dumps(value["credentials"], sort_keys=True))


@dataclass(frozen=True)
class Server:
    """``accept``: (version, token, expires) of its accept file; ``password`` on disk, ``holds`` in the process."""

    guard: bool
    accept: tuple[tuple[str, str, Any], ...]
    password: str
    holds: str
    retired: frozenset[str] = frozenset()
    """Fingerprints, in its receipt."""

    def takes(self, what: str, clock: int) -> bool:
        """Say whether a request with this token gets in."""
        if not self.guard:
            return what == self.holds
        return any(t == what and (expires is None or clock < expires) for _v, t, expires in self.accept)


@dataclass(frozen=True)
class World:
    """Everything durable, and the clock. ``local`` and ``dirty`` (not published) are by controller."""

    remote: Doc
    local: tuple[Doc, Doc]
    dirty: tuple[bool, bool]
    servers: tuple[Server, Server]
    clients: tuple[str, str]
    clock: int
    made: int
    marks: frozenset[str] = frozenset()
    """What happened that changes what may be expected: ``aborted``, ``restored``, ``compromised``."""
    ahead: tuple[int, int] = (0, 0)
    """By how much the servers' clocks are wrong, in seconds."""
    past: tuple[Doc, ...] = ()
    """The copies of the truth that were the newest before, on one of the ways here; so no part of the state."""
    promised: tuple[str, int] = ("", 0)
    """The former token, and until when whoever nobody declared may still use it."""

    def shows(self, index: int) -> int:
        """Return what a server's clock shows."""
        return self.clock + self.ahead[index]

    def key(self) -> tuple[Any, ...]:
        texts = (self.remote.text, *(one.text for one in self.local))
        state = (self.servers, self.clients, self.clock, self.made, self.marks, self.ahead, self.promised)
        return (*texts, self.dirty, *state)


def world(guard: bool, **policy: Any) -> World:
    """Return the field in order: one credential, version v1 everywhere."""
    new = _truth.new_document()
    policy = {"cost": 4, "acceptor": "guard" if guard else "none", "overlap_hours": 1, **policy}
    new = _truth.add_generated(new, "main", token=token(0), password="x", now=spell(START), policy=policy)
    doc = Doc.of(_truth.stamp(_truth.new_document(), new, now=spell(START), by="a@b"))
    server = Server(guard, (("v1", token(0), None),), token(0), token(0))
    return World(doc, (doc, doc), (False, False), (server, server), (token(0), token(0)), START, 1)


Snapshot = Callable[[World, str], None]


class Run:
    """One run of the playbook by one controller.

    :param down: servers and clients that cannot be reached in this run.
    :param order: ``playbook``, or ``planner first``: the planner is asked before the field was touched.
    :param early: the deliberately wrong order, to bring out a state before the truth has it.
    :param jumps: by how much the controller's clock is wrong from which moment of the run on; each durable step and
        each look at the field is one.
    """

    def __init__(
        self, now: World, see: Snapshot, who: int = 0, down: str = "", order: str = "playbook", early: bool = False,
        jumps: Mapping[int, int] | None = None,
    ) -> None:  # fmt: skip
        self.world = now
        self.moments = 0
        self._jumps = jumps or {}
        self._wrong = self._jumps.get(0, 0)
        self._see = see
        self._who = who
        self._down = down
        self._order = order
        self._early = early
        self._early_view: Any = None
        self._seen_now: set[str] = set()
        self._site: Doc | None = None
        self.refused = False
        """Whether a module would not write, because a server is newer than the truth: the playbook fails then."""

    # --- the store, as the vault file with a publish command behaves

    where = "the simulated store"

    def _step(self, what: str, **changes: Any) -> None:
        after = replace(self.world, **changes)
        if after.key() != self.world.key():
            self.world = after
            self._see(after, what)
            self._tick()

    def _tick(self) -> None:
        self.moments += 1
        self._wrong = self._jumps.get(self.moments, self._wrong)

    @property
    def _clock(self) -> int:
        """What the controller's clock shows."""
        return self.world.clock + self._wrong

    def _promised(self, document: Any) -> tuple[str, int]:
        """Return what whoever sees the labels move may go by: the policy's overlap, from this moment on."""
        item, before = document["credentials"]["main"], self.world.local[self._who].value["credentials"]["main"]
        if not item["labels"]["previous"] or before["labels"]["previous"]:
            return self.world.promised
        if item["rotation"]["reason"] == "compromise" or not self.world.servers[0].guard:
            return "", 0
        old: str = before["versions"][before["labels"]["current"]]["hash"]
        return old, self.world.clock + 3600

    def _mine(self, values: tuple[Any, Any], value: Any) -> tuple[Any, Any]:
        return (value, values[1]) if self._who == 0 else (values[0], value)

    def settle(self, fresh: bool = False) -> None:
        """Publish, or take over what the other controller published."""
        self._publish()

    def read(self) -> tuple[Any, str]:
        assert not self.world.dirty[self._who], "what is not published is not handed out"
        return self.world.local[self._who].value, self.world.local[self._who].text

    def write(self, document: Any, etag: str | None) -> str:
        doc = Doc.of(document)
        assert etag == self.world.local[self._who].text
        if self._early:
            self._early_view = _truth.view(document, "main")
            for index in range(len(SERVERS)):
                self._bring(index)
            self._clients()
            self._early_view = None
        dirty = self._mine(self.world.dirty, True)
        promised = self._promised(document)
        self._step("truth written", local=self._mine(self.world.local, doc), dirty=dirty, promised=promised)
        self._publish(doc)
        return doc.text

    def _publish(self, written: Doc | None = None) -> None:
        mine, remote = self.world.local[self._who], self.world.remote
        clean = self._mine(self.world.dirty, False)
        if self.world.dirty[self._who] and remote.value["serial"] == mine.value["serial"] - 1:
            self._step("truth published", remote=mine, past=(*self.world.past, remote))
            self._step("mark removed", dirty=clean)
        elif mine.text != remote.text or self.world.dirty[self._who]:
            self._step("the other's truth taken", local=self._mine(self.world.local, remote), dirty=clean)
            if written is not None and written.text != remote.text:
                raise Conflict("somebody was first")

    def check_writable(self, etag: str | None) -> None:
        """Never asked."""

    # --- what the playbook does

    def plan(self, state: str, **options: Any) -> dict[str, Any]:
        """Call the real action's back end with fresh evidence; return the credential's record."""

        def make(self: Any, item: Any, name: str) -> tuple[str, None]:
            outer.world = replace(outer.world, made=outer.world.made + 1)
            return token(outer.world.made - 1), None

        outer = self
        real = _rotation_run._Edit._make
        evidence = self.evidence() if self._seen_now else None
        self._tick()
        wanted = _rotation_run.Wanted(
            ["main"],
            state,
            evidence=evidence,
            now=spell(self._clock),
            **options,
        )
        _rotation_run._Edit._make = make  # type: ignore[method-assign]
        try:
            places = Declared(list(SERVERS), list(CLIENTS), [], [])
            done = _rotation_run.apply(self, wanted, declared=lambda name: places, check_mode=False)
        finally:
            _rotation_run._Edit._make = real  # type: ignore[method-assign]
        record: dict[str, Any] = done["credentials"][0]
        return record

    def go(self, first: str, **options: Any) -> str:
        """Run the playbook to its end; return the phase it stops in.

        As rotate.yml: what is urgent at once, then the field, and a rotation starts only when the field was seen.
        """
        self.plan("status")
        if first != "started" or options.get("reason") == "compromise" or self._order == "planner first":
            self._seen_now = {name.partition(":")[0] for name in (*SERVERS, *CLIENTS)}
            self.plan(first, **options)
            first = "advanced"
        done = self._passes()
        if first == "started" and self.plan(first, **options)["changed"]:
            done = self._passes()
        return str(done["phase"])

    def _passes(self) -> dict[str, Any]:
        while True:
            self._seen_now = set()
            done, moved = self._pass()
            if not moved:
                return done

    def _pass(self) -> tuple[dict[str, Any], bool]:
        """Bring every host in line once; return what the planner said last, and whether it moved."""
        moved = False
        if self.world.servers[0].guard:
            for index in range(len(SERVERS)):
                self._bring(index)
            moved = self.plan("advanced")["changed"]
        else:
            for index in range(len(SERVERS)):
                self._bring(index)
                self._clients()
        self._clients()
        done = self.plan("advanced")
        return done, moved or done["changed"]

    def _reach(self, name: str) -> bool:
        return name.partition(":")[0] != self._down

    def site(self, truth: Doc) -> None:
        """Run the other playbook, which asks no planner, with this truth: servers, and clients where none refused."""
        self._site = truth
        fine = [self._bring(index) for index in range(len(SERVERS))]
        if all(fine):
            self._clients()

    def _truth(self) -> Any:
        return self._site.value if self._site else self.read()[0]

    def _view(self) -> Any:
        return self._early_view or _truth.view(self._truth(), "main")

    def _newer(self, view: Any, one: Server) -> bool:
        """Say whether the real modules would refuse to write: the server's files are newer than this truth."""
        known = _rotation_run.known_fingerprints(self._truth())
        held = [one.password, *(value for _version, value, _end in one.accept if one.guard)]
        if any(fingerprint(value) not in known for value in held):
            return True
        if not one.guard:
            return False
        found = _accept.Accepted(tuple(_accept.Entry(*entry) for entry in one.accept))
        plan = _accept.Plan("ACCEPT.json", "in_sync", _accept.wanted("main", view), found, None)
        again = _accept._revives(plan, "main", view, sorted(one.retired))
        return again or _accept._readmits(plan, "main", view, found)

    def _bring(self, index: int) -> bool:
        """Bring a server in line, unless its files are newer than this truth; return whether they are not."""
        if not self._reach(SERVERS[index]):
            return True
        self._seen_now.add(SERVERS[index].partition(":")[0])
        view, one = self._view(), self.world.servers[index]
        if not self._early_view and self._newer(view, one):
            self.refused = True
            return False
        if one.guard:
            entries = tuple((entry["version"], entry["token"], entry["expires"]) for entry in view["accept"])
            noted = _accept.render_receipt(sorted(one.retired), view)
            self._server(index, "receipt", retired=frozenset(_accept.retired_in(noted)))
            self._server(index, "accept file", accept=entries)
        self._server(index, "PASSWORD", password=self._value(view, "serve", one.password))
        if not one.guard:
            self._server(index, "restart", holds=self.world.servers[index].password)
        return True

    @staticmethod
    def _value(view: Any, option: str, held: str) -> str:
        """Return what a file is to hold; where nothing is said, one with the pending token keeps it."""
        pending = view.get("pending", {}).get("token")
        keeps = view[option] is None and held == pending
        value: str = pending if view[option] == "pending" or keeps else view["token"]
        return value

    def _server(self, index: int, what: str, **changes: Any) -> None:
        servers = list(self.world.servers)
        servers[index] = replace(servers[index], **changes)
        self._step(f"{what} of {SERVERS[index]}", servers=tuple(servers))

    def _clients(self) -> None:
        for index, name in enumerate(CLIENTS):
            if self._reach(name):
                self._seen_now.add(name.partition(":")[0])
                clients = list(self.world.clients)
                clients[index] = self._value(self._view(), "distribute", clients[index])
                self._step(f"file of {name}", clients=tuple(clients))

    # --- what is seen

    def evidence(self) -> dict[str, Any]:
        """Return what the modules would see in this run."""
        item = self.read()[0]["credentials"]["main"]
        labels = {content["hash"]: version for version, content in item["versions"].items()}
        return {
            "servers": [self._seen(index, labels) for index in range(len(SERVERS))],
            "consumers": [
                {
                    "host": name.partition(":")[0],
                    "id": name.partition(":")[2],
                    **self._consumer(name, labels, held),
                }
                for name, held in zip(CLIENTS, self.world.clients)
            ],
        }

    def _consumer(self, name: str, labels: dict[str, str], held: str) -> dict[str, Any]:
        if not self._looked_at(name):
            return {"reachable": False}
        return {"reachable": True, "version": labels.get(held), "fingerprint": fingerprint(held)}

    def _looked_at(self, name: str) -> bool:
        return self._reach(name) and name.partition(":")[0] in self._seen_now

    def _seen(self, index: int, labels: dict[str, str]) -> dict[str, Any]:
        host, _colon, instance = SERVERS[index].partition(":")
        one = self.world.servers[index]
        record: dict[str, Any] = {"host": host, "instance": instance, "reachable": self._looked_at(SERVERS[index])}
        if not record["reachable"]:
            return record
        taken = {version: one.takes(value, self.world.shows(index)) for value, version in labels.items()}
        listed = one.accept if one.guard else ()
        return {
            **record,
            "acceptor": "guard" if one.guard else "none",
            "locked": True,
            "accepts": [version for version, takes in taken.items() if takes],
            "refuses": [version for version, takes in taken.items() if not takes],
            "password": labels.get(one.password),
            "holds": labels.get(one.holds),
            "fingerprint": fingerprint(one.password),
            "accept_versions": [version for version, _token, _end in listed],
            "accept_fingerprints": [fingerprint(value) for _version, value, _end in listed],
            "clock": self.world.shows(index),
            "asked": self._clock,
        }
