# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which value a consumer should hold, from a credential; and which credential a value that was found belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlsplit

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

FIELDS = ("token", "bearer", "password", "username", "url")
_TOKEN_FIELDS = frozenset({"token", "bearer", "url"})


class FieldError(ValueError):
    """A credential cannot give the field. ``str()`` says what is missing, and holds no value."""


class Verdict(NamedTuple):
    """What a found value is. ``fingerprint`` is that of the token in it, where there is a whole one.

    ``version`` is the name of the version that is held, None for what is damaged, unknown or has no name.
    """

    status: str
    detail: str = ""
    fingerprint: str | None = None
    version: str | None = None


LABELS = ("current", "pending")


def wanted_label(name: str, credential: Mapping[str, Any], by_server: bool) -> str:
    """Return which version a consumer should hold now: ``current`` or ``pending``.

    :param by_server: whether the consumer is the server's own file (``serve``) or any other (``distribute``).

    Raises :class:`FieldError` when the credential asks for a version that it does not have.
    """
    option = "serve" if by_server else "distribute"
    label = credential.get(option) or "current"
    if label not in LABELS:
        raise FieldError(f"{option} of credential {name} is neither current nor pending; mend the truth")
    if label == "pending" and not (_of(credential, "pending") or {}).get("token"):
        raise FieldError(f"{option} of credential {name} is pending, but there is no pending token; mend the truth")
    return str(label)


def labelled(credential: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    """Return the version with *label*; the current one is the credential itself."""
    version = credential if label == "current" else _of(credential, label)
    return {} if version is None else version


def version_name(version: Mapping[str, Any]) -> str | None:
    """Return the name of a version (the credential itself for the current one), None where it has none."""
    name = version.get("version")
    return None if name is None else str(name)


def check_credential(name: str, credential: Mapping[str, Any]) -> None:
    """Raise :class:`FieldError` unless every token in *credential* is None or has the strict form."""
    for where, version in (
        ("", credential),
        ("pending ", _of(credential, "pending")),
        ("previous ", _of(credential, "previous")),
    ):
        token = version.get("token") if version else None
        if token is not None and not is_token(token):
            raise FieldError(
                f"the {where}token of credential {name} is no bcrypt hash of 60 characters; mend the truth"
            )


def check_url(url: str | None) -> None:
    """Raise :class:`FieldError` unless *url* can carry a token: http or https, a host, no ``token`` in it yet."""
    try:
        parts = urlsplit(url or "")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and "token" not in parse_qs(parts.query)
    except ValueError:
        usable = False
    if not usable:
        raise FieldError("field url needs 'url', an http or https address without a token in it")


def compose(field: str, credential: Mapping[str, Any], version: Mapping[str, Any], url: str | None) -> str | None:
    """Return what a consumer's *field* holds for one *version* (the credential itself for the current one).

    None when the token does not exist yet. Raises :class:`FieldError` when the credential lacks the field.
    """
    if field in ("password", "username"):
        value = version.get(field) or credential.get(field)
        if not value and version.get("token") is not None:
            raise FieldError(f"the credential has no {field}; give it one, or use another field")
        return str(value) if value else None
    token = version.get("token")
    if token is None:
        return None
    if field == "bearer":
        return f"Bearer {token}"
    if field == "url":
        address, mark, fragment = (url or "").partition("#")
        return f"{address}{'&' if '?' in address else '?'}token={quote(str(token), safe='')}{mark}{fragment}"
    return str(token)


def token_in(field: str, found: str) -> str | None:
    """Return the whole, well-formed token in a found value, or None."""
    if field == "bearer" and found[:7].lower() == "bearer ":
        found = found[7:]
    elif field == "url":
        try:
            found = (parse_qs(urlsplit(found).query).get("token") or [""])[0]
        except ValueError:
            return None
    return found if field in _TOKEN_FIELDS and is_token(found) else None


def judge(
    found: str, field: str, credential: Mapping[str, Any], url: str | None = None, wanted: str = "current"
) -> Verdict:
    """Say what *found* is: ``in_sync``, or the label of another version, ``stale``, ``damaged`` or ``unknown``.

    *wanted* is the label of the version that would be ``in_sync``. Another version's label is ``current``,
    ``pending`` or ``previous``; what several versions have in common (a password) belongs to the wanted one.

    Raises nothing for a credential that :func:`check_credential` accepts.
    """
    token = token_in(field, found)
    mark = fingerprint(token) if token else None
    for status, version, value in _known(field, credential, url, wanted):
        if found == value:
            return Verdict(status, _named(field, version), mark, version_name(version))
    if not found.strip():
        return Verdict("damaged", "the value is empty")
    for retired in credential.get("retired") or []:
        if mark is not None and retired.get("fingerprint") == mark:
            detail = f"token of version {retired.get('version')}, retired {retired.get('retired')}"
            return Verdict("stale", detail, mark, version_name(retired))
    # Found only where something is wrong, and imported only then: a host compiles it anew in every run.
    from ansible_collections.genai.comfyui.plugins.module_utils._damage import recognise

    for _status, version, value in _known(field, credential, url, wanted):
        own = str(version["token"]) if field in _TOKEN_FIELDS else None
        if own and own == token:
            why = "what belongs before it is missing" if found == token else "what stands around it differs"
            return Verdict("damaged", f"{_named(field, version)}, but {why}", mark)
        password = version.get("password") or credential.get("password")
        username = credential.get("username")
        how = recognise(found, value, own, str(password) if password else None, str(username) if username else None)
        if how:
            return Verdict("damaged", f"{_named(field, version)}, damaged: {how}")
    if credential.get("token") is None:
        return Verdict("unknown", "it holds a value already; the credential will be created by this run", mark)
    return Verdict("unknown", "a value that belongs to no known version", mark)


def _of(credential: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    version = credential.get(name)
    return version if isinstance(version, Mapping) else None


def _known(
    field: str, credential: Mapping[str, Any], url: str | None, wanted: str
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield status, version and value of each version that has the field, the wanted one first."""
    for label in (wanted, *(other for other in (*LABELS, "previous") if other != wanted)):
        version = labelled(credential, label)
        if version.get("token") is None:
            continue
        with suppress(FieldError):
            value = compose(field, credential, version, url)
            if value is not None:
                yield "in_sync" if label == wanted else label, version, value


def _named(field: str, version: Mapping[str, Any]) -> str:
    what = "token" if field in _TOKEN_FIELDS else "user name" if field == "username" else field
    return f"{what} of version {version.get('version')}"
