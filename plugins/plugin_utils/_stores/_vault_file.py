# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth in one file, encrypted with ansible-vault: ``{type: vault_file, path: ..., vault_id: ...}``.

The etag is the SHA-256 of the ciphertext. Ansible's own vault editor is never used: on a full disk it loses the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import _vault_adapter
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores._file_seam import Changed, Refused, replace
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores._interface import (
    Conflict,
    StoreContext,
    StoreError,
    StoreMissing,
)

_KEYS = ("type", "path", "vault_id")
# A document of a thousand credentials has about one megabyte; more than this is some other file.
_MAX_BYTES = 64 * 1024 * 1024


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
    return VaultFileStore(
        os.path.abspath(context.resolve(str(path))),
        context.vault_secrets,
        vault_id=None if vault_id is None else str(vault_id),
        default_vault_id=context.encrypt_vault_id,
    )


class VaultFileStore:
    """One vault-encrypted YAML file.

    :param vault_id: encrypt with this id's secret; otherwise with the secret that decrypted the file, and for a new
        file with ``default_vault_id``'s, otherwise the first one.
    :param after_write: called with the path after each write; what it raises is passed on. This is where publishing
        (a commit and push, say) will hook in.
    """

    def __init__(
        self,
        path: str,
        secrets: _vault_adapter.Secrets,
        *,
        vault_id: str | None = None,
        default_vault_id: str | None = None,
        after_write: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self._secrets = secrets
        self._vault_id = vault_id
        self._default_vault_id = default_vault_id
        self._after_write = after_write
        # etag -> what was decrypted and with which secret, so that a write needs no second decryption.
        self._seen: dict[str, tuple[bytes, str, Any]] = {}

    @property
    def where(self) -> str:
        """The file's name."""
        return f"credential store {self.path}"

    def read(self) -> tuple[_truth.Document, str]:
        """Return the document and its etag; see the interface."""
        data = self._load()
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
        self._seen[etag] = (plaintext, vault_id, secret)
        return document, etag

    def write(self, document: _truth.Document, etag: str | None) -> str:
        """Replace or create the document; see the interface."""
        plaintext = _truth.render(document).encode("utf-8")
        if etag is not None and etag in self._seen and self._seen[etag][0] == plaintext:
            return etag
        try:
            vault_id, secret = self._secret_for(etag)
            data = _vault_adapter.encrypt(plaintext, vault_id, secret)
        except _vault_adapter.VaultError as error:
            raise StoreError(f"{self.where}: {error}") from None
        self._require_directory()
        try:
            replace(self.path, data, expected_sha256=etag)
        except Changed:
            what = "somebody made it meanwhile" if etag is None else "somebody else changed it meanwhile"
            raise Conflict(f"{self.where}: {what}; nothing was written, run again") from None
        except Refused as error:
            raise StoreError(f"{self.where}: cannot be written: {error}") from None
        written = _etag(data)
        self._seen[written] = (plaintext, vault_id, secret)
        if self._after_write is not None:
            self._after_write(self.path)
        return written

    def check_creatable(self) -> None:
        """Find out without writing whether the file could be created; see the interface."""
        self._require_directory()
        directory = os.path.dirname(self.path)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise StoreError(f"{self.where}: the directory {directory} is not writable for this user")
        try:
            self._secret_for(None)
        except _vault_adapter.VaultError as error:
            raise StoreError(f"{self.where}: {error}") from None

    def _load(self) -> bytes:
        try:
            with open(self.path, "rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            self._require_directory()
            raise StoreMissing(
                f"{self.where}: there is no such file. Set the right path; or, if there has never been one, make the "
                "first credential with genai.comfyui.credential and 'create: true'"
            ) from None
        except OSError as error:
            raise StoreError(f"{self.where}: cannot be read: {error.strerror}") from None
        if len(data) > _MAX_BYTES:
            raise StoreError(f"{self.where}: is larger than 64 MiB, so it is not a credential document")
        return data

    def _require_directory(self) -> None:
        directory = os.path.dirname(self.path)
        if not os.path.isdir(directory):
            raise StoreError(f"{self.where}: the directory {directory} does not exist; make it first (mode 0700)")

    def _secret_for(self, etag: str | None) -> tuple[str, Any]:
        if self._vault_id is None and etag is not None and etag in self._seen:
            _plaintext, vault_id, secret = self._seen[etag]
            return vault_id, secret
        chosen: tuple[str, Any] = _vault_adapter.choose_secret(self._secrets, self._vault_id or self._default_vault_id)
        return chosen


def _etag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
