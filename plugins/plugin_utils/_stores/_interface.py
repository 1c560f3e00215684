# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every back end of the truth offers, and the one way to change a document through it."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Protocol

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth

_ATTEMPTS = 10


class StoreError(Exception):
    """The store cannot be used. Names the store and the mend; holds no secret. Nothing was changed."""


class StoreMissing(StoreError):
    """There is no document at that place yet."""


class Conflict(StoreError):
    """Somebody else wrote the document since it was read. Nothing was changed."""


@dataclass(frozen=True)
class StoreContext:
    """What a back end may need of Ansible.

    :param vault_secrets: (vault id, secret) pairs of the run, best first.
    :param resolve: makes a path absolute: ``~``, and relative to the playbook.
    :param encrypt_vault_id: the vault id to encrypt new documents with, when the store does not say.
    """

    vault_secrets: Sequence[tuple[str, Any]]
    resolve: Callable[[str], str]
    encrypt_vault_id: str | None = None


class Store(Protocol):
    """One place that holds one document. An etag is opaque text that changes with each write.

    A store that takes more than one step to write may have a method ``settle(fresh)``: it finishes what an interrupted
    run left, and is called before something is changed. With ``fresh`` it also makes sure that what is read next is not
    older than what another controller wrote.
    """

    @property
    def where(self) -> str:
        """The store's name in messages, such as its path."""

    def read(self) -> tuple[_truth.Document, str]:
        """Return the document and its etag.

        :raises StoreMissing: there is none.
        :raises StoreError: there is one that cannot be read, decrypted or understood.
        """

    def write(self, document: _truth.Document, etag: str | None) -> str:
        """Replace the document that has this etag; with None, create it where there is none. Return the new etag.

        :raises Conflict: the etag is not (or, with None, there is) the one in the store.
        :raises StoreError: it cannot be written.
        """

    def check_writable(self, etag: str | None) -> None:
        """Find out without writing what would stop :meth:`write`, as far as that can be known. :raises StoreError:"""


def utc_now() -> str:
    """Return the time as the document spells it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def controller_id() -> str:
    """Return user@host of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def read_or_new(store: Store, *, create: bool) -> tuple[_truth.Document, str | None]:
    """Return document and etag; where there is none and ``create`` is set, an empty document and None.

    :raises StoreMissing: there is none and ``create`` is not set.
    """
    try:
        return store.read()
    except StoreMissing:
        if not create:
            raise
        return _truth.new_document(), None


def change(
    store: Store,
    edit: Callable[[_truth.Document], _truth.Document],
    *,
    create: bool = False,
    dry_run: bool = False,
    fresh: bool = False,
) -> tuple[_truth.Document, _truth.Document]:
    """Read, edit and write back; return (before, after). Nothing is written when the edit changes nothing.

    When somebody else writes in between, everything is read and decided again, so ``edit`` must be repeatable.

    :param create: make the store's first document when there is none.
    :param dry_run: write nothing, but check that it could be done.
    :param fresh: never start from a state that another controller has replaced, where the store can tell.
    :raises StoreError: and what ``edit`` raises.
    """
    settle = getattr(store, "settle", None)
    if settle is not None and not dry_run:
        settle(fresh)
    for attempt in range(_ATTEMPTS):
        before, etag = read_or_new(store, create=create)
        after = _truth.stamp(before, edit(before), now=utc_now(), by=controller_id())
        if after == before:
            break
        if dry_run:
            store.check_writable(etag)
            break
        try:
            store.write(after, etag)
            break
        except Conflict:
            if attempt == _ATTEMPTS - 1:
                raise
    return before, after
