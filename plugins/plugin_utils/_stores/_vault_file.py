# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth in one file, encrypted with ansible-vault: ``{type: vault_file, path: ...}``, perhaps published.

The etag is the SHA-256 of the ciphertext. Ansible's own vault editor is never used: on a full disk it loses the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _durable
from ansible_collections.genai.comfyui.plugins.module_utils._place import LIMIT
from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import _vault_adapter
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores._interface import (
    Conflict,
    StoreContext,
    StoreError,
    StoreMissing,
)
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores._publish import (
    DEFAULT_TIMEOUT,
    Publisher,
    PublishError,
)

_KEYS = ("type", "path", "vault_id", "publish", "publish_timeout")
# Others never need the ciphertext; a group of people who share a controller may.
_MODE_MASK = 0o660


@dataclass(frozen=True)
class _Seen:
    """A state of the file: ciphertext, plaintext, and the vault id and secret that go between them."""

    data: bytes
    plaintext: bytes
    vault_id: str
    secret: Any


def open_store(spec: Mapping[str, Any], context: StoreContext) -> VaultFileStore:
    """Return the store. :raises StoreError: no path, an unknown key, or a key that is not text."""
    for key in spec:
        if key not in _KEYS:
            raise StoreError(f"the credential store has the unknown key {key!r}; known: {', '.join(_KEYS)}")
    path = spec.get("path")
    if not isinstance(path, str) or not path.strip():
        raise StoreError("the credential store of type vault_file needs 'path', the file's name")
    vault_id = spec.get("vault_id")
    if vault_id is not None and (not isinstance(vault_id, str) or not vault_id):
        raise StoreError("vault_id of the credential store must be the label of a vault secret")
    place = os.path.abspath(context.resolve(str.__str__(path)))
    return VaultFileStore(
        place,
        context.vault_secrets,
        vault_id=None if vault_id is None else str.__str__(vault_id),
        default_vault_id=context.encrypt_vault_id,
        publisher=_publisher(spec, place),
    )


def _publisher(spec: Mapping[str, Any], path: str) -> Publisher | None:
    command, timeout = spec.get("publish"), spec.get("publish_timeout", DEFAULT_TIMEOUT)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 1 <= timeout <= 3600:
        raise StoreError("publish_timeout of the credential store must be a number of seconds from 1 to 3600")
    if command is None:
        return None
    if not isinstance(command, (list, tuple)) or not command or not all(isinstance(one, str) for one in command):
        raise StoreError(
            "publish of the credential store must be a list of texts, the program and its arguments; "
            "for a shell write [sh, -c, '...']"
        )
    return Publisher(path, [str.__str__(one) for one in command], int(timeout))


class VaultFileStore:
    """One vault-encrypted YAML file.

    :param vault_id: encrypt with this id's secret; otherwise with the secret that decrypted the file, and for a new
        file with ``default_vault_id``'s, otherwise the first one.
    :param publisher: what must succeed after each write.
    """

    def __init__(
        self,
        path: str,
        secrets: _vault_adapter.Secrets,
        *,
        vault_id: str | None = None,
        default_vault_id: str | None = None,
        publisher: Publisher | None = None,
    ) -> None:
        self.path = path
        self._secrets = secrets
        self._vault_id = vault_id
        self._default_vault_id = default_vault_id
        self._publisher = publisher
        # By etag, so that a write needs no second decryption.
        self._seen: dict[str, _Seen] = {}

    @property
    def where(self) -> str:
        """The file's name."""
        return f"credential store {self.path}"

    def read(self) -> tuple[_truth.Document, str]:
        """Return the document and its etag; see the interface.

        A document that is written but not published is not handed out: other controllers may never get to know it.
        """
        data = self._load().data
        if data is not None and self._publisher is not None and self._unpublished(self._publisher) == _etag(data):
            # Another process of this host may just be publishing it.
            with self._turn():
                data = self._load().data
                if data is not None and self._unpublished(self._publisher) == _etag(data):
                    raise StoreError(
                        f"{self.where}: the last write has not been published. Run site.yml, rotate.yml or the task "
                        "that wrote it again (without check mode); they publish it first"
                    )
        if data is None:
            raise StoreMissing(
                f"{self.where}: there is no such file. Set the right path; or, if there has never been one, make the "
                "first credential with genai.comfyui.credential and 'create: true'"
            )
        if not data.strip():
            raise StoreError(
                f"{self.where}: the file is empty. It is not made anew, because the credentials in use would be lost: "
                "restore it from a backup"
            )
        if not _vault_adapter.is_encrypted(data):
            raise StoreError(
                f"{self.where}: the file is not encrypted with ansible-vault, so it is not a credential document "
                "(or somebody decrypted it). Set the right path, or restore it from a backup"
            )
        try:
            plaintext, vault_id, secret = _vault_adapter.decrypt(data, self._secrets)
        except _vault_adapter.VaultError as error:
            raise StoreError(f"{self.where}: {error}") from None
        try:
            document = _truth.parse(plaintext.decode("utf-8"))
        except UnicodeDecodeError:
            raise StoreError(f"{self.where}: what is encrypted in it is not UTF-8 text; restore a backup") from None
        except _truth.TruthError as error:
            raise StoreError(f"{self.where}: {error}. Nothing was changed; mend it or restore a backup") from None
        etag = _etag(data)
        self._seen[etag] = _Seen(data, plaintext, vault_id, secret)
        return document, etag

    def write(self, document: _truth.Document, etag: str | None) -> str:
        """Replace or create the document; see the interface."""
        plaintext = _truth.render(document).encode("utf-8")
        known = self._seen.get(etag) if etag is not None else None
        if known is not None and known.plaintext == plaintext and etag is not None:
            return etag
        try:
            vault_id, secret = self._secret_for(known)
            data = _vault_adapter.encrypt(plaintext, vault_id, secret)
        except _vault_adapter.VaultError as error:
            raise StoreError(f"{self.where}: {error}") from None
        if len(data) > LIMIT:
            raise StoreError(f"{self.where}: would exceed {LIMIT} bytes; keep some credentials in another store")
        with self._turn():
            self._replace(data, etag)
            written = _etag(data)
            self._seen[written] = _Seen(data, plaintext, vault_id, secret)
            if self._publisher is not None:
                self._publish(self._publisher, written)
        return written

    def settle(self, fresh: bool = False) -> None:
        """Publish what an interrupted run wrote but did not publish; with ``fresh`` run the command in any case.

        :raises StoreError: it could not be.
        """
        if self._publisher is None or not (fresh or self._unpublished(self._publisher)):
            return
        with self._turn():
            etag, found = self._unpublished(self._publisher), self._load().data
            if etag is not None and (found is None or etag != _etag(found)):
                self._publisher.clear()
            if found is None or not (fresh or etag == _etag(found)):
                return
            try:
                self._publish(self._publisher, _etag(found))
            except Conflict:
                # Another controller was first. What it wrote is in the file now, and is read next.
                return

    def _replace(self, data: bytes, etag: str | None) -> None:
        found = self._load()
        if etag != (None if found.data is None else _etag(found.data)):
            raise self._conflict(etag)
        mode = None if found.mode is None else found.mode & _MODE_MASK | 0o600
        try:
            if self._publisher is not None:
                self._publisher.mark(_etag(data))
            _durable.write(self.path, data, expected=found.data, mode=mode)
        except _durable.DurableError as error:
            if error.reason == "changed_meanwhile":
                raise self._conflict(etag) from None
            raise StoreError(f"credential store {error}") from None

    def _publish(self, publisher: Publisher, etag: str) -> None:
        """Run the command. Whether another controller was first is told by the file: the command fetched its state."""
        failure: PublishError | None = None
        try:
            publisher.run()
        except PublishError as error:
            failure = error
        found = self._load().data
        if found is None or _etag(found) != etag:
            publisher.clear()
            raise Conflict(f"{self.where}: another controller published first; its state is in the file now, run again")
        if failure is not None:
            raise StoreError(
                f"{self.where}: the command in 'publish' did not succeed: {failure}. Nothing goes on before it does; "
                "run again to retry it"
            )
        publisher.clear()

    def _unpublished(self, publisher: Publisher) -> str | None:
        try:
            return publisher.marked()
        except _durable.DurableError as error:
            raise StoreError(f"credential store {error}") from None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._publisher is None:
            yield
            return
        try:
            with self._publisher.turn():
                yield
        except _durable.DurableError as error:
            raise StoreError(f"credential store {error}") from None

    def check_writable(self, etag: str | None) -> None:
        """Find out without writing whether it could be; see the interface."""
        self._load()
        try:
            _durable.check_writable(self.path)
        except _durable.DurableError as error:
            raise StoreError(f"credential store {error}") from None
        try:
            self._secret_for(self._seen.get(etag) if etag is not None else None)
        except _vault_adapter.VaultError as error:
            raise StoreError(f"{self.where}: {error}") from None

    def _load(self) -> _durable.Snapshot:
        try:
            return _durable.read(self.path)
        except _durable.DurableError as error:
            raise StoreError(f"credential store {error}") from None

    def _conflict(self, etag: str | None) -> Conflict:
        what = "made it" if etag is None else "changed or removed it"
        return Conflict(f"{self.where}: somebody else {what} meanwhile; nothing was written, run again")

    def _secret_for(self, known: _Seen | None) -> tuple[str, Any]:
        if self._vault_id is None and known is not None:
            return known.vault_id, known.secret
        wanted = self._vault_id or self._default_vault_id
        chosen: tuple[str, Any] = _vault_adapter.choose_secret(self._secrets, wanted)
        return chosen


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
