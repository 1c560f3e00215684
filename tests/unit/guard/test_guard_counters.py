# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

from guarded_package import load
from hypothesis import given
from hypothesis import strategies as st

counters = load("counters")
SAMPLE = re.compile(r'comfyui_login_guard_[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"\})? [0-9.e+-]+')


def test_every_count_is_there_from_the_start() -> None:
    counts = counters.Counters()
    page = counters.exposition(counts.samples())
    for name, label, values in counters.STARTING:
        assert f"# TYPE comfyui_login_guard_{name} counter\n" in page
        for value in values:
            assert f'comfyui_login_guard_{name}{{{label}="{value}"}} 0\n' in page
    assert "comfyui_login_guard_sessions_ended_total 0\n" in page


def test_counts_go_up_and_stay_whole() -> None:
    counts = counters.Counters()
    for _time in range(3):
        counts.accepted("token")
    counts.refused("error")
    counts.login("failed")
    counts.ended()
    page = counters.exposition(counts.samples())
    assert 'requests_accepted_total{credential="token"} 3\n' in page
    assert 'requests_refused_total{cause="error"} 1\n' in page
    assert 'logins_total{result="failed"} 1\n' in page
    assert "sessions_ended_total 1\n" in page
    # Seconds since 1970 keep all their digits.
    assert counters.exposition([("sessions_epoch_seconds", {}, 1_767_323_045)]).endswith(" 1767323045\n")


@given(st.text(), st.floats(0, 1e12))
def test_no_label_breaks_the_page(value: str, number: float) -> None:
    page = counters.exposition([("info", {"node": value}, number)])
    kept = [line for line in page.split("\n") if line and not line.startswith("# ")]
    assert len(kept) == 1
    assert SAMPLE.fullmatch(kept[0])


def test_each_family_is_written_once_and_together() -> None:
    mixed = [("logins_total", {"result": "a"}, 1), ("locked", {}, 1), ("logins_total", {"result": "b"}, 2)]
    names = [line.split("{")[0].split(" ")[0] for line in counters.exposition(mixed).splitlines() if line[0] != "#"]
    assert names == ["comfyui_login_guard_locked"] + ["comfyui_login_guard_logins_total"] * 2
