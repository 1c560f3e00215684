# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bricks that the checks of the truth document are built of: each names the place, and never a value that may be
secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

TIME_PATTERN = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


class TruthError(ValueError):
    """The document, or what is asked of it, is not possible. Names the place and the mend; holds no secret."""


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


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Return the value when it is a mapping."""
    if not isinstance(value, Mapping):
        raise TruthError(f"{where}: must be a mapping")
    return value


def known(item: Mapping[str, Any], names: Any, where: str) -> None:
    """Refuse a key that is not among the names."""
    # Only names, and only short ones: a value that slipped into the place of a key must not be shown.
    for key in item:
        if key not in names:
            shown = repr(key) if isinstance(key, str) and re.fullmatch(r"[A-Za-z_]{1,24}", key) else "an item"
            raise TruthError(f"{where or 'document'}: {shown} is unknown here; a newer genai.comfyui may know it")


def exactly(item: Mapping[str, Any], keys: tuple[str, ...], where: str, optional: tuple[str, ...] = ()) -> None:
    """Refuse a missing key, and one that is neither wanted nor optional."""
    known(item, (*keys, *optional), where)
    for key in keys:
        if key not in item:
            raise TruthError(f"{where + '.' if where else ''}{key}: is missing")


def integer(value: object, where: str, low: int, high: int | None = None) -> None:
    """Refuse what is not a whole number in the range."""
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        raise TruthError(f"{where}: must be a number, {low} or more{f', at most {high}' if high is not None else ''}")


def boolean(value: object, where: str) -> None:
    """Refuse what is not true or false."""
    if not isinstance(value, bool):
        raise TruthError(f"{where}: must be true or false")


def text(value: object, where: str) -> None:
    """Refuse what is not text, or empty."""
    if not isinstance(value, str) or not value:
        raise TruthError(f"{where}: must be text and not empty")


def choice(value: object, choices: tuple[str, ...], where: str) -> None:
    """Refuse what is not among the choices."""
    if not isinstance(value, str) or value not in choices:
        raise TruthError(f"{where}: must be one of {', '.join(choices)}")


def time(value: object, where: str) -> None:
    """Refuse what is not a time as the document spells it."""
    if not isinstance(value, str) or not TIME_PATTERN.fullmatch(value):
        raise TruthError(f"{where}: must be a time in UTC such as 2026-01-02T03:04:05Z")


def id_list(value: object, where: str, what: str) -> None:
    """Refuse what is not a list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise TruthError(f"{where}: must be a list of {what} ids")


def password(value: object, where: str) -> None:
    """Refuse what does not say whether the password is managed, or holds one although it is not."""
    item = mapping(value, where)
    known(item, ("managed", "value"), where)
    boolean(item.get("managed"), f"{where}.managed")
    if item["managed"]:
        text(item.get("value"), f"{where}.value")
    elif "value" in item:
        raise TruthError(f"{where}.value: is there although 'managed' is false")
