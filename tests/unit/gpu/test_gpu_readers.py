# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a driver, a file or a daemon says: records or nothing, and never a traceback."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from gpu_machine import FIXTURES, Machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_containers as containers
from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_host as host
from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_query as query
from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_smi as smi
from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_table as table

DOCUMENTS = [path.read_text() for path in sorted(FIXTURES.glob("*.xml")) if "eight" not in path.name]


@pytest.mark.parametrize(
    ("field", "number"),
    [
        ("24576 MiB", 24576.0),
        ("350.00 W", 350.0),
        ("350.00", 350.0),
        ("0 %", 0.0),
        *[
            (gap, None)
            for gap in (
                "[N/A]", "N/A", "[Not Supported]", "[Unknown Error]", "[GPU is lost]", "ERR!", "", None, "None", "nan",
                "inf", "[Requested functionality has been deprecated]", "Requested functionality has been deprecated",
                "[Insufficient Permissions]", "Insufficient Permissions", "[No data]", "1.2.3", "9" * 40, "0x10", "٣",
            )
        ],
    ],
)  # fmt: skip
def test_numbers_and_their_many_ways_to_be_missing(field: str | None, number: float | None) -> None:
    assert smi.number_of(field) == number


@pytest.mark.parametrize(
    ("address", "sysfs"),
    [
        ("00000000:01:00.0", "0000:01:00.0"),
        ("0000:2B:00.0", "0000:2b:00.0"),
        ("00010000:01:00.0", "10000:01:00.0"),
        ("41:00.0", "0000:41:00.0"),
        ("GPU-1", None),
        ("", None),
    ],
)
def test_addresses(address: str, sysfs: str | None) -> None:
    assert smi.address_of(address) == sysfs


def test_power_in_documents_of_all_ages() -> None:
    seen = {}
    for name in ("rtx-3060-470", "rtx-4090-535", "rtx-3090-580"):
        found = smi.from_xml((FIXTURES / f"{name}.xml").read_text())
        assert found
        seen[name] = tuple(found[1][0]["power"].values())
    assert seen == {
        "rtx-3060-470": (170.0, 170.0, 100.0, 170.0, 15.02),
        "rtx-4090-535": (450.0, 450.0, 150.0, 600.0, 14.3),
        "rtx-3090-580": (350.0, 350.0, 100.0, 350.0, 20.13),
    }


def test_a_field_that_was_renamed_is_asked_for_by_its_new_name(tmp_path: Path) -> None:
    program = str(Machine(tmp_path).smi("rtx-5090-610"))
    answer, fields = query._ask_csv(program, 20)
    assert "kmd_version" in fields
    assert smi.from_csv(answer.out, fields)[0]["driver_version"] == "610.43.02"
    assert smi.from_csv(answer.out, fields)[0]["name"] == "NVIDIA GeForce RTX 5090"


def test_a_name_with_a_comma_and_lines_of_another_shape() -> None:
    row = "0, GPU-1, 00000000:01:00.0, NVIDIA X, with comma\n\nwarning: something\n1, GPU-2\n"
    (gpu,) = smi.from_csv(row, ("index", "uuid", "pci.bus_id", "name"))
    assert gpu["name"] == "NVIDIA X, with comma"


def test_a_document_that_expands_without_end_is_none() -> None:
    bomb = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(97 + n)} "{f"&{chr(96 + n)};" * 10}">' for n in range(1, 12)
    )
    assert smi.from_xml(f"{bomb}]><nvidia_smi_log><driver_version>&l;</driver_version></nvidia_smi_log>") is None


def test_the_table_of_cards_is_consistent() -> None:
    for device, (name, memory) in table.CARDS.items():
        known = table.card(device)
        assert known["architecture"], f"{device} {name} is in no block"
        assert device == device.lower()
        assert len(device) == 4
        assert memory is None or memory % 1024 == 0
    assert table.card("ffff") == dict.fromkeys(("name", "vram_mib", "architecture", "compute_capability"))
    assert [table.fp8_native(one) for one in ("7.5", "8.6", "8.9", "9.0", "12.0", None, "x")] == [
        False, False, True, True, True, None, None,
    ]  # fmt: skip


@given(st.text(), st.text())
def test_no_text_breaks_the_readers(one: str, two: str) -> None:
    smi.from_xml(one)
    smi.from_xml(f'<?xml version="1.0" ?>{one}<nvidia_smi_log><gpu id="{two}">{one}</gpu></nvidia_smi_log>')
    smi.from_csv(f"{one},{two}\n{two}", smi.FIELDS)
    smi.from_csv(f"0,x,00000000:01:00.0,{one},{two}", ("index", "uuid", "pci.bus_id", "compute_cap", "name"))
    containers._spec(one)
    containers._spec(f"kind: {one}\ndevices:\n- name: {two}\n  {one}")
    containers._daemon_json(one)
    table.card(one[:4])
    table.fp8_native(two)


@given(st.sampled_from(DOCUMENTS), st.data())
def test_no_damage_breaks_the_reader(document: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(document)))
    end = data.draw(st.integers(start, min(len(document), start + 400)))
    found = smi.from_xml(document[:start] + data.draw(st.text(max_size=20)) + document[end:])
    if found:
        json.dumps(found)
        assert all(set(gpu) == set(found[1][0]) for gpu in found[1])


TREES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 7, "", "x", [], ["x"], [[]], [{"name": None}], {}, {"cdi": 1}, {"x": {"y": []}}]
)


@given(st.fixed_dictionaries(dict.fromkeys(("kind", "devices", "cdiVersion", "runtimes", "features"), TREES)))
def test_no_tree_breaks_the_readers(tree: dict[str, Any]) -> None:
    json.dumps(containers._spec(json.dumps(tree)))
    json.dumps(containers._daemon_json(json.dumps(tree)))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from([0, 1, 2, 9, 12, 255]))
def test_no_bytes_break_the_facts(tmp_path: Path, noise: bytes, status: int) -> None:
    """Every program and every file says the same arbitrary bytes; there is still an answer, in JSON."""
    machine = Machine(tmp_path)
    (tmp_path / "noise").write_bytes(noise)
    for name in ("nvidia-smi", "nvidia-ctk", "mokutil", "docker", "podman", "modinfo"):
        program = machine.path / name
        program.write_text(f"#!/bin/sh\ncat {tmp_path}/noise; cat {tmp_path}/noise >&2; exit {status}\n")
        program.chmod(0o755)
    release = os.uname().release
    for name in (
        "sys/bus/pci/devices/0000:01:00.0/vendor", "sys/bus/pci/devices/0000:01:00.0/device", "proc/meminfo",
        "proc/driver/nvidia/version", "sys/module/nvidia/version", "etc/cdi/a.yaml", "run/cdi/b.json",
        "etc/docker/daemon.json", "sys/kernel/security/lockdown", f"lib/modules/{release}/nvidia.ko",
        "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
    ):  # fmt: skip
        machine.write(name, noise)
    facts = json.loads(json.dumps(machine.facts(timeout=10)))
    assert facts["status"] in ("no_gpu", "no_driver", "no_library", "mismatch", "failed")
    assert "\n" not in facts["reason"] + facts["nvidia_smi"]["message"]


def test_sysfs_without_anything(tmp_path: Path) -> None:
    assert host.cards(str(tmp_path)) == []
    assert host.memory(str(tmp_path)) is None
