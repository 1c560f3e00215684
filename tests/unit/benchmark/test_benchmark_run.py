# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring on a running server: slices, load, errors, the cache, strangers' jobs, samples."""

from __future__ import annotations

import copy
import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from benchmark_server import GRAPH, smi
from harness import TOKEN, Server

from ansible_collections.genai.comfyui.plugins.module_utils import _benchmark as bench
from ansible_collections.genai.comfyui.plugins.module_utils import _sampler as sampler
from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import WorkflowError

LATER = 10**10


def planned(server: Server, base: int, pause: float = 0.01, **more: Any) -> bench.Plan:
    graphs = bench.plan_graphs(GRAPH, {"3.pause": pause}, None, ["3.seed"], base)
    return bench.Plan(run.Client(server.url, TOKEN, timeout=10), graphs, **{"images": 2, **more})


def test_a_long_run_in_slices_is_the_same_run(server: Server) -> None:
    plan = planned(server, 1000, pause=0.1, clients=2, jobs=2)
    state = bench.fresh()
    slices = 0
    while state["phase"] != "over":
        # What goes through Ansible between two calls.
        state = json.loads(json.dumps(state))
        bench.measure(plan, state, time.time() + 0.15)
        slices += 1
        assert slices < 60
    assert slices > 3
    assert [(one["phase"], one["number"]) for one in state["records"][:2]] == [("series", 0), ("series", 1)]
    assert sorted(one["number"] for one in state["records"][2:]) == [2, 3, 4, 5]
    assert len({one["client"] for one in state["records"][2:]}) == 2
    # Ends in the pauses between slices are told by the server's clock, so nothing takes longer than it did.
    assert all(0.4 <= one["execution"] < 0.8 for one in state["records"])
    assert all(one["step"] is None or 0.05 < one["step"] < 0.3 for one in state["records"])


def test_errors_under_load_are_counted_and_the_rest_goes_on(server: Server) -> None:
    plan = planned(server, 8, images=0, clients=3, jobs=3)
    state = bench.fresh()
    bench.measure(plan, state, LATER)
    # Seeds 8 to 16; the thirteenth is unlucky.
    assert len(state["records"]) == 8
    (error,) = state["errors"]
    assert error["said"] == f"{server.url}: job ... failed: node 3 (Sampler): ValueError: an unlucky seed"
    assert state["load"]["ended"] > state["load"]["began"]


def test_a_failure_in_the_series_ends_it(server: Server) -> None:
    state = bench.fresh()
    with pytest.raises(WorkflowError, match="an unlucky seed"):
        bench.measure(planned(server, 12, images=3), state, LATER)
    assert [one["number"] for one in state["records"]] == [0]


def test_what_takes_too_long_is_named_and_taken_back(server: Server) -> None:
    plan = planned(server, 2000, pause=5.0, images=1, timeout=0.5)
    state = bench.fresh()
    with pytest.raises(WorkflowError, match=r"did not end within 0\.5 s: it is still running"):
        bench.measure(plan, state, LATER)
    assert bench.cancel(plan, state) == 1
    bench.await_idle(plan.client, 20)


def test_an_equal_job_is_seen_to_come_from_the_cache(server: Server) -> None:
    first, again = bench.fresh(), bench.fresh()
    bench.measure(planned(server, 3000, images=1), first, LATER)
    bench.measure(planned(server, 3000, images=1), again, LATER)
    assert [one["cached"] for one in first["records"] + again["records"]] == [False, True]


def test_jobs_of_others_are_waited_for_and_named(server: Server) -> None:
    client = run.Client(server.url, TOKEN, timeout=10)
    graph = copy.deepcopy(GRAPH)
    graph["3"]["inputs"].update(seed=4000, pause=0.5)
    client.submit(graph, str(uuid.uuid4()), "somebody else")
    with pytest.raises(WorkflowError, match=r"after 0 s there are still 1 jobs of others"):
        bench.await_idle(client, 0)
    assert bench.await_idle(client, 20) > 0


def test_what_cannot_run_is_said_before_anything_runs(server: Server) -> None:
    plan = planned(server, 1)
    plan.graphs = lambda _number: {"1": {"class_type": "UNETLoader", "inputs": {"unet_name": "x.safetensors"}}}
    with pytest.raises(WorkflowError, match="the workflow cannot run: node 1: the server has no UNETLoader"):
        bench.check(plan)


def test_the_seed_is_found() -> None:
    assert bench.varied(GRAPH, None) == ["3.seed"]
    assert bench.varied({"graph": {}, "parameters": {"seed": {}, "noise_seed": {}}}, None) == ["seed"]
    assert bench.varied({"graph": {}, "parameters": {}}, "color") == ["color"]
    with pytest.raises(WorkflowError, match="the workflow has no seed"):
        bench.varied({"1": {"class_type": "EmptyImage", "inputs": {"color": 1}}}, None)


def test_times_by_the_servers_clock_where_it_can_be_theirs() -> None:
    exact = bench.timing((1001.0, 1003.5), 1000.0, 1009.0)
    assert (exact["total"], exact["queue"], exact["execution"], exact["clock"]) == (3.5, 1.0, 2.5, "server")
    other = bench.timing((501.0, 503.5), 1000.0, 1009.0)
    assert (other["total"], other["queue"], other["execution"], other["clock"]) == (9.0, 6.5, 2.5, "client")
    silent = bench.timing(None, 1000.0, 1009.0)
    assert (silent["total"], silent["queue"], silent["execution"]) == (9.0, None, None)


def test_steps_are_told_apart_by_node_and_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    seen = run.Seen()
    for node, value, most, moment in (
        ("3", 1, 20, 100), ("3", 11, 20, 105), ("9", 1, 4, 106), ("9", 2, 4, 120), ("3", 20, 20, 109.5),
    ):  # fmt: skip
        now[0] = moment
        seen.heard(node, value, most)
    assert seen.seconds_per_step() == pytest.approx(0.5)
    seen.heard("3", 1, 20)
    assert seen.steps["3"][1] == 1, "it begins anew"
    assert run.Seen().seconds_per_step() is None


def no_devices() -> list[dict[str, Any]]:
    return [{"type": "cpu", "name": "cpu", "index": None, "vram_total": 5, "vram_free": 1}]


def test_samples_of_a_driver(tmp_path: Path) -> None:
    with sampler.Sampler(no_devices, str(smi(tmp_path)), ["1", "GPU-0f1e"], 0.02) as running:
        time.sleep(0.01)
    found = running.result()
    assert found["source"] == "nvidia-smi"
    assert [one["uuid"] for one in found["gpus"]] == ["GPU-0f1e2d3c", "GPU-aabbccdd"]
    assert found["gpus"][0]["rows"][0][1:] == [20480 * sampler.MIB, 301.5, 97.0, 66.0]
    assert found["missing"] == {"power": "the driver tells none for GPU 1"}
    kept = sampler.Sampler(no_devices, str(smi(tmp_path)), ["0"], 0.02, json.loads(json.dumps(found)))
    kept.once()
    assert len(kept.result()["gpus"][0]["rows"]) == len(found["gpus"][0]["rows"]) + 1


def test_samples_without_a_driver_say_what_is_missing(tmp_path: Path) -> None:
    device = {"type": "cuda", "name": "cuda:0 X", "index": 0, "vram_total": 24, "vram_free": 4}
    with sampler.Sampler(lambda: [device], None, None, 0.02) as running:
        pass
    found = running.result()
    assert (found["source"], found["gpus"][0]["rows"][0][1]) == ("system_stats", 20)
    assert found["missing"] == {"power": "there is no nvidia-smi on this host"}
    with sampler.Sampler(no_devices, None, None, 0.02) as running:
        pass
    assert running.result()["missing"]["vram"] == "the server has no CUDA device"
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed because it could not talk to the driver'; exit 9\n")
    broken.chmod(0o755)
    with sampler.Sampler(no_devices, str(broken), None, 0.02) as running:
        pass
    assert running.result()["missing"]["power"].startswith("nvidia-smi: NVIDIA-SMI has failed because")
    assert running.result()["gpus"] == []


def test_a_long_run_keeps_its_course_in_few_rows() -> None:
    rows: list[list[float | None]] = []
    for number in range(9000):
        rows = sampler.thinned([*rows, [float(number), 1.0, None, None, None]])
    assert len(rows) <= sampler.MOST_ROWS
    assert rows[0][0] == 0
    assert (rows[-1][0] or 0) > 8900
