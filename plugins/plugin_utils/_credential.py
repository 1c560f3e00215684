# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What genai.comfyui.credential does, without Ansible: decide, make tokens, and tell what happened without values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _hashing, _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import Store, change
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores._interface import utc_now


class CredentialError(Exception):
    """What was asked for is not possible; the message names the mend and holds no secret."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for, as the module's options have it."""

    names: Sequence[str]
    state: str = "present"
    create: bool = False
    username: str | None = None
    password: str | None = None
    password_managed: bool = True
    token: str | None = None
    policy: Mapping[str, Any] | None = None
    force: bool = False


def apply(store: Store, wanted: Wanted, *, users: Callable[[str], list[str]], check_mode: bool) -> dict[str, Any]:
    """Bring the truth to the wanted state; return ``changed``, ``serial``, ``credentials`` and ``diff``.

    :param users: returns the places that declare a credential; asked only before one is removed.
    :raises CredentialError: refused. :raises TruthError, HashingError, StoreError: as they say. Nothing was changed.
    """
    edit = _Edit(wanted, users, check_mode)
    # Where there is no document, nothing has to be removed from it, and nothing is written.
    create = wanted.create or wanted.state == "absent"
    # site.yml asks this first. What it then does to hosts must not go by what another controller has replaced.
    before, after = change(store, edit, create=create, dry_run=check_mode, fresh=True)
    return _report(before, after, wanted, edit.unmade)


class _Edit:
    """The change as a function of the document. Called again after a conflict, so what is made is made once."""

    def __init__(self, wanted: Wanted, users: Callable[[str], list[str]], check_mode: bool) -> None:
        self._wanted = wanted
        self._users = users
        self._check_mode = check_mode
        self._made: dict[str, tuple[str, str | None]] = {}
        # Names whose token stands in for one that only the real run would make.
        self.unmade: set[str] = set()

    def __call__(self, document: _truth.Document) -> _truth.Document:
        for name in self._wanted.names:
            document = getattr(self, f"_{self._wanted.state}")(document, name)
        return document

    def _present(self, document: _truth.Document, name: str) -> _truth.Document:
        wanted = self._wanted
        if _truth.check_name(name) in document["credentials"]:
            self._same_password(document["credentials"][name], name)
            return _truth.update(document, name, username=wanted.username, policy=wanted.policy)
        if not wanted.create:
            there = ", ".join(sorted(document["credentials"])) or "none at all"
            raise CredentialError(
                f"there is no credential {name!r} (there is: {there}). "
                "Correct the name, or have it made with 'create: true'"
            )
        if name not in self._made:
            self._made[name] = self._make(name)
        token, password = self._made[name]
        return _truth.add_generated(
            document,
            name,
            token=token,
            password=password,
            now=utc_now(),
            username=wanted.username or _truth.DEFAULT_USERNAME,
            policy=wanted.policy,
        )

    def _make(self, name: str) -> tuple[str, str | None]:
        wanted = self._wanted
        if wanted.password is None and not wanted.password_managed:
            raise CredentialError(
                f"credential {name!r}: a password that the truth does not keep must be given, or nobody would know it"
            )
        policy = {**_truth.DEFAULT_POLICY, **_truth.check_policy(wanted.policy or {})}
        password = wanted.password if wanted.password is not None else _hashing.random_password()
        _hashing.check_password(password)
        cost = policy["cost"]
        if self._check_mode:
            # The cheapest hash proves that hashing works; it is thrown away and never shown.
            cost = _hashing.MIN_COST
            self.unmade.add(name)
        token = _hashing.make_token(password, cost=cost, ident=policy["ident"])
        return token, password if wanted.password_managed else None

    def _same_password(self, credential: Any, name: str) -> None:
        given = self._wanted.password
        if given is None:
            return
        known = credential["password"].get("value")
        same = given == known if known is not None else _hashing.verify(given, _truth.current_token(credential))
        if not same:
            raise CredentialError(
                f"credential {name!r} exists with another password. To change it everywhere is a rotation; "
                "to take over what the servers already hold, use 'state: adopted'"
            )

    def _adopted(self, document: _truth.Document, name: str) -> _truth.Document:
        wanted = self._wanted
        token = wanted.token
        if not is_token(token) or token is None:
            raise CredentialError(
                f"credential {name!r}: the token to adopt is not a bcrypt hash of exactly 60 characters "
                "(the first line of login/PASSWORD, without line break, quotes or 'Bearer')"
            )
        _truth.check_name(name)
        existing = document["credentials"].get(name)
        password = wanted.password
        if password is not None:
            stored = existing["password"].get("value") if existing is not None else None
            same = existing is not None and _truth.current_token(existing) == token
            if not (same and stored == password) and not _hashing.verify(password, token):
                raise CredentialError(
                    f"credential {name!r}: the password does not belong to the token ({fingerprint(token)})"
                )
            if not wanted.password_managed:
                password = None
        return _truth.adopt(
            document,
            name,
            token=token,
            password=password,
            now=utc_now(),
            username=wanted.username,
            policy=wanted.policy,
            force=wanted.force,
        )

    def _absent(self, document: _truth.Document, name: str) -> _truth.Document:
        if _truth.check_name(name) not in document["credentials"]:
            return document
        if not self._wanted.force:
            users = self._users(name)
            if users:
                raise CredentialError(
                    f"credential {name!r} is still declared: {'; '.join(users)}. "
                    "Take it out of these variables first, or use 'force: true'"
                )
        return _truth.remove(document, name, force=self._wanted.force)


def _report(before: _truth.Document, after: _truth.Document, wanted: Wanted, unmade: set[str]) -> dict[str, Any]:
    shown = {"before": _lines(before, wanted.names, set()), "after": _lines(after, wanted.names, unmade)}
    credentials = []
    for name in wanted.names:
        item = after["credentials"].get(name)
        credentials.append(
            {
                "name": name,
                "username": item["username"] if item else None,
                "version": item["labels"]["current"] if item else None,
                "fingerprint": fingerprint(_truth.current_token(item)) if item and name not in unmade else None,
                "created": item is not None and name not in before["credentials"],
            }
        )
    return {
        "changed": before != after,
        "serial": after["serial"],
        "credentials": credentials,
        "diff": {
            "before_header": "credentials in the truth",
            "after_header": "credentials in the truth",
            "before": "".join(shown["before"]),
            "after": "".join(shown["after"]),
        },
    }


def _lines(document: _truth.Document, names: Sequence[str], unmade: set[str]) -> list[str]:
    lines = []
    for name in names:
        for key, value in _truth.summary(document, name).items():
            if key == "versions" and name in unmade:
                value = dict.fromkeys(value, "v1 (made in the real run)")
            lines.append(f"{name}.{key}: {value}\n")
    return lines
