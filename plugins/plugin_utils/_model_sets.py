# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of models: which files they are, what they ask of a host, and which workflow proves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

GB = 1_000_000_000
RAM_FOR_QWEN = 48 * GB
"""A rule of thumb, not a measurement: the text encoder and the weights take turns on a 24 GB card."""

_FILE_KEYS = ("repo", "revision", "path", "url", "src", "sha256", "size", "kind", "name")


def model_files(sets: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the files of the sets called *names*, each once, as M(genai.comfyui.model) takes them.

    :raises ValueError: no such set, or two sets claim one place with different files.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name in names:
        for file in _set(sets, name).get("files", []):
            entry = {key: file[key] for key in _FILE_KEYS if file.get(key) is not None}
            source = str(file.get("path") or file.get("url") or file.get("src"))
            place = (str(file.get("kind", "")), str(file.get("name") or source.rpartition("/")[2]))
            if found.setdefault(place, entry) != entry:
                raise ValueError(f"model set {name}: {'/'.join(place)} is another file in another set")
    return list(found.values())


def _set(sets: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    if name not in sets:
        raise ValueError(f"there is no model set {name!r}; there is: {', '.join(sorted(sets))}")
    return sets[name]


def model_advice(
    sets: Mapping[str, Mapping[str, Any]],
    names: Iterable[str],
    gpu: Mapping[str, Any] | None = None,
    ram_mb: int | None = None,
) -> list[str]:
    """Return what somebody should know before these sets are laid down on a host, one sentence each.

    *gpu* is the fact C(comfyui_gpu) and *ram_mb* the host's memory in MB; what is not known is not judged.
    """
    chosen = [_set(sets, name) for name in names]
    files = model_files(sets, names)
    if not files:
        return []
    total = sum(int(file.get("size") or 0) for file in files)
    unknown = sum(1 for file in files if not file.get("size"))
    more = f", and {unknown} more of unknown size" if unknown else ""
    said = [f"{len(files)} files, {total / GB:.1f} GB on disk{more}"]
    said += sorted({f"licence: {one['licence']}" for one in chosen if one.get("licence")})
    said += [str(one["warning"]) for one in chosen if one.get("warning")]
    largest = max(int(file.get("size") or 0) for file in files)
    for card in (gpu or {}).get("gpus", []):
        memory = int(card.get("vram_mib") or 0) * 1024 * 1024
        name = card.get("name") or card.get("pci_id") or "the GPU"
        if memory and memory < largest:
            said.append(
                f"{name} has {memory / GB:.1f} GB, the largest file {largest / GB:.1f} GB: it will be offloaded, slowly"
            )
        elif memory and memory < total:
            said.append(f"{name} has {memory / GB:.1f} GB, less than the whole set: its parts take turns through RAM")
        if card.get("fp8_native") is False and any("fp8" in str(file.get("path")) for file in files):
            said.append(f"{name} does not compute in FP8: the format saves memory here, not time")
    if ram_mb is not None and largest > 10 * GB and ram_mb * 1024 * 1024 < RAM_FOR_QWEN:
        said.append(
            f"{ram_mb * 1024 * 1024 / GB:.0f} GB of RAM: with less than {RAM_FOR_QWEN // GB} GB ComfyUI may be killed "
            "for its use of memory; limit its cache (comfyui_launch_args: --cache-none)"
        )
    return said


def smoke_workflow(sets: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    """Return the workflow that proves what is installed: C(workflow), C(variant), C(parameters), C(check)."""
    for name in names:
        proof = _set(sets, name).get("smoke")
        if proof:
            return {"variant": None, "parameters": {}, "check": "varied", **proof}
    # Of one colour by design, because it needs no model.
    return {"workflow": "empty_image", "variant": None, "parameters": {}, "check": "decodable"}


def smoke_instances(
    complete: list[dict[str, Any]], result: Mapping[str, Any] | None, mode: str, all_of_them: bool = False
) -> list[dict[str, Any]]:
    """Return the instances to run a workflow on: C(name), C(url), C(credential), C(origin), C(ca_path).

    *complete* are instances as the role comfyui knows them, *result* what M(genai.comfyui.instance) returned. *mode* is
    C(always), C(never) or C(auto): those that were started or restarted, and with *all_of_them* (other models, or asked
    for by its tag) the rest as well.
    """
    if mode not in ("auto", "always", "never"):
        raise ValueError(f"comfyui_smoke is {mode!r}; it can be auto, always or never")
    begun = {
        record["name"]
        for record in (result or {}).get("instances", [])
        if mode == "always" or all_of_them or record.get("action") in ("started", "restarted")
    }
    fields = {"name": "name", "url": "url", "credential": "credential", "origin": "cors_origin", "ca_path": "ca_path"}
    return [
        {field: one.get(source) for field, source in fields.items()}
        for one in complete
        if mode != "never" and one["name"] in begun
    ]
