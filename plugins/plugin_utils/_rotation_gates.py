# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gates of a rotation: pure functions that say what is still missing before it may go on. No complaint: open.

They compare evidence with the consumers and servers that were frozen at the start, never with the hosts of a play: a
host that failed, was not asked or is not in the inventory any more keeps the gate shut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_evidence import Consumer, Evidence, Server
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_policy import CLOCKS_DIFFER, moment
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_form import DEFAULT_POLICY, Credential, Rotation


@dataclass(frozen=True)
class Waiting:
    """What a rotation waits for. ``kind`` is ``server``, ``consumer``, ``time`` or ``clock`` (one that is wrong, which
    somebody has to look at); ``id`` is empty for the last two.
    """

    kind: str
    id: str
    why: str


_LOOK = timedelta(hours=1)
"""For which a look at a clock counts."""

Gate = Callable[[Credential, Rotation, Evidence, str], Iterator[Waiting]]


def servers_accept(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """Every server takes the new token and the current one; after a compromise it refuses the current one."""
    current, to = item["labels"]["current"], rotation["to"]
    for name, server in _servers(rotation, seen):
        if server.acceptor == "none" and rotation.get("acceptor") != "none":
            mend = "install the guard there, or abort and start again with acceptor none"
            yield Waiting("server", name, f"has no guard, so it cannot accept two tokens; {mend}")
            continue
        wanted = _proof(server, accepts=[to] if rotation["reason"] == "compromise" else [to, current])
        if rotation["reason"] == "compromise":
            wanted += _proof(server, refuses=[current])
        if wanted:
            yield Waiting("server", name, "; ".join(wanted))


def consumers_hold(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """Every required consumer holds the new token, and its process has read it."""
    for name, consumer in _consumers(rotation, seen):
        if consumer.version != rotation["to"]:
            yield Waiting("consumer", name, f"holds {_held(consumer)}, not {rotation['to']}")
        elif consumer.reload == "pending":
            yield Waiting("consumer", name, f"its file holds {rotation['to']}, but its process is older than the file")
    yield from _unseen(rotation, seen)


def servers_serve(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """Every server's PASSWORD holds the new token; one without guard was restarted with it and refuses the old one."""
    current, to = item["labels"]["current"], rotation["to"]
    for name, server in _servers(rotation, seen):
        wanted = [] if server.password == to else [f"PASSWORD holds {server.password or 'nothing known'}, not {to}"]
        if server.acceptor != "guard":
            if server.holds != to:
                wanted.append(f"the process was started with {server.holds or 'nothing known'}, not {to}")
            wanted += _proof(server, refuses=[current])
        wanted += _proof(server, accepts=[to])
        if wanted:
            yield Waiting("server", name, "; ".join(wanted))


def all_there(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """Without a guard clients are refused for a while: that only begins when everything can be reached."""
    if rotation["reason"] != "compromise":
        for name, server in _servers(rotation, seen):
            if not server.reachable or not server.locked:
                yield Waiting("server", name, "; ".join(_proof(server)))
        yield from _unseen(rotation, seen)


def overlap_over(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """The time for which the previous token was promised to stay valid is over."""
    until, previous = rotation.get("overlap_until", rotation["since"]), item["labels"]["previous"]
    if moment(now) >= moment(until) or moment(until) <= moment(rotation["since"]):
        # Where none was promised no clock can be wrong.
        return
    if moment(now) < moment(rotation["since"]) - CLOCKS_DIFFER:
        # Which of the two clocks is wrong cannot be told here, and either guess would hurt somebody.
        why = (
            f"{previous} stays valid until {until}, as servers switched at {rotation['since']}, but this clock shows "
            f"{now}: set it right; or where the other one was wrong, end the overlap with reason compromise"
        )
        yield Waiting("clock", "", why)
    else:
        yield Waiting("time", "", f"{previous} stays valid until {until}")


def clocks_agree(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """Servers' clocks and this controller's agree, where a time that servers go by is set or over."""
    bare = rotation.get("acceptor") == "none"
    none = {**DEFAULT_POLICY, **item["policy"]}["overlap_hours"] <= 0
    if rotation["phase"] == "switched":
        none = moment(rotation.get("overlap_until", rotation["since"])) <= moment(rotation["since"])
    if not (bare or none or rotation["reason"] == "compromise"):
        yield from clocks_differ(seen, rotation.get("servers", []))
        yield from _moved(rotation, seen, now)


def clocks_differ(seen: Evidence, servers: Iterable[str]) -> Iterator[Waiting]:
    """Yield the servers whose clock does not show what this controller's does. Who did not tell is not among them.

    Nobody here can know which of two clocks is wrong. Both sides go by times: a controller that is ahead would end an
    overlap early, one that is behind would promise one that servers take for over.
    """
    for name in servers:
        server = seen.servers.get(name)
        if server is None or server.clock is None or server.asked is None:
            continue
        apart = timedelta(seconds=server.clock - server.asked)
        if abs(apart) > CLOCKS_DIFFER:
            how = "ahead of" if apart > timedelta() else "behind"
            # To the minute, where the time it took to ask does not matter.
            exact = 60 if abs(apart) > timedelta(hours=1) else 1
            told = timedelta(seconds=round(abs(apart).total_seconds() / exact) * exact)
            why = f"its clock is {told} {how} this controller's"
            yield Waiting("clock", name, f"{why}: set the wrong one right; only reason compromise goes by no clock")


def _moved(rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    for name, server in _servers(rotation, seen):
        since = timedelta() if server.asked is None else moment(now) - _at(server.asked)
        if not -CLOCKS_DIFFER <= since <= _LOOK:
            # What was compared with the server's is this clock as it was then.
            why = f"this controller's clock moved by {since.total_seconds():+.0f} s since it was asked: run again"
            yield Waiting("clock", name, why)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def previous_refused(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """Every server was seen to refuse the previous token and to accept the current one."""
    yield from _refused(item, rotation, seen, str(item["labels"]["previous"]))


def withdrawn_refused(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """Every server was seen to refuse the token that is withdrawn."""
    yield from _refused(item, rotation, seen, rotation["to"])


def consumers_back(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """Every required consumer holds the current token again, and nobody was seen with the one that is withdrawn."""
    current = item["labels"]["current"]
    for name, consumer in _consumers(rotation, seen):
        if consumer.version != current or consumer.reload == "pending":
            yield Waiting("consumer", name, f"holds {_held(consumer)}, not (yet) {current}")
    for name, consumer in seen.consumers.items():
        if name not in rotation["required"] and consumer.version == rotation["to"]:
            yield Waiting("consumer", name, f"still holds {rotation['to']}")
    yield from _unseen(rotation, seen)


def servers_back(item: Credential, rotation: Rotation, seen: Evidence, now: str) -> Iterator[Waiting]:
    """Every server's PASSWORD holds the current token again, and a process without guard runs with it."""
    current = item["labels"]["current"]
    for name, server in _servers(rotation, seen):
        wanted = _proof(server, accepts=[current])
        if server.password != current:
            wanted.append(f"PASSWORD holds {server.password or 'nothing known'}, not {current}")
        if server.acceptor != "guard" and server.holds != current:
            wanted.append(f"the process was started with {server.holds or 'nothing known'}, not {current}")
        if wanted:
            yield Waiting("server", name, "; ".join(wanted))


def _refused(item: Credential, rotation: Rotation, seen: Evidence, version: str) -> Iterator[Waiting]:
    for name, server in _servers(rotation, seen):
        wanted = _proof(server, accepts=[item["labels"]["current"]], refuses=[version])
        if wanted:
            yield Waiting("server", name, "; ".join(wanted))


def _servers(rotation: Rotation, seen: Evidence) -> Iterator[tuple[str, Server]]:
    for name in rotation.get("servers", []):
        yield name, seen.servers.get(name) or Server(name, name.partition(":")[0], detail="nobody looked at it")


def _consumers(rotation: Rotation, seen: Evidence) -> Iterator[tuple[str, Consumer]]:
    for name in rotation["required"]:
        consumer = seen.consumers.get(name)
        if consumer is not None and consumer.reachable:
            yield name, consumer


def _unseen(rotation: Rotation, seen: Evidence) -> Iterator[Waiting]:
    for name in rotation["required"]:
        consumer = seen.consumers.get(name)
        if consumer is None:
            yield Waiting("consumer", name, "nobody looked at it")
        elif not consumer.reachable:
            yield Waiting("consumer", name, f"could not be reached{_because(consumer.detail)}")


def _proof(server: Server, accepts: list[str] | None = None, refuses: list[str] | None = None) -> list[str]:
    """Return what the server did not show; a server that lets strangers in shows nothing."""
    if not server.reachable:
        return [f"could not be reached{_because(server.detail)}"]
    if not server.locked:
        return [f"was not proven to be locked{_because(server.detail)}"]
    missing = [f"was not seen to accept {version}" for version in accepts or [] if version not in server.accepts]
    return missing + [f"was not seen to refuse {version}" for version in refuses or [] if version not in server.refuses]


def _held(consumer: Consumer) -> str:
    return consumer.version or f"no known version ({consumer.status or 'status unknown'})"


def _because(detail: str) -> str:
    return f" ({detail})" if detail else ""
