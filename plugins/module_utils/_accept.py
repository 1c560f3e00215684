# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's ACCEPT.json: what it should hold, what it holds, and making it so. Standard library only.

The guard reads it strictly (``roles/comfyui_login/files/guard/accept.py``); nothing is written here that it would not
take. What a file lists is judged against the credential before it is replaced: a token that the truth does not know
means that the field is newer than the truth, as after a restored backup, and is refused.

Beside it a receipt, ``RETIRED.json``, keeps the fingerprints of what the truth has called retired here. A rotation that
is aborted leaves nothing else by which a copy of the truth from before that could be told from a newer one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _durable
from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

MODE = 0o600
RECEIPT = "RETIRED.json"
_MOST_RETIRED = 64
_MARK = re.compile(r"[0-9a-f]{12}")
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MOST_TOKENS = 16
_LABELS = ("pending", "previous")


class AcceptError(ValueError):
    """What is wanted is not possible; names the place and the mend, and holds no secret."""


@dataclass(frozen=True)
class Entry:
    """One token that is valid until *expires* (whole seconds since 1970; None: until it is taken out)."""

    version: str
    token: str = field(repr=False)
    expires: int | None = None


@dataclass(frozen=True)
class Accepted:
    """What an ACCEPT.json says. *epoch*: browser sessions from before it (seconds since 1970) do not count."""

    entries: tuple[Entry, ...]
    epoch: int = 0


@dataclass
class Plan:
    """One file: what was found, what is wanted, and so what is to be done.

    ``was``: in_sync, missing, damaged, too_open, other, unknown (it lists a token that the truth does not know, or no
    more one that the truth would let in again) or planned (there is no token yet). ``data`` None leaves the content as
    it is.
    """

    path: str
    was: str
    wanted: Accepted | None
    found: Accepted | None
    before: bytes | None
    data: bytes | None = None
    attributes: bool = False
    detail: str = ""
    refusal: str | None = None
    receipt: tuple[bytes | None, bytes] | None = None
    """What the receipt holds and what it should hold; None where that is the same."""

    @property
    def changes(self) -> bool:
        """Whether a run has to touch the file or its receipt."""
        return self.refusal is None and (self.data is not None or self.attributes or self.receipt is not None)


def wanted(name: str, credential: Mapping[str, Any]) -> Accepted | None:
    """Return what a server of this credential should accept; None where its token does not exist yet.

    Without ``accept`` in the credential that is the current token and nothing else.

    :raises AcceptError: an entry is malformed, or the token that PASSWORD should hold is not among them.
    """
    if credential.get("token") is None:
        return None
    given = credential.get("accept")
    if given is None:
        given = [{"version": credential.get("version"), "token": credential["token"], "expires": None}]
    entries = []
    for one in given:
        version, token, expires = one.get("version"), one.get("token"), one.get("expires")
        if not isinstance(version, str) or not _VERSION.fullmatch(version):
            raise AcceptError(f"credential {name}: a version to accept has no short plain name")
        if not is_token(token):
            raise AcceptError(f"credential {name}: the token of {version} is not a bcrypt hash of 60 characters")
        if expires is not None and (isinstance(expires, bool) or not isinstance(expires, int) or expires < 0):
            raise AcceptError(f"credential {name}: the end of {version} is neither null nor whole seconds since 1970")
        entries.append(Entry(str(version), str(token), expires))
    epoch = credential.get("epoch") or 0
    if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
        raise AcceptError(f"credential {name}: its sessions' epoch is not whole seconds since 1970")
    if not 1 <= len(entries) <= _MOST_TOKENS:
        raise AcceptError(f"credential {name}: {len(entries)} tokens to accept; from 1 to {_MOST_TOKENS} are possible")
    if len({one.token for one in entries}) < len(entries) or len({one.version for one in entries}) < len(entries):
        raise AcceptError(f"credential {name}: a version or a token to accept stands twice")
    served = token_served(credential)
    if served not in {one.token for one in entries if one.expires is None}:
        # A server whose PASSWORD is not accepted for good does not start.
        raise AcceptError(f"credential {name}: the token for login/PASSWORD is not among those to accept")
    return Accepted(tuple(entries), int(epoch))


def token_served(credential: Mapping[str, Any]) -> str | None:
    """Return the token that login/PASSWORD should hold now: the pending one when the credential says so."""
    pending = credential.get("pending")
    chosen = pending if credential.get("serve") == "pending" and isinstance(pending, Mapping) else credential
    token = chosen.get("token")
    return None if token is None else str(token)


def versions_of(credential: Mapping[str, Any]) -> dict[str, str]:
    """Return every token that is alive, version to token: current, pending, previous. Retired ones are not kept."""
    found = {}
    for one in (credential, *(credential.get(label) for label in _LABELS)):
        if isinstance(one, Mapping) and one.get("version") and one.get("token"):
            found[str(one["version"])] = str(one["token"])
    return found


def render(accepted: Accepted) -> bytes:
    """Return the file's content; the same bytes for the same set."""
    tokens = [{"version": one.version, "token": one.token, "expires": one.expires} for one in accepted.entries]
    return (json.dumps({"schema": 1, "epoch": accepted.epoch, "tokens": tokens}, indent=1) + "\n").encode("ascii")


def parse(data: bytes) -> Accepted | None:
    """Return what a file says, in whatever spelling of JSON, or None when it is not such a file."""
    try:
        document = json.loads(data.decode("utf-8"))
        entries = tuple(Entry(one["version"], one["token"], one["expires"]) for one in document["tokens"])
        sound = entries and all(is_token(one.token) and isinstance(one.version, str) for one in entries)
        return Accepted(entries, document["epoch"]) if sound else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def lists(path: str, token: str) -> bool:
    """Return whether the file at *path* lists *token* without an end. Never raises."""
    try:
        data = _durable.read(path).data
    except OSError:
        return False
    found = parse(data) if data is not None else None
    return found is not None and any(one.token == token and one.expires is None for one in found.entries)


def plan(
    path: str, name: str, credential: Mapping[str, Any], owner: int | None = None, group: int | None = None
) -> Plan:
    """Compare the file at *path* with what credential *name* wants there. Raises AcceptError and DurableError."""
    want = wanted(name, credential)
    try:
        there = _durable.read(path)
    except _durable.DurableError as error:
        if error.reason != "no_directory":
            raise
        # The run in check mode would lay it down; the real one has done so.
        return Plan(path, "missing", want, None, None, b"" if want is None else render(want))
    found = parse(there.data) if there.data is not None else None
    made = Plan(path, "in_sync", want, found, there.data)
    if want is None:
        made.was, made.detail = "planned", "the credential will be created by this run"
        made.data = b""
        return made
    receipt = _durable.read(receipt_of(path)).data
    if found is not None and (_unknown(made, name, credential, found) or _readmits(made, name, credential, found)):
        return made
    if _revives(made, name, credential, retired_in(receipt)):
        return made
    noted = render_receipt(retired_in(receipt), credential)
    made.receipt = None if noted in (receipt, None) else (receipt, noted or b"")
    if there.data is None:
        made.was = "missing"
    elif found is None:
        made.was, made.detail = "damaged", "it is not a file that this collection wrote"
    elif there.data != render(want):
        made.was = "other"
    if made.was != "in_sync":
        made.data = render(want)
    wrong = (there.mode, owner if owner is None else there.uid, group if group is None else there.gid)
    if there.data is not None and wrong != (MODE, owner, group):
        made.attributes = True
        if made.was == "in_sync":
            made.was, made.detail = "too_open", f"mode {there.mode:04o}, owner {there.uid}, group {there.gid}"
    return made


def _unknown(made: Plan, name: str, credential: Mapping[str, Any], found: Accepted) -> bool:
    """Refuse a file that lists what the truth does not know; return whether that is so."""
    known = {fingerprint(token) for token in versions_of(credential).values()}
    known |= {str(one.get("fingerprint")) for one in credential.get("retired") or []}
    strangers = [one for one in found.entries if fingerprint(one.token) not in known]
    if strangers:
        told = ", ".join(f"{one.version} ({fingerprint(one.token)})" for one in strangers)
        made.was = "unknown"
        made.detail = made.refusal = (
            f"{made.path}: lists {told}, which the truth's credential {name} does not know, so the server may be newer "
            "than the truth (a restored backup?); adopt the token that the server holds, or move the file away"
        )
    return bool(strangers)


def receipt_of(path: str) -> str:
    """Return where the receipt of the accept file at *path* is."""
    return os.path.join(os.path.dirname(path), RECEIPT)


def retired_in(data: bytes | None) -> list[str]:
    """Return the fingerprints in a receipt, oldest first; none where it is no receipt, which a run makes good."""
    try:
        marks = json.loads((data or b"").decode("ascii"))["retired"]
        return [mark for mark in marks if isinstance(mark, str) and _MARK.fullmatch(mark)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def render_receipt(there: list[str], credential: Mapping[str, Any]) -> bytes | None:
    """Return the receipt with what this truth calls retired or is about to; None where there is nothing to keep."""
    told = [str(one.get("fingerprint")) for one in credential.get("retired") or []]
    if credential.get("accept") is not None:
        # What is shut out while the truth still knows it, so that the receipt is there before the truth forgets.
        valid = {one.get("token") for one in credential["accept"]}
        told += [fingerprint(token) for token in versions_of(credential).values() if token not in valid]
    marks = list(dict.fromkeys([*there, *told]))[-_MOST_RETIRED:]
    return (json.dumps({"schema": 1, "retired": marks}, indent=1) + "\n").encode("ascii") if marks else None


def _revives(made: Plan, name: str, credential: Mapping[str, Any], retired: list[str]) -> bool:
    """Refuse a token that a truth has called retired here and this one has not; return whether that is so."""
    known = {str(one.get("fingerprint")) for one in credential.get("retired") or []}
    gone = set(retired) - known
    again = [one for one in (made.wanted.entries if made.wanted else ()) if fingerprint(one.token) in gone]
    if again:
        told = ", ".join(f"{one.version} ({fingerprint(one.token)})" for one in again)
        made.was = "unknown"
        made.detail = made.refusal = (
            f"{made.path}: the truth's credential {name} would let {told} in, which was retired or withdrawn here, as "
            f"{RECEIPT} beside it says, so the server is newer than the truth (a restored backup, another controller's "
            "older copy?); restore the newest copy, or adopt the token that the server holds"
        )
    return bool(again)


def _readmits(made: Plan, name: str, credential: Mapping[str, Any], found: Accepted) -> bool:
    """Refuse to let a token in again that this very server was told to refuse; return whether that is so.

    No rotation does that: the former version leaves the file (or gets an end) after its successor was listed, and never
    comes back. A truth that wants it is a copy from before that moment.
    """
    names = {token: version for version, token in versions_of(credential).items()}
    # What the truth has retired tells nothing: then it is the truth that is newer.
    listed = {names[one.token]: one.expires for one in found.entries if one.token in names}
    newest = max((_number(version) for version, expires in listed.items() if expires is None), default=0)
    again = [
        one.version
        for one in (made.wanted.entries if made.wanted else ())
        if 0 < _number(one.version) < newest
        and (one.version not in listed or (one.expires is None and listed[one.version] is not None))
    ]
    if again:
        made.was = "unknown"
        made.detail = made.refusal = (
            f"{made.path}: lists v{newest} and {', '.join(again)} no more (or only for a while), but the truth's "
            f"credential {name} would let {', '.join(again)} in again, so the server is newer than the truth (a "
            "restored backup, another controller's older copy?); restore the newest copy, or adopt the token that the "
            "server holds"
        )
    return bool(again)


def _number(version: str) -> int:
    return int(version[1:]) if version[:1] == "v" and version[1:].isascii() and version[1:].isdigit() else 0


def apply(made: Plan, owner: int | None = None, group: int | None = None) -> None:
    """Write one planned file, and its receipt first. Raises DurableError."""
    if made.receipt is not None:
        before, noted = made.receipt
        place = receipt_of(made.path)
        _durable.write(place, noted, expected=before, mode=MODE, owner=owner, group=group)
    if made.data is not None and made.wanted is not None:
        _durable.write(made.path, made.data, expected=made.before, mode=MODE, owner=owner, group=group)
    elif made.attributes and made.before is not None:
        _durable.set_attributes(made.path, expected=made.before, mode=MODE, owner=owner, group=group)


def described(accepted: Accepted | None) -> list[str]:
    """Return one line an entry, for a diff: version, fingerprint and end."""
    if accepted is None:
        return []
    lines = [
        f"{one.version} ({fingerprint(one.token)})" + ("" if one.expires is None else f" until {one.expires}")
        for one in accepted.entries
    ]
    return [*lines, f"sessions count from {accepted.epoch}"]
