# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch arguments that follow the GPU, and complaints about those that do not suit it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_table
from ansible_collections.genai.comfyui.plugins.plugin_utils import _gpu_launch as launch
from ansible_collections.genai.comfyui.plugins.plugin_utils import _gpu_profiles as profiles
from ansible_collections.genai.comfyui.plugins.plugin_utils import _launch

COMMON = ("--supports-fp8-compute", "--deterministic", "--disable-smart-memory", "--use-sage-attention")
UNET = ("--bf16-unet", "--fp16-unet", "--fp8_e4m3fn-unet")


def help_text(switches: tuple[str, ...], *groups: tuple[str, ...]) -> str:
    """Return the help of a ComfyUI with these flags, as argparse prints it."""
    parser = argparse.ArgumentParser(
        prog="main.py", formatter_class=lambda prog: argparse.HelpFormatter(prog, width=80)
    )
    parser.add_argument("--listen", nargs="?", metavar="IP")
    parser.add_argument("--port", type=int)
    parser.add_argument("--reserve-vram", type=float)
    parser.add_argument("--fast", nargs="*")
    parser.add_argument("--cuda-device", type=int)
    for flag in switches:
        parser.add_argument(flag, action="store_true")
    for group in (*groups, UNET):
        exclusive = parser.add_mutually_exclusive_group()
        for flag in group:
            valued = (
                {"nargs": "?", "metavar": "GB"} if flag in ("--cache-lru", "--cache-ram") else {"action": "store_true"}
            )
            exclusive.add_argument(flag, **valued)  # type: ignore[arg-type]
    return parser.format_help()


H2025 = help_text(
    (*COMMON, "--async-offload"),
    ("--gpu-only", "--highvram", "--normalvram", "--lowvram", "--novram", "--cpu"),
    ("--cache-classic", "--cache-lru", "--cache-none"),
)
H2026 = help_text(
    (*COMMON, "--vram-headroom", "--disable-pinned-memory", "--disable-dynamic-vram"),
    ("--gpu-only", "--highvram", "--lowvram", "--novram", "--cpu"),
    ("--cache-classic", "--cache-lru", "--cache-none", "--cache-ram"),
)


def gpu(device: str = "2204", **more: Any) -> dict[str, Any]:
    """Return a GPU as the facts describe it without a driver."""
    known = _gpu_table.card(device)
    base = {"index": 0, "uuid": "GPU-a", "pci_id": f"10de:{device}", "display_active": False, "mig": {"devices": []}}
    return {**base, **known, **more}


def told(*own: str, gpus: list[dict[str, Any]] | None = None, text: str = H2025, ram: int = 65536, **more: Any) -> Any:
    facts = {"gpus": [gpu()] if gpus is None else gpus, "ram_mib": ram}
    return launch.launch_args(facts, text, list(own), **more)


def test_a_3090_with_enough_memory_needs_nothing() -> None:
    for text in (H2025, H2026):
        assert told(text=text) == {"profile": "rtx-3090", "args": [], "reasons": [], "warnings": [], "optional": []}


@pytest.mark.parametrize(
    ("own", "text", "said"),
    [
        (["--supports-fp8-compute"], H2025, "which compute capability 8.6 lacks"),
        (["--fast", "fp8_matrix_mult"], H2025, "--fast fp8_matrix_mult: compute capability 8.6 has no FP8 arithmetic"),
        (["--fast"], H2025, "without a list it switches on everything"),
        (["--fast", "fp16_accumulation"], H2025, "Qwen-Image computes in bf16"),
        (["--highvram"], H2025, "Qwen-Image needs about 34 GiB for weights, text encoder and work, the card has 24"),
        (["--gpu-only"], H2026, "the card has 24; do not use it."),
        (["--novram"], H2025, "last resort and slow"),
        (["--lowvram"], H2025, "loads models in parts by itself"),
        (["--lowvram"], H2026, "does nothing while dynamic VRAM is on"),
        (["--bf16-unet"], H2025, "38 GiB in bf16, the card has 24"),
        (["--fp16-unet"], H2025, "NaN or black images"),
        (["--fp8_e4m3fn-unet"], H2025, "stays FP8 by itself; drop it."),
        (["--use-sage-attention"], H2025, "without the package sageattention ComfyUI ends at once"),
        (["--reserve-vram=1"], H2026, "use --vram-headroom"),
        (["--deterministic"], H2025, "meant for tests"),
        (["--cpu"], H2025, "say gpus: none"),
        (["--cuda-device", "1"], H2025, "choose by the instance's gpus"),
        (
            ["--normalvram"],
            H2026,
            "not known to the deployed ComfyUI (did you mean --novram?): it was removed, as it is",
        ),
        (["--cache-ram"], H2025, "use --cache-none or --cache-lru with this version"),
        (["--highvrm"], H2025, "did you mean --highvram?"),
        (["--cache-lru", "9", "--cache-none"], H2025, "--cache-lru and --cache-none exclude each other"),
    ],
)
def test_nonsense_on_a_3090(own: list[str], text: str, said: str) -> None:
    (warning,) = told(*own, text=text)["warnings"]
    assert said in warning


@pytest.mark.parametrize(
    ("own", "text"),
    [
        (["--reserve-vram", "1"], H2025),
        (["--fast", "cublas_ops"], H2025),
        (["--disable-smart-memory"], H2026),
        ([], H2026),
    ],
)
def test_sense_on_a_3090(own: list[str], text: str) -> None:
    assert told(*own, text=text)["warnings"] == []


@pytest.mark.parametrize("device", ["2684", "2330", "26b9", "2b85"])
def test_cards_with_fp8_may_use_it(device: str) -> None:
    found = told("--supports-fp8-compute", "--fast", "fp8_matrix_mult", gpus=[gpu(device)])
    assert found["warnings"] == []
    assert any(one.startswith("--fast fp8_matrix_mult: faster") for one in found["optional"])


def test_a_card_that_holds_everything_may_keep_it() -> None:
    found = told("--highvram", "--bf16-unet", gpus=[gpu("20b2")])
    assert (found["profile"], found["warnings"]) == ("a100-80gb", [])
    assert any(one.startswith("--highvram") for one in found["optional"])
    (warning,) = told("--highvram", gpus=[gpu("2b85")])["warnings"]
    assert "the card has 32" in warning


def test_a_small_card_is_told() -> None:
    (warning,) = told(gpus=[gpu("2503")])["warnings"]
    assert warning.startswith("Qwen-Image's weights take 19 GiB and the card has 12")
    assert told(gpus=[gpu("2503")], models=[])["warnings"] == []


def test_little_memory_limits_the_cache_as_the_checkout_can() -> None:
    old, new = told(ram=31900), told(ram=31900, text=H2026)
    assert (old["args"], new["args"]) == (["--cache-none"], ["--cache-ram", "--disable-pinned-memory"])
    assert "31 GiB of RAM is little for Qwen-Image" in old["reasons"][0]
    assert "wants 48 GiB of RAM and the host has 31" in old["warnings"][0]
    assert told(ram=31900, models=[])["args"] == []


@pytest.mark.parametrize("own", [["--cache-lru", "5"], ["--cache-none"], ["--cache-classic"], ["--cache-lru=5"]])
def test_your_own_arguments_win(own: list[str]) -> None:
    assert told(*own, ram=31900)["args"] == []
    assert told(*own, ram=31900, text=H2026)["args"] == ["--disable-pinned-memory"]


def test_a_display_is_told_and_never_derived() -> None:
    for text, flag in ((H2025, "--reserve-vram"), (H2026, "--vram-headroom")):
        found = told(gpus=[gpu(display_active=True)], text=text)
        assert found["args"] == []
        assert found["warnings"] == [f"The card drives a display, which takes memory; {flag} 1.0 leaves it room."]


@pytest.mark.parametrize(
    "more", [{"gpus": []}, {"profile": "none"}, {"text": ""}], ids=["no card", "switched off", "help not known yet"]
)
def test_nothing_is_derived(more: dict[str, Any]) -> None:
    found = told("--highvram", ram=1000, **more)
    assert found == {"profile": None, "args": [], "reasons": [], "warnings": [], "optional": []}


def test_only_the_instances_gpus_count() -> None:
    facts = {"gpus": [gpu("2330", uuid="GPU-h"), gpu("2503", index=1, uuid="GPU-s")], "ram_mib": 65536}
    chosen = {
        str(wanted): bool(launch.launch_args(facts, H2025, ["--highvram"], wanted)["warnings"])
        for wanted in ("all", 0, "0", [1], "GPU-h", ["GPU-s"], "none", [0, 1])
    }
    assert chosen == {
        "all": True, "0": False, "[1]": True, "GPU-h": False, "['GPU-s']": True, "none": False, "[0, 1]": True,
    }  # fmt: skip
    sliced = gpu("20b2", mig={"devices": [{"uuid": "MIG-1", "vram_mib": 9856}]})
    (warning,) = launch.launch_args({"gpus": [sliced], "ram_mib": 65536}, H2025, [], "MIG-1")["warnings"]
    assert "the card has 10" in warning


def test_a_gpu_that_is_not_there() -> None:
    facts = {"gpus": [gpu(uuid="GPU-3f1c")], "ram_mib": 65536}
    for chosen in (1, "1", [0, 1]):
        (warning,) = launch.launch_args(facts, H2025, [], chosen)["warnings"]
        assert warning == "gpus names 1, which this host does not have; ComfyUI may then see no GPU at all."
    assert launch.launch_args({"gpus": [gpu(index=None)]}, H2025, [], 1)["warnings"] == []
    assert launch.launch_args(facts, H2025, [], "GPU-3f")["profile"] == "rtx-3090"
    assert launch.launch_args(facts, H2025, [], "GPU-4f")["profile"] is None


def test_profiles_by_id_by_name_and_by_hand() -> None:
    assert launch.profile_of({"pci_id": None, "name": "NVIDIA GeForce RTX 3090"}) == "rtx-3090"
    assert launch.profile_of({"pci_id": "10de:ffff", "name": "NVIDIA GeForce RTX 3090 Laptop GPU"}) is None
    unknown = gpu("ffff", name="NVIDIA Future", compute_capability="13.0", vram_mib=98304)
    assert told("--supports-fp8-compute", gpus=[unknown]) | {"optional": []} == {
        "profile": None, "args": [], "reasons": [], "warnings": [], "optional": [],
    }  # fmt: skip
    by_hand = told("--supports-fp8-compute", gpus=[], profile="rtx-3090")
    assert "8.6 lacks" in by_hand["warnings"][0]


def test_names_that_do_not_exist() -> None:
    with pytest.raises(
        launch.LaunchError, match=r"no profile 'rtx-309' \(comfyui_launch_profile\); there are auto, none"
    ):
        told(profile="rtx-309")
    with pytest.raises(launch.LaunchError, match=r"no model 'sdxl' \(comfyui_launch_models\); there are qwen-image"):
        told(models=["sdxl"])
    with pytest.raises(launch.LaunchError, match="needs the facts"):
        launch.launch_args({"status": "x"}, H2025)
    with pytest.raises(ValueError, match="not the help of ComfyUI"):
        told(text="Traceback (most recent call last):")


def test_the_derived_stand_before_your_own() -> None:
    one = {"name": "a", "args": ["--listen", "x", "--novram", "--port2"], "launch_args": ["--port2"], "gpus": "all"}
    facts = {"gpus": [gpu()], "ram_mib": 30000}
    (done,) = launch.with_profile([one], facts, H2025, "auto", ["qwen-image"], ["--novram"])
    assert done["args"] == ["--listen", "x", "--cache-none", "--novram", "--port2"]
    assert all(sentence.startswith("Instance a: ") for sentence in done["launch_warnings"])
    (same,) = launch.with_profile([one], {"gpus": []}, H2025, "auto", ["qwen-image"], ["--novram"])
    assert same == {**one, "launch_warnings": []}


def test_profiles_agree_with_the_table_of_cards() -> None:
    seen = [device for one in profiles.PROFILES.values() for device in one["pci_ids"]]
    assert len(seen) == len(set(seen)), "an id has two profiles"
    for name, one in profiles.PROFILES.items():
        for device in one["pci_ids"]:
            known = _gpu_table.card(device[5:])
            assert known["compute_capability"] == one["compute_capability"], name
            assert None in (known["vram_mib"], one["vram_mib"]) or abs(known["vram_mib"] - one["vram_mib"]) < 3000, name
        assert one["fp8_native"] is _gpu_table.fp8_native(one["compute_capability"])
        low, default, high = (one["power"][key] or 0 for key in ("min_w", "default_w", "max_w"))
        assert low <= default, name
        assert not high or default <= high, name


def test_flags_with_an_underscore_are_known() -> None:
    assert _launch.unknown_launch_args(["--fp8_e4m3fn-unet"], H2025) == []
    assert {"--cache-classic", "--cache-lru", "--cache-none"} in _launch.exclusive_flags(H2025)


@given(
    st.lists(st.text(max_size=12) | st.sampled_from([rule["flag"] for rule in profiles.RULES])), st.integers(0, 99999)
)
def test_no_arguments_break_the_filter(own: list[str], ram: int) -> None:
    for text in (H2025, H2026):
        found = told(*own, text=text, ram=ram)
        assert not {one for one in found["args"] if one.startswith("--")} - _launch.known_flags(text)


def test_the_documentation_lists_every_profile() -> None:
    page = (Path(__file__).parents[3] / "docs/gpu.md").read_text()
    for name, one in profiles.PROFILES.items():
        size = "several" if one["vram_mib"] is None else one["vram_mib"] // 1024
        fp8 = "native" if one["fp8_native"] else "storage only"
        assert f"| `{name}` | {size} | {one['compute_capability']} | {fp8} | {one['power']['default_w'] or '-'}" in page
    assert all(f"`{rule['flag']}" in page for rule in profiles.RULES if rule["verdict"] == "forbidden" and rule["when"])
