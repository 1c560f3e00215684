# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/benchmark.yml as Ansible runs it: two servers side by side, verdict, reports, and no token anywhere."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from benchmark_server import GRAPH, smi
from harness import TOKEN, Pair, Server

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
FORMS = (TOKEN, TOKEN[-31:], quote(TOKEN, safe=""), base64.b64encode(TOKEN.encode()).decode()[:-4])
AWAY = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_retries": 0}


@dataclass
class Ran:
    """A run of the playbook: what it said and what it left."""

    folder: Path
    status: int
    output: str
    left: list[Path]

    @property
    def report(self) -> dict[str, Any]:
        """The JSON report."""
        found: dict[str, Any] = json.loads((self.folder / "reports/benchmark-latest.json").read_text())
        return found

    @property
    def page(self) -> str:
        """The HTML report."""
        return (self.folder / "reports/benchmark-latest.html").read_text()


def play(folder: Path, hosts: dict[str, Any], **settings: Any) -> Ran:
    """Run the playbook on *hosts* with these variables."""
    everything = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "comfyui_report_dir": str(folder / "reports"),
        "comfyui_benchmark_workflow": "graph.json",
        **settings,
    }
    inventory = {"all": {"children": {"comfyui_servers": {"hosts": hosts}}, "vars": everything}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    credential = {"username": "comfy", "password": None, "token": TOKEN, "version": "v1"}
    # Instead of a store: what the role's credentials.yml would read.
    (folder / "known.json").write_text(json.dumps({"comfyui_credentials": {"main": credential}}))
    (folder / "graph.json").write_text(json.dumps(GRAPH))
    (folder / "ansible.cfg").touch()
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), "HOME": str(folder)}
    environment.update(ANSIBLE_CONFIG=str(folder / "ansible.cfg"), PWD=str(folder))
    environment["PATH"] = f"{folder}{os.pathsep}{environment['PATH']}"
    words = ["-i", "inventory.yml", str(ROOT / "playbooks/benchmark.yml"), "-e", "@known.json", "-vvv", "--diff"]
    # Not below *folder*: Ansible makes a socket there, whose path may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="work-") as work:
        done = subprocess.run(
            [str(BIN / "ansible-playbook"), *words],
            cwd=folder, env={**environment, "TMPDIR": work}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        return Ran(folder, done.returncode, done.stdout, list(Path(work).glob("*.comfyui-benchmark")))


def host(server: Server, **more: Any) -> dict[str, Any]:
    """Return a host's variables for a server that runs already."""
    instance = {"name": "default", "port": int(server.url.rpartition(":")[2]), "gpus": more.pop("gpus", "all")}
    return {"comfyui_instances": [instance], **more}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give a second server, on a tree of its own."""
    from benchmark_server import NODES

    made = Pair(tmp_path_factory.mktemp("other"))
    made.set_password(TOKEN)
    made.add_node("benchmark_test_nodes", {"__init__.py": NODES})
    with made.serve() as running:
        yield running


@pytest.fixture(scope="module")
def ran(server: Server, other: Server, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run it once on a quick host, a slow one and one that is away."""
    folder = tmp_path_factory.mktemp("benchmark")
    smi(folder)
    slow = {
        "comfyui_benchmark_parameters": {"3.pause": 0.1},
        "comfyui_benchmark_thresholds": {"s_per_image": 0.2, "error_rate": 0},
    }
    hosts = {"quick": host(server), "slow": host(other, **slow), "away": AWAY}
    return play(
        folder,
        hosts,
        comfyui_benchmark_images=3,
        comfyui_benchmark_clients=3,
        comfyui_benchmark_jobs=2,
        comfyui_benchmark_seed=100,
        comfyui_benchmark_sample_every=0.05,
    )


def test_a_missed_threshold_and_a_host_that_is_away_fail_by_name(ran: Ran) -> None:
    assert ran.status == 2, ran.output[-3000:]
    reasons = ran.report["verdict"]["reasons"]
    assert len(reasons) == 2, reasons
    assert reasons[0].startswith("away: host: unreachable: ")
    assert re.fullmatch(r"slow: s_per_image is 0\.\d\d s, more than 0\.2", reasons[1])
    for one in reasons:
        assert one[:60] in ran.output


def test_figures_side_by_side(ran: Ran) -> None:
    report = ran.report
    assert [run["label"] for run in report["runs"]] == ["quick", "slow"]
    quick, slow = (run["figures"] for run in report["runs"])
    # The sampler pauses 4 times for 0.02 s or 0.1 s; that is the floor of each figure, but for how news travel.
    assert 0.015 <= quick["s_per_step"] < 0.09 <= slow["s_per_step"]
    assert 0.08 <= quick["s_per_image"] < 0.4 <= slow["s_per_image"]
    assert quick["throughput"] > slow["throughput"] > 0
    assert slow["latency_p50"] > 0.4
    assert quick["error_rate"] == 0
    rows = {row["figure"]: row for row in report["comparison"]["rows"]}
    assert rows["s_per_image"]["best"] == ["quick"]
    assert rows["s_per_image"]["ratios"]["slow"] == pytest.approx(slow["s_per_image"] / quick["s_per_image"])
    assert quick["cold_start"] is None
    assert "was already running" in " ".join(report["runs"][0]["remarks"])


def test_every_job_had_another_seed_and_is_told(ran: Ran) -> None:
    records = ran.report["runs"][0]["measured"]["records"]
    assert sorted(one["number"] for one in records) == list(range(9))
    assert not any(one["cached"] for one in records)
    assert {one["followed_by"] for one in records} == {"websocket"}
    assert {one["clock"] for one in records} == {"server"}


def test_gpus_are_sampled_and_what_was_not_is_said(ran: Ran) -> None:
    run = ran.report["runs"][0]
    samples = run["measured"]["samples"]
    assert samples["source"] == "nvidia-smi"
    assert [gpu["name"] for gpu in samples["gpus"]] == ["NVIDIA GeForce RTX 3090", "Card, with a comma"]
    assert run["figures"]["vram_peak"] == 21.0
    assert run["figures"]["power_mean"] == pytest.approx(301.5)
    assert "power was not sampled: the driver tells none for GPU 1" in run["remarks"]


def test_the_page_needs_nothing_else_and_shows_the_pictures(ran: Ran) -> None:
    page = ran.page
    pictures = sorted(ran.folder.glob("reports/benchmark-quick-default-as_declared-*.png"))
    assert len(pictures) == 2
    for picture in pictures:
        assert f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}" in page
        assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert page.count("<svg") == 5
    assert "<script" not in page
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:)""", page)
    assert "url(" not in page
    assert "img-src data:" in page
    assert 'name="viewport"' in page


def test_no_token_shows_and_nothing_stays_on_the_host(ran: Ran) -> None:
    kept = [path.read_bytes() for path in (ran.folder / "reports").iterdir()]
    assert len(kept) > 6
    for form in FORMS:
        assert form not in ran.output
        assert not any(form.encode() in text for text in kept)
    assert not ran.left


def test_wrong_settings_are_refused_before_anything_runs(server: Server, tmp_path: Path) -> None:
    before = server.request("GET", "/history", token=TOKEN).json()
    ran = play(tmp_path, {"quick": host(server)}, comfyui_benchmark_thresholds={"s_per_imagine": 1})
    assert ran.status == 2
    assert "there is no figure 's_per_imagine'; there is: cold_start, first_image, s_per_image" in ran.output
    ran = play(tmp_path, {"quick": host(server)}, comfyui_benchmark_profiles=[{"name": "low", "launch_args": []}])
    assert ran.status == 2
    assert "Say comfyui_benchmark_restart=true if that may be." in ran.output
    assert server.request("GET", "/history", token=TOKEN).json() == before
