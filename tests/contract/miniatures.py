# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make models of random weights, as small as a real ComfyUI takes them; run by its own interpreter in its directory.

    python miniatures.py MODELS [NAME...]

Shapes and names of the weights are those of ComfyUI's own classes. What it reads from the file is small here; what it
has fixed is true: the width of a Qwen-Image block (3072; one block in place of 60), CLIP-L, Qwen's VAE.

Qwen's text encoder is fixed at 28 layers and 32 of its eye, 7.7 billion weights. "qwen_encoder_cut" has 2 and 8,
each of its true shape, for a ComfyUI that the test has told so; "qwen_encoder" is whole (8.3 GB). Which weights are
FP8 with a scale and which bf16 is what the published file's size adds up to, byte for byte but for its head; its
lm_head, which ComfyUI does not use, is left out.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path
from typing import Any

FILES = {
    "upscale": "upscale_models/tiny_compact_x2.safetensors",
    "unet": "diffusion_models/tiny_sd3.safetensors",
    "clip": "text_encoders/tiny_clip_l.safetensors",
    "vae": "vae/tiny_taesd.safetensors",
    "qwen": "diffusion_models/tiny_qwen_image_fp8.safetensors",
    "qwen_vae": "vae/tiny_qwen_image_vae.safetensors",
    "qwen_lora": "loras/tiny_qwen_image_lora.safetensors",
    "qwen_encoder_cut": "text_encoders/tiny_qwen_2.5_vl_fp8_scaled.safetensors",
    "qwen_encoder": "text_encoders/random_qwen_2.5_vl_7b_fp8_scaled.safetensors",
}
LAYERS = {"qwen_encoder_cut": (2, 8), "qwen_encoder": (28, 32)}
"""Of the language model, and of its eye; the eye's eighth is the first one that looks at the whole picture."""


def random(shape: Any, generator: Any) -> Any:
    """Return weights of a size that keeps a signal's size."""
    torch = importlib.import_module("torch")
    fan_in = math.prod(shape[1:]) or 1
    return torch.randn(tuple(shape), generator=generator) / math.sqrt(fan_in)


def filled(module: Any, dtype: Any) -> dict[str, Any]:
    """Return weights for every parameter of *module*, which may be on the device "meta"."""
    torch = importlib.import_module("torch")
    generator = torch.Generator().manual_seed(1)
    found = {}
    for name, wanted in module.state_dict().items():
        if wanted.ndim >= 2 and "gamma" not in name:
            value = random(wanted.shape, generator).to(dtype)
        elif name.endswith(("weight", "gamma", "scale")):
            value = torch.ones(tuple(wanted.shape))
        else:
            value = torch.zeros(tuple(wanted.shape))
        found[name] = value.contiguous()
    return found


def upscale() -> dict[str, Any]:
    """Return an SRVGGNetCompact of 8 channels, for twice the size: under 10 KB."""
    torch = importlib.import_module("torch")
    generator = torch.Generator().manual_seed(1)
    found = {}
    for number, (inside, outside) in enumerate([(3, 8), (8, 8), (8, 8), (8, 12)]):
        place = number * 2
        found[f"body.{place}.weight"] = random((outside, inside, 3, 3), generator)
        found[f"body.{place}.bias"] = torch.zeros(outside)
        if outside == 8:
            found[f"body.{place + 1}.weight"] = torch.full((8,), 0.2)
    return found


def encoder(layers: int, eye: int) -> dict[str, Any]:
    """Return the text encoder's weights: FP8 with a scale where they are matrices of layers, else bf16.

    Weights of one shape are one tensor, so the whole encoder takes no more memory than its largest part.
    """
    torch = importlib.import_module("torch")
    llama = importlib.import_module("comfy.text_encoders.llama")
    ops = importlib.import_module("comfy.ops").disable_weight_init
    model = llama.Qwen25_7BVLI({"num_hidden_layers": layers}, torch.bfloat16, "meta", ops)
    generator = torch.Generator().manual_seed(1)
    made: dict[Any, Any] = {}
    found: dict[str, Any] = {"scaled_fp8": torch.zeros(0).to(torch.float8_e4m3fn)}
    for name, wanted in model.state_dict().items():
        if name.startswith("visual.blocks.") and int(name.split(".")[2]) >= eye:
            continue
        matrix = wanted.ndim == 2 and "embed" not in name
        key = (tuple(wanted.shape), matrix, name.endswith("bias"))
        if key not in made:
            if wanted.ndim > 1:
                value = torch.randn(tuple(wanted.shape), generator=generator, dtype=torch.bfloat16)
                made[key] = value.to(torch.float8_e4m3fn) if matrix else value * 0.1
            else:
                made[key] = torch.full(tuple(wanted.shape), 0.0 if name.endswith("bias") else 1.0, dtype=torch.bfloat16)
        found[name] = made[key]
        if matrix:
            found[name.removesuffix("weight") + "scale_weight"] = torch.tensor(1 / math.sqrt(wanted.shape[1]))
    return found


def save(weights: dict[str, Any], path: Path) -> None:
    """Write a safetensors file piece by piece; its own library refuses tensors that are one."""
    torch = importlib.import_module("torch")
    kinds = {
        torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float8_e4m3fn: "F8_E4M3"
    }  # fmt: skip
    head: dict[str, Any] = {}
    end = 0
    for name, value in weights.items():
        begin, end = end, end + value.numel() * value.element_size()
        head[name] = {"dtype": kinds[value.dtype], "shape": list(value.shape), "data_offsets": [begin, end]}
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for value in weights.values():
            stream.write(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def build(name: str) -> dict[str, Any]:
    """Return the weights of one file of FILES."""
    torch = importlib.import_module("torch")
    ops = importlib.import_module("comfy.ops").disable_weight_init
    fp8, half = torch.float8_e4m3fn, torch.float16
    meta: dict[str, Any] = {"dtype": torch.float32, "device": "meta", "operations": ops}
    if name == "upscale":
        return upscale()
    if name in LAYERS:
        return encoder(*LAYERS[name])
    if name == "unet":
        mmdit = importlib.import_module("comfy.ldm.modules.diffusionmodules.mmdit").MMDiT
        context = {"target": "torch.nn.Linear", "params": {"in_features": 4096, "out_features": 128}}
        model = mmdit(
            input_size=None, in_channels=16, depth=2, adm_in_channels=2048, num_patches=64, pos_embed_max_size=8,
            context_embedder_config=context, **meta,
        )  # fmt: skip
        return filled(model, half)
    if name == "clip":
        config = json.loads(Path("comfy/sd1_clip_config.json").read_text())
        text = importlib.import_module("comfy.clip_model").CLIPTextModel
        return filled(text(config, torch.float32, "meta", ops), fp8)
    if name == "vae":
        return filled(importlib.import_module("comfy.taesd.taesd").TAESD(latent_channels=16), half)
    if name == "qwen":
        qwen = importlib.import_module("comfy.ldm.qwen_image.model").QwenImageTransformer2DModel
        return filled(qwen(num_layers=1, **meta), fp8)
    if name == "qwen_vae":
        wan = importlib.import_module("comfy.ldm.wan.vae").WanVAE
        with torch.device("meta"):
            model = wan(
                dim=96, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[],
                temperal_downsample=[False, True, True], dropout=0.0,
            )  # fmt: skip
        return filled(model, fp8)
    generator = torch.Generator().manual_seed(1)
    layer = "transformer_blocks.0.attn.to_q"
    shapes = {"lora_down": (4, 3072), "lora_up": (3072, 4)}
    return {f"{layer}.{part}.weight": random(shape, generator).to(half) for part, shape in shapes.items()}


def main() -> None:
    """Write the wanted files below the given directory, all small ones when none is named; tell their sizes."""
    models, wanted = Path(sys.argv[1]), sys.argv[2:] or [name for name in FILES if name != "qwen_encoder"]
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = [sys.argv[0], "--cpu"]
    importlib.import_module("comfy.options").enable_args_parsing()
    for name in wanted:
        path = models / FILES[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        save(build(name), path)
        print(f"{name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
