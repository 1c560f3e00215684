# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What firmware, file system and container engines say."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from gpu_machine import OPEN, PROPRIETARY, Machine

from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_containers as containers
from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_host as host

EFIVAR = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
CDI = """---
cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
    additionalGids:
    - 44
- name: GPU-aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa
  containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
- containerEdits:
    hooks:
    - hookName: createContainer
      name: decoy
  name: all
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - hookName: createContainer
    name: decoy
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("said", "rc", "state"),
    [
        ("SecureBoot enabled", 0, "enabled"),
        ("SecureBoot disabled", 0, "disabled"),
        ("SecureBoot disabled\nPlatform is in Setup Mode", 0, "disabled"),
        ("SecureBoot enabled\nSecureBoot validation is disabled in shim", 0, "disabled"),
        ("EFI variables are not supported on this system", 1, "unsupported"),
    ],
)
def test_secure_boot_by_mokutil(machine: Machine, said: str, rc: int, state: str) -> None:
    machine.program("mokutil", said, rc)
    machine.write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    assert host.secure_boot(str(machine.root), machine.find("mokutil"), 5) == {
        "state": state,
        "source": "mokutil",
        "lockdown": "integrity",
    }


@pytest.mark.parametrize(
    ("data", "state", "source"),
    [
        (b"\x06\0\0\0\x01", "enabled", "efivars"),
        (b"\x06\0\0\0\0", "disabled", "efivars"),
        (b"\x06\0\0\0\x07", "unknown", None),
        (b"", "unknown", None),
        (None, "unsupported", "sysfs"),
    ],
)
def test_secure_boot_without_mokutil(machine: Machine, data: bytes | None, state: str, source: str | None) -> None:
    if data is not None:
        machine.write(EFIVAR, data)
    told = host.secure_boot(str(machine.root), None, 5)
    assert (told["state"], told["source"]) == (state, source)


@pytest.mark.parametrize(
    ("line", "flavour", "version"), [(OPEN, "open", "580.126.09"), (PROPRIETARY, "proprietary", "550.163.01")]
)
def test_flavour_and_version_of_what_is_loaded(machine: Machine, line: str, flavour: str, version: str) -> None:
    machine.write("proc/driver/nvidia/version", line)
    machine.write("usr/lib64/libnvidia-ml.so.1")
    machine.write(f"usr/lib64/libnvidia-ml.so.{version}")
    told = host.driver(str(machine.root), "6.12.0", None, 5)
    assert (told["flavour"], told["loaded_version"], told["mismatch"]) == (flavour, version, False)
    machine.write("usr/lib64/libnvidia-ml.so.590.48.01")
    assert host.driver(str(machine.root), "6.12.0", None, 5)["mismatch"] is True


def test_several_modules_on_disk(machine: Machine) -> None:
    for name in ("kernel/drivers/video/nvidia.ko.zst", "updates/dkms/nvidia.ko.xz", "updates/dkms/nvidia-drm.ko.xz"):
        machine.write(f"lib/modules/6.12.0/{name}")
    machine.write("lib/modules/6.13.0/updates/dkms/nvidia.ko.xz")
    paths = [one["path"] for one in host.driver(str(machine.root), "6.12.0", None, 5)["module_files"]]
    assert [path.rsplit("/6.12.0/")[1] for path in paths] == [
        "updates/dkms/nvidia.ko.xz",
        "kernel/drivers/video/nvidia.ko.zst",
    ]


def test_cdi_as_the_toolkit_writes_it(machine: Machine) -> None:
    machine.write("run/cdi/nvidia.yaml", CDI)
    (machine.root / "var").mkdir()
    (machine.root / "var/run").symlink_to(machine.root / "run")
    told = containers.cdi(str(machine.root))
    assert told["devices"] == [
        "nvidia.com/gpu=0",
        "nvidia.com/gpu=GPU-aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
        "nvidia.com/gpu=all",
    ]
    assert told["duplicates"] == []
    (spec,) = told["specs"]
    assert (spec["version"], spec["additional_gids"], spec["valid"]) == ("0.5.0", True, True)


def test_cdi_defined_twice_and_of_other_vendors(machine: Machine) -> None:
    head, devices, rest = CDI.replace("    additionalGids:\n    - 44\n", "").partition("devices:\n")
    listed, mark, edits = rest.partition("\ncontainerEdits:")
    indented = textwrap.indent(listed, "  ")
    machine.write("etc/cdi/nvidia.yaml", head + devices + indented + mark + edits)
    machine.write("run/cdi/nvidia.json", json.dumps({"kind": "nvidia.com/gpu", "devices": [{"name": "all"}]}))
    machine.write("run/cdi/other.json", json.dumps({"kind": "example.com/net", "devices": [{"name": "0"}]}))
    machine.write("run/cdi/broken.yaml", "kind: [\n")
    told = containers.cdi(str(machine.root))
    assert told["duplicates"] == ["nvidia.com/gpu=all"]
    assert len(told["devices"]) == 3
    assert [(Path(one["path"]).name, one["valid"], one["additional_gids"]) for one in told["specs"]] == [
        ("nvidia.yaml", True, False),
        ("broken.yaml", False, False),
        ("nvidia.json", True, False),
    ]


def test_docker_and_its_runtimes(machine: Machine) -> None:
    info = {
        "ServerVersion": "26.1.5",
        "Runtimes": {"runc": {}, "nvidia": {}},
        "DefaultRuntime": "runc",
        "CDISpecDirs": ["/etc/cdi"],
    }
    machine.program("docker", json.dumps(info))
    machine.write("etc/docker/daemon.json", '{"runtimes": {"nvidia": {"path": "x"}}, "features": {"cdi": true}}')
    told = containers.docker(str(machine.root), machine.find("docker"), 5)
    assert told == {
        "installed": True,
        "running": True,
        "version": "26.1.5",
        "runtimes": ["nvidia", "runc"],
        "default_runtime": "runc",
        "cdi_dirs": ["/etc/cdi"],
        "config": {"valid": True, "runtimes": ["nvidia"], "default_runtime": None, "cdi": True},
    }


def test_docker_without_a_daemon_and_with_a_broken_file(machine: Machine) -> None:
    machine.program("docker", '{"ServerErrors": ["Cannot connect to the Docker daemon"]}')
    for text, valid in (("", True), ("{}", True), ("{", False), ("[]", False), ('"x"', False)):
        machine.write("etc/docker/daemon.json", text)
        told = containers.docker(str(machine.root), machine.find("docker"), 5)
        assert (told["running"], told["runtimes"], told["config"]["valid"]) == (False, [], valid), text


def test_versions_of_toolkit_and_podman(machine: Machine) -> None:
    machine.program("nvidia-ctk", "NVIDIA Container Toolkit CLI version 1.18.0\ncommit: abc1234")
    machine.program("podman", "podman version 4.3.1")
    machine.write("lib/systemd/system/nvidia-cdi-refresh.service")
    told = containers.toolkit(str(machine.root), machine.find("nvidia-ctk"), 5)
    assert (told["installed"], told["version"], told["cdi_refresh"]) == (True, "1.18.0", True)
    assert containers.podman(machine.find("podman"), 5) == {"installed": True, "version": "4.3.1"}
    assert containers.podman(None, 5) == {"installed": False, "version": None}
