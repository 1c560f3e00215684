# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of NVIDIA cards that ComfyUI runs on. Data.

Private to the collection. Watts are the vendor's board power of the reference card; board partners differ, and what
the card itself answers always wins. ``efficient_w`` is a limit that others found to cost a few percent of speed at
most, ``power_source`` says where the watts are from: 'vendor' (published board power) or 'issue' (public reports).
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


def _card(
    name: str,
    vram_gib: int | None,
    capability: str,
    default_w: int | None,
    ids: str,
    **more: Any,
) -> Json:
    major, minor = (int(one) for one in capability.split("."))
    return {
        "name": name,
        "vram_mib": None if vram_gib is None else vram_gib * 1024,
        "compute_capability": capability,
        "fp8_native": (major, minor) >= (8, 9),
        "power": {
            "default_w": default_w,
            "min_w": more.get("min_w"),
            "max_w": more.get("max_w"),
            "efficient_w": more.get("efficient_w"),
            "source": more.get("source", "vendor"),
        },
        "pci_ids": [f"10de:{one}" for one in ids.split()],
    }


# By short name; the PCI ids are those of NVIDIA's table, see module_utils/_gpu_table.py.
PROFILES: dict[str, Json] = {
    "rtx-3060": _card("GeForce RTX 3060", 12, "8.6", 170, "2487 2503 2504 2544 24c7"),
    "rtx-3060-ti": _card("GeForce RTX 3060 Ti", 8, "8.6", 200, "2414 2486 2489 24c9"),
    "rtx-3070": _card("GeForce RTX 3070", 8, "8.6", 220, "2484 2488"),
    "rtx-3070-ti": _card("GeForce RTX 3070 Ti", 8, "8.6", 290, "2207 2482"),
    "rtx-3080": _card("GeForce RTX 3080", None, "8.6", None, "2206 2216 220a"),
    "rtx-3080-ti": _card("GeForce RTX 3080 Ti", 12, "8.6", 350, "2208"),
    # Reference board 100 to 350 W; board partners go to 390 W and more.
    "rtx-3090": _card(
        "GeForce RTX 3090", 24, "8.6", 350, "2204", min_w=100, max_w=350, efficient_w=280, source="issue"
    ),
    "rtx-3090-ti": _card("GeForce RTX 3090 Ti", 24, "8.6", 450, "2203"),
    "rtx-4060": _card("GeForce RTX 4060", 8, "8.9", 115, "2808 2882"),
    "rtx-4060-ti": _card("GeForce RTX 4060 Ti", None, "8.9", None, "2788 2803 2805"),
    "rtx-4070": _card("GeForce RTX 4070", 12, "8.9", 200, "2709 2786"),
    "rtx-4070-super": _card("GeForce RTX 4070 SUPER", 12, "8.9", 220, "2783"),
    "rtx-4070-ti": _card("GeForce RTX 4070 Ti", 12, "8.9", 285, "2782"),
    "rtx-4070-ti-super": _card("GeForce RTX 4070 Ti SUPER", 16, "8.9", 285, "2689 2705"),
    "rtx-4080": _card("GeForce RTX 4080", 16, "8.9", 320, "2704"),
    "rtx-4080-super": _card("GeForce RTX 4080 SUPER", 16, "8.9", 320, "2702"),
    "rtx-4090": _card("GeForce RTX 4090", 24, "8.9", 450, "2684"),
    "rtx-4090-d": _card("GeForce RTX 4090 D", 24, "8.9", 425, "2685"),
    "rtx-5060": _card("GeForce RTX 5060", 8, "12.0", 145, "2d05"),
    "rtx-5060-ti": _card("GeForce RTX 5060 Ti", None, "12.0", 180, "2d04"),
    "rtx-5070": _card("GeForce RTX 5070", 12, "12.0", 250, "2f04"),
    "rtx-5070-ti": _card("GeForce RTX 5070 Ti", 16, "12.0", 300, "2c05"),
    "rtx-5080": _card("GeForce RTX 5080", 16, "12.0", 360, "2c02"),
    "rtx-5090": _card("GeForce RTX 5090", 32, "12.0", 575, "2b85"),
    "rtx-5090-d": _card("GeForce RTX 5090 D", 32, "12.0", 575, "2b87"),
    "a2": _card("A2", 16, "8.6", None, "25b6"),
    "a10": _card("A10", 24, "8.6", 150, "2236"),
    "a10g": _card("A10G", 24, "8.6", None, "2237"),
    "a30": _card("A30", 24, "8.0", 165, "20b7"),
    "a40": _card("A40", 48, "8.6", 300, "2235"),
    "a100-40gb": _card("A100 40 GB", 40, "8.0", None, "20b0 20f1"),
    "a100-80gb": _card("A100 80 GB", 80, "8.0", None, "20b2 20b5"),
    "rtx-a2000": _card("RTX A2000", None, "8.6", 70, "2531 2571"),
    "rtx-a4000": _card("RTX A4000", 16, "8.6", 140, "24b0"),
    "rtx-a4500": _card("RTX A4500", 20, "8.6", 200, "2232"),
    "rtx-a5000": _card("RTX A5000", 24, "8.6", 230, "2231"),
    "rtx-a5500": _card("RTX A5500", 24, "8.6", 230, "2233"),
    "rtx-a6000": _card("RTX A6000", 48, "8.6", 300, "2230"),
    "l4": _card("L4", 24, "8.9", 72, "27b8"),
    "l20": _card("L20", 48, "8.9", 275, "26ba"),
    "l40": _card("L40", 48, "8.9", 300, "26b5"),
    "l40s": _card("L40S", 48, "8.9", 350, "26b9"),
    "rtx-4000-ada": _card("RTX 4000 Ada Generation", 20, "8.9", 130, "27b2"),
    "rtx-4500-ada": _card("RTX 4500 Ada Generation", 24, "8.9", 210, "27b1"),
    "rtx-5000-ada": _card("RTX 5000 Ada Generation", 32, "8.9", 250, "26b2"),
    "rtx-6000-ada": _card("RTX 6000 Ada Generation", 48, "8.9", 300, "26b1"),
    "rtx-pro-6000": _card("RTX PRO 6000 Blackwell", 96, "12.0", 600, "2bb1"),
    "h100-pcie": _card("H100 PCIe", 80, "9.0", 350, "2331"),
    "h100-sxm": _card("H100 SXM", 80, "9.0", 700, "2330"),
    "h100-nvl": _card("H100 NVL", 94, "9.0", 400, "2321"),
    "h200-sxm": _card("H200 SXM", 141, "9.0", 700, "2335"),
    "h200-nvl": _card("H200 NVL", 141, "9.0", 600, "233b"),
}

# What models need: files of 20.4 GB (FP8) with a text encoder of 9.4 GB, or 40.8 GB (bf16). ``ram_gib`` is a rule of
# thumb, not measured.
MODELS: dict[str, Json] = {
    "qwen-image": {
        "title": "Qwen-Image",
        "weights_mib": 19456,
        "encoder_mib": 8965,
        "bf16_mib": 38910,
        "dtypes": ["bf16", "fp32"],
        "ram_gib": 48,
    },
}

# ``when`` is read by plugin_utils/_gpu_launch.py. ``verdict``: 'forbidden' harms or breaks, 'useless' does nothing
# there, 'optional' may be worth a try. Checked against ComfyUI a125cd84 (2025) and 03294572 (2026).
RULES: tuple[Json, ...] = (
    {"flag": "--supports-fp8-compute", "verdict": "forbidden", "when": ["no_fp8"],
     "reason": "it makes ComfyUI try FP8 arithmetic, which compute capability {capability} lacks (8.9 is needed)"},
    {"flag": "--fast", "value": "fp8_matrix_mult", "verdict": "useless", "when": ["no_fp8"],
     "reason": "compute capability {capability} has no FP8 arithmetic (8.9 is needed); FP8 saves memory, not time"},
    {"flag": "--fast", "value": "", "verdict": "forbidden", "when": [],
     "reason": "without a list it switches on everything, which is reported to break Qwen-Image; name what you want"},
    {"flag": "--fast", "value": "fp16_accumulation", "verdict": "useless", "when": ["model"],
     "reason": "{model} computes in bf16, so it gains nothing, and the text encoder may yield NaN"},
    {"flag": "--highvram", "verdict": "forbidden", "when": ["model_does_not_fit"],
     "reason": "{model} needs about {needed} GiB for weights, text encoder and work, the card has {vram}"},
    {"flag": "--gpu-only", "verdict": "forbidden", "when": ["model_does_not_fit"],
     "reason": "{model} needs about {needed} GiB for weights, text encoder and work, the card has {vram}"},
    {"flag": "--novram", "verdict": "forbidden", "when": ["vram_8"],
     "reason": "it is the last resort and slow; ComfyUI loads parts by itself where memory is short"},
    {"flag": "--lowvram", "verdict": "useless", "when": ["dynamic_vram"],
     "reason": "it does nothing while dynamic VRAM is on, which is this ComfyUI's way of loading"},
    {"flag": "--lowvram", "verdict": "useless", "when": ["no_dynamic_vram"],
     "reason": "this ComfyUI loads models in parts by itself when memory is short"},
    {"flag": "--bf16-unet", "verdict": "forbidden", "when": ["bf16_does_not_fit"],
     "reason": "{model} takes {bf16} GiB in bf16, the card has {vram}, and the rest is loaded anew in each step"},
    {"flag": "--fp16-unet", "verdict": "forbidden", "when": ["model"],
     "reason": "{model} yields NaN or black images in fp16"},
    {"flag": "--force-fp16", "verdict": "forbidden", "when": ["model"],
     "reason": "{model} yields NaN or black images in fp16"},
    {"flag": "--fp8_e4m3fn-unet", "verdict": "useless", "when": ["model"],
     "reason": "it is for bf16 and fp16 files; {model}'s FP8 file stays FP8 by itself"},
    {"flag": "--use-sage-attention", "verdict": "forbidden", "when": ["model", "ampere"],
     "reason": "black images with {model} are reported for compute capability {capability}, and without the package"
               " sageattention ComfyUI ends at once"},
    {"flag": "--use-sage-attention", "verdict": "optional", "when": ["fp8"],
     "reason": "needs the package sageattention, without which ComfyUI ends at once; compare images"},
    {"flag": "--use-pytorch-cross-attention", "verdict": "useless", "when": [],
     "reason": "it is the default on NVIDIA"},
    {"flag": "--cuda-malloc", "verdict": "useless", "when": [], "reason": "it is the default with CUDA"},
    {"flag": "--reserve-vram", "verdict": "useless", "when": ["dynamic_vram"],
     "reason": "it is reported to be ignored while dynamic VRAM is on; use --vram-headroom"},
    {"flag": "--deterministic", "verdict": "useless", "when": [], "reason": "it is slower and meant for tests"},
    {"flag": "--cpu", "verdict": "forbidden", "when": ["gpu_wanted"],
     "reason": "the GPU then stays idle; say gpus: none if that is wanted"},
    {"flag": "--cuda-device", "verdict": "forbidden", "when": [],
     "reason": "its form depends on the version; choose by the instance's gpus, best by UUID"},
    {"flag": "--fast", "value": "fp8_matrix_mult", "verdict": "optional", "when": ["fp8"],
     "reason": "faster, with a loss of quality that differs by model; compare images"},
    {"flag": "--highvram", "verdict": "optional", "when": ["model_fits"],
     "reason": "keeps all models on the card; it turns dynamic VRAM off"},
)  # fmt: skip

# Flags that went away, and what to do instead.
REMOVED: dict[str, str] = {
    "--normalvram": "it was removed, as it is what happens without it; drop it",
    "--disable-dynamic-vram": "this version has no dynamic VRAM; drop it",
    "--disable-pinned-memory": "this version has no such switch; drop it",
    "--vram-headroom": "use --reserve-vram with this version",
    "--cache-ram": "use --cache-none or --cache-lru with this version",
}
