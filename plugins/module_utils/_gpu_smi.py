# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nvidia-smi's XML and CSV say, across the names and gaps of its versions. Pure functions.

Private to the collection. Standard library only. Whatever the text, the answer is records or nothing: a driver that
is broken enough to print rubbish is just what the facts are asked for.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

# Few and old ones: an unknown field makes the whole query fail. The name stands last, as it alone may hold a comma.
FIELDS = (
    "index", "uuid", "pci.bus_id", "driver_version", "compute_cap", "memory.total", "memory.used", "memory.free",
    "persistence_mode", "power.limit", "power.default_limit", "power.min_limit", "power.max_limit", "power.draw",
    "mig.mode.current", "name",
)  # fmt: skip
# Newer names of fields that may go.
RENAMED = {"driver_version": "kmd_version"}

Json = dict[str, Any]

# "N/A", "[Not Supported]", "[Unknown Error]", "Requested functionality has been deprecated", "GPU is lost", ...
_NOTHING = re.compile(
    r"\[|n/a\b|not (?:supported|available|active)|none$|unknown|requested functionality|deprecated|err!|gpu is lost"
    r"|insufficient permissions|no data|$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,6})?(?![0-9.A-Za-z])")
_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,6}){1,3}(?![0-9])")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_ADDRESS = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])", re.IGNORECASE)


def clean(text: str, limit: int = 300) -> str:
    """Return one line of text without control characters, at most *limit* characters long."""
    return _UNPRINTABLE.sub(" ", text).strip()[:limit]


def text_of(value: str | None) -> str | None:
    """Return a field's text, or None when the driver says in one of its ways that there is none."""
    value = clean(value or "")
    return None if _NOTHING.match(value) else value


def number_of(value: str | None) -> float | None:
    """Return the number that a field begins with ('24576 MiB', '350.00 W', '350.00'), None when there is none."""
    found = _NUMBER.match(text_of(value) or "")
    return float(found[0]) if found else None


def whole_of(value: str | None) -> int | None:
    """Return the whole number that a field begins with."""
    number = number_of(value)
    return None if number is None else int(number)


def switch_of(value: str | None) -> bool | None:
    """Return True for Enabled, False for Disabled, None for anything else."""
    return {"enabled": True, "disabled": False, "yes": True, "no": False}.get((text_of(value) or "").lower())


def version_of(value: str | None) -> str | None:
    """Return the version that a field begins with; R610 appends a sentence on its deprecation."""
    found = _VERSION.match((value or "").strip())
    return found[0] if found else None


def address_of(value: str | None) -> str | None:
    """Return a PCI address as sysfs spells it: nvidia-smi's domain has eight digits, and may be missing."""
    found = _ADDRESS.fullmatch((value or "").strip())
    if not found:
        return None
    domain = int(found[1] or "0", 16)
    return f"{domain:04x}:{found[2]}:{found[3]}.{found[4]}".lower()


def _first(element: ElementTree.Element, *paths: str) -> str | None:
    """Return the first text among *paths* that says something."""
    for path in paths:
        value = text_of(element.findtext(path))
        if value is not None:
            return value
    return None


def _power(gpu: ElementTree.Element) -> Json:
    # gpu_power_readings since 535, power_readings before; the names inside moved, too.
    def read(*names: str) -> float | None:
        paths = [f"{group}/{name}" for group in ("gpu_power_readings", "power_readings") for name in names]
        return number_of(_first(gpu, *paths))

    return {
        "limit_w": read("current_power_limit", "power_limit", "enforced_power_limit", "requested_power_limit"),
        "default_w": read("default_power_limit"),
        "min_w": read("min_power_limit"),
        "max_w": read("max_power_limit"),
        "draw_w": read("instant_power_draw", "power_draw", "average_power_draw"),
    }


def _mig(gpu: ElementTree.Element) -> Json:
    devices = [
        {
            "index": whole_of(one.findtext("index")),
            "uuid": _first(one, "uuid", "mig_uuid"),
            "gpu_instance": whole_of(one.findtext("gpu_instance_id")),
            "compute_instance": whole_of(one.findtext("compute_instance_id")),
            "vram_mib": whole_of(one.findtext("fb_memory_usage/total")),
        }
        for one in gpu.findall("mig_devices/mig_device")
    ]
    return {"enabled": switch_of(gpu.findtext("mig_mode/current_mig")), "devices": devices}


def _processes(gpu: ElementTree.Element) -> list[Json]:
    found = []
    for one in gpu.findall("processes/process_info"):
        pid = whole_of(one.findtext("pid"))
        if pid is not None:
            found.append(
                {
                    "pid": pid,
                    "type": text_of(one.findtext("type")),
                    "name": text_of(one.findtext("process_name")),
                    "used_mib": whole_of(one.findtext("used_memory")),
                    "gpu_instance": whole_of(one.findtext("gpu_instance_id")),
                }
            )
    return found


def from_xml(text: str) -> tuple[Json, list[Json]] | None:
    """Read the answer to ``-q -x``.

    :returns: (``driver_version``, ``cuda_version``) and one record a GPU in the driver's order; None when it is not
        such a document.
    """
    begin = text.find("<?xml")
    try:
        # Warnings may stand before the document. The text is the answer of a program of the host's administrator.
        root = ElementTree.fromstring(text[max(begin, 0) :].strip())  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError):
        return None
    if root.tag != "nvidia_smi_log":
        return None
    general = {
        "driver_version": version_of(_first(root, "kmd_version", "driver_version")),
        "cuda_version": version_of(_first(root, "cuda_umd_version", "cuda_version")),
    }
    gpus: list[Json] = []
    for number, gpu in enumerate(root.findall("gpu")):
        device = text_of(gpu.findtext("pci/pci_device_id")) or ""
        identified = re.fullmatch(r"(?:0x)?([0-9A-Fa-f]{4})([0-9A-Fa-f]{4})", device)
        gpus.append(
            {
                "index": number,
                "uuid": text_of(gpu.findtext("uuid")),
                "name": text_of(gpu.findtext("product_name")),
                "bus_id": address_of(gpu.get("id")) or address_of(gpu.findtext("pci/pci_bus_id")),
                "pci_id": f"{identified[2]}:{identified[1]}".lower() if identified else None,
                "architecture": text_of(gpu.findtext("product_architecture")),
                "compute_capability": None,
                "driver_version": general["driver_version"],
                "vbios_version": text_of(gpu.findtext("vbios_version")),
                "vram_mib": whole_of(gpu.findtext("fb_memory_usage/total")),
                "vram_used_mib": whole_of(gpu.findtext("fb_memory_usage/used")),
                "vram_free_mib": whole_of(gpu.findtext("fb_memory_usage/free")),
                "persistence_mode": switch_of(gpu.findtext("persistence_mode")),
                "display_active": switch_of(gpu.findtext("display_active")),
                "power": _power(gpu),
                "mig": _mig(gpu),
                "processes": _processes(gpu),
            }
        )
    return general, gpus


def from_csv(text: str, fields: tuple[str, ...]) -> list[Json]:
    """Read the answer to ``--query-gpu`` with ``csv,noheader,nounits``; lines of another shape are left out.

    :param fields: what was asked for; the last one takes what is left of the line.
    """
    gpus: list[Json] = []
    for line in text.splitlines():
        words = [word.strip() for word in line.split(",", len(fields) - 1)]
        row = dict(zip(fields, words))
        index = whole_of(row.get("index"))
        if len(words) != len(fields) or index is None or address_of(row.get("pci.bus_id")) is None:
            continue
        capability = version_of(row.get("compute_cap"))
        gpus.append(
            {
                "index": index,
                "uuid": text_of(row.get("uuid")),
                "name": text_of(row.get("name")),
                "bus_id": address_of(row.get("pci.bus_id")),
                "pci_id": None,
                "architecture": None,
                "compute_capability": capability,
                "driver_version": version_of(row.get("driver_version")) or version_of(row.get("kmd_version")),
                "vbios_version": None,
                "vram_mib": whole_of(row.get("memory.total")),
                "vram_used_mib": whole_of(row.get("memory.used")),
                "vram_free_mib": whole_of(row.get("memory.free")),
                "persistence_mode": switch_of(row.get("persistence_mode")),
                "display_active": None,
                "power": {
                    "limit_w": number_of(row.get("power.limit")),
                    "default_w": number_of(row.get("power.default_limit")),
                    "min_w": number_of(row.get("power.min_limit")),
                    "max_w": number_of(row.get("power.max_limit")),
                    "draw_w": number_of(row.get("power.draw")),
                },
                "mig": {"enabled": switch_of(row.get("mig.mode.current")), "devices": []},
                "processes": [],
            }
        )
    return gpus


def refused_field(text: str) -> str | None:
    """Return the field that ``Field "x" is not a valid field to query.`` names."""
    found = re.search(r'[Ff]ield "([a-z_.]{1,60})" is not a valid field', text)
    return found[1] if found else None


def merged(xml: list[Json], csv: list[Json]) -> list[Json]:
    """Join both answers by bus id; what XML does not say is taken from CSV. CSV knows the index for certain."""
    if not xml:
        return csv
    by_address = {one["bus_id"]: one for one in csv if one["bus_id"]}
    done = []
    for gpu in xml:
        other = by_address.get(gpu["bus_id"]) if gpu["bus_id"] else None
        done.append(_filled(gpu, other) if other else gpu)
    return sorted(done, key=lambda one: int(one["index"]))


def _filled(gpu: Json, other: Json) -> Json:
    joined = {key: other[key] if value is None else value for key, value in gpu.items()}
    joined["index"] = other["index"]
    for part in ("power", "mig"):
        joined[part] = {key: other[part][key] if value is None else value for key, value in gpu[part].items()}
    return joined
