# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GPUs draw and hold while something runs: asked of nvidia-smi, or of ComfyUI where that is not to be had.

Private to the collection. Standard library only. What could not be sampled is said, never left out.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._gpu_ask import ask
from ansible_collections.genai.comfyui.plugins.module_utils._gpu_smi import clean, number_of, text_of, whole_of

Json = dict[str, Any]
Devices = Callable[[], list[Json]]
"""Asks the server for the devices of its /system_stats; may raise anything."""

MIB = 1024 * 1024
FIELDS = (
    "index", "uuid", "memory.total", "memory.used", "power.limit", "power.draw", "utilization.gpu", "temperature.gpu",
    "name",
)  # fmt: skip
# A row is [seconds of the wall clock, VRAM in use in bytes, W, percent, degrees Celsius]; None for what is not told.
MOST_ROWS = 2000
_PATIENCE = 10.0
_PLACES = ("/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi", "/usr/local/nvidia/bin/nvidia-smi")


def find_nvidia_smi(given: str | None) -> str | None:
    """Return the path of nvidia-smi: the given one, or where it usually is; None where there is none."""
    if given:
        return given
    return shutil.which("nvidia-smi") or next((path for path in _PLACES if os.access(path, os.X_OK)), None)


def rows_of(text: str, wanted: Sequence[str], now: float) -> list[tuple[Json, list[float | None]]]:
    """Read nvidia-smi's answer to FIELDS, CSV without header and units; return what each wanted GPU is, and its row.

    :param wanted: indexes or UUIDs, also their beginnings; all GPUs when empty.
    """
    found: list[tuple[Json, list[float | None]]] = []
    for line in text.splitlines():
        words = [word.strip() for word in line.split(",", len(FIELDS) - 1)]
        told = dict(zip(FIELDS, words))
        index, uuid = whole_of(told.get("index")), text_of(told.get("uuid"))
        if len(words) != len(FIELDS) or index is None:
            continue
        if wanted and not any(one == str(index) or (uuid or "").startswith(f"GPU-{_bare(one)}") for one in wanted):
            continue
        total, limit = whole_of(told["memory.total"]), number_of(told["power.limit"])
        gpu = {
            "index": index,
            "uuid": uuid,
            "name": text_of(told["name"]),
            "vram_total": None if total is None else total * MIB,
            "power_limit": limit,
        }
        used = whole_of(told["memory.used"])
        row = [
            round(now, 3),
            None if used is None else used * MIB,
            number_of(told["power.draw"]),
            number_of(told["utilization.gpu"]),
            number_of(told["temperature.gpu"]),
        ]
        found.append((gpu, row))
    return found


def _bare(uuid: str) -> str:
    return uuid[4:] if uuid.startswith("GPU-") else uuid if not uuid.isdigit() else "?"


def thinned(rows: list[list[float | None]]) -> list[list[float | None]]:
    """Return every second row once there are too many; what a long run needs is its course, not each point."""
    return rows[::2] if len(rows) > MOST_ROWS else rows


class Sampler:
    """Takes a sample every so many seconds until it is closed; a context manager.

    *kept* is what :meth:`result` of an earlier one gave, to go on with it.
    """

    def __init__(
        self,
        devices: Devices,
        program: str | None,
        wanted: Sequence[str] | None,
        every: float,
        kept: Json | None = None,
    ) -> None:
        self.devices, self.wanted, self.every = devices, wanted, every
        self.program = program if wanted is None or len(wanted) else None
        kept = kept or {}
        self.gpus: dict[str, Json] = {one["key"]: one for one in kept.get("gpus", [])}
        self.source: str | None = kept.get("source")
        self.missing: dict[str, str] = dict(kept.get("missing", {}))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self.once()
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stop.set()
        self._thread.join(_PATIENCE * 2)
        self.once()

    def _run(self) -> None:
        while not self._stop.wait(self.every):
            self.once()

    def once(self) -> None:
        """Take one sample."""
        if self.source != "system_stats" and self._ask_driver():
            self.source = "nvidia-smi"
        elif self.source != "nvidia-smi" and self._ask_server():
            self.source = "system_stats"

    def _ask_driver(self) -> bool:
        if self.program is None:
            self.missing.setdefault("power", "there is no nvidia-smi on this host")
            return False
        now = time.time()
        answer = ask([self.program, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"], _PATIENCE)
        found = rows_of(answer.out, self.wanted or (), now)
        for gpu, row in found:
            self._keep(gpu["uuid"] or f"index {gpu['index']}", gpu, row)
        if not found and not self.gpus:
            said = answer.problem or clean((answer.out + " " + answer.err).strip()) or "it lists none of the GPUs"
            self.missing["power"] = f"nvidia-smi: {said}"
        return bool(found)

    def _ask_server(self) -> bool:
        now = time.time()
        try:
            devices = self.devices()
        except Exception as error:  # a server that is busy, restarting or gone; the jobs themselves say which
            self.missing.setdefault("vram", f"the server did not tell ({type(error).__name__})")
            return False
        cuda = [one for one in devices if one.get("type") == "cuda"]
        if not cuda:
            self.missing["vram"] = "the server has no CUDA device"
            return False
        self.missing.pop("vram", None)
        for one in cuda:
            gpu = {
                "index": one.get("index"),
                "uuid": None,
                "name": str(one.get("name")),
                "vram_total": one["vram_total"],
                "power_limit": None,
            }
            row: list[float | None] = [round(now, 3), one["vram_total"] - one["vram_free"], None, None, None]
            self._keep(f"cuda {one.get('index')}", gpu, row)
        return True

    def _keep(self, key: str, gpu: Json, row: list[float | None]) -> None:
        known = self.gpus.setdefault(key, {"key": key, **gpu, "rows": []})
        known["rows"] = thinned([*known["rows"], row])

    def result(self) -> Json:
        """Return what was sampled: ``source``, ``every`` (s), ``gpus`` (with ``rows``), and ``missing`` by what is."""
        missing = dict(self.missing)
        if self.source == "nvidia-smi":
            missing.pop("vram", None)
            for place, name in ((2, "power"), (1, "vram")):
                silent = [
                    str(one["index"]) for one in self.gpus.values() if all(row[place] is None for row in one["rows"])
                ]
                if silent:
                    missing[name] = f"the driver tells none for GPU {', '.join(silent)}"
                else:
                    missing.pop(name, None)
        return {"source": self.source, "every": self.every, "gpus": list(self.gpus.values()), "missing": missing}
