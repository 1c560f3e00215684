# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine made of files: a root with sysfs and proc, and programs that answer what a test wants."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_facts

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures"
KERNEL = os.uname().release
OPEN = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.126.09  Release Build  (dvs-builder@U22-I3-AF03-24-1)"
    "  Thu Jan 15 01:02:03 UTC 2026\nGCC version:  gcc version 14.2.0 (Debian 14.2.0-19)\n"
)
PROPRIETARY = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Wed Apr  9 01:02:03 UTC 2025\n"


class Machine:
    """Files below ``root``, programs in ``path``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.path = folder / "bin"
        self.pids = folder / "pids"
        (self.root / "sys/firmware").mkdir(parents=True, exist_ok=True)
        self.path.mkdir(exist_ok=True)

    def write(self, name: str, text: str | bytes = "") -> Path:
        """Write a file below the root."""
        target = self.root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        return target

    def card(self, device: str, address: str = "0000:01:00.0", kind: str = "0x030000", driver: str = "") -> None:
        """Put a card, or another function of one, on the PCI bus."""
        base = f"sys/bus/pci/devices/{address}"
        for name, text in (("vendor", "0x10de"), ("device", f"0x{device}"), ("class", kind)):
            self.write(f"{base}/{name}", text + "\n")
        if driver:
            target = self.root / "sys/bus/pci/drivers" / driver
            target.mkdir(parents=True, exist_ok=True)
            (self.root / base / "driver").symlink_to(target)

    def loaded(self, line: str = OPEN, version: str = "580.126.09") -> None:
        """Load the driver's module."""
        self.write("proc/driver/nvidia/version", line)
        self.write("sys/module/nvidia/version", f"{version}\n")

    def program(self, name: str, out: str = "", rc: int = 0) -> None:
        """Install a program that says one thing."""
        body = f"cat <<'END'\n{out}\nEND\n" if out else ""
        self._install(name, f"{body}exit {rc}\n")

    def smi(self, scenario: str) -> Path:
        """Install the fake nvidia-smi with one of the scenarios."""
        words = [sys.executable, "-I", "-S", str(HERE / "fake_nvidia_smi.py"), str(FIXTURES / f"{scenario}.json")]
        return self._install(
            "nvidia-smi",
            f'FAKE_NVIDIA_SMI_PIDS={self.pids}\nexport FAKE_NVIDIA_SMI_PIDS\nexec {shlex.join(words)} "$@"\n',
        )

    def _install(self, name: str, body: str) -> Path:
        program = self.path / name
        program.write_text(f"#!/bin/sh\n{body}")
        program.chmod(0o755)
        return program

    def find(self, name: str) -> str | None:
        """Return the path of an installed program, as AnsibleModule.get_bin_path does."""
        program = self.path / name
        return str(program) if program.exists() else None

    def facts(self, timeout: float = 20) -> dict[str, Any]:
        """Return what the facts say."""
        told: dict[str, Any] = _gpu_facts.gather(str(self.root), None, self.find, timeout)
        return told
