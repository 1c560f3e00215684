# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installation may choose. Standard library only; the role judges its variables with this same file."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Union

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

_SECONDS = {
    "session_lifetime": (60, 31_536_000),
    "session_idle": (0, 31_536_000),
    "cookie_max_age": (0, 31_536_000),
    "form_timeout": (1, 60),
}
_SAMESITE = ("Lax", "Strict", "None")


class BadSetting(ValueError):
    """Which setting cannot be used, and what it may be."""


@dataclass(frozen=True)
class Settings:
    """Times are whole seconds.

    `session_idle` and `cookie_max_age` may be 0: no idle limit; a cookie that ends with the browser.
    """

    guests: bool = False
    session_lifetime: int = 604_800
    session_idle: int = 86_400
    cookie_secure: bool = False
    cookie_samesite: str = "Lax"
    cookie_max_age: int = 0
    trusted_proxies: tuple[str, ...] = ()
    form_timeout: int = 10

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The addresses whose X-Forwarded-For is believed."""
        return tuple(ipaddress.ip_network(one) for one in self.trusted_proxies)


def _check(name: str, value: Any) -> Any:
    if name in _SECONDS:
        low, high = _SECONDS[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise BadSetting(f"{name} must be whole seconds from {low} to {high}")
    elif name == "cookie_samesite":
        if value not in _SAMESITE:
            raise BadSetting(f"{name} must be one of {', '.join(_SAMESITE)}")
    elif name == "trusted_proxies":
        if not isinstance(value, (list, tuple)):
            raise BadSetting(f"{name} must be a list of addresses or networks")
        for one in value:
            try:
                if not isinstance(one, str):
                    raise ValueError
                network = ipaddress.ip_network(one)
            except ValueError:
                raise BadSetting(f"{name}: each must be an address or a network such as 192.0.2.0/24") from None
            if network.prefixlen == 0:
                raise BadSetting(f"{name}: {one} would believe everybody")
        return tuple(value)
    elif not isinstance(value, bool):
        raise BadSetting(f"{name} must be true or false")
    return value


def read(values: Any) -> Settings:
    """Return the settings; what is not said has its default. Raises BadSetting, and nothing else, for anything."""
    known = {one.name for one in fields(Settings)}
    if not isinstance(values, Mapping):
        raise BadSetting("the settings are not an object")
    if unknown := sorted(str(name) for name in values if name not in known):
        raise BadSetting(f"{unknown[0]!r} is not a setting")
    chosen = Settings(**{name: _check(name, value) for name, value in values.items()})
    if chosen.cookie_samesite == "None" and not chosen.cookie_secure:
        raise BadSetting("cookie_samesite None needs cookie_secure true: browsers drop such a cookie")
    if chosen.session_idle > chosen.session_lifetime:
        raise BadSetting("session_idle must not be longer than session_lifetime")
    return chosen


def complete(values: Any) -> dict[str, Any]:
    """Return all settings as plain data, for `settings.json`. Raises BadSetting."""
    return {**asdict(chosen := read(values)), "trusted_proxies": list(chosen.trusted_proxies)}
