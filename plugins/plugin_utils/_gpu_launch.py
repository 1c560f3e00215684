# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From GPU facts, a profile and the flags of the deployed ComfyUI to launch arguments, and to what is wrong with them.

Private to the collection. Pure functions; what is known of cards, models and flags stands in ``_gpu_profiles``.
"""

from __future__ import annotations

import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_profiles import MODELS, PROFILES, REMOVED, RULES
from ansible_collections.genai.comfyui.plugins.plugin_utils._launch import (
    exclusive_flags,
    known_flags,
    unknown_launch_args,
)

Json = dict[str, t.Any]

# MiB that sampling and decoding take on top of the weights.
_WORK_MIB = 6144
# GiB of memory below which ComfyUI's cache of results is known to end in an out-of-memory kill.
_TIGHT_RAM_GIB = 40


class LaunchError(ValueError):
    """A variable names something that does not exist; the message says what does."""


def launch_args(
    facts: t.Any,
    help_text: str,
    own: list[str] | None = None,
    gpus: t.Any = "all",
    profile: str = "auto",
    models: list[str] | None = None,
) -> Json:
    """Derive launch arguments for one instance.

    :param facts: what the module ``gpu_facts`` returned as ``comfyui_gpu``.
    :param help_text: what ``main.py --help`` of the deployed checkout printed; empty derives nothing.
    :param own: the user's own arguments; nothing is derived that they decide.
    :param gpus: the instance's GPUs: 'all', 'none', an index, a UUID or a list of them.
    :param profile: 'auto' takes the one of the card, 'none' derives nothing, else a name of a profile.
    :param models: names of models that must fit; Qwen-Image when not given.
    :returns: ``profile`` (name or None), ``args`` (derived ones only), ``reasons`` (one sentence a derived argument),
        ``warnings`` (sentences on the user's own arguments and on the hardware), ``optional`` (worth a try).
    :raises LaunchError: profile or model has no such name, or the facts are none.
    """
    own = [str(one) for one in own or []]
    names = ["qwen-image"] if models is None else list(models)
    for kind, name, known in (*(("model", one, sorted(MODELS)) for one in names), ("profile", profile, _choices())):
        if name not in known:
            variable = f"comfyui_launch_{kind}" + ("s" if kind == "model" else "")
            raise LaunchError(f"There is no {kind} {name!r} ({variable}); there are {', '.join(known)}.")
    if not isinstance(facts, t.Mapping) or not isinstance(facts.get("gpus"), list):
        raise LaunchError("launch_args needs the facts of genai.comfyui.gpu_facts (comfyui_gpu).")
    told: Json = {"profile": None, "args": [], "reasons": [], "warnings": [], "optional": []}
    wanted = _wanted(facts["gpus"], gpus)
    if profile == "none" or not help_text or gpus in ("none", "cpu", []):
        return told
    told["warnings"] = _absent(facts["gpus"], gpus)
    if not wanted and profile == "auto":
        return told
    told["profile"] = profile if profile != "auto" else profile_of(wanted[0])
    host = _Host(wanted, told["profile"], facts.get("ram_mib"), known_flags(help_text), names)
    said = _words(own)
    groups = exclusive_flags(help_text)
    told["warnings"] += [*_unknown(own, help_text), *_clashes(said, groups), *host.complaints(said), *host.notes()]
    taken = {flag for flag, _values in said}
    for words, reason in host.derived():
        rivals = {words[0]}.union(*(group for group in groups if words[0] in group))
        if not rivals & taken:
            told["args"] += words
            told["reasons"].append(f"{' '.join(words)}: {reason}")
            taken.add(words[0])
    told["optional"] = host.optional()
    return told


def profile_of(gpu: t.Mapping[str, t.Any]) -> str | None:
    """Return the name of a GPU's profile: by PCI id, else by product name; None when there is none."""
    for name, one in PROFILES.items():
        if gpu.get("pci_id") in one["pci_ids"]:
            return str(name)
    title = str(gpu.get("name") or "").removeprefix("NVIDIA ").lower()
    for name, one in PROFILES.items():
        if str(one["name"]).lower() == title:
            return str(name)
    return None


def with_profile(
    complete: list[Json], facts: t.Any, help_text: str, profile: str, models: list[str], shared: list[str]
) -> list[Json]:
    """Return completed instances with the derived arguments before the user's own, and ``launch_warnings``.

    :param complete: instances as ``_topology.instances`` returns them; their ``args`` end with the user's own.
    :param shared: the user's arguments for all instances (``comfyui_launch_args``).
    """
    done = []
    for one in complete:
        own = [str(arg) for arg in [*shared, *(one.get("launch_args") or [])]]
        told = launch_args(facts, help_text, own, one.get("gpus", "all"), profile, models)
        first = len(one["args"]) - len(own)
        args = [*one["args"][:first], *told["args"], *one["args"][first:]]
        warnings = [f"Instance {one['name']}: {sentence}" for sentence in told["warnings"]]
        done.append({**one, "args": args, "launch_warnings": warnings})
    return done


def _choices() -> list[str]:
    return ["auto", "none", *PROFILES]


def _wanted(gpus: list[Json], chosen: t.Any) -> list[Json]:
    """Return the GPUs that an instance sees."""
    if chosen in (None, "all"):
        return gpus
    keys = {str(one) for one in (chosen if isinstance(chosen, list) else [chosen])}
    found = []
    for gpu in gpus:
        slices = [one for one in gpu.get("mig", {}).get("devices", []) if one.get("uuid") and str(one["uuid"]) in keys]
        # CUDA takes the beginning of a UUID as well.
        if str(gpu.get("index")) in keys or any(
            one.startswith("GPU-") and str(gpu.get("uuid")).startswith(one) for one in keys
        ):
            found.append(gpu)
        # A slice has the card's abilities and its own memory.
        found += [{**gpu, "vram_mib": one["vram_mib"]} for one in slices]
    return found


def _absent(gpus: list[Json], chosen: t.Any) -> list[str]:
    """Name the indices that no GPU has; without a driver, nobody knows the indices."""
    have = {one.get("index") for one in gpus}
    asked = [one for one in (chosen if isinstance(chosen, list) else [chosen]) if str(one).isdecimal()]
    wrong = [str(one) for one in asked if int(one) not in have]
    if not wrong or not gpus or None in have:
        return []
    return [f"gpus names {', '.join(wrong)}, which this host does not have; ComfyUI may then see no GPU at all."]


def _words(own: list[str]) -> list[tuple[str, list[str]]]:
    """Split arguments into flags with their values."""
    said: list[tuple[str, list[str]]] = []
    for word in own:
        if word.startswith("--"):
            flag, _mark, value = word.partition("=")
            said.append((flag, [value] if value else []))
        elif said:
            said[-1][1].append(word)
    return said


def _unknown(own: list[str], help_text: str) -> list[str]:
    said = []
    for sentence in unknown_launch_args(own, help_text):
        flag = sentence.split(" ", 1)[0]
        said.append(f"{sentence}: {REMOVED[flag]}" if flag in REMOVED else sentence)
    return said


def _clashes(said: list[tuple[str, list[str]]], groups: list[set[str]]) -> list[str]:
    found = []
    for group in groups:
        both = sorted({flag for flag, _values in said} & group)
        if len(both) > 1:
            found.append(f"{' and '.join(both)} exclude each other; ComfyUI would not start.")
    return found


class _Host:
    """One instance's view of the hardware; the weakest of its GPUs counts."""

    def __init__(
        self, gpus: list[Json], profile: str | None, ram_mib: t.Any, flags: set[str], models: list[str]
    ) -> None:
        card = PROFILES.get(profile or "", {})
        versions = [one["compute_capability"] for one in gpus if one.get("compute_capability")]
        numbers = [tuple(int(part) for part in str(one).split(".")) for one in versions]
        capability = card.get("compute_capability") or "unknown"
        self.capability = ".".join(str(part) for part in min(numbers)) if numbers else capability
        sizes = [int(one["vram_mib"]) for one in gpus if one.get("vram_mib")]
        self.vram_mib: int | None = min(sizes) if sizes else card.get("vram_mib")
        self.ram_gib = int(ram_mib) / 1024 if ram_mib else None
        self.flags = flags
        self.displays = any(one.get("display_active") for one in gpus)
        self.models = [MODELS[one] for one in models]
        fits = all((self.vram_mib or 0) >= _needed(one) for one in self.models)
        fp8 = self.capability != "unknown" and tuple(int(one) for one in self.capability.split(".")) >= (8, 9)
        self.conditions = {
            "no_fp8": self.capability != "unknown" and not fp8,
            "fp8": fp8,
            "ampere": self.capability.startswith("8.") and not fp8,
            "model": bool(self.models),
            "model_does_not_fit": bool(self.models) and not fits and self.vram_mib is not None,
            "model_fits": bool(self.models) and fits and self.vram_mib is not None,
            "bf16_does_not_fit": self.vram_mib is not None
            and any(self.vram_mib < one["bf16_mib"] + _WORK_MIB for one in self.models),
            "vram_8": (self.vram_mib or 0) >= 8000,
            "dynamic_vram": "--vram-headroom" in flags,
            "no_dynamic_vram": "--vram-headroom" not in flags,
            "gpu_wanted": True,
        }

    def _holds(self, rule: Json) -> bool:
        return all(self.conditions[one] for one in rule["when"])

    def _reason(self, rule: Json) -> str:
        model: Json = max(self.models, key=_needed, default={})
        return str(rule["reason"]).format(
            capability=self.capability,
            model=model.get("title", "the model"),
            needed=_gib(_needed(model)) if model else "",
            bf16=_gib(model["bf16_mib"]) if model else "",
            vram=_gib(self.vram_mib or 0),
        )

    def complaints(self, said: list[tuple[str, list[str]]]) -> list[str]:
        """Return what the rules have against the user's own arguments."""
        found = []
        for flag, values in said:
            for rule in RULES:
                if rule["flag"] != flag or rule["verdict"] == "optional" or not self._holds(rule):
                    continue
                value = rule.get("value")
                if value is None or value in values or (value == "" and not values):
                    shown = f"{flag} {value}" if value else flag
                    advice = "drop it" if rule["verdict"] == "useless" else "do not use it"
                    found.append(f"{shown}: {self._reason(rule)}; {advice}.")
        return found

    def optional(self) -> list[str]:
        """Return what may be worth a try and is never added by itself."""
        return [
            f"{rule['flag']} {rule.get('value', '')}".strip() + f": {self._reason(rule)}"
            for rule in RULES
            if rule["verdict"] == "optional" and rule["flag"] in self.flags and self._holds(rule)
        ]

    def derived(self) -> list[tuple[list[str], str]]:
        """Return words and reason of each argument that is right for this host.

        Only what stays the same between two runs decides: a display that sleeps must not restart a server.
        """
        if self.ram_gib is None or self.ram_gib >= _TIGHT_RAM_GIB or not self.models:
            return []
        short = f"{self.ram_gib:.0f} GiB of RAM is little for {self.models[0]['title']}, and results are cached there"
        found: list[tuple[list[str], str]] = []
        cache = next((one for one in ("--cache-ram", "--cache-none") if one in self.flags), None)
        if cache:
            found.append(([cache], short))
        if "--disable-pinned-memory" in self.flags:
            found.append((["--disable-pinned-memory"], "pinned memory cannot be swapped"))
        return found

    def notes(self) -> list[str]:
        """Return what the hardware lacks, whatever the arguments."""
        said = []
        for model in self.models:
            if self.vram_mib is not None and self.vram_mib < model["weights_mib"] + 1024:
                said.append(
                    f"{model['title']}'s weights take {_gib(model['weights_mib'])} GiB and the card has"
                    f" {_gib(self.vram_mib)}: ComfyUI loads them in parts, which is slow."
                )
            if self.ram_gib is not None and self.ram_gib < model["ram_gib"] - 2:
                said.append(
                    f"{model['title']} wants {model['ram_gib']} GiB of RAM and the host has {self.ram_gib:.0f}:"
                    " add memory or swap, or the kernel may kill ComfyUI."
                )
        if self.displays:
            flag = "--vram-headroom" if self.conditions["dynamic_vram"] else "--reserve-vram"
            said.append(f"The card drives a display, which takes memory; {flag} 1.0 leaves it room.")
        return said


def _needed(model: Json) -> int:
    return int(model["weights_mib"] + model["encoder_mib"] + _WORK_MIB)


def _gib(mib: int) -> str:
    return f"{mib / 1024:.0f}"
