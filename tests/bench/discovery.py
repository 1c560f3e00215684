# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a scan for undeclared copies beside one ``grep -rF '$2'`` on the same tree, both with warm caches.

Compared are wall times. The processor times are shown, because that grep looks for one text and the scan for every
spelling of every known secret: it uses two processors to end in about the same time.
"""

from __future__ import annotations

import random
import resource
import shutil
import statistics
import string
import subprocess
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._scan import scan
from ansible_collections.genai.comfyui.plugins.module_utils._scan_base import Options

TOKEN = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
OLD = "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O"
KNOWN = {
    "main": {
        "version": "v7",
        "token": TOKEN,
        "password": "Correct-Horse-1",
        "retired": [{"version": "v6", "fingerprint": fingerprint(OLD)}],
    }
}
LENGTHS = (800, 3000, 9000, 20000, 60000, 60000)
COPIES = 20

Json = dict[str, t.Any]


def tree(where: Path, files: int) -> int:
    """Make a tree of text files with a few copies of a former token in it; return its size in bytes."""
    chance = random.Random(1)
    letters = string.ascii_letters + string.digits + "_"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 11))) for _word in range(5000)]
    ends = ("", ";", " = 1", "()", "{", "}", ' "$x"', " 24")
    pieces = []
    for _piece in range(200):
        lines = (" ".join(chance.choices(words, k=chance.randint(2, 10))) + chance.choice(ends) for _l in range(1100))
        pieces.append("\n".join(lines))
    size = 0
    for number in range(files):
        folder = where / f"{number // 2000}" / f"{number // 100}"
        folder.mkdir(parents=True, exist_ok=True)
        text = chance.choice(pieces)[: chance.choice(LENGTHS)]
        if number % (files // COPIES) == 0:
            text += f"\nTOKEN='{OLD}'\n"
        (folder / f"{number}.txt").write_text(text)
        size += len(text)
    return size


def discovery(where: Path, runs: int, files: int = 20_000) -> Json:
    """Return the median times in seconds of both, their ratios, and how large the tree is."""
    root = where / "tree"
    size = tree(root, files)
    ours: list[tuple[float, float]] = []
    grep: list[tuple[float, float]] = []
    for _round in range(runs + 1):
        # In turns, so that what else the machine does meets both; the first round warms the caches.
        start, used = time.perf_counter(), _processor()
        done = subprocess.run(["grep", "-rF", "$2", str(root)], capture_output=True, check=True)
        grep.append((time.perf_counter() - start, _processor() - used))
        used = _processor()
        result = scan(Options(roots=[str(root)], sources=["files"]), KNOWN)
        ours.append((result["elapsed"], _processor() - used))
        if not len(result["findings"]) == len(done.stdout.splitlines()) == COPIES:
            raise SystemExit(f"bench: {len(result['findings'])} of {COPIES} copies were found")
    shutil.rmtree(root)
    times = {}
    for number, kind in enumerate(("", "processor_")):
        mine, others = ([one[number] for one in taken[1:]] for taken in (ours, grep))
        times[f"scan_{kind}s"], times[f"grep_{kind}s"] = statistics.median(mine), statistics.median(others)
        times[f"{kind}ratio"] = statistics.median(one / other for one, other in zip(mine, others))
    return {"files": files, "bytes": size, "engine": result["engine"], **times}


def _processor() -> float:
    """Return the processor time in seconds that this process and those that it waited for have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="comfyui-bench-"))
    try:
        print(discovery(place, 5))
    finally:
        shutil.rmtree(place)
