# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Qwen's two graphs as shipped, run by the module in a playbook on a real ComfyUI: loader to saved picture.

Random weights in the formats of the published files: one block of the FP8 base, the text encoder with its eye (cut,
unless CONTRACT_WHOLE_ENCODER=1), the VAE, a LoRA. The edit scales every picture to a megapixel by itself.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from png import pixels, rows
from real_comfyui import ENCODER, MARKS, TINY, Real, document

from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import prepare

pytestmark = MARKS
NAMES: dict[str, Any] = {"model": TINY["qwen"], "text_encoder": TINY[ENCODER], "vae": TINY["qwen_vae"], "steps": 2}
LORA = TINY["qwen_lora"]


def picture(path: Path) -> Path:
    """Write a PNG of stripes and return its path."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    lines = b"".join(b"\0" + bytes((0, 16 * y, 255) * 16) for y in range(16))
    head = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    )
    return path


def text_to_image(real: Real, variant: str | None = None, **more: Any) -> list[bytes]:
    """Return the rows of the picture."""
    found, result = real.play("qwen_image", variant, **{**NAMES, "width": 64, "height": 64, "cfg": 1.0, **more})
    assert result["state"] == "done"
    assert result["followed_by"] == "websocket"
    wide, high, colours = pixels(found)
    assert (wide, high) == (64, 64)
    assert len(colours) > 16, "a picture, not one colour"
    lines: list[bytes] = rows(found)
    return lines


def test_text_to_image(real: Real) -> None:
    """Equal seeds give equal pixels although the server forgot all in between; another seed or text gives others."""
    first = text_to_image(real, seed=7)
    assert text_to_image(real, seed=7) == first, "all of it from the cache, and put out all the same"
    assert text_to_image(real, seed=8) != first
    assert text_to_image(real, seed=7, prompt="something else") != first
    real.client.request("POST", "/free", {"unload_models": True, "free_memory": True})
    graph = prepare(
        document("qwen_image"), {**NAMES, "width": 64, "height": 64, "cfg": 1.0, "seed": 7, "filename_prefix": "again"}
    )
    again, record = real.run(graph)
    assert not run.cached_nodes(record) & {"3", "6", "8"}
    assert rows(again) == first


def test_the_negative_prompt_counts_where_cfg_is_above_one(real: Real) -> None:
    """That is the default without Lightning, 2.5; each step then asks the model twice."""
    plain = text_to_image(real, seed=7, cfg=2.5)
    assert text_to_image(real, seed=7, cfg=2.5, negative="blurred") != plain
    assert text_to_image(real, seed=7, cfg=1.0) != plain


@pytest.mark.parametrize("variant", ["lightning_4step", "lightning_8step"])
def test_text_to_image_with_lightning(real: Real, variant: str) -> None:
    """The variant as it is, but for the LoRA's name; its steps are told by the sampler itself."""
    given = {name: value for name, value in NAMES.items() if name != "steps"}
    found, result = real.play("qwen_image", variant, **given, width=64, height=64, seed=7, lora=LORA)
    record = real.client.look(result["job"]["prompt_id"])["record"]
    sampled = record["prompt"][2]["3"]["inputs"]
    assert (sampled["steps"], sampled["cfg"]) == (int(variant[10]), 1.0)
    assert rows(found) != text_to_image(real, seed=7, steps=int(variant[10]))
    again, _result = real.play("qwen_image", variant, **given, width=64, height=64, seed=7, lora=LORA)
    assert rows(again) == rows(found)
    assert "lora key not loaded" not in real.server.log()


def test_fp8_is_stored_and_another_type_computes(real: Real) -> None:
    """What ComfyUI says of it: the base stays FP8 in memory, and each layer's weights are cast for their use."""
    text_to_image(real, seed=7)
    log = real.server.log()
    assert "model weight dtype torch.float8_e4m3fn, manual cast: torch.float32" in log
    lacking = [line for line in log.splitlines() if "clip missing" in line or "unet missing" in line]
    assert not any("layers" in line or "transformer_blocks" in line for line in lacking), lacking


def edit(real: Real, variant: str | None = None, image: Path | None = None, **more: Any) -> list[bytes]:
    """Return the rows of the picture; one step, as each looks at the whole megapixel."""
    name = None if image is None else image.name
    given = {**NAMES, "steps": 1, "megapixels": 0.01, "image": name, "cfg": 1.0, "seed": 7, **more}
    found, result = real.play("qwen_image_edit_2509", variant, image, **given)
    assert result["state"] == "done"
    assert len(pixels(found)[2]) > 16, "a picture, not one colour"
    lines: list[bytes] = rows(found)
    return lines


def test_edit(real: Real, tmp_path: Path) -> None:
    """With and without the LoRA, seeds: through an upload, the eye, the reference latent and CFGNorm."""
    stripes = picture(tmp_path / "stripes.png")
    plain = edit(real, image=stripes)
    assert edit(real, image=stripes, seed=8) != plain
    assert edit(real, "lightning_4step", image=stripes, lora=LORA) != plain
    assert edit(real, image=stripes) == plain


def test_edit_of_a_plain_picture_needs_no_upload(real: Real) -> None:
    """The smoke test of a host that has this set alone; the words count."""
    plain = edit(real)
    assert edit(real, prompt="make it red") != plain
