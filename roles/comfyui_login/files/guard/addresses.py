# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks: the client's address, also behind proxies. Pure functions on text; they never raise."""

from __future__ import annotations

import ipaddress
import re
from typing import Union
from urllib.parse import urlsplit

from .settings import Network

UNKNOWN = "unknown"
_HOPS = 32
_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\](?::\d{1,5})?|(?P<four>\d{1,3}(?:\.\d{1,3}){3}):\d{1,5})")

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def parse(text: str | None) -> Address | None:
    """Return an address without zone, IPv4 also where it comes mapped into IPv6; None for anything else."""
    try:
        found = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def network(address: str | None) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 one."""
    found = parse(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found or UNKNOWN)


def _trusted(address: Address, proxies: tuple[Network, ...]) -> bool:
    return any(address.version == one.version and address in one for one in proxies)


def client(peer: str | None, forwarded: list[str], proxies: tuple[Network, ...]) -> str:
    """Return the client's address: the right-most in X-Forwarded-For that is none of our proxies.

    The header counts only when a proxy of ours sent it. One that cannot be understood leaves the peer's address.
    """
    here = parse(peer)
    if here is None:
        return UNKNOWN
    if not forwarded or not _trusted(here, proxies):
        return str(here)
    hops = ",".join(forwarded).split(",")
    if len(hops) > _HOPS:
        return str(here)
    last = here
    for hop in reversed(hops):
        word = hop.strip(" \t")
        if match := _PORT.fullmatch(word):
            word = match["six"] or match["four"]
        found = parse(word) if "%" not in word else None
        if found is None:
            return str(here)
        last = found
        if not _trusted(found, proxies):
            break
    return str(last)


def foreign(host: str, origin: str) -> bool:
    """Whether a page of another origin posts to a loopback address, which is what ComfyUI itself refuses."""
    try:
        here, there = urlsplit("//" + host.lower()), urlsplit(origin.lower())
        name = here.hostname or ""
        if name != "localhost" and not ipaddress.ip_address(name).is_loopback:
            return False
        return bool(there.hostname) and (name, here.port) != (there.hostname, there.port)
    except ValueError:
        return False
