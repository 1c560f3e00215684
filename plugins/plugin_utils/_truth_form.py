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

SCHEMA = 1

ORIGINS = ("generated", "adopted", "rehash")
PHASES = ("pending", "accepted", "distributed", "switched")
REASONS = ("scheduled", "manual", "compromise", "drift")
LABELS = ("current", "pending", "previous")

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
VERSION_PATTERN = re.compile(r"v[1-9][0-9]{0,8}")
_TIME_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_FINGERPRINT_PATTERN = re.compile(r"[0-9a-f]{12}")


class TruthError(ValueError):
    """The document, or what is asked of it, is not possible. Names the place and the mend; holds no secret."""


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


class Rotation(TypedDict):
    """A running rotation; ``required`` holds the consumer ids frozen at its start."""

    id: str
    to: str
    reason: str
    phase: str
    since: str
    required: list[str]


class Credential(TypedDict):
    """One named credential. ``policy`` holds only what differs from :data:`DEFAULT_POLICY`."""

    username: str
    policy: dict[str, Any]
    password: Password
    labels: Labels
    versions: dict[str, Version]
    rotation: Rotation | None
    retired: list[Retired]


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


def plain_text(text: str) -> str:
    """Return the text as a plain ``str``.

    Ansible hands in subclasses (unsafe in 2.18, tagged since 2.19). YAML refuses to write them, and ``str(text)`` may
    return just another of them.
    """
    return str.__str__(text)


def plain(value: Any) -> Any:
    """Return a deep copy of YAML-like data in Python's own types; what is none of them stays as it is."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return int.__int__(value) if isinstance(value, int) and not isinstance(value, bool) else value


def check_name(name: object, where: str = "name") -> str:
    """Return the credential's name. :raises TruthError: not 1 to 63 letters, digits, dots, dashes, underscores."""
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise TruthError(
            f"{where}: {name!r} is not a credential name; use 1 to 63 letters, digits, '.', '_' or '-', "
            "the first a letter or digit"
        )
    return plain_text(name)


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
    return plain_text(username)


def check_policy(policy: object, where: str = "policy") -> dict[str, Any]:
    """Return the policy's items as plain data. :raises TruthError: an unknown item or a value out of range."""
    items = _mapping(policy, where)
    _known(items, DEFAULT_POLICY, where)
    for key, value in items.items():
        place = f"{where}.{key}"
        if key == "ident":
            _choice(value, ("2a", "2b", "2y"), place)
        elif key == "cost":
            _integer(value, place, 4, 31)
        elif key == "acceptor":
            _choice(value, ("gateway", "guard", "none"), place)
        elif key == "hold":
            _boolean(value, place)
        elif key == "window":
            if value is not None and not (isinstance(value, str) and value.strip()):
                raise TruthError(f"{place}: must be text such as 'Sun 02:00-05:00Z', or null")
        elif key == "overlap_hours":
            _integer(value, place, 0, 24 * 366)
        elif value is not None:
            _integer(value, place, 1, 36500)
    return {plain_text(key): plain(value) for key, value in items.items()}


def check(document: object) -> Document:
    """Return the document when it is sound in every respect.

    :raises TruthError: a newer schema, a missing, unknown or wrong item, labels that contradict the versions, a token
        that is not strictly one, or a token that occurs twice.
    """
    if not isinstance(document, Mapping):
        raise TruthError("the document is not a mapping of names to values")
    schema = document.get("schema")
    _integer(schema, "schema", 1)
    if schema > SCHEMA:  # type: ignore[operator]
        raise TruthError(
            f"schema: is {schema}, newer than the {SCHEMA} that this version of genai.comfyui knows; "
            "upgrade the collection"
        )
    _exactly(document, ("schema", "serial", "written", "credentials"), "")
    _integer(document["serial"], "serial", 0)
    if document["written"] is not None:
        written = _mapping(document["written"], "written")
        _exactly(written, ("at", "by", "collection"), "written")
        _time(written["at"], "written.at")
        _text(written["by"], "written.by")
        _text(written["collection"], "written.collection")
    seen: dict[str, str] = {}
    for name, credential in _mapping(document["credentials"], "credentials").items():
        check_name(name, "credentials")
        _credential(_mapping(credential, f"credentials.{name}"), f"credentials.{name}", seen)
    return document  # type: ignore[return-value]


def _credential(item: Mapping[str, Any], where: str, seen: dict[str, str]) -> None:
    _exactly(item, ("username", "policy", "password", "labels", "versions", "rotation", "retired"), where)
    check_username(item["username"], f"{where}.username")
    check_policy(item["policy"], f"{where}.policy")
    password = _mapping(item["password"], f"{where}.password")
    _known(password, ("managed", "value"), f"{where}.password")
    _boolean(password.get("managed"), f"{where}.password.managed")
    if password["managed"]:
        _text(password.get("value"), f"{where}.password.value")
    elif "value" in password:
        raise TruthError(f"{where}.password.value: is there although 'managed' is false")
    versions = _mapping(item["versions"], f"{where}.versions")
    for version, content in versions.items():
        _version(version, content, f"{where}.versions", seen)
    labels = _mapping(item["labels"], f"{where}.labels")
    _labels(labels, versions, where)
    _retired(item["retired"], versions, where)
    if item["rotation"] is not None:
        _rotation(_mapping(item["rotation"], f"{where}.rotation"), labels, f"{where}.rotation")
    elif labels["pending"] is not None:
        raise TruthError(f"{where}.labels.pending: is set, but no rotation is running")


def _version(version: object, content: object, where: str, seen: dict[str, str]) -> None:
    if not isinstance(version, str) or not VERSION_PATTERN.fullmatch(version):
        raise TruthError(f"{where}: {version!r} is not a version; they are named v1, v2, ...")
    place = f"{where}.{version}"
    item = _mapping(content, place)
    _known(item, ("hash", "made", "origin", "promoted"), place)
    token = item.get("hash")
    if not is_token(token):
        raise TruthError(f"{place}.hash: is not a bcrypt hash of exactly 60 characters")
    _time(item.get("made"), f"{place}.made")
    _choice(item.get("origin"), ORIGINS, f"{place}.origin")
    if "promoted" in item:
        _time(item["promoted"], f"{place}.promoted")
    if token in seen:
        raise TruthError(f"{place}.hash: is the same as {seen[str(token)]}.hash; a token belongs to one version only")
    seen[str(token)] = place


def _labels(labels: Mapping[str, Any], versions: Mapping[str, Any], where: str) -> None:
    _exactly(labels, LABELS, f"{where}.labels")
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
        item = _mapping(entry, place)
        _exactly(item, ("version", "fp", "retired"), place)
        if not isinstance(item["version"], str) or not VERSION_PATTERN.fullmatch(item["version"]):
            raise TruthError(f"{place}.version: is not a version; they are named v1, v2, ...")
        if item["version"] in names:
            raise TruthError(f"{place}.version: {item['version']} occurs twice")
        names.add(str(item["version"]))
        if not isinstance(item["fp"], str) or not _FINGERPRINT_PATTERN.fullmatch(item["fp"]):
            raise TruthError(f"{place}.fp: is not a fingerprint of 12 hexadecimal digits")
        if item["fp"] in alive:
            raise TruthError(f"{place}.fp: is the fingerprint of {alive[item['fp']]}, which is in use")
        _time(item["retired"], f"{place}.retired")


def _rotation(item: Mapping[str, Any], labels: Mapping[str, Any], where: str) -> None:
    _exactly(item, ("id", "to", "reason", "phase", "since", "required"), where)
    _text(item["id"], f"{where}.id")
    _choice(item["reason"], REASONS, f"{where}.reason")
    _choice(item["phase"], PHASES, f"{where}.phase")
    _time(item["since"], f"{where}.since")
    if not isinstance(item["required"], list) or not all(isinstance(i, str) and i for i in item["required"]):
        raise TruthError(f"{where}.required: must be a list of consumer ids")
    label = "current" if item["phase"] == "switched" else "pending"
    if item["to"] is None or item["to"] != labels[label]:
        raise TruthError(f"{where}.to: is not the version labelled {label}, as phase {item['phase']} demands")


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TruthError(f"{where}: must be a mapping")
    return value


def _known(item: Mapping[str, Any], known: Any, where: str) -> None:
    # Only names, and only short ones: a value that slipped into the place of a key must not be shown.
    for key in item:
        if key not in known:
            shown = repr(key) if isinstance(key, str) and re.fullmatch(r"[A-Za-z_]{1,24}", key) else "an item"
            raise TruthError(f"{where or 'document'}: {shown} is unknown here; a newer genai.comfyui may know it")


def _exactly(item: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    _known(item, keys, where)
    for key in keys:
        if key not in item:
            raise TruthError(f"{where + '.' if where else ''}{key}: is missing")


def _integer(value: object, where: str, low: int, high: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        raise TruthError(f"{where}: must be a number, {low} or more{f', at most {high}' if high is not None else ''}")


def _boolean(value: object, where: str) -> None:
    if not isinstance(value, bool):
        raise TruthError(f"{where}: must be true or false")


def _text(value: object, where: str) -> None:
    if not isinstance(value, str) or not value:
        raise TruthError(f"{where}: must be text and not empty")


def _choice(value: object, choices: tuple[str, ...], where: str) -> None:
    if not isinstance(value, str) or value not in choices:
        raise TruthError(f"{where}: must be one of {', '.join(choices)}")


def _time(value: object, where: str) -> None:
    if not isinstance(value, str) or not _TIME_PATTERN.fullmatch(value):
        raise TruthError(f"{where}: must be a time in UTC such as 2026-01-02T03:04:05Z")
