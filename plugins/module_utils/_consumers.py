# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consumers as callers declare them, checked; and the value that one of them reads."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import to_text
from ansible_collections.genai.comfyui.plugins.module_utils._judge import (
    FIELDS,
    FieldError,
    check_credential,
    check_url,
    token_in,
)
from ansible_collections.genai.comfyui.plugins.module_utils._place import DEFAULT_MODE, DurableError, read

# What only some consumers need is imported where it is needed: a host compiles each file anew in every run.
if TYPE_CHECKING:
    from ansible_collections.genai.comfyui.plugins.module_utils._reload import Reload

    Validator = tuple[str, Optional[tuple[str, ...]]]

ABSENT_ID = -1
"""Stands for a user or group that does not exist yet, in check mode."""
CHECKERS = (
    *("compose", "compose_env", "compose_raw_env", "fish", "haproxy_map", "nginx_map", "shell"),
    "systemd_unit",
)
"""The parsers in :mod:`_checkers`."""
CHECKED_BY: Mapping[str, str] = {
    "compose_env": "compose_env",
    "compose_yaml": "compose",
    "dotenv_raw": "compose_raw_env",
    "fish": "fish",
    "haproxy_map": "haproxy_map",
    "nginx_map": "nginx_map",
    "shell": "shell",
}
"""Defaults. Why other codecs have none: nobody knows who reads a ``dotenv``; ``systemd-analyze verify`` does not look
into an ``EnvironmentFile``; ``curl -K`` would do what the file says; data formats are parsed by their codecs already.
"""


class ConsumerError(ValueError):
    """A declaration that cannot be served. ``str()`` says what and how to mend it."""


class Consumer(NamedTuple):
    """One place that holds a credential field. ``owner`` and ``group`` are numeric ids, None keeps what is there."""

    id: str
    path: str
    codec: Codec
    key: str | None
    credential: str
    field: str
    required: bool
    owner: int | None
    group: int | None
    mode: int
    url: str | None
    keep_unknown: str
    """``replace`` a value of no known version, ``refuse`` to, or ``refuse_token``: refuse where it is a whole token."""
    create: bool
    validators: tuple[Validator, ...] = ()
    """Parsers that judge the file before it takes its place: a name, and the words of the user's own command."""
    reload: Reload | None = None
    place: str = ""
    """The real path, by which two consumers of one file are known."""

    @property
    def parts(self) -> tuple[tuple[str | None, str], ...]:
        """Pairs of (codec key, credential field) that are written; the first decides about the status."""
        return self.codec.parts or ((self.key, self.field),)


def parse(
    given: Mapping[str, Any],
    credentials: Mapping[str, Any],
    check_mode: bool,
    default_unknown: str = "replace",
    real: Callable[[str], str] = os.path.realpath,
) -> Consumer:
    """Return the consumer that *given* declares, or raise :class:`ConsumerError`.

    *given* has the suboptions of the module ``sync``. In check mode users and groups may be missing.
    *default_unknown* is what ``unknown`` means where neither the consumer nor its codec says. *real* returns the real
    path of a directory; a caller with many consumers remembers its answers.
    """
    try:
        codec = _codecs.get(str(given["codec"]))
        key = given.get("key") or None
        codec.check_key(key)
        field = given.get("field") or "token"
        if field not in FIELDS:
            raise ConsumerError(f"there is no field {field!r}; known are: {', '.join(FIELDS)}")
        if codec.parts and field != "token":
            raise ConsumerError(f"codec {codec.name} writes the whole file; remove 'field'")
        if field == "url":
            check_url(given.get("url"))
        name = given.get("credential") or "main"
        if not isinstance(credentials.get(name), Mapping):
            known = ", ".join(sorted(str(one) for one in credentials)) or "none"
            raise ConsumerError(f"there is no credential {name!r} among those given ({known}); mend the name")
        check_credential(name, credentials[name])
        if credentials[name].get("token") is None and not check_mode:
            raise ConsumerError(f"the credential {name!r} has no token yet; create it first")
        unknown = given.get("unknown")
        return Consumer(
            id=str(given["id"]),
            path=str(given["path"]),
            codec=codec,
            key=key,
            credential=name,
            field=field,
            required=bool(given.get("required", True)),
            owner=_id("user", given.get("owner"), check_mode),
            group=_id("group", given.get("group"), check_mode),
            mode=_mode(given.get("mode")),
            url=given.get("url"),
            keep_unknown=str(unknown or ("refuse" if codec.keep_unknown else default_unknown)),
            create=bool(given.get("create", True)),
            validators=_validators(given.get("validate"), codec.name),
            reload=_reload(given.get("reload")),
            place=_place(str(given["path"]), real),
        )
    except (CodecError, FieldError) as error:
        raise ConsumerError(str(error)) from None


def _place(path: str, real: Callable[[str], str]) -> str:
    directory, name = os.path.split(path)
    return os.path.join(real(directory), name)


def _validators(given: Any, codec: str) -> tuple[Validator, ...]:
    word = given.lower() if isinstance(given, str) else given
    if word in (None, True, "true", "yes"):
        name = CHECKED_BY.get(codec)
        return ((name, None),) if name else ()
    if word in (False, "false", "no"):
        return ()
    if isinstance(given, str) and given in CHECKERS:
        return ((str(given), None),)
    if isinstance(given, (list, tuple)) and given and given[0] and all(isinstance(one, str) for one in given):
        if not any("%s" in one for one in given[1:]):
            raise ConsumerError("the command in 'validate' has no %s, where the file's temporary name belongs; add it")
        return ((" ".join(given), tuple(given)),)
    raise ConsumerError(f"'validate' is true, false, a list of words with %s, or one of: {', '.join(CHECKERS)}")


def _reload(given: Any) -> Reload | None:
    if not given:
        return None
    from ansible_collections.genai.comfyui.plugins.module_utils._reload import Reload, ReloadError

    try:
        return Reload.parse(given)
    except ReloadError as error:
        raise ConsumerError(str(error)) from None


def conflicts(consumers: Iterable[Consumer]) -> list[tuple[Consumer, str]]:
    """Return the consumers that cannot be served beside an earlier one, and why."""
    found: list[tuple[Consumer, str]] = []
    ids: dict[str, Consumer] = {}
    files: dict[str, list[Consumer]] = {}
    for consumer in consumers:
        if ids.setdefault(consumer.id, consumer) is not consumer:
            found.append((consumer, "another consumer has the same id; give each its own"))
        for other in files.setdefault(consumer.place, []):
            reason = _clash(consumer, other)
            if reason:
                found.append((consumer, reason))
                break
        files[consumer.place].append(consumer)
    return found


def _clash(one: Consumer, other: Consumer) -> str | None:
    if one.codec is not other.codec:
        return f"consumer {other.id} reads the same file with codec {other.codec.name}; a file has one codec"
    if not one.codec.needs_key or one.key == other.key:
        return f"consumer {other.id} claims the same place; remove one of them"
    if (one.mode, one.owner, one.group) != (other.mode, other.owner, other.group):
        return f"consumer {other.id} wants another owner, group or mode for the same file; make them equal"
    return None


def read_field(path: str, codec: str, key: str | None = None, field: str = "token") -> str:
    """Return the value that the consumer at *path* reads, by its codec; for *field* ``bearer`` or ``url`` the token.

    Raises :class:`CodecError` (a ValueError) or :class:`DurableError` (an OSError); their text names file, line and
    mend and holds no value. A spelling that its readers disagree about is refused (``doubtful``), not guessed.
    """
    found = _codecs.get(codec)
    found.check_key(key)
    data = read(path).data
    if data is None:
        raise DurableError("no_file", path, "the file does not exist")
    try:
        text = to_text(data)
        value = found.decode(text, key)
        doubt = found.doubt(text, key)
    except CodecError as error:
        raise CodecError(error.reason, f"{path}: {error}") from None
    if doubt:
        raise CodecError("doubtful", f"{path}: {doubt}; run sync to write it in the safe spelling")
    if field in ("bearer", "url"):
        token = token_in(field, value)
        if token is None:
            raise CodecError("unparsable", f"{path}: the value holds no whole token where field {field} has it")
        return token
    return value


def _mode(given: Any) -> int:
    if given is None:
        return DEFAULT_MODE
    try:
        mode = int(given, 8) if isinstance(given, str) else int(given)
    except (TypeError, ValueError):
        raise ConsumerError('the mode is no octal number; write it in quotes, such as "0600"') from None
    if not 0 < mode <= 0o777 or mode & 0o111 or not mode & 0o400:
        raise ConsumerError('the mode is not one for a file with a secret; write it in quotes, such as "0600"')
    if mode & 0o007:
        raise ConsumerError(f"mode {mode:04o} lets everybody read the secret; take the last digit to 0 and use a group")
    return mode


def _id(kind: str, given: Any, check_mode: bool) -> int | None:
    if given is None or given == "":
        return None
    try:
        return pwd.getpwnam(str(given)).pw_uid if kind == "user" else grp.getgrnam(str(given)).gr_gid
    except KeyError:
        if str(given).isdecimal():
            return int(given)
        if check_mode:
            return ABSENT_ID
        raise ConsumerError(f"there is no {kind} {given!r} on this host; create it first or mend the name") from None
