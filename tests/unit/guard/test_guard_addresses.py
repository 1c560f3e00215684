# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

import pytest
from guarded_package import load
from hypothesis import given
from hypothesis import strategies as st

addresses = load("addresses")
PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/64"))

CASES = {
    "nobody is believed unasked": ("192.0.2.1", ["198.51.100.7"], "192.0.2.1"),
    "a proxy is": ("10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
    "a proxy that came mapped": ("::ffff:10.0.0.1", ["198.51.100.7"], "198.51.100.7"),
    "a proxy by IPv6": ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
    "what the client wrote stays left": ("10.0.0.1", ["127.0.0.1, 198.51.100.7"], "198.51.100.7"),
    "garbage of the client stays left": ("10.0.0.1", ["<script>, 198.51.100.7"], "198.51.100.7"),
    "a chain of proxies": ("10.0.0.1", ["203.0.113.1, 198.51.100.7, 10.0.0.2,10.0.0.3"], "198.51.100.7"),
    "several headers are one list": ("10.0.0.1", ["203.0.113.1", "198.51.100.7", "10.0.0.2"], "198.51.100.7"),
    "proxies only": ("10.0.0.1", ["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
    "with ports": ("10.0.0.1", ["198.51.100.7:4711, 10.0.0.2:80"], "198.51.100.7"),
    "in brackets": ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
    "no header": ("10.0.0.1", [], "10.0.0.1"),
    "an empty one": ("10.0.0.1", [""], "10.0.0.1"),
    "malformed": ("10.0.0.1", ["198.51.100.7, nonsense"], "10.0.0.1"),
    "malformed between proxies": ("10.0.0.1", ["198.51.100.7, x, 10.0.0.2"], "10.0.0.1"),
    "a zone": ("10.0.0.1", ["fe80::1%eth0"], "10.0.0.1"),
    "a line break": ("10.0.0.1", ["198.51.100.7\n"], "10.0.0.1"),
    "too many": ("10.0.0.1", [",".join(["198.51.100.7"] * 33)], "10.0.0.1"),
    "no peer": (None, ["198.51.100.7"], "unknown"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_clients_address(name: str) -> None:
    peer, header, client = CASES[name]
    assert addresses.client(peer, header, PROXIES) == client


ADDRESS = st.ip_addresses().map(str)


@given(st.text() | ADDRESS, st.lists(st.text() | ADDRESS | st.lists(ADDRESS | st.text()).map(",".join), max_size=4))
def test_whatever_is_sent_one_address_comes_out(peer: str, header: list[str]) -> None:
    found = addresses.client(peer, header, PROXIES)
    assert found == "unknown" or str(ipaddress.ip_address(found)) == found
    # Whoever is no proxy of ours cannot choose.
    alone = addresses.client(peer, [], PROXIES)
    if addresses.parse(peer) is not None and not any(ipaddress.ip_address(alone) in one for one in PROXIES):
        assert found == alone


@given(ADDRESS, st.lists(ADDRESS | st.text(alphabet=st.characters(exclude_characters=",")), max_size=5))
def test_a_client_behind_a_proxy_cannot_choose_either(real: str, forged: list[str]) -> None:
    seen = addresses.client("10.0.0.1", [",".join([*forged, real])], PROXIES)
    known = addresses.client(real, [], PROXIES)
    if not any(ipaddress.ip_address(known) in one for one in PROXIES):
        assert seen == (known if len(forged) < 32 and "%" not in real else seen)
