# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NVIDIA cards by PCI device id, for hosts whose driver cannot be asked. Data.

Private to the collection. Names as in the table of NVIDIA's open kernel modules (595.45.04); memory is the nominal
size, None where one id stands for several sizes. A driver's own answer always wins.
"""

from __future__ import annotations

# PCI device id -> (name, MiB of memory or None)
CARDS: dict[str, tuple[str, int | None]] = {
    "1e04": ("NVIDIA GeForce RTX 2080 Ti", 11264),
    "1e07": ("NVIDIA GeForce RTX 2080 Ti", 11264),
    "1eb8": ("Tesla T4", 16384),
    "20b0": ("NVIDIA A100-SXM4-40GB", 40960),
    "20b2": ("NVIDIA A100-SXM4-80GB", 81920),
    "20b5": ("NVIDIA A100 80GB PCIe", 81920),
    "20b7": ("NVIDIA A30", 24576),
    "20f1": ("NVIDIA A100-PCIE-40GB", 40960),
    "20f3": ("NVIDIA A800-SXM4-80GB", 81920),
    "20f5": ("NVIDIA A800 80GB PCIe", 81920),
    "2203": ("NVIDIA GeForce RTX 3090 Ti", 24576),
    "2204": ("NVIDIA GeForce RTX 3090", 24576),
    "2206": ("NVIDIA GeForce RTX 3080", 10240),
    "2207": ("NVIDIA GeForce RTX 3070 Ti", 8192),
    "2208": ("NVIDIA GeForce RTX 3080 Ti", 12288),
    "220a": ("NVIDIA GeForce RTX 3080", 12288),
    "2216": ("NVIDIA GeForce RTX 3080", 10240),
    "2230": ("NVIDIA RTX A6000", 49152),
    "2231": ("NVIDIA RTX A5000", 24576),
    "2232": ("NVIDIA RTX A4500", 20480),
    "2233": ("NVIDIA RTX A5500", 24576),
    "2235": ("NVIDIA A40", 49152),
    "2236": ("NVIDIA A10", 24576),
    "2237": ("NVIDIA A10G", 24576),
    "2321": ("NVIDIA H100 NVL", 96256),
    "2329": ("NVIDIA H20", 98304),
    "2330": ("NVIDIA H100 80GB HBM3", 81920),
    "2331": ("NVIDIA H100 PCIe", 81920),
    "2335": ("NVIDIA H200", 144384),
    "233b": ("NVIDIA H200 NVL", 144384),
    "2342": ("NVIDIA GH200", None),
    "2414": ("NVIDIA GeForce RTX 3060 Ti", 8192),
    "2482": ("NVIDIA GeForce RTX 3070 Ti", 8192),
    "2484": ("NVIDIA GeForce RTX 3070", 8192),
    "2486": ("NVIDIA GeForce RTX 3060 Ti", 8192),
    "2487": ("NVIDIA GeForce RTX 3060", 12288),
    "2488": ("NVIDIA GeForce RTX 3070", 8192),
    "2489": ("NVIDIA GeForce RTX 3060 Ti", 8192),
    "24b0": ("NVIDIA RTX A4000", 16384),
    "24c7": ("NVIDIA GeForce RTX 3060", None),
    "24c9": ("NVIDIA GeForce RTX 3060 Ti", 8192),
    "2503": ("NVIDIA GeForce RTX 3060", 12288),
    "2504": ("NVIDIA GeForce RTX 3060", 12288),
    "2507": ("NVIDIA GeForce RTX 3050", 8192),
    "2531": ("NVIDIA RTX A2000", 6144),
    "2544": ("NVIDIA GeForce RTX 3060", None),
    "2571": ("NVIDIA RTX A2000 12GB", 12288),
    "2582": ("NVIDIA GeForce RTX 3050", None),
    "2584": ("NVIDIA GeForce RTX 3050", None),
    "25b6": ("NVIDIA A2 or A16", 16384),
    "2684": ("NVIDIA GeForce RTX 4090", 24576),
    "2685": ("NVIDIA GeForce RTX 4090 D", 24576),
    "2689": ("NVIDIA GeForce RTX 4070 Ti SUPER", 16384),
    "26b1": ("NVIDIA RTX 6000 Ada Generation", 49152),
    "26b2": ("NVIDIA RTX 5000 Ada Generation", 32768),
    "26b3": ("NVIDIA RTX 5880 Ada Generation", 49152),
    "26b5": ("NVIDIA L40", 49152),
    "26b9": ("NVIDIA L40S", 49152),
    "26ba": ("NVIDIA L20", 49152),
    "2702": ("NVIDIA GeForce RTX 4080 SUPER", 16384),
    "2704": ("NVIDIA GeForce RTX 4080", 16384),
    "2705": ("NVIDIA GeForce RTX 4070 Ti SUPER", 16384),
    "2709": ("NVIDIA GeForce RTX 4070", 12288),
    "2782": ("NVIDIA GeForce RTX 4070 Ti", 12288),
    "2783": ("NVIDIA GeForce RTX 4070 SUPER", 12288),
    "2786": ("NVIDIA GeForce RTX 4070", 12288),
    "2788": ("NVIDIA GeForce RTX 4060 Ti", None),
    "27b0": ("NVIDIA RTX 4000 SFF Ada Generation", 20480),
    "27b1": ("NVIDIA RTX 4500 Ada Generation", 24576),
    "27b2": ("NVIDIA RTX 4000 Ada Generation", 20480),
    "27b6": ("NVIDIA L2", 24576),
    "27b8": ("NVIDIA L4", 24576),
    "2803": ("NVIDIA GeForce RTX 4060 Ti", 8192),
    "2805": ("NVIDIA GeForce RTX 4060 Ti", 16384),
    "2808": ("NVIDIA GeForce RTX 4060", 8192),
    "2882": ("NVIDIA GeForce RTX 4060", 8192),
    "28b0": ("NVIDIA RTX 2000 Ada Generation", 16384),
    "2901": ("NVIDIA B200", None),
    "2b85": ("NVIDIA GeForce RTX 5090", 32768),
    "2b87": ("NVIDIA GeForce RTX 5090 D", 32768),
    "2b8c": ("NVIDIA GeForce RTX 5090 D v2", 24576),
    "2bb1": ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", 98304),
    "2c02": ("NVIDIA GeForce RTX 5080", 16384),
    "2c05": ("NVIDIA GeForce RTX 5070 Ti", 16384),
    "2d04": ("NVIDIA GeForce RTX 5060 Ti", None),
    "2d05": ("NVIDIA GeForce RTX 5060", 8192),
    "2d83": ("NVIDIA GeForce RTX 5050", 8192),
    "2f04": ("NVIDIA GeForce RTX 5070", 12288),
}

# First and last PCI device id -> (architecture, compute capability): NVIDIA gives each chip a block of ids.
_BLOCKS: tuple[tuple[int, int, str, str], ...] = (
    (0x1340, 0x15EF, "Maxwell", "5.2"),
    (0x15F0, 0x15FF, "Pascal", "6.0"),
    (0x1600, 0x17FF, "Maxwell", "5.2"),
    (0x1B00, 0x1D7F, "Pascal", "6.1"),
    (0x1D80, 0x1DFF, "Volta", "7.0"),
    (0x1E00, 0x1FFF, "Turing", "7.5"),
    (0x2080, 0x20FF, "Ampere", "8.0"),
    (0x2180, 0x21FF, "Turing", "7.5"),
    (0x2200, 0x22FF, "Ampere", "8.6"),
    (0x2300, 0x23FF, "Hopper", "9.0"),
    (0x2400, 0x25FF, "Ampere", "8.6"),
    (0x2600, 0x28FF, "Ada Lovelace", "8.9"),
    (0x2900, 0x29FF, "Blackwell", "10.0"),
    (0x2B80, 0x2DFF, "Blackwell", "12.0"),
    (0x2E00, 0x2EFF, "Blackwell", "12.1"),
    (0x2F00, 0x2FFF, "Blackwell", "12.0"),
    (0x3180, 0x31FF, "Blackwell", "10.3"),
)


def card(device: str) -> dict[str, str | int | None]:
    """Return what is known of a PCI device id: ``name``, ``vram_mib``, ``architecture``, ``compute_capability``.

    :param device: four hex digits, such as ``2204``. What is not known is None.
    """
    name, memory = CARDS.get(device.lower(), (None, None))
    architecture = capability = None
    try:
        number = int(device, 16)
    except ValueError:
        number = -1
    for first, last, family, version in _BLOCKS:
        if first <= number <= last:
            architecture, capability = family, version
    return {"name": name, "vram_mib": memory, "architecture": architecture, "compute_capability": capability}


def fp8_native(capability: str | None) -> bool | None:
    """Say whether a compute capability has FP8 arithmetic (8.9 and newer); None when the capability is not known."""
    try:
        major, _dot, minor = (capability or "").partition(".")
        return (int(major), int(minor or "0")) >= (8, 9)
    except ValueError:
        return None
