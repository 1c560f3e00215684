# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures, comparison, verdicts, plots: what is made of what was measured."""

from __future__ import annotations

import statistics
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.plugin_utils import _benchmark as judge
from ansible_collections.genai.comfyui.plugins.plugin_utils import _benchmark_plan as plan
from ansible_collections.genai.comfyui.plugins.plugin_utils import _plots as plots
from ansible_collections.genai.comfyui.plugins.plugin_utils._benchmark_page import page

Json = dict[str, Any]
SOME = st.lists(st.floats(0, 1e6), min_size=1, max_size=50)


def job(number: int, execution: float, phase: str = "series", **more: Any) -> Json:
    ended = 1000.0 + number * 20 + execution
    times = {"submitted": ended - execution, "ended": ended, "total": execution, "queue": 0.0}
    return {"phase": phase, "number": number, **times, "execution": execution, "cached": False, **more}


def run(host: str = "gpu-1", times: tuple[float, ...] = (9.0, 4.0, 5.0, 4.5), **more: Any) -> Json:
    measured: Json = {
        "records": [job(n, one, step=one / 20) for n, one in enumerate(times)],
        **more.pop("measured", {}),
    }
    return {"host": host, "instance": "default", "profile": "as declared", "measured": measured, **more}


def test_the_first_image_counts_apart() -> None:
    found = judge.figures(run(cold_start=31.5))
    assert (found["first_image"], found["s_per_image"], found["s_per_image_worst"]) == (9.0, 4.5, 5.0)
    assert (found["cold_start"], found["s_per_step"]) == (31.5, 0.225)
    assert found["throughput"] is found["power_mean"] is found["vram_peak"] is None


def test_what_came_from_the_cache_counts_for_nothing_and_is_said() -> None:
    one = run()
    one["measured"]["records"].append(job(4, 0.001, cached=True))
    assert judge.figures(one) == judge.figures(run())
    assert "1 jobs came from the server's cache and do not count" in " ".join(judge.remarks(one))


def test_nothing_measured_is_no_figure() -> None:
    assert set(judge.figures({"host": "a"}).values()) == {None}
    assert judge.figures(run(times=(9.0,)))["s_per_image"] is None


def test_load_is_told_by_what_clients_saw() -> None:
    jobs = [job(n, 2.0, "load", client=n % 2) for n in range(10)]
    for number, one in enumerate(jobs):
        one.update(ended=1000.0 + (number + 1) * 6, total=float(number + 1))
    load = {"began": 1000.0, "ended": 1061.0, "clients": 2, "jobs": 6}
    errors = [{"client": 0, "at": 1001.0, "said": "gone"}] * 2
    found = judge.figures(run(measured={"records": jobs, "load": load, "errors": errors}))
    assert found["throughput"] == pytest.approx(10.0), "10 in the 60 s until the last one"
    assert found["latency_p50"] == 5.5
    assert found["latency_p99"] == pytest.approx(9.91)
    assert found["error_rate"] == pytest.approx(100 * 2 / 12)


def test_power_is_that_of_the_warm_images_and_of_all_cards() -> None:
    # Images run in 1000..1009, 1020..1024, 1040..1045, 1060..1064.5; between them the cards idle.
    idle = [[1012.0, 5 * judge.GIB, 30.0, 0, 40], [1030.0, 5 * judge.GIB, 30.0, 0, 40]]
    busy = [
        [1005.0, 2 * judge.GIB, 100.0, 90, 60],
        [1022.0, 20 * judge.GIB, 300.0, 99, 60],
        [1042.0, 21 * judge.GIB, 350.0, 99, 60],
    ]
    silent = [[1022.0, None, None, None, None]]
    gpus = [
        {"index": 0, "rows": busy + idle},
        {"index": 1, "rows": [[1023.0, judge.GIB, 50.0, 0, 30]]},
        {"index": 2, "rows": silent},
    ]
    found = judge.figures(
        run(measured={"samples": {"gpus": gpus, "missing": {}}} | {"records": run()["measured"]["records"]})
    )
    assert found["power_mean"] == pytest.approx(325 + 50)
    assert found["power_peak"] == pytest.approx(350 + 50)
    assert found["vram_peak"] == pytest.approx(21 + 1)
    assert found["wh_per_image"] == pytest.approx(375 * 4.5 / 3600)


@given(SOME, st.floats(0, 100))
def test_percentiles_lie_within_and_grow(numbers: list[float], percent: float) -> None:
    found = judge.percentile(numbers, percent)
    assert found is not None
    assert min(numbers) <= found * (1 + 1e-12)
    assert found <= max(numbers) * (1 + 1e-12)
    assert judge.percentile(numbers, 50) == pytest.approx(statistics.median(numbers))
    assert judge.percentile([], percent) is None


def test_side_by_side() -> None:
    report = judge.document([run("a"), run("b", (18.0, 9.0))], [], None)
    rows = {one["figure"]: one for one in report["comparison"]["rows"]}
    assert rows["s_per_image"]["ratios"] == {"a": 1.0, "b": 2.0}
    assert rows["s_per_image"]["best"] == ["a"]
    assert rows["queue"]["best"] == [], "alike"
    assert "cold_start" not in rows
    near = judge.document([run("a", cold_start=31.001), run("b", cold_start=31.002)], [], None)
    assert near["comparison"]["rows"][0]["best"] == [], "what looks alike"
    with pytest.raises(judge.BenchmarkError, match="no run is called 'c'; there is: a, b"):
        judge.document([run("a"), run("b")], [], "c")
    with pytest.raises(judge.BenchmarkError, match="two runs are called 'a'"):
        judge.document([run("a"), run("a")], [], None)


def test_labels_name_what_is_not_usual() -> None:
    assert judge.label({"host": "a", "instance": "default", "profile": "as declared"}) == "a"
    assert judge.label({"host": "a", "instance": "two", "profile": "low"}) == "a two (low)"


def test_each_missed_threshold_is_named() -> None:
    limits = {"s_per_image": 4, "first_image": 10, "throughput": 1, "slower_than_baseline": 1.5, "power_peak": 300}
    report = judge.document([run("a"), run("b", (18.0, 9.0), measured={"thresholds": {}}, thresholds=limits)], [], "a")
    assert report["verdict"] == {
        "ok": False,
        "reasons": [
            "b: s_per_image is 9.00 s, more than 4",
            "b: first_image is 18.00 s, more than 10",
            "b: throughput was not measured, so the threshold 1 is not kept",
            "b: slower_than_baseline is 2.00, more than 1.5",
            "b: power_peak was not measured, so the threshold 300 is not kept",
        ],
    }
    kept = {"s_per_image": 4.5, "first_image": "9"}
    assert judge.document([run("a", thresholds=kept)], [], None)["verdict"]["ok"]


def test_throughput_is_a_least() -> None:
    one = {"label": "a", "figures": {**dict.fromkeys(judge.FIGURES), "throughput": 3.0}}
    assert judge.verdicts([{**one, "thresholds": {"throughput": 3.0}}], "a") == []
    assert judge.verdicts([{**one, "thresholds": {"throughput": 3.5}}], "a") == [
        "a: throughput is 3.00 images/min, less than 3.5"
    ]


@pytest.mark.parametrize("value", ["fast", None, True, [1]])
def test_wrong_thresholds_are_named(value: Any) -> None:
    with pytest.raises(judge.BenchmarkError, match=r"comfyui_benchmark_thresholds: queue is .*, which is no number"):
        judge.check_settings({"queue": value})


def test_nothing_measured_at_all_is_not_in_order() -> None:
    assert judge.document([], [], None)["verdict"]["reasons"] == [
        "nothing was measured: there is no instance in comfyui_servers that is to be"
    ]
    away = {"host": "a", "what": "host", "reason": "unreachable: no route"}
    assert judge.document([], [away], None)["verdict"]["reasons"] == ["a: host: unreachable: no route"]


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_ticks_cover_the_range_in_round_steps(low: float, span: float) -> None:
    found = plots.ticks(low, low + span)
    assert 2 <= len(found) <= 8
    assert found == sorted(set(found))
    assert found[0] <= low + 1e-6 * max(1, abs(low))
    assert found[-1] >= low + span - max(1e-6, span * 1e-6)


def test_the_page_is_well_formed_and_escapes_what_hosts_say() -> None:
    nasty = '<script>alert("x")</script>'
    one = run(nasty, measured={"server": {"argv": [nasty], "devices": [{"name": nasty}]}})
    one["measured"]["records"] = run()["measured"]["records"]
    one["measured"]["records"][0]["files"] = [{"kept": "a.png", "width": 8, "height": 8}, {"kept": nasty}]
    frame = {"kind": "benchmark", "finished": "2026-01-02T03:04:05.678Z", "versions": {"python": "3"}}
    report = {**frame, **judge.document([one, run("b")], [{"host": "c", "what": "host", "reason": nasty}], None)}
    text = page(report, {"a.png": "data:image/png;base64,AAAA"})
    assert "<script" not in text
    assert text.count("&lt;script&gt;") > 5
    assert 'src="data:image/png;base64,AAAA"' in text
    assert "is too large to be shown here" in text
    for begin in (place for place in range(len(text)) if text.startswith("<svg", place)):
        ElementTree.fromstring(text[begin : text.index("</svg>", begin) + 6])


def test_what_is_measured_without_a_choice() -> None:
    assert plan.benchmark_work({}, ["lightning_4step", "qwen_image"])["workflow"] == "qwen_image"
    without = plan.benchmark_work({"workflow": None, "check": ""}, ["minimal"])
    assert (without["workflow"], without["vary"], without["check"]) == ("empty_image", "color", "decodable")
    edit = plan.benchmark_work({"parameters": {"steps": 4}}, ["qwen_image_edit_2509"])
    assert (edit["workflow"], edit["parameters"]) == ("qwen_image_edit_2509", {"image": None, "steps": 4})
    chosen = plan.benchmark_work({"workflow": "mine.json", "variant": "v"}, ["qwen_image"])
    assert chosen == {"workflow": "mine.json", "variant": "v", "parameters": {}, "vary": None, "check": "varied"}


def test_gpus_of_an_instance() -> None:
    declared: list[Json] = [
        {"name": "a", "gpus": "all"},
        {"name": "b", "gpus": [1, "GPU-x"]},
        {"name": "c", "gpus": "none"},
    ]
    assert [plan.benchmark_one(declared, name)["benchmark_gpus"] for name in "abc"] == [None, ["1", "GPU-x"], []]
    with pytest.raises(ValueError, match="there is no instance 'd'; there is: a, b, c"):
        plan.benchmark_one(declared, "d")


def test_a_profile_changes_one_instance_only() -> None:
    declared: list[Json] = [{"port": 8188, "launch_args": ["--x"]}, {"name": "b", "launch_args": ["--y"]}]
    found = plan.benchmark_instances(declared, "default", {"name": "low", "launch_args": ["--lowvram"]})
    assert [one["launch_args"] for one in found] == [["--lowvram"], ["--y"]]
    assert declared[0]["launch_args"] == ["--x"]
    with pytest.raises(ValueError, match="each profile has a name"):
        plan.benchmark_instances(declared, "b", {"name": "low", "arguments": []})
    with pytest.raises(ValueError, match="launch_args of 'low' must be a list"):
        plan.benchmark_instances(declared, "b", {"name": "low", "launch_args": "--lowvram"})


def test_a_cold_start_is_told_only_after_a_restart() -> None:
    restarted = {"instances": [{"name": "default", "gap": 31.2}]}
    assert plan.benchmark_run({}, "default", {"name": "p"}, restarted)["cold_start"] == 31.2
    assert plan.benchmark_run({}, "default", {"name": "p"}, None)["cold_start"] is None
