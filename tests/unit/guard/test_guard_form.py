# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from guarded_package import load
from hypothesis import given
from hypothesis import strategies as st

throttles, addresses = load("throttle"), load("addresses")


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_address_has_a_budget_that_comes_back() -> None:
    clock = Clock()
    throttle = throttles.Throttle(clock)
    for _try in range(throttles.PER_ADDRESS):
        assert throttle.wait("a") == 0
        throttle.failed("a")
    seconds = throttle.wait("a")
    assert 1 <= seconds <= throttles.WINDOW
    assert throttle.wait("b") == 0
    clock.now += seconds
    assert throttle.wait("a") == 0


def test_many_addresses_share_one_budget() -> None:
    clock = Clock()
    throttle = throttles.Throttle(clock)
    for number in range(throttles.GLOBAL):
        throttle.failed(str(number))
    assert throttle.wait("another") >= 1
    clock.now += throttles.WINDOW
    assert throttle.wait("another") == 0


def test_addresses_do_not_pile_up() -> None:
    throttle = throttles.Throttle(Clock())
    for number in range(throttles.ADDRESSES * 2):
        throttle.failed(str(number))
    assert len(throttle._debts) <= throttles.ADDRESSES
    # The common budget is not the one that is forgotten.
    assert throttle.wait("another") > 0


def test_what_counts_as_one_address() -> None:
    assert addresses.network("10.0.0.1") == addresses.network("::ffff:10.0.0.1") == "10.0.0.1"
    assert (
        addresses.network("2001:db8::1") == addresses.network("2001:db8::ffff") != addresses.network("2001:db8:0:1::1")
    )
    assert addresses.network(None) == addresses.network("nonsense") == "unknown"


def test_a_page_of_another_origin_may_not_post_to_loopback() -> None:
    assert addresses.foreign("127.0.0.1:8188", "https://evil.example")
    assert addresses.foreign("localhost:8188", "http://localhost:9999")
    assert not addresses.foreign("localhost:8188", "http://localhost:8188")
    assert not addresses.foreign("comfy.example", "https://evil.example")
    assert not addresses.foreign("localhost:8188", "")


@given(st.text(), st.text())
def test_no_host_and_no_origin_raises(host: str, origin: str) -> None:
    assert addresses.foreign(host, origin) in (True, False)
    assert isinstance(addresses.network(host), str)
