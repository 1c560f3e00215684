# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen in the field, checked and by id. A place that nobody saw, or could not reach, proves nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_checks import plain

_SERVER_KEYS = frozenset({
    "host", "instance", "credential", "acceptor", "reachable", "locked", "accepts", "refuses", "password", "holds",
    "fingerprint", "accept_versions", "accept_fingerprints", "at", "clock", "asked", "detail",
})  # fmt: skip
_CONSUMER_KEYS = frozenset({
    "host", "id", "credential", "required", "reachable", "status", "version", "fingerprint", "reload", "at", "detail",
})  # fmt: skip
_FINGERPRINT = re.compile(r"[0-9a-f]{12}")


class EvidenceError(ValueError):
    """The evidence does not have the form it must have; names the record and the mend."""


@dataclass(frozen=True)
class Server:
    """One instance. Versions are names such as ``v7``; ``accepts`` and ``refuses`` were proven by requests."""

    id: str
    host: str
    reachable: bool = False
    acceptor: str = ""
    locked: bool = False
    accepts: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    password: str | None = None
    holds: str | None = None
    fingerprints: frozenset[str] = frozenset()
    """Of every token in the server's files."""
    listed: frozenset[str] = frozenset()
    """The names in its accept file."""
    clock: float | None = None
    """What its clock showed when it was asked, and (``asked``) what the asking controller's did; since 1970."""
    asked: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Consumer:
    """One consumer. ``version``: the one its file holds; ``reload``: ``pending`` while its process is older."""

    id: str
    host: str
    reachable: bool = False
    status: str = ""
    version: str | None = None
    fingerprint: str | None = None
    reload: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that was seen of one credential, by ``host:instance`` and ``host:consumer``."""

    servers: Mapping[str, Server] = field(default_factory=dict)
    consumers: Mapping[str, Consumer] = field(default_factory=dict)


def evidence_of(given: Any, name: str) -> Evidence:
    """Return the evidence about the credential *name*. Of two records about one place the later one counts.

    :param given: ``{servers: [...], consumers: [...]}`` as the action ``rotation`` documents it, or None.
    :raises EvidenceError: malformed; an unknown key is refused as well, because a misspelt one would prove nothing.
    """
    if given is None:
        return Evidence()
    given = plain(given)
    if not isinstance(given, dict) or set(given) - {"servers", "consumers"}:
        raise EvidenceError("evidence: must be a mapping with the lists 'servers' and 'consumers'")
    servers = [_server(one, where) for one, where in _records(given, "servers", _SERVER_KEYS, "instance", name)]
    consumers = [_consumer(one, where) for one, where in _records(given, "consumers", _CONSUMER_KEYS, "id", name)]
    return Evidence({one.id: one for one in servers}, {one.id: one for one in consumers})


def _records(
    given: Mapping[str, Any], key: str, known: frozenset[str], own: str, name: str
) -> Iterable[tuple[Mapping[str, Any], str]]:
    records = given.get(key) or []
    if not isinstance(records, list):
        raise EvidenceError(f"evidence.{key}: must be a list")
    for number, one in enumerate(records):
        where = f"evidence.{key}[{number}]"
        if not isinstance(one, dict):
            raise EvidenceError(f"{where}: must be a mapping")
        unknown = sorted(str(k) for k in one if k not in known)
        if unknown:
            raise EvidenceError(f"{where}: unknown keys {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        for wanted in ("host", own):
            if not isinstance(one.get(wanted), str) or not one[wanted]:
                raise EvidenceError(f"{where}.{wanted}: is missing")
        if (one.get("credential") or "main") == name:
            yield one, where


def _server(one: Mapping[str, Any], where: str) -> Server:
    acceptor = one.get("acceptor") or ""
    if acceptor not in ("", "guard", "none"):
        raise EvidenceError(f"{where}.acceptor: must be guard or none")
    marks = [*_texts(one, "accept_fingerprints", where), *filter(None, [_text(one, "fingerprint", where)])]
    for mark in marks:
        if not _FINGERPRINT.fullmatch(mark):
            raise EvidenceError(f"{where}: a fingerprint has 12 hexadecimal digits")
    return Server(
        id=f"{one['host']}:{one['instance']}",
        host=one["host"],
        reachable=one.get("reachable") is True,
        acceptor=acceptor,
        locked=one.get("locked") is True,
        accepts=frozenset(_texts(one, "accepts", where)),
        refuses=frozenset(_texts(one, "refuses", where)),
        password=_text(one, "password", where),
        holds=_text(one, "holds", where),
        fingerprints=frozenset(marks),
        listed=frozenset(_texts(one, "accept_versions", where)),
        clock=_seconds(one, "clock", where),
        asked=_seconds(one, "asked", where),
        detail=_text(one, "detail", where) or "",
    )


def _consumer(one: Mapping[str, Any], where: str) -> Consumer:
    return Consumer(
        id=f"{one['host']}:{one['id']}",
        host=one["host"],
        reachable=one.get("reachable") is True,
        status=_text(one, "status", where) or "",
        version=_text(one, "version", where),
        fingerprint=_text(one, "fingerprint", where),
        reload=_text(one, "reload", where),
        detail=_text(one, "detail", where) or "",
    )


def _text(one: Mapping[str, Any], key: str, where: str) -> str | None:
    value = one.get(key)
    if value is not None and not isinstance(value, str):
        raise EvidenceError(f"{where}.{key}: must be text or null")
    return value or None


def _seconds(one: Mapping[str, Any], key: str, where: str) -> float | None:
    value = one.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise EvidenceError(f"{where}.{key}: must be seconds since 1970 or null")
    return None if value is None else float(value)


def _texts(one: Mapping[str, Any], key: str, where: str) -> list[str]:
    value = one.get(key) or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise EvidenceError(f"{where}.{key}: must be a list of texts")
    return value
