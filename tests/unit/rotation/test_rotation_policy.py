# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a rotation may start: ages, windows, holds, and what each says."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rotation_truths import OLD

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_policy import (
    due,
    explain,
    parse_window,
    spell,
    window_opens,
)
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth import TruthError

MADE = "2026-01-01T00:00:00Z"  # a Thursday


def policy(**items: Any) -> dict[str, Any]:
    return {**_truth.DEFAULT_POLICY, **items}


@pytest.mark.parametrize(
    ("items", "now", "reason", "starts", "why"),
    [
        ({}, "2026-03-01T00:00:00Z", "scheduled", False, "59 days old, and rotate_after_days is not set"),
        ({"rotate_after_days": 30}, "2026-01-30T23:59:59Z", "scheduled", False, "on 2026-01-31T00:00:00Z"),
        ({"rotate_after_days": 30}, "2026-01-31T00:00:00Z", "scheduled", True, "it was due after 30 days"),
        ({"rotate_after_days": 30, "hold": True}, "2026-03-01T00:00:00Z", "scheduled", False, "its policy says hold"),
        ({"hold": True}, "2026-03-01T00:00:00Z", "manual", False, "its policy says hold"),
        ({"hold": True}, "2026-03-01T00:00:00Z", "drift", False, "its policy says hold"),
        ({"hold": True}, "2026-03-01T00:00:00Z", "compromise", True, "starts at once"),
        ({"window": "Sun 02:00-05:00Z"}, "2026-01-02T00:00:00Z", "manual", True, "not on hold"),
        (
            {"rotate_after_days": 1, "window": "Sun 02:00-05:00Z"},
            "2026-01-09T00:00:00Z",
            "scheduled",
            False,
            "opens on 2026-01-11T02:00:00Z",
        ),
        ({"rotate_after_days": 1, "window": "Sun 02:00-05:00Z"}, "2026-01-11T04:59:59Z", "scheduled", True, "is open"),
        ({"rotate_after_days": 1}, "2025-12-01T00:00:00Z", "scheduled", False, "one of two clocks is or was wrong"),
    ],
)
def test_each_rule_says_why(items: Any, now: str, reason: str, starts: bool, why: str) -> None:
    found = due(policy(**items), MADE, now, reason)
    assert found.due is starts
    assert why in "; ".join(found.why)


def test_the_figures_for_an_alarm() -> None:
    late = due(policy(rotate_after_days=30, alarm_after_days=45), MADE, "2026-02-15T00:00:00Z", "scheduled")
    assert (late.age_days, late.days_to_due, late.due_at, late.alarm) == (45.0, -15.0, "2026-01-31T00:00:00Z", True)
    early = due(policy(alarm_after_days=45), MADE, "2026-02-14T23:00:00Z", "scheduled")
    assert (early.days_to_due, early.due_at, early.alarm) == (None, None, False)


def test_all_rules_are_explained() -> None:
    said = list(explain(policy(rotate_after_days=30), MADE, "2026-01-02T12:00:00Z"))
    assert [one.partition(":")[0] for one in said] == ["hold", "age", "window"]
    assert "the token is 1.5 days old" in said[1]


@pytest.mark.parametrize(
    ("window", "open_at", "shut_at"),
    [
        ("Sun 02:00-05:00Z", "2026-01-04T02:00:00Z", "2026-01-04T05:00:00Z"),
        ("Sun 22:00-04:00Z", "2026-01-05T03:59:00Z", "2026-01-05T04:00:00Z"),
        ("Mon-Fri 22:00-04:00Z", "2026-01-03T03:00:00Z", "2026-01-03T22:30:00Z"),
        ("Fri-Mon 01:00-02:00Z", "2026-01-04T01:30:00Z", "2026-01-06T01:30:00Z"),
        ("Sat, Sun 00:00-24:00Z", "2026-01-04T23:59:00Z", "2026-01-05T00:00:00Z"),
        ("daily 01:00-03:00Z", "2026-01-07T02:59:00Z", "2026-01-07T03:00:00Z"),
        ("01:00-03:00Z; Sun 10:00-11:00Z", "2026-01-04T10:30:00Z", "2026-01-05T10:30:00Z"),
    ],
)
def test_windows(window: str, open_at: str, shut_at: str) -> None:
    def at(text: str) -> datetime:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)

    assert window_opens(window, at(open_at)) is None
    opens = window_opens(window, at(shut_at))
    assert opens is not None
    assert window_opens(window, opens) is None
    assert window_opens(window, opens - timedelta(minutes=1)) == opens


@pytest.mark.parametrize(
    ("window", "text"),
    [
        ("Sun 02:00-05:00", "times in UTC, with Z"),
        ("Sunday night", "is not a window; write 'Sun 02:00-05:00Z'"),
        ("Son 02:00-05:00Z", "'Son' is not a day"),
        ("Sun 25:00-05:00Z", "a time that is none"),
        ("Sun 02:61-05:00Z", "a time that is none"),
        ("Sun 02:00-24:30Z", "a time that is none"),
        ("Mon-Tue-Wed 02:00-05:00Z", "is not a day"),
    ],
)
def test_malformed_windows_are_refused_where_they_are_set(window: str, text: str) -> None:
    with pytest.raises(TruthError, match=text):
        parse_window(window)
    with pytest.raises(TruthError, match=text):
        _truth.add_generated(
            _truth.new_document(), "main", token=OLD, password="p", now=MADE, policy={"window": window}
        )
    good = _truth.add_generated(_truth.new_document(), "main", token=OLD, password="p", now=MADE)
    with pytest.raises(TruthError, match=text):
        _truth.update(good, "main", policy={"window": window})


_TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59))


@given(
    day=st.sampled_from(["Mon", "Wed", "Sun", "daily", "Tue-Thu", "Sat,Mon"]),
    start=_TIMES,
    end=_TIMES,
    minute=st.integers(0, 3 * 7 * 1440),
)
def test_a_window_that_is_said_to_open_is_open_then(
    day: str, start: tuple[int, int], end: tuple[int, int], minute: int
) -> None:
    window = f"{day} {start[0]:02}:{start[1]:02}-{end[0]:02}:{end[1]:02}Z"
    now = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minute)
    opens = window_opens(window, now)
    if opens is not None:
        assert now < opens <= now + timedelta(days=7)
        assert window_opens(window, opens) is None
        assert window_opens(window, opens - timedelta(minutes=1)) is not None
    assert spell(now).endswith("Z")
