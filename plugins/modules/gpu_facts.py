#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_facts
short_description: Tell which NVIDIA GPUs a host has and whether they work
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Asks C(nvidia-smi) in XML and CSV, the kernel, the firmware and the container engines, and returns one answer.
  - A host without a GPU, without a driver or with a broken one is no failure; RV(ansible_facts.comfyui_gpu.status) and
    RV(ansible_facts.comfyui_gpu.reason) say what is the matter.
  - Without a working driver, the cards are those of the PCI bus; their names and sizes come from a table of ids.
  - Changes nothing. A program that hangs is stopped, with all of its children.
options:
  nvidia_smi:
    description: Path of C(nvidia-smi). Looked for in E(PATH) and the usual places when not given.
    type: path
  root:
    description:
      - Directory below which C(sys), C(proc), C(etc), C(run), C(usr) and C(lib) are read; for images and chroots.
      - Programs are those of E(PATH) all the same.
    type: path
    default: /
  timeout:
    description:
      - Seconds that each question to C(nvidia-smi) may take. Other programs get 20 at most.
      - Many GPUs without persistence mode need several seconds.
    type: float
    default: 30
attributes:
  check_mode:
    description: Only reads, so check mode makes no difference.
    support: full
  diff_mode:
    description: Nothing changes, so there is nothing to show.
    support: none
notes:
  - Reading Docker's runtimes needs access to its daemon, the state of Secure Boot may need root.
  - Process names are those that the driver tells; inside a container it may tell none.
"""

EXAMPLES = r"""
- name: Ask for the GPUs
  genai.comfyui.gpu_facts:

- name: Go on only with a GPU that works
  ansible.builtin.assert:
    that: ansible_facts.comfyui_gpu.status == 'working'
    fail_msg: "{{ ansible_facts.comfyui_gpu.reason }}"

- name: Show name and memory of each GPU
  ansible.builtin.debug:
    msg: "{{ item.name }}, {{ item.vram_mib }} MiB, FP8 {{ 'in hardware' if item.fp8_native else 'for storage only' }}"
  loop: "{{ ansible_facts.comfyui_gpu.gpus }}"
  loop_control:
    label: "{{ item.uuid or item.bus_id }}"
"""

RETURN = r"""
ansible_facts:
  description: The answer, as a fact. Whatever is not known is none.
  returned: always
  type: dict
  contains:
    comfyui_gpu:
      description: Everything.
      returned: always
      type: dict
      contains:
        status:
          description:
            - V(working) means that C(nvidia-smi) lists at least one GPU.
            - V(no_gpu) that neither the PCI bus nor a driver knows of one.
            - V(no_driver) that a card is there and the driver is not loaded; C(nvidia-smi) ends with 9, or is missing.
            - V(no_nvidia_smi) that the driver is loaded and C(nvidia-smi) is not installed.
            - V(no_library) that the driver's libraries are not installed; status 12.
            - V(mismatch) that the loaded module and the libraries have different versions; a reboot mends it.
            - V(timeout) that C(nvidia-smi) hung.
            - V(failed) is all the rest.
          type: str
        reason:
          description: One sentence on the status; empty when all is well. With V(working) it is a warning.
          type: str
        gpus:
          description: One record a GPU, in the driver's order; without a working driver, one a card, by bus id.
          type: list
          elements: dict
          contains:
            index:
              description: Number by which C(nvidia-smi) counts; none without a driver.
              type: int
            uuid:
              description: Name that stays when cards are moved, such as C(GPU-...); none without a driver.
              type: str
            name:
              description: Product name.
              type: str
            bus_id:
              description: PCI address as in sysfs, such as V(0000:01:00.0).
              type: str
            pci_id:
              description: Vendor and device id, such as V(10de:2204).
              type: str
            architecture:
              description: Such as V(Ampere).
              type: str
            compute_capability:
              description: Such as V(8.6).
              type: str
            fp8_native:
              description: Whether it computes in FP8 (8.9 and newer), and does not only store it.
              type: bool
            driver_version:
              description: Version of the driver that answered.
              type: str
            vbios_version:
              description: Version of the card's firmware.
              type: str
            vram_mib:
              description: Memory in MiB; the nominal size without a driver.
              type: int
            vram_used_mib:
              description: Memory in use in MiB.
              type: int
            vram_free_mib:
              description: Free memory in MiB.
              type: int
            persistence_mode:
              description: Whether the driver stays initialised without a client.
              type: bool
            display_active:
              description: Whether a display is driven, which takes memory.
              type: bool
            power:
              description: Watts, each a float or none.
              type: dict
              contains:
                limit_w:
                  description: The limit in force.
                  type: float
                default_w:
                  description: The card's own.
                  type: float
                min_w:
                  description: Lowest that can be set.
                  type: float
                max_w:
                  description: Highest that can be set.
                  type: float
                draw_w:
                  description: What is drawn now.
                  type: float
            mig:
              description: Multi-instance GPU.
              type: dict
              contains:
                enabled:
                  description: Whether it is on; none when the card cannot.
                  type: bool
                devices:
                  description: C(index), C(uuid), C(gpu_instance), C(compute_instance), C(vram_mib) of each.
                  type: list
                  elements: dict
            processes:
              description: C(pid), C(type) (V(C), V(G) or V(C+G)), C(name), C(used_mib), C(gpu_instance) of each.
              type: list
              elements: dict
            kernel_driver:
              description: What the kernel gave the card to, such as V(nvidia), V(nouveau) or V(vfio-pci).
              type: str
            source:
              description: V(driver) or V(sysfs).
              type: str
        cards:
          description: The PCI bus alone, whatever the driver says. The keys are those of C(gpus) that need no driver.
          type: list
          elements: dict
        ram_mib:
          description: Memory of the machine in MiB, which models need as well.
          type: int
        driver:
          description: The driver.
          type: dict
          contains:
            loaded:
              description: Whether the kernel module is loaded.
              type: bool
            loaded_version:
              description: Its version.
              type: str
            flavour:
              description: V(open) or V(proprietary); none when not loaded.
              type: str
            nvrm:
              description: The line that the module tells of itself.
              type: str
            modules:
              description: Those of the driver that are loaded, and C(nouveau) or C(nova_core) where they are.
              type: list
              elements: str
            module_files:
              description: RV(ignore:path) and RV(ignore:version) of each driver module on disk for the running kernel.
              type: list
              elements: dict
            installed_version:
              description: Version of the module on disk, as C(modinfo) tells it.
              type: str
            library_version:
              description: Version of C(libnvidia-ml.so).
              type: str
            mismatch:
              description: Whether the loaded version differs from one on disk; none when either is not known.
              type: bool
            kernel:
              description: The running kernel's release.
              type: str
            cuda_version:
              description: Newest CUDA that the driver serves, such as V(13.0).
              type: str
        nvidia_smi:
          description:
            - C(path), and C(rc), the exit status; none when it did not end by itself.
            - C(message), the first line that it said on failure.
          type: dict
        secure_boot:
          description:
            - C(state) is V(enabled), V(disabled), V(unsupported) (no UEFI) or V(unknown); C(source) says who told it.
            - C(lockdown) is the kernel's lockdown mode.
          type: dict
        container_toolkit:
          description: C(installed), C(path) and C(version) of C(nvidia-ctk); C(cdi_refresh), if its unit is there.
          type: dict
        cdi:
          description: Container device interface.
          type: dict
          contains:
            devices:
              description: Full names, such as V(nvidia.com/gpu=all).
              type: list
              elements: str
            duplicates:
              description: Devices that more than one specification defines.
              type: list
              elements: str
            specs:
              description: C(path), C(kind), C(version), C(devices), C(additional_gids) and C(valid) of each file.
              type: list
              elements: dict
        docker:
          description:
            - C(installed), C(running), C(version), C(runtimes), C(default_runtime) and C(cdi_dirs) of the daemon.
            - "C(config) has what C(/etc/docker/daemon.json) says: C(valid) (none without the file), C(runtimes),
              C(default_runtime), C(cdi)."
          type: dict
        podman:
          description: C(installed) and C(version).
          type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_facts


def main() -> None:
    """Module entry point."""
    module = AnsibleModule(
        argument_spec={
            "nvidia_smi": {"type": "path"},
            "root": {"type": "path", "default": "/"},
            "timeout": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    timeout = module.params["timeout"]
    if not 0 < timeout <= 3600:
        module.fail_json(msg=f"timeout {timeout:g} must be more than 0 and at most 3600 seconds.")
    facts = _gpu_facts.gather(module.params["root"], module.params["nvidia_smi"], module.get_bin_path, timeout)
    module.exit_json(changed=False, ansible_facts={"comfyui_gpu": facts})


if __name__ == "__main__":
    main()
