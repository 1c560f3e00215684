# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of the truth document: its types, and the checks it must pass whenever it is read or written.

Errors name the path inside the document (``credentials.main.versions.v2.hash``) and never a value that may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_checks import (
    TruthError,
    boolean,
    choice,
    exactly,
    id_list,
    integer,
    known,
    mapping,
    password,
    plain,
    plain_text,
    text,
    time,
)

__all__ = [
    "ACCEPTORS",
    "DEFAULT_POLICY",
    "LABELS",
    "PHASES",
    "REASONS",
    "SCHEMA",
    "Credential",
    "Document",
    "Password",
    "Rotation",
    "TruthError",
    "check",
    "check_name",
    "check_policy",
    "check_username",
    "plain",
    "plain_text",
]

SCHEMA = 1

ORIGINS = ("generated", "adopted", "rehash")
PHASES = ("pending", "accepted", "distributed", "switched")
REASONS = ("scheduled", "manual", "compromise", "drift")
LABELS = ("current", "pending", "previous")
ACCEPTORS = ("guard", "none")
_ROTATION_OPTIONAL = ("servers", "acceptor", "overlap_until", "aborting", "retiring", "sessions", "password")

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
VERSION_PATTERN = re.compile(r"v[1-9][0-9]{0,8}")
_FINGERPRINT_PATTERN = re.compile(r"[0-9a-f]{12}")


class Password(TypedDict, total=False):
    """``managed``: the truth keeps the password. ``value``: the password; absent when people own it."""

    managed: bool
    value: str


class _VersionRequired(TypedDict):
    hash: str
    made: str
    origin: str


class Version(_VersionRequired, total=False):
    """One token: ``hash`` (60 characters), ``made`` and ``promoted`` (UTC, ``2026-01-02T03:04:05Z``), ``origin``."""

    promoted: str


class Labels(TypedDict):
    """Which version is what; labels move, versions never change."""

    current: str
    pending: str | None
    previous: str | None


class Retired(TypedDict):
    """What is left of a version: its name, the fingerprint and the time (UTC)."""

    version: str
    fp: str
    retired: str


class _RotationRequired(TypedDict):
    id: str
    to: str
    reason: str
    phase: str
    since: str
    required: list[str]


class Rotation(_RotationRequired, total=False):
    """A running rotation.

    ``required`` (``host:consumer``) and ``servers`` (``host:instance``) are frozen at its start. ``acceptor``: whether
    servers can accept two tokens at once (``guard``, the default) or not (``none``). ``overlap_until``: until when the
    previous token stays accepted; set when the labels move. ``aborting``: it goes back. ``retiring``: the overlap is
    over, servers forget the previous token. ``sessions``: ``end`` or ``keep`` browser sessions. ``password``: the one
    that is not the credential's own, where the rotation changes it: of the version to come until the labels move, of
    the previous one from then on.
    """

    servers: list[str]
    acceptor: str
    overlap_until: str
    aborting: bool
    retiring: bool
    sessions: str
    password: Password


class _CredentialRequired(TypedDict):
    username: str
    policy: dict[str, Any]
    password: Password
    labels: Labels
    versions: dict[str, Version]
    rotation: Rotation | None
    retired: list[Retired]


class Credential(_CredentialRequired, total=False):
    """One named credential. ``policy`` holds only what differs from :data:`DEFAULT_POLICY`.

    ``sessions_epoch``: whole seconds since 1970; browser sessions issued before do not count.
    """

    sessions_epoch: int


class Written(TypedDict):
    """Who wrote the document last: ``at`` (UTC), ``by`` (user@host), ``collection`` (version)."""

    at: str
    by: str
    collection: str


class Document(TypedDict):
    """The whole truth. ``serial`` grows by one with each write."""

    schema: int
    serial: int
    written: Written | None
    credentials: dict[str, Credential]


DEFAULT_POLICY: dict[str, Any] = {
    "ident": "2b",
    "cost": 12,
    "rotate_after_days": None,
    "window": None,
    "overlap_hours": 24,
    "alarm_after_days": None,
    "acceptor": "guard",
    "hold": False,
}


def check_name(name: object, where: str = "name") -> str:
    """Return the credential's name. :raises TruthError: not 1 to 63 letters, digits, dots, dashes, underscores."""
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise TruthError(
            f"{where}: {name!r} is not a credential name; use 1 to 63 letters, digits, '.', '_' or '-', "
            "the first a letter or digit"
        )
    checked: str = plain_text(name)
    return checked


def check_username(username: object, where: str = "username") -> str:
    """Return the user name.

    :raises TruthError: not text, empty, longer than 128, edge blanks, a colon (HTTP and netrc split there), or
        a line break or control character (it is a line of its own in ComfyUI-Login's file).
    """
    if not isinstance(username, str):
        raise TruthError(f"{where}: must be text; put quotes around it")
    if not username or len(username) > 128:
        raise TruthError(f"{where}: must have 1 to 128 characters")
    if username != username.strip():
        raise TruthError(f"{where}: must not begin or end with a blank")
    if ":" in username or not username.isprintable():
        raise TruthError(f"{where}: must not hold a colon, a line break or a control character")
    checked: str = plain_text(username)
    return checked


def check_policy(policy: object, where: str = "policy") -> dict[str, Any]:
    """Return the policy's items as plain data. :raises TruthError: an unknown item or a value out of range."""
    items = mapping(policy, where)
    known(items, DEFAULT_POLICY, where)
    for key, value in items.items():
        place = f"{where}.{key}"
        if key == "ident":
            choice(value, ("2a", "2b", "2y"), place)
        elif key == "cost":
            integer(value, place, 4, 31)
        elif key == "acceptor":
            choice(value, ("gateway", "guard", "none"), place)
        elif key == "hold":
            boolean(value, place)
        elif key == "window":
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise TruthError(f"{place}: must be text such as 'Sun 02:00-05:00Z', or null")
        elif key == "overlap_hours":
            integer(value, place, 0, 24 * 366)
        elif value is not None:
            integer(value, place, 1, 36500)
    return {plain_text(key): plain(value) for key, value in items.items()}


def check(document: object) -> Document:
    """Return the document when it is sound in every respect.

    :raises TruthError: a newer schema, a missing, unknown or wrong item, labels that contradict the versions, a token
        that is not strictly one, or a token that occurs twice.
    """
    if not isinstance(document, Mapping):
        raise TruthError("the document is not a mapping of names to values")
    schema = document.get("schema")
    integer(schema, "schema", 1)
    if schema > SCHEMA:  # type: ignore[operator]
        raise TruthError(
            f"schema: is {schema}, newer than the {SCHEMA} that this version of genai.comfyui knows; "
            "upgrade the collection"
        )
    exactly(document, ("schema", "serial", "written", "credentials"), "")
    integer(document["serial"], "serial", 0)
    if document["written"] is not None:
        written = mapping(document["written"], "written")
        exactly(written, ("at", "by", "collection"), "written")
        time(written["at"], "written.at")
        text(written["by"], "written.by")
        text(written["collection"], "written.collection")
    seen: dict[str, str] = {}
    for name, credential in mapping(document["credentials"], "credentials").items():
        check_name(name, "credentials")
        _credential(mapping(credential, f"credentials.{name}"), f"credentials.{name}", seen)
    return document  # type: ignore[return-value]


def _credential(item: Mapping[str, Any], where: str, seen: dict[str, str]) -> None:
    keys = ("username", "policy", "password", "labels", "versions", "rotation", "retired")
    exactly(item, keys, where, optional=("sessions_epoch",))
    check_username(item["username"], f"{where}.username")
    check_policy(item["policy"], f"{where}.policy")
    password(item["password"], f"{where}.password")
    if "sessions_epoch" in item:
        integer(item["sessions_epoch"], f"{where}.sessions_epoch", 0, 1 << 40)
    versions = mapping(item["versions"], f"{where}.versions")
    for version, content in versions.items():
        _version(version, content, f"{where}.versions", seen)
    labels = mapping(item["labels"], f"{where}.labels")
    _labels(labels, versions, where)
    _retired(item["retired"], versions, where)
    if item["rotation"] is not None:
        _rotation(mapping(item["rotation"], f"{where}.rotation"), labels, f"{where}.rotation")
    elif labels["pending"] is not None:
        raise TruthError(f"{where}.labels.pending: is set, but no rotation is running")


def _version(version: object, content: object, where: str, seen: dict[str, str]) -> None:
    if not isinstance(version, str) or not VERSION_PATTERN.fullmatch(version):
        raise TruthError(f"{where}: {version!r} is not a version; they are named v1, v2, ...")
    place = f"{where}.{version}"
    item = mapping(content, place)
    known(item, ("hash", "made", "origin", "promoted"), place)
    token = item.get("hash")
    if not is_token(token):
        raise TruthError(f"{place}.hash: is not a bcrypt hash of exactly 60 characters")
    time(item.get("made"), f"{place}.made")
    choice(item.get("origin"), ORIGINS, f"{place}.origin")
    if "promoted" in item:
        time(item["promoted"], f"{place}.promoted")
    if token in seen:
        raise TruthError(f"{place}.hash: is the same as {seen[str(token)]}.hash; a token belongs to one version only")
    seen[str(token)] = place


def _labels(labels: Mapping[str, Any], versions: Mapping[str, Any], where: str) -> None:
    exactly(labels, LABELS, f"{where}.labels")
    used: dict[str, str] = {}
    for label in LABELS:
        version = labels[label]
        if version is None and label != "current":
            continue
        if not isinstance(version, str) or version not in versions:
            raise TruthError(f"{where}.labels.{label}: {version!r} is not among the versions")
        if version in used:
            raise TruthError(f"{where}.labels.{label}: {version} is already labelled {used[version]}")
        used[version] = label
    for version in versions:
        if version not in used:
            raise TruthError(f"{where}.versions.{version}: has no label; a version nobody uses must be retired")


def _retired(retired: object, versions: Mapping[str, Any], where: str) -> None:
    if not isinstance(retired, list):
        raise TruthError(f"{where}.retired: must be a list")
    alive = {fingerprint(content["hash"]): version for version, content in versions.items()}
    names: set[str] = set(versions)
    for number, entry in enumerate(retired):
        place = f"{where}.retired[{number}]"
        item = mapping(entry, place)
        exactly(item, ("version", "fp", "retired"), place)
        if not isinstance(item["version"], str) or not VERSION_PATTERN.fullmatch(item["version"]):
            raise TruthError(f"{place}.version: is not a version; they are named v1, v2, ...")
        if item["version"] in names:
            raise TruthError(f"{place}.version: {item['version']} occurs twice")
        names.add(str(item["version"]))
        if not isinstance(item["fp"], str) or not _FINGERPRINT_PATTERN.fullmatch(item["fp"]):
            raise TruthError(f"{place}.fp: is not a fingerprint of 12 hexadecimal digits")
        if item["fp"] in alive:
            raise TruthError(f"{place}.fp: is the fingerprint of {alive[item['fp']]}, which is in use")
        time(item["retired"], f"{place}.retired")


def _rotation(item: Mapping[str, Any], labels: Mapping[str, Any], where: str) -> None:
    keys = ("id", "to", "reason", "phase", "since", "required")
    exactly(item, keys, where, optional=_ROTATION_OPTIONAL)
    text(item["id"], f"{where}.id")
    choice(item["reason"], REASONS, f"{where}.reason")
    choice(item["phase"], PHASES, f"{where}.phase")
    time(item["since"], f"{where}.since")
    id_list(item["required"], f"{where}.required", "consumer")
    id_list(item.get("servers", []), f"{where}.servers", "server")
    choice(item.get("acceptor", "guard"), ACCEPTORS, f"{where}.acceptor")
    choice(item.get("sessions", "keep"), ("keep", "end"), f"{where}.sessions")
    boolean(item.get("aborting", False), f"{where}.aborting")
    boolean(item.get("retiring", False), f"{where}.retiring")
    if "password" in item:
        password(item["password"], f"{where}.password")
    switched = item["phase"] == "switched"
    if "overlap_until" in item:
        time(item["overlap_until"], f"{where}.overlap_until")
        if not switched:
            raise TruthError(f"{where}.overlap_until: is set before the labels have moved")
    if item.get("retiring") and not switched:
        raise TruthError(f"{where}.retiring: is set before the labels have moved")
    if item.get("aborting") and item["phase"] not in ("pending", "accepted"):
        raise TruthError(f"{where}.aborting: is set in phase {item['phase']}")
    label = "current" if switched else "pending"
    if item["to"] is None or item["to"] != labels[label]:
        raise TruthError(f"{where}.to: is not the version labelled {label}, as phase {item['phase']} demands")
