# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of whole machines: each scenario of fixtures/, the verdicts, and programs that misbehave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from gpu_machine import FIXTURES, KERNEL, OPEN, PROPRIETARY, Machine

from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_ask

MODULE = "ansible_collections.genai.comfyui.plugins.modules.gpu_facts"
SCENARIOS = sorted(path.stem for path in FIXTURES.glob("*.json"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def working(machine: Machine, scenario: str) -> dict[str, Any]:
    machine.smi(scenario)
    facts = machine.facts()
    assert (facts["status"], facts["reason"]) == ("working", "")
    return facts


def test_a_3090_with_its_driver(machine: Machine) -> None:
    machine.card("2204", driver="nvidia")
    machine.card("1aef", "0000:01:00.1", "0x040300")
    machine.loaded()
    facts = working(machine, "rtx-3090-580")
    assert facts["gpus"] == [
        {
            "index": 0,
            "uuid": "GPU-aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
            "name": "NVIDIA GeForce RTX 3090",
            "bus_id": "0000:01:00.0",
            "pci_id": "10de:2204",
            "architecture": "Ampere",
            "compute_capability": "8.6",
            "fp8_native": False,
            "driver_version": "580.126.09",
            "vbios_version": "94.02.42.80.6d",
            "vram_mib": 24576,
            "vram_used_mib": 1,
            "vram_free_mib": 24255,
            "persistence_mode": True,
            "display_active": False,
            "power": {"limit_w": 350.0, "default_w": 350.0, "min_w": 100.0, "max_w": 350.0, "draw_w": 20.13},
            "mig": {"enabled": None, "devices": []},
            "processes": [],
            "kernel_driver": "nvidia",
            "source": "driver",
        }
    ]
    assert [one["bus_id"] for one in facts["cards"]] == ["0000:01:00.0"], "the audio function is no card"
    assert facts["driver"]["flavour"] == "open"
    assert facts["driver"]["cuda_version"] == "13.0"
    assert facts["driver"]["loaded_version"] == "580.126.09"


def test_older_names_of_power_and_no_compute_cap(machine: Machine) -> None:
    (gpu,) = working(machine, "rtx-3060-470")["gpus"]
    assert gpu["power"] == {"limit_w": 170.0, "default_w": 170.0, "min_w": 100.0, "max_w": 170.0, "draw_w": 15.02}
    assert (gpu["bus_id"], gpu["compute_capability"], gpu["architecture"]) == ("0000:2b:00.0", "8.6", "Ampere")
    assert gpu["vram_mib"] == 12053


def test_processes_and_display(machine: Machine) -> None:
    (gpu,) = working(machine, "rtx-4090-535")["gpus"]
    assert gpu["display_active"] is True
    assert gpu["fp8_native"] is True
    assert gpu["power"]["draw_w"] == 14.3
    assert [(one["pid"], one["type"], one["used_mib"]) for one in gpu["processes"]] == [
        (1211, "G", 312),
        (4242, "C", 1010),
    ]


def test_mig_slices(machine: Machine) -> None:
    (gpu,) = working(machine, "a100-mig-550")["gpus"]
    assert gpu["mig"]["enabled"] is True
    assert [(one["index"], one["gpu_instance"], one["vram_mib"]) for one in gpu["mig"]["devices"]] == [
        (0, 2, 40192),
        (1, 3, 40192),
    ]
    assert gpu["processes"] == [
        {"pid": 31337, "type": "C", "name": "python3", "used_mib": 19980, "gpu_instance": 2},
    ]
    assert working(machine, "h100-590")["gpus"][0]["mig"] == {"enabled": False, "devices": []}


def test_r610_and_its_deprecated_names(machine: Machine) -> None:
    facts = working(machine, "rtx-5090-610")
    assert facts["gpus"][0]["driver_version"] == "610.43.02"
    assert facts["driver"]["cuda_version"] == "13.3"


def test_several_gpus_keep_the_drivers_order(machine: Machine) -> None:
    assert [one["index"] for one in working(machine, "h100-eight-580")["gpus"]] == list(range(8))
    first, second = working(machine, "two-cards-570")["gpus"]
    assert (first["compute_capability"], second["compute_capability"]) == ("8.6", "8.9")
    assert second["processes"][0]["name"] is None, "a process of another container has no name"


@pytest.mark.parametrize("scenario", ["csv-only", "no-xml-option", "hang-csv"])
def test_half_an_answer_is_enough(machine: Machine, scenario: str) -> None:
    machine.smi(scenario)
    facts = machine.facts(timeout=2)
    assert (facts["status"], facts["reason"]) == ("working", "")
    (gpu,) = facts["gpus"]
    assert (gpu["name"], gpu["vram_mib"], gpu["power"]["max_w"]) == ("NVIDIA GeForce RTX 3090", 24576, 350.0)


@pytest.mark.parametrize(
    ("scenario", "status", "rc", "reason"),
    [
        ("no-driver-535", "no_driver", 9, "the NVIDIA driver is not loaded, and there is no module of it for kernel"),
        ("no-driver-550", "no_driver", 9, "the kernel gave nouveau the card"),
        ("no-library-535", "no_library", 12, "libnvidia-ml.so is not installed"),
        ("no-library-550", "no_library", 12, "libnvidia-ml.so is not installed"),
        ("mismatch-18", "mismatch", 18, "different versions; reboot"),
        ("mismatch-255", "mismatch", 255, "different versions; reboot"),
        ("no-permission", "failed", 4, "run as root"),
        ("no-devices", "failed", 6, "finds no device"),
        ("lost", "failed", 15, "fallen off the bus"),
        ("garbage", "failed", 0, "neither its XML nor its CSV"),
    ],
)
def test_broken_drivers(machine: Machine, scenario: str, status: str, rc: int, reason: str) -> None:
    machine.card("2204", driver="nouveau")
    machine.smi(scenario)
    facts = machine.facts()
    assert (facts["status"], facts["nvidia_smi"]["rc"]) == (status, rc)
    assert reason in facts["reason"]
    (gpu,) = facts["gpus"]
    assert (gpu["source"], gpu["name"], gpu["vram_mib"]) == ("sysfs", "NVIDIA GeForce RTX 3090", 24576)
    assert (gpu["compute_capability"], gpu["fp8_native"], gpu["uuid"]) == ("8.6", False, None)
    assert "\n" not in facts["nvidia_smi"]["message"]


def test_the_message_is_the_drivers_own(machine: Machine) -> None:
    machine.card("2204")
    machine.smi("no-driver-550")
    assert machine.facts()["nvidia_smi"]["message"].startswith("NVIDIA-SMI has failed because it couldn't communicate")


def test_a_mismatch_names_both_versions(machine: Machine) -> None:
    machine.card("2204")
    machine.loaded(PROPRIETARY, "550.163.01")
    machine.write("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.580.126.09")
    machine.smi("mismatch-18")
    facts = machine.facts()
    assert "(loaded 550.163.01, installed 580.126.09)" in facts["reason"]
    assert facts["driver"]["flavour"] == "proprietary"
    assert facts["driver"]["mismatch"] is True


def test_a_warning_by_exit_status(machine: Machine) -> None:
    machine.smi("inforom")
    facts = machine.facts()
    assert (facts["status"], facts["reason"]) == ("working", "a GPU's infoROM is corrupted")
    assert len(facts["gpus"]) == 1


def test_machines_without_nvidia_smi(machine: Machine) -> None:
    assert machine.facts()["status"] == "no_gpu"
    machine.card("2204", driver="vfio-pci")
    facts = machine.facts()
    assert facts["status"] == "no_driver"
    assert facts["reason"] == "the NVIDIA driver is not installed; the kernel gave vfio-pci the card"
    machine.loaded()
    assert machine.facts()["status"] == "no_nvidia_smi"


def test_no_card_and_a_driver_that_says_so(machine: Machine) -> None:
    machine.smi("no-driver-535")
    facts = machine.facts()
    assert (facts["status"], facts["gpus"]) == ("no_gpu", [])


def test_a_module_that_was_built_and_not_loaded(machine: Machine) -> None:
    machine.card("2204")
    machine.write(f"lib/modules/{KERNEL}/updates/dkms/nvidia-current-open.ko.xz")
    machine.write(f"lib/modules/{KERNEL}/updates/dkms/nvidia-current-open-uvm.ko.xz")
    machine.program("modinfo", "550.163.01")
    machine.smi("no-driver-550")
    facts = machine.facts()
    assert f"although a module for kernel {KERNEL} is installed" in facts["reason"]
    (file,) = facts["driver"]["module_files"]
    assert file["path"].endswith("nvidia-current-open.ko.xz")
    assert facts["driver"]["installed_version"] == "550.163.01"


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that nobody has waited for yet has, too."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state in "ZX"


def test_a_hang_ends_with_its_children(machine: Machine) -> None:
    machine.card("2204")
    machine.smi("hang")
    start = time.monotonic()
    facts = machine.facts(timeout=1.5)
    assert time.monotonic() - start < 8
    assert facts["status"] == "timeout"
    assert "did not end within 1.5 s" in facts["reason"]
    pids = [int(one) for one in machine.pids.read_text().split()]
    deadline = time.monotonic() + 5
    while not all(map(gone, pids)) and time.monotonic() < deadline:
        os.sched_yield()
    assert len(pids) == 2
    assert all(map(gone, pids))


def test_a_flood_is_cut_off(machine: Machine) -> None:
    program = machine.smi("flood")
    answer = _gpu_ask.ask([str(program), "-q", "-x"], 30, limit=1_000_000)
    assert answer.problem.endswith("wrote more than 1000000 bytes")
    assert answer.rc is None


def run(machine: Machine, **options: Any) -> dict[str, Any]:
    """Run the module as Ansible does."""
    done = subprocess.run(
        [sys.executable, "-m", MODULE, json.dumps({"ANSIBLE_MODULE_ARGS": options})],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PATH": f"{machine.path}:{os.environ['PATH']}"},
    )
    assert "Traceback" not in done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_module(machine: Machine) -> None:
    machine.card("2204", driver="nvidia")
    machine.loaded(OPEN)
    machine.smi("rtx-3090-580")
    result = run(machine, root=str(machine.root), _ansible_check_mode=True)
    assert result["changed"] is False
    facts = result["ansible_facts"]["comfyui_gpu"]
    assert (facts["status"], facts["gpus"][0]["name"]) == ("working", "NVIDIA GeForce RTX 3090")
    named = run(machine, root=str(machine.root), nvidia_smi="/no/such/nvidia-smi")
    assert named["ansible_facts"]["comfyui_gpu"]["status"] == "failed"
    assert "cannot be run (No such file or directory)" in named["ansible_facts"]["comfyui_gpu"]["reason"]


def test_a_timeout_that_is_none(machine: Machine) -> None:
    result = run(machine, timeout=0)
    assert result["failed"]
    assert result["msg"] == "timeout 0 must be more than 0 and at most 3600 seconds."


def test_every_scenario_says_where_it_is_from() -> None:
    told = {name: json.loads((FIXTURES / f"{name}.json").read_text())["origin"] for name in SCENARIOS}
    assert set(told.values()) == {"recorded", "constructed"}
    page = (FIXTURES / "README.md").read_text()
    assert all(f"`{name}` | {origin} |" in page for name, origin in told.items())
