# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask nvidia-smi, and say in one word and one sentence what its answer means.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_smi as smi
from ansible_collections.genai.comfyui.plugins.module_utils._gpu_ask import Answer, ask

# Exit status -> (status, reason). The manual page lists all but 18.
_STATUS: dict[int, tuple[str, str]] = {
    2: ("failed", "nvidia-smi does not know the query's options; it is very old, or not NVIDIA's"),
    3: ("failed", "the query is not available on this device"),
    4: (
        "failed",
        "nvidia-smi lacks the permission to ask the driver; run as root, or look at the modes of /dev/nvidia*",
    ),
    6: ("failed", "the driver is loaded and finds no device; look at the kernel's log for NVRM"),
    8: ("failed", "a card's external power cables are not attached properly"),
    9: ("no_driver", "the NVIDIA driver is not loaded"),
    10: ("failed", "the kernel sees an interrupt problem with a GPU; look at its log for NVRM"),
    12: ("no_library", "libnvidia-ml.so is not installed; it comes with the driver's user-space packages"),
    13: ("mismatch", "libnvidia-ml.so lacks a function, so its version is not the one of nvidia-smi"),
    14: ("failed", "a GPU's infoROM is corrupted"),
    15: ("failed", "a GPU has fallen off the bus; a reboot may bring it back"),
    18: ("mismatch", "the loaded kernel module and the driver's libraries have different versions; reboot"),
}
# A corrupted infoROM is told by status and the GPUs work all the same.
_WARNING = 14
# The same by text, where an exit status says nothing certain.
_SAID: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"driver/library version mismatch", re.IGNORECASE), 18),
    (re.compile(r"couldn't communicate with the nvidia driver|driver not loaded", re.IGNORECASE), 9),
    (re.compile(r"couldn't find libnvidia-ml", re.IGNORECASE), 12),
    (re.compile(r"insufficient permissions", re.IGNORECASE), 4),
    (re.compile(r"gpu is lost|fallen off the bus", re.IGNORECASE), 15),
    (re.compile(r"no devices were found", re.IGNORECASE), 6),
)


@dataclass
class Asked:
    """What came of it. ``status`` is 'working', 'no_driver', 'no_library', 'mismatch', 'timeout' or 'failed'."""

    status: str
    reason: str = ""
    rc: int | None = None
    message: str = ""
    cuda_version: str | None = None
    driver_version: str | None = None
    gpus: list[smi.Json] = field(default_factory=list)


def query(program: str, timeout: float) -> Asked:
    """Ask for everything in XML, and for what XML lacks in CSV.

    :param program: absolute path of nvidia-smi.
    :param timeout: seconds for each of the questions; a question that hangs is the last one.
    """
    first = ask([program, "-q", "-x"], timeout)
    told = _told(first)
    if first.problem or told.status in ("no_driver", "no_library", "mismatch"):
        return told
    document = smi.from_xml(first.out)
    second, fields = _ask_csv(program, timeout)
    if document is None and (first.ok or first.rc == 2):
        told = _told(second)
    general, listed = document or ({"driver_version": None, "cuda_version": None}, [])
    told.gpus = smi.merged(listed, smi.from_csv(second.out, fields))
    told.cuda_version = general["cuda_version"]
    told.driver_version = general["driver_version"] or next(
        (one["driver_version"] for one in told.gpus if one["driver_version"]), None
    )
    if told.rc == _WARNING and told.gpus:
        told.status = "working"
    elif told.status == "working" and not told.gpus:
        told.status = "failed"
        told.reason = _STATUS[6][1] if document else "nvidia-smi's answer is neither its XML nor its CSV"
    return told


def _ask_csv(program: str, timeout: float) -> tuple[Answer, tuple[str, ...]]:
    """Ask until no field is refused; return the answer and the fields it is about."""
    fields: tuple[str, ...] = smi.FIELDS
    while True:
        answer = ask([program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"], timeout)
        refused = smi.refused_field(answer.out + answer.err)
        if refused not in fields or refused in ("index", "pci.bus_id", "name"):
            return answer, fields
        fields = tuple(
            smi.RENAMED.get(one, "") if one == refused else one
            for one in fields
            if one != refused or one in smi.RENAMED
        )


def _verdict(answer: Answer) -> tuple[str, str]:
    if answer.timed_out:
        return "timeout", f"{answer.problem}; the driver or a GPU hangs, look at the kernel's log for NVRM and Xid"
    if answer.problem:
        return "failed", answer.problem
    for pattern, number in _SAID:
        # A document may quote such words about a single GPU, and is no failure then.
        if answer.rc != 0 and pattern.search(answer.out[:4000] + answer.err[:4000]):
            return _STATUS[number]
    if answer.rc == 0:
        return "working", ""
    return _STATUS.get(answer.rc or 0, ("failed", f"nvidia-smi ended with status {answer.rc}"))


def _told(answer: Answer) -> Asked:
    status, reason = _verdict(answer)
    lines = [] if answer.ok else [line for line in (answer.out + "\n" + answer.err).splitlines() if line.strip()]
    return Asked(status, reason, answer.rc, smi.clean(lines[0]) if lines else "")
