# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth in HashiCorp Vault (or OpenBao), secrets engine KV version 2: ``{type: vault_kv2, url: ..., path: ...}``.

The document is one secret with one key. Its version number is the etag and Vault's check-and-set compares it, so that
any number of controllers may share the truth. What unlocks Vault comes from a file or the environment and never stands
in a variable, because variables are shown and cached. The library is hvac.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores._interface import (
    Conflict,
    StoreContext,
    StoreError,
    StoreMissing,
)

try:
    import hvac
    import requests
    from hvac import exceptions as refused
except ImportError:
    hvac = None

KEY = "document"
"""The key of the secret that holds the document's text."""

_PLACE = ("url", "path", "mount", "namespace", "ca_path")
_TEXTS = (*_PLACE, "auth", "auth_mount", "token_file", "role_id", "secret_id_file", "role", "jwt_file")
_KEYS = ("type", "timeout", *_TEXTS)
_AUTHS = ("token", "approle", "jwt")
_SECRETS = {"token": "token_file", "secret_id": "secret_id_file", "jwt": "jwt_file"}
_LOCAL = ("127.0.0.1", "::1", "localhost")

Answer = TypeVar("Answer")


@dataclass
class Settings:
    """Where the document is, and what unlocks it. *read* gives a file's text by its name."""

    url: str
    path: str
    mount: str = "secret"
    namespace: str | None = None
    ca_path: str | None = None
    auth: str = "token"
    auth_mount: str | None = None
    token_file: str | None = None
    role_id: str | None = None
    secret_id_file: str | None = None
    role: str | None = None
    jwt_file: str | None = None
    timeout: int = 30
    read: Callable[[str], str] = field(default=lambda name: name, repr=False)


def open_store(spec: Mapping[str, Any], context: StoreContext) -> VaultKv2Store:
    """Return the store. Asks nothing yet. :raises StoreError: the library is missing, or the description is wrong."""
    if hvac is None:
        raise StoreError(
            "the credential store of type vault_kv2 needs the Python packages hvac and requests on the controller; "
            "install them where ansible-core is installed"
        )
    for key in spec:
        if key in _SECRETS:
            raise StoreError(
                f"{key} must not stand in a variable; put it into a file and name that as {_SECRETS[key]}, or set the "
                f"environment variable {_environment(key)}"
            )
        if key not in _KEYS:
            raise StoreError(f"the credential store has the unknown key {key!r}; known: {', '.join(_KEYS)}")
    given: dict[str, Any] = {}
    for key in _TEXTS:
        value = spec.get(key)
        if value is not None:
            if not isinstance(value, str) or not value.strip():
                raise StoreError(f"{key} of the credential store must be text")
            given[key] = str.__str__(value)
    timeout = spec.get("timeout", 30)
    if isinstance(timeout, bool) or not isinstance(timeout, int) or not 1 <= timeout <= 600:
        raise StoreError("timeout of the credential store must be a number of seconds from 1 to 600")
    for key in ("url", "path"):
        if key not in given:
            raise StoreError(f"the credential store of type vault_kv2 needs {key!r}")
    if "ca_path" in given:
        given["ca_path"] = context.resolve(given["ca_path"])
    settings = Settings(**given, timeout=timeout, read=lambda name: _read(context.resolve(name)))
    _check(settings)
    return VaultKv2Store(settings)


def _check(settings: Settings) -> None:
    parts = urlsplit(settings.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise StoreError("url of the credential store must be such as https://vault.example.com:8200")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise StoreError("url of the credential store is http, which would show the truth to the network; use https")
    if settings.auth not in _AUTHS:
        raise StoreError(f"auth of the credential store is {settings.auth!r}; known: {', '.join(_AUTHS)}")
    needed = {"approle": "role_id", "jwt": "role"}.get(settings.auth)
    if needed is not None and getattr(settings, needed) is None:
        raise StoreError(f"the credential store needs {needed!r} for auth {settings.auth}")


def _environment(what: str) -> str:
    return {"token": "VAULT_TOKEN", "secret_id": "VAULT_SECRET_ID", "jwt": "VAULT_JWT"}[what]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise StoreError(f"the credential store cannot read {path}: {why}") from None


class VaultKv2Store:
    """One secret of a KV version 2 engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None
        # By etag: the text that was read, so that a write that changes nothing is none.
        self._seen: dict[str, str] = {}

    @property
    def where(self) -> str:
        """The secret's place."""
        one = self._settings
        space = f", namespace {one.namespace}" if one.namespace else ""
        return f"credential store {one.url} ({one.mount}/{one.path}{space})"

    def read(self) -> tuple[_truth.Document, str]:
        """Return the document and its etag; see the interface."""
        found = self._look()
        if found is None:
            self._check_mount()
            raise StoreMissing(
                f"{self.where}: there is no such secret. Set the right path; or, if there has never been one, make the "
                "first credential with genai.comfyui.credential and 'create: true'"
            )
        etag, text = found
        try:
            document = _truth.parse(text)
        except _truth.TruthError as error:
            raise StoreError(
                f"{self.where}: {error}. Nothing was changed; mend it or undelete an older version"
            ) from None
        self._seen[etag] = text
        return document, etag

    def write(self, document: _truth.Document, etag: str | None) -> str:
        """Replace or create the document; see the interface."""
        text = _truth.render(document)
        if etag is not None and self._seen.get(etag) == text:
            return etag
        before = 0 if etag is None else int(etag)

        def post() -> Any:
            kv = self._vault().secrets.kv.v2
            return kv.create_or_update_secret(
                path=self._settings.path, secret={KEY: text}, cas=before, mount_point=self._settings.mount
            )

        try:
            answer = self._ask(post, "written")
            version = str(answer["data"]["version"])
        except _Unclear as error:
            # The answer got lost, perhaps not the write: what is there now tells.
            version = self._landed(text, before, error)
        except (KeyError, TypeError):
            raise StoreError(f"{self.where}: the answer has no version; is the engine KV version 2?") from None
        self._seen[version] = text
        return version

    def _landed(self, text: str, before: int, error: _Unclear) -> str:
        found = self._look()
        if found is not None and found[1] == text:
            return found[0]
        if (0 if found is None else int(found[0])) != before:
            raise self._conflict(before)
        raise StoreError(f"{error}; nothing was written")

    def check_writable(self, etag: str | None) -> None:
        """Find out without writing whether it could be; see the interface."""
        path = f"{self._settings.mount}/data/{self._settings.path}"
        answer = self._ask(lambda: self._vault().sys.get_capabilities(paths=[path]), "asked")
        allowed = set((answer.get("data") or {}).get(path) or answer.get(path) or [])
        if not allowed & {"root", "create" if etag is None else "update"}:
            raise StoreError(f"{self.where}: the policy of this login does not allow to write it")

    def _look(self) -> tuple[str, str] | None:
        """Return version and text; None where there is nothing, and never has been."""

        def get() -> Any:
            kv = self._vault().secrets.kv.v2
            return kv.read_secret_version(
                path=self._settings.path, mount_point=self._settings.mount, raise_on_deleted_version=False
            )

        try:
            answer = self._ask(get, "read")
        except _Missing:
            return None
        try:
            metadata, data = answer["data"]["metadata"], answer["data"]["data"]
            version = int(metadata["version"])
        except (KeyError, TypeError, ValueError):
            raise StoreError(f"{self.where}: the answer is not that of a KV version 2 engine") from None
        if data is None:
            raise StoreError(
                f"{self.where}: version {version} was deleted. It is not made anew, because the credentials in use "
                "would be lost: undelete it (vault kv undelete), or remove its metadata if that was meant"
            )
        if not isinstance(data.get(KEY), str):
            raise StoreError(
                f"{self.where}: there is a secret without the key {KEY!r}; that is something else, set the path"
            )
        return str(version), data[KEY]

    def _check_mount(self) -> None:
        """Refuse a mount that is none, or of version 1, where Vault says which it is."""
        mount = self._settings.mount
        try:
            client = self._vault()
            answer = self._ask(lambda: client.adapter.get(f"/v1/sys/internal/ui/mounts/{mount}"), "asked")
            options = (answer.json() if hasattr(answer, "json") else answer)["data"].get("options") or {}
        except (StoreError, KeyError, TypeError, ValueError):
            # The login may not be allowed to ask; writing will tell.
            return
        if options.get("version") != "2":
            raise StoreError(f"{self.where}: {mount!r} is no KV engine of version 2")

    def _conflict(self, before: int) -> Conflict:
        what = "made it" if before == 0 else "changed or removed it"
        return Conflict(f"{self.where}: somebody else {what} meanwhile; nothing was written, run again")

    def _vault(self) -> Any:
        if self._client is None:
            one = self._settings
            client = hvac.Client(
                url=one.url,
                # An empty one keeps the library from looking into the home directory.
                token="",
                namespace=one.namespace,
                verify=one.ca_path or True,
                timeout=one.timeout,
            )
            if one.auth == "token":
                client.token = self._secret("token", one.token_file)
            elif one.auth == "approle":
                client.auth.approle.login(
                    role_id=one.role_id,
                    secret_id=self._secret("secret_id", one.secret_id_file),
                    mount_point=one.auth_mount or "approle",
                )
            else:
                client.auth.jwt.jwt_login(
                    role=one.role, jwt=self._secret("jwt", one.jwt_file), path=one.auth_mount or "jwt"
                )
            self._client = client
        return self._client

    def _secret(self, what: str, file: str | None) -> str:
        text = self._settings.read(file) if file is not None else os.environ.get(_environment(what), "").strip()
        if not text:
            raise StoreError(
                f"{self.where}: there is no {what}; name a file that holds it as {_SECRETS[what]}, or set the "
                f"environment variable {_environment(what)}"
            )
        return text

    def _ask(self, do: Callable[[], Answer], what: str) -> Answer:
        """Return the answer. The library's own texts are not passed on: they quote what the server said.

        :raises StoreError: _Missing for 404, _Unclear where the server may have done it all the same.
        """
        try:
            return do()
        except refused.InvalidPath:
            raise _Missing(f"{self.where}: there is nothing") from None
        except refused.InvalidRequest as error:
            if "check-and-set" in str(error):
                raise Conflict(
                    f"{self.where}: somebody else wrote it meanwhile; nothing was written, run again"
                ) from None
            raise StoreError(
                f"{self.where}: Vault refuses the request (status 400); check auth, role and mount"
            ) from None
        except (refused.Forbidden, refused.Unauthorized):
            raise StoreError(
                f"{self.where}: it could not be {what}, permission denied; the login has expired, or its policy does "
                "not allow it"
            ) from None
        except refused.RateLimitExceeded:
            raise StoreError(f"{self.where}: Vault limits the rate of requests (status 429); try again later") from None
        except refused.VaultDown:
            raise StoreError(f"{self.where}: Vault is sealed or in standby (status 503); unseal it") from None
        except refused.VaultError as error:
            raise _Unclear(f"{self.where}: it could not be {what} ({type(error).__name__})") from None
        except requests.exceptions.SSLError:
            raise StoreError(f"{self.where}: its certificate is not trusted; set ca_path to the CA's file") from None
        except requests.exceptions.ConnectTimeout:
            raise StoreError(f"{self.where}: no answer within {self._settings.timeout} s") from None
        except requests.exceptions.RequestException as error:
            raise _Unclear(f"{self.where}: it could not be {what}, no answer ({type(error).__name__})") from None


class _Missing(StoreError):
    """The server has nothing at that place."""


class _Unclear(StoreError):
    """The server may have done it."""
