# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on a host leads to the right verdict, and to a reboot only by consent."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _driver_state
from ansible_collections.genai.comfyui.plugins.plugin_utils import _gpu_verdict as verdict
from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan import PlanError

Json = dict[str, t.Any]
GPU: Json = {
    "index": 0, "uuid": "GPU-1", "name": "NVIDIA GeForce RTX 3090", "vram_mib": 24576, "driver_version": "590.48.01",
    "power": {"min_w": 100.0, "max_w": 350.0, "limit_w": 350.0},
}  # fmt: skip
FACTS: Json = {
    "status": "working", "reason": "", "gpus": [GPU], "cards": [GPU],
    "driver": {"loaded": True, "loaded_version": "590.48.01", "library_version": "590.48.01", "mismatch": False,
               "installed_version": "590.48.01", "modules": ["nvidia"]},
    "secure_boot": {"state": "disabled"}, "container_toolkit": {"installed": True, "version": "1.20.0"},
    "cdi": {"devices": ["nvidia.com/gpu=all"], "duplicates": []},
    "docker": {"installed": True, "running": True, "version": "26.1.5", "runtimes": ["runc", "nvidia"]},
    "podman": {"installed": False, "version": None},
}  # fmt: skip
STATE: Json = {
    "kernel": "6.12.1", "running_kernel": "6.12.1", "newest_kernel": "6.12.2", "container": False, "mok_enrolled": None,
    "mok_pending": False, "nodes": ["/dev/nvidia0", "/dev/nvidia-uvm", "/dev/nvidiactl"], "static_cdi": "",
    "build": {"path": "", "errors": []}, "distribution": "debian", "release": "13", "codename": "trixie",
    "arch": "x86_64",
    "kernels": [{"release": "6.12.1", "headers": True, "modules": ["updates/dkms/nvidia.ko.xz"], "bootable": True},
                {"release": "6.12.2", "headers": True, "modules": ["updates/dkms/nvidia.ko.xz"], "bootable": True}],
}  # fmt: skip
PLAN: Json = {"dkms": True, "family": "debian", "source": "cuda_repo", "module": "open",
              "containers": {"manage": True, "cdi": True, "runtime": True, "cdi_flags": []}}  # fmt: skip
ASKED: Json = {"min_version": "580", "expected_count": 1, "min_vram_mib": 24000}


def changed(document: Json, **paths: t.Any) -> Json:
    """Return a copy with values at ``a__b`` replaced."""
    fresh = copy.deepcopy(document)
    for path, value in paths.items():
        place = fresh
        *outer, last = path.split("__")
        for key in outer:
            place = place[key]
        place[last] = value
    return fresh


def test_all_is_well() -> None:
    """A working host has no complaint, and nothing to load or reboot."""
    assert verdict.gpu_verdict(PLAN, STATE, FACTS, ASKED) == []
    assert verdict.gpu_built(STATE, PLAN) == ""
    assert verdict.gpu_reboot(STATE, FACTS, "always", "ssh") == {
        "load": False,
        "reboot": False,
        "needed": False,
        "reason": "",
    }
    assert verdict.gpu_host(STATE, FACTS)["docker"] == "26.1.5"


@pytest.mark.parametrize(
    ("facts", "state", "asked", "text"),
    [
        ({"status": "no_driver", "reason": "the driver is not loaded"}, {}, {}, "the driver is not loaded"),
        (
            {"status": "no_driver", "secure_boot__state": "enabled"},
            {"mok_enrolled": False},
            {},
            "the kernel refuses it",
        ),
        ({"driver__mismatch": True}, {}, {}, "libraries 590.48.01 are installed; reboot"),
        ({"driver__loaded_version": "550.1"}, {}, {}, "older than nvidia_gpu_driver_min_version 580"),
        ({"driver__loaded_version": None}, {}, {"min_version": "600"}, "driver 590.48.01 is older"),
        ({}, {}, {"expected_count": 2}, "1 GPUs answer"),
        ({}, {}, {"min_vram_mib": 32000}, "GPU 0 has 24576 MiB"),
        ({}, {"nodes": ["/dev/nvidia0"]}, {}, "/dev/nvidia-uvm is missing"),
        ({}, {"nodes": ["/dev/nvidia-uvm"]}, {}, "/dev/nvidia0 is missing"),
        ({"container_toolkit__installed": False}, {}, {}, "nvidia-ctk"),
        ({"cdi__devices": []}, {}, {}, "no CDI specification names a GPU"),
        ({"cdi__duplicates": ["nvidia.com/gpu=0"]}, {}, {}, "defined twice: nvidia.com/gpu=0"),
        ({"docker__runtimes": ["runc"]}, {}, {}, "does not know the runtime"),
    ],
)
def test_complaints(facts: Json, state: Json, asked: Json, text: str) -> None:
    """Each fault has a sentence of its own."""
    wrong = verdict.gpu_verdict(PLAN, changed(STATE, **state), changed(FACTS, **facts), {**ASKED, **asked})
    assert [one for one in wrong if text in one], wrong


def test_second_card_without_first() -> None:
    """A host whose only card is not number 0 is fine."""
    state = changed(STATE, nodes=["/dev/nvidia1", "/dev/nvidia-uvm"])
    assert verdict.gpu_verdict(PLAN, state, FACTS, ASKED) == []


def test_build() -> None:
    """The kernel to come counts as well as the running one; the compiler is quoted."""
    state = changed(STATE, build={"path": "/var/lib/dkms/nvidia/590/build/make.log", "errors": ["nv.c:1: error: no"]})
    state["kernels"][1].update(modules=[], headers=False)
    message = verdict.gpu_built(state, PLAN)
    assert "no driver module was built for kernel 6.12.2; the headers of 6.12.2 are missing" in message
    assert "nv.c:1: error: no" in message
    state["newest_kernel"] = "6.12.1"
    assert verdict.gpu_built(state, PLAN) == ""


NOT_LOADED: Json = {
    "driver__loaded": False,
    "driver__loaded_version": None,
    "driver__modules": [],
    "status": "no_driver",
}


@pytest.mark.parametrize(
    ("facts", "state", "policy", "connection", "step"),
    [
        (NOT_LOADED, {}, "never", "ssh", (True, False, False)),
        (NOT_LOADED, {"container": True}, "always", "ssh", (False, False, True)),
        ({**NOT_LOADED, "cards": []}, {}, "always", "ssh", (False, False, False)),
        ({**NOT_LOADED, "driver__modules": ["nouveau"]}, {}, "never", "ssh", (False, False, True)),
        ({**NOT_LOADED, "driver__modules": ["nouveau"]}, {}, "auto", "ssh", (False, True, True)),
        ({**NOT_LOADED, "driver__modules": ["nouveau"]}, {}, "auto", "local", (False, False, True)),
        ({**NOT_LOADED, "driver__modules": ["nouveau"]}, {}, "always", "local", (False, True, True)),
        (NOT_LOADED, {"running_kernel": "6.1"}, "auto", "ssh", (False, True, True)),
        ({**NOT_LOADED, "secure_boot__state": "enabled"}, {"mok_pending": True}, "always", "ssh", (False, False, True)),
        ({**NOT_LOADED, "secure_boot__state": "enabled"}, {"mok_enrolled": True}, "never", "ssh", (True, False, False)),
        ({"driver__mismatch": True}, {}, "never", "ssh", (False, False, True)),
        ({"driver__mismatch": True}, {}, "auto", "ssh", (False, True, True)),
        ({"driver__mismatch": True}, {}, "auto", "ansible.builtin.local", (False, False, True)),
        ({"status": "mismatch"}, {"container": True}, "always", "ssh", (False, False, True)),
    ],
)
def test_reboot(facts: Json, state: Json, policy: str, connection: str, step: tuple[bool, bool, bool]) -> None:
    """Loading comes first; a reboot needs a reason and consent, and never happens under one's own feet by itself."""
    found = verdict.gpu_reboot(changed(STATE, **state), changed(FACTS, **facts), policy, connection)
    assert (found["load"], found["reboot"], found["needed"]) == step
    assert bool(found["reason"]) == found["needed"]


def test_policy_is_known() -> None:
    """A policy that is not known is named."""
    with pytest.raises(PlanError, match="nvidia_gpu_reboot is 'maybe'"):
        verdict.gpu_reboot(STATE, FACTS, "maybe", "ssh")


def test_power() -> None:
    """A number for all cards or one a card, within the card's range; no unit without a wish."""
    assert "ExecStart=/usr/bin/nvidia-smi -i GPU-1 -pl 280\n" in verdict.gpu_power(FACTS, 280)
    assert "-pl 250.5\n" in verdict.gpu_power(FACTS, {"GPU-1": "250.5"})
    assert verdict.gpu_power(FACTS, None) == ""
    for watts, text in ((99, "not between 100 and 350 W"), (351, "not between"), ("much", "watts are expected"),
                        ({"GPU-9": 200}, "GPU-9, which is no GPU of this host")):  # fmt: skip
        with pytest.raises(PlanError) as caught:
            verdict.gpu_power(FACTS, watts)
        assert text in str(caught.value)
    blind = changed(FACTS, gpus=[{**GPU, "power": {"min_w": None, "max_w": None}}])
    with pytest.raises(PlanError, match="does not tell"):
        verdict.gpu_power(blind, 200)


def test_units() -> None:
    """Units come with their link and go with it; without a driver a power limit's unit is left as it is."""
    names = [(entry["path"].rsplit("/", 1)[-1], entry["state"]) for entry in verdict.gpu_units(FACTS, True, 280)]
    assert names == [(verdict.UVM_NAME, "file"), (verdict.UVM_NAME, "link"), (verdict.POWER_NAME, "file"),
                     (verdict.POWER_NAME, "link")]  # fmt: skip
    assert [entry["state"] for entry in verdict.gpu_units(FACTS, False, None)] == ["absent"] * 4
    blind = changed(FACTS, status="no_driver")
    assert {entry["path"].rsplit("/", 1)[-1] for entry in verdict.gpu_units(blind, True, 280)} == {verdict.UVM_NAME}


def test_texts() -> None:
    """Options and the drop-in are spelled for the host at hand."""
    own = changed(PLAN, source="distro", module="proprietary")
    options = {"NVreg_EnableGpuFirmware": True, "NVreg_A": 0}
    assert verdict.gpu_module_options(options, own).endswith(
        "options nvidia-current NVreg_A=0 NVreg_EnableGpuFirmware=1\n"
    )
    assert "options nvidia NVreg_A=0" in verdict.gpu_module_options({"NVreg_A": 0}, PLAN)
    assert verdict.gpu_module_options({}, PLAN) == ""
    for bad in ({"a b": 1}, {"a": "1\ninstall x"}, {"a": "#"}):
        with pytest.raises(PlanError, match="cannot stand"):
            verdict.gpu_module_options(bad, PLAN)
    assert "FEATURE_FLAGS" not in verdict.gpu_refresh_dropin(PLAN)
    assert "FLAGS=x,y\n" in verdict.gpu_refresh_dropin(changed(PLAN, containers__cdi_flags=["x", "y"]))
    assert verdict.gpu_refresh_dropin(changed(PLAN, containers__cdi=False)) == ""


def test_dkms_status() -> None:
    """Both spellings of ``dkms status`` are read, old and new."""

    def run(_command: list[str]) -> tuple[int, str, str]:
        return 0, ("nvidia/590.48.01, 6.12.1+deb13-amd64, x86_64: installed\nnvidia-current, 535.261.03: added\n"
                   "zfs/2.3, 6.12.1, x86_64: installed\n"), ""  # fmt: skip

    assert _driver_state.dkms(run) == [
        {"name": "nvidia", "version": "590.48.01", "kernel": "6.12.1+deb13-amd64", "state": "installed"},
        {"name": "nvidia-current", "version": "535.261.03", "kernel": "", "state": "added"},
    ]


def test_modules_on_disk(tmp_path: t.Any) -> None:
    """Every name that a distribution gives the module is found, and nothing else; kernels sort by number."""
    for name in ("updates/dkms/nvidia-current-open.ko.xz", "updates/dkms/nvidia-uvm.ko", "extra/nvidia.ko.zst",
                 "kernel/drivers/gpu/drm/nouveau/nouveau.ko", "kernel/nvidia-580-server-open/nvidia.ko"):  # fmt: skip
        path = tmp_path / "6.9.1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "6.12.1" / "build").mkdir(parents=True)
    (tmp_path / "6.12.1" / "build" / "Makefile").touch()
    found = _driver_state.kernels("6.9.1", str(tmp_path))
    assert [one["release"] for one in found] == ["6.9.1", "6.12.1"]
    assert found[0]["modules"] == ["extra/nvidia.ko.zst", "kernel/nvidia-580-server-open/nvidia.ko",
                                   "updates/dkms/nvidia-current-open.ko.xz"]  # fmt: skip
    assert (found[1]["modules"], found[1]["headers"]) == ([], True)


@pytest.mark.parametrize(
    ("said", "known"),
    [("/k is already enrolled\n", True), ("/k is not enrolled\n", False), ("EFI variables are not supported\n", None)],
)
def test_key_enrolment(said: str, known: bool | None, tmp_path: t.Any) -> None:
    """mokutil's words count, as its exit status means different things in different versions."""
    key = tmp_path / "mok.pub"
    assert _driver_state.enrolled(lambda _words: (0, said, ""), str(key)) is None
    key.touch()
    for status in (0, 1):
        assert _driver_state.enrolled(lambda _words, status=status: (status, said, ""), str(key)) is known  # type: ignore[misc]
