# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotate many pseudo-servers and pseudo-clients on this machine, and print what a host costs as their number grows.

    python tests/bench/rotation_scale.py [--clients 10,50,100,200] [--share 4] [--runs 1] [--look] [--audit]

One server to each ``--share`` clients. Each run is a whole rotation by the real playbook, from the first look until the
former token is refused, or with ``--look`` the first pass alone, in check mode. Limits are put on processor time,
because the machine's other work meets wall time most.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "standin"))

from crowd import Crowd  # isort: skip

FLAT = 0.2
"""What a host costs may differ from the median over all sizes by this share."""


def measure(crowd: Crowd, clients: int, servers: int, options: argparse.Namespace) -> dict[str, Any]:
    """Rotate this many some times and return the medians. SystemExit where a rotation did not end well."""
    hosts, rounds, audited = clients + servers, [], None
    for _round in range(options.runs):
        crowd.choose(servers, clients)
        if options.audit:
            audited = len(crowd.play("playbooks/audit.yml").decryptions)
        done = crowd.play("playbooks/rotate.yml", *(["--check"] if options.look else []))
        behind = crowd.behind()
        if done.code != 0 or behind or crowd.document()["credentials"]["main"]["rotation"] is not None:
            raise SystemExit(f"bench: the rotation did not end; behind: {behind}\n{done.out[-4000:]}")
        rounds.append(done)
    cpu, wall = (statistics.median(getattr(one, name) for one in rounds) for name in ("cpu_s", "wall_s"))
    return {
        "clients": clients,
        "servers": servers,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "wall_s_per_host": round(wall / hosts, 2),
        "cpu_s_per_host": round(cpu / hosts, 2),
        "decryptions": max(len(one.decryptions) for one in rounds),
        "audit_decryptions": audited,
        "load": round(os.getloadavg()[0], 1),
    }


def judge(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return whether a host costs the same at each size, and whether decryptions are a constant number."""
    costs = [row["cpu_s_per_host"] for row in rows]
    middle = statistics.median(costs)
    worst = max(abs(cost / middle - 1) for cost in costs)
    return {
        "worst_deviation": round(worst, 3),
        "flat": worst <= FLAT,
        "constant_decryptions": len({(row["decryptions"], row["audit_decryptions"]) for row in rows}) == 1,
    }


def table(rows: list[dict[str, Any]], judged: dict[str, Any]) -> str:
    """Lay the figures out for people."""
    names = ("clients", "servers", "wall_s", "cpu_s", "wall_s_per_host", "cpu_s_per_host", "decryptions", "load")
    lines = ["  ".join(names)]
    lines += ["  ".join(f"{row[name]:>{len(name)}}" for name in names) for row in rows]
    met = "met   " if judged["flat"] else "MISSED"
    lines.append(f"{met} processor time a host, deviation from the median: {judged['worst_deviation']} (<= {FLAT})")
    met = "met   " if judged["constant_decryptions"] else "MISSED"
    lines.append(f"{met} the truth is decrypted a constant number of times")
    return "\n".join(lines)


def main() -> None:
    """Command line; status 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="10,50,100,200", help="numbers of clients, ascending")
    parser.add_argument("--share", type=int, default=4, help="clients to one server")
    parser.add_argument("--runs", type=int, default=1, help="rotations of each size; the median counts")
    parser.add_argument("--look", action="store_true", help="the first pass alone, which changes nothing")
    parser.add_argument("--audit", action="store_true", help="count the decryptions of audit.yml, too")
    parser.add_argument("--json", type=Path, default=ROOT / "reports" / "bench-rotation-scale.json")
    options = parser.parse_args()
    sizes = [int(number) for number in options.clients.split(",")]
    servers = {clients: math.ceil(clients / options.share) for clients in sizes}
    where = Path(tempfile.mkdtemp(prefix="comfyui-bench-"))
    rows = []
    try:
        crowd = Crowd(where)
        with crowd.serve(max(servers.values())):
            for clients in sizes:
                print(f"bench: {clients} clients, {servers[clients]} servers", file=sys.stderr, flush=True)
                rows.append(measure(crowd, clients, servers[clients], options))
                print(f"bench: {json.dumps(rows[-1])}", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(where)
    judged = judge(rows)
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps({"rows": rows, **judged}, indent=1) + "\n")
    print(table(rows, judged))
    print(f"JSON: {options.json}")
    sys.exit(0 if judged["flat"] and judged["constant_decryptions"] else 1)


if __name__ == "__main__":
    main()
