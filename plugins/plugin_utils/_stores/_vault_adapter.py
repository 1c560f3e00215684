# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only code that touches ansible-vault. Plain bytes in, plain bytes out, the same on ansible-core 2.18 to 2.21.

ansible-core does not promise this interface, hence one small file and a test for each version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib, match_encrypt_secret

Secrets = Sequence[tuple[str, Any]]


class VaultError(Exception):
    """The text cannot be decrypted or encrypted; the message says why and holds no secret."""


def is_encrypted(data: bytes) -> bool:
    """Say whether the data looks like a vault file."""
    return bool(VaultLib.is_encrypted(data))


def decrypt(data: bytes, secrets: Secrets) -> tuple[bytes, str, Any]:
    """Return (plaintext, vault id, secret), the latter two being those that fit.

    :raises VaultError: no secret was given, or none fits, or the text is damaged.
    """
    if not secrets:
        raise VaultError("no vault secret was given; use --vault-id, --vault-password-file or --ask-vault-pass")
    try:
        plaintext, vault_id, secret = VaultLib(list(secrets)).decrypt_and_get_vault_id(data)
    except AnsibleError:
        ids = ", ".join(sorted({str(vault_id) for vault_id, _secret in secrets}))
        raise VaultError(
            f"none of the vault secrets given (ids: {ids}) decrypts it; "
            "the vault password is wrong or the file is damaged"
        ) from None
    return bytes(plaintext), str(vault_id), secret


def choose_secret(secrets: Secrets, vault_id: str | None) -> tuple[str, Any]:
    """Return the (vault id, secret) to encrypt with: the wanted id's, else the first.

    :raises VaultError: there is none.
    """
    if not secrets:
        raise VaultError("no vault secret was given; use --vault-id, --vault-password-file or --ask-vault-pass")
    try:
        found, secret = match_encrypt_secret(list(secrets), encrypt_vault_id=vault_id)
    except AnsibleError:
        ids = ", ".join(sorted({str(known) for known, _secret in secrets}))
        raise VaultError(f"there is no vault secret with the id {vault_id!r}; given were: {ids}") from None
    return str(found), secret


def encrypt(data: bytes, vault_id: str, secret: Any) -> bytes:
    """Return the vault text. The id stands in its first line, unless it is Ansible's own ``default``."""
    return bytes(VaultLib([(vault_id, secret)]).encrypt(data, secret=secret, vault_id=vault_id))
