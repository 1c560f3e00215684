# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth document as pure functions: nothing here reads a clock, a file or a random number.

Every function that changes something takes a document and returns a new one; the one it was given stays as it was.
Times are text in UTC (``2026-01-02T03:04:05Z``).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import yaml

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth_view
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_policy import parse_window
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_form import (
    DEFAULT_POLICY,
    SCHEMA,
    Credential,
    Document,
    Password,
    TruthError,
    check,
    check_name,
    check_policy,
    check_username,
    plain,
    plain_text,
)
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_view import summary, view_planned

__all__ = [
    "COLLECTION_VERSION",
    "DEFAULT_POLICY",
    "DEFAULT_USERNAME",
    "Document",
    "TruthError",
    "add_generated",
    "adopt",
    "check",
    "check_name",
    "check_policy",
    "current_token",
    "get",
    "new_document",
    "parse",
    "policy_of",
    "remove",
    "render",
    "stamp",
    "summary",
    "update",
    "view",
    "view_planned",
]

COLLECTION_VERSION = "0.1.0"
DEFAULT_USERNAME = "admin"

_HEADER = "# Credentials of genai.comfyui. Change them with its credential module, never by hand.\n"


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a repeated key is an error and times stay text."""


# PyYAML shares the table between classes: without a copy this would change yaml.safe_load for everybody.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _unique_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key, _value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise TruthError(f"line {key.start_mark.line + 1}: a key occurs twice in one mapping")
            seen.add(key.value)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _unique_mapping)


def parse(text: str) -> Document:
    """Return the document in this YAML text, checked.

    :raises TruthError: empty, not YAML, not a mapping, or anything that :func:`check` refuses. The parser's own
        message is not passed on, because it quotes the text.
    """
    if not text.strip():
        raise TruthError("the document is empty")
    try:
        loaded = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except TruthError:
        raise
    # Beside its own errors, PyYAML lets through what int() and the like raise for odd scalars.
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark is not None else ""
        raise TruthError(f"the document is not valid YAML{place}") from None
    return check(loaded)


def render(document: Document) -> str:
    """Return the document as YAML text, as :func:`parse` reads it."""
    check(document)
    try:
        body = yaml.safe_dump(plain(document), sort_keys=False, allow_unicode=True, width=4096)
    except yaml.YAMLError:
        # Its own text holds the value.
        raise TruthError("the document holds something that YAML cannot write") from None
    return _HEADER + str(body)


def new_document() -> Document:
    """Return an empty document; its first write gets serial 1."""
    return {"schema": SCHEMA, "serial": 0, "written": None, "credentials": {}}


def stamp(old: Document, new: Document, *, now: str, by: str) -> Document:
    """Return the new document ready to be written: serial + 1, and who wrote it when.

    The old document itself is returned when nothing but the stamp would differ.

    :raises TruthError: the new document is not sound, or changes or forgets a version that was written before.
    """
    check(new)
    if new["credentials"] == old["credentials"]:
        return old
    for name, before in old["credentials"].items():
        after = new["credentials"].get(name)
        if after is None:
            continue
        gone = {entry["version"]: entry["fp"] for entry in after["retired"]}
        for version, content in before["versions"].items():
            where = f"credentials.{name}.versions.{version}"
            kept = after["versions"].get(version)
            if kept is None:
                if gone.get(version) != fingerprint(content["hash"]):
                    raise TruthError(f"{where}: would vanish without being retired")
            elif {**kept, "promoted": None} != {**content, "promoted": None} or (
                "promoted" in content and kept.get("promoted") != content["promoted"]
            ):
                raise TruthError(f"{where}: would change; a version never does, make a new one")
    stamped = copy.deepcopy(new)
    stamped["serial"] = old["serial"] + 1
    stamped["written"] = {"at": now, "by": by, "collection": COLLECTION_VERSION}
    return check(stamped)


def get(document: Document, name: str) -> Credential:
    """Return one credential. :raises TruthError: there is none of this name; the message lists those there are."""
    check_name(name)
    try:
        return document["credentials"][name]
    except KeyError:
        there = ", ".join(sorted(document["credentials"])) or "none at all"
        raise TruthError(f"there is no credential {name!r}; there is: {there}") from None


def policy_of(credential: Credential) -> dict[str, Any]:
    """Return the credential's complete policy: its own items over the defaults."""
    return {**DEFAULT_POLICY, **credential["policy"]}


def current_token(credential: Credential) -> str:
    """Return the token that is in force."""
    token: str = credential["versions"][credential["labels"]["current"]]["hash"]
    return token


def add_generated(
    document: Document,
    name: str,
    *,
    token: str,
    password: str | None,
    now: str,
    username: str = DEFAULT_USERNAME,
    policy: Mapping[str, Any] | None = None,
) -> Document:
    """Add a credential whose token was just made. ``password`` None: people own it, the truth does not keep it.

    :raises TruthError: the name is taken, or something is malformed.
    """
    return _add(document, name, token, password, now, username, policy, "generated")


def adopt(
    document: Document,
    name: str,
    *,
    token: str,
    password: str | None,
    now: str,
    username: str | None = None,
    policy: Mapping[str, Any] | None = None,
    force: bool = False,
) -> Document:
    """Take over an existing hash, byte for byte. The same hash again changes nothing but a password not yet known.

    :param password: the password of this hash, when known; whether they belong together is the caller's proof.
    :param force: adopt another hash over an existing credential: it becomes a new current version at once, the former
        one is retired (its hash dropped, its fingerprint kept), the former password is forgotten, a running rotation
        ends: this is the way out when the truth is an old copy and the field went on.
    :raises TruthError: without force, another or a retired hash, or a running rotation; or something malformed.
    """
    check_name(name)
    if not is_token(token):
        raise TruthError("the token to adopt is not a bcrypt hash of exactly 60 characters")
    if name not in document["credentials"]:
        return _add(document, name, token, password, now, username or DEFAULT_USERNAME, policy, "adopted")
    new = copy.deepcopy(document)
    item = new["credentials"][name]
    if current_token(item) == token:
        if password is not None:
            item["password"] = _password(password)
    else:
        if not force:
            _idle(item, name, "adopt another token")
        known = [e for e in item["retired"] if e["fp"] == fingerprint(token)]
        if not force:
            what = (
                f"was retired as {known[0]['version']} on {known[0]['retired']}"
                if known
                else f"differs from the one in force ({item['labels']['current']}, {fingerprint(current_token(item))})"
            )
            raise TruthError(
                f"credential {name!r}: the token to adopt ({fingerprint(token)}) {what}; "
                "find out which one the servers hold, then adopt it with 'force: true'"
            )
        item["retired"] = [e for e in item["retired"] if e not in known]
        _replace_current(item, plain_text(token), now)
        item["password"] = _password(password)
    return update(new, name, username=username, policy=policy)


def update(
    document: Document, name: str, *, username: str | None = None, policy: Mapping[str, Any] | None = None
) -> Document:
    """Set the user name and single items of the policy; None leaves them.

    :raises TruthError: no such credential, something malformed, or another user name while a rotation runs.
    """
    new = copy.deepcopy(document)
    item = get(new, name)
    if username is not None and username != item["username"]:
        _idle(item, name, "change the user name")
        item["username"] = check_username(username)
    if policy is not None:
        item["policy"] = {**item["policy"], **_new_policy(policy)}
    return new


def remove(document: Document, name: str, *, force: bool = False) -> Document:
    """Remove a credential; one that is not there is no error.

    :raises TruthError: a rotation is running and force is not set.
    """
    check_name(name)
    new = copy.deepcopy(document)
    if name in new["credentials"]:
        if not force:
            _idle(new["credentials"][name], name, "remove it")
        del new["credentials"][name]
    return new


def view(document: Document, name: str) -> dict[str, Any]:
    """Return the credential's view, see :func:`_truth_view.view`. :raises TruthError: there is no such credential."""
    shown: dict[str, Any] = _truth_view.view(get(document, name))
    return shown


def _add(
    document: Document,
    name: str,
    token: str,
    password: str | None,
    now: str,
    username: str,
    policy: Mapping[str, Any] | None,
    origin: str,
) -> Document:
    check_name(name)
    if name in document["credentials"]:
        raise TruthError(f"credential {name!r} exists already")
    new = copy.deepcopy(document)
    new["credentials"][plain_text(name)] = {
        "username": check_username(username),
        "policy": _new_policy(policy or {}),
        "password": _password(password),
        "labels": {"current": "v1", "pending": None, "previous": None},
        "versions": {"v1": {"hash": plain_text(token), "made": now, "origin": origin, "promoted": now}},
        "rotation": None,
        "retired": [],
    }
    return check(new)


def _new_policy(policy: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = check_policy(policy)
    if checked.get("window") is not None:
        # Only where it is set: one that is in the truth already must not keep anybody from reading it.
        parse_window(checked["window"])
    return checked


def _replace_current(item: Credential, token: str, now: str) -> None:
    numbers = [int(version[1:]) for version in [*item["versions"], *(e["version"] for e in item["retired"])]]
    version = f"v{max(numbers) + 1}"
    item["retired"] += [
        {"version": old, "fp": fingerprint(content["hash"]), "retired": now}
        for old, content in item["versions"].items()
        if content["hash"] != token
    ]
    # The hash may come back from the label "previous": then its version only changes its label.
    kept = {old: content for old, content in item["versions"].items() if content["hash"] == token}
    if kept:
        version = next(iter(kept))
    else:
        kept = {version: {"hash": token, "made": now, "origin": "adopted", "promoted": now}}
    item["versions"] = kept
    item["rotation"] = None
    item["labels"] = {"current": version, "pending": None, "previous": None}


def _password(value: str | None) -> Password:
    return {"managed": False} if value is None else {"managed": True, "value": plain_text(value)}


def _idle(item: Credential, name: str, what: str) -> None:
    rotation = item["rotation"]
    if rotation is not None:
        raise TruthError(
            f"credential {name!r}: rotation {re.sub(r'[^A-Za-z0-9._-]', '?', rotation['id'])} is running "
            f"(phase {rotation['phase']}); finish or abort it first, then {what}"
        )
