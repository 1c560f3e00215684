# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotate three times on local hosts under load, and print what the clients noticed, as JSON.

    python tests/bench/rotation.py [--bare] [--clients 20] [--rotations 3] [--keep]

The hosts are those of ``make field``, with a name of their own. Each client reads its own file before each call, as
real tools do at their start. ``--bare`` does without the guard: then clients are refused for a while, and the time that
the playbook reports is compared with what they measured.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("FIELD_NAME", "bench")
sys.path.insert(0, str(ROOT / "tests" / "field"))

# By name, because each folder of tests is typed by itself.
callers: Any = importlib.import_module("callers")
field_hosts: Any = importlib.import_module("field_hosts")

SAID = re.compile(r"clients were refused for ([0-9.]+) s")


def hosts(field: Any, *arguments: str) -> None:
    """Bring the hosts up and converge them."""
    field_hosts.CACHE.mkdir(parents=True, exist_ok=True)
    if not field.password_file.exists():
        field.password_file.touch(0o600)
        field.password_file.write_text("bench only\n")
    for words in (["tools.engine", "ensure"], ["tools.images"], ["tools.repos"]):
        subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    for playbook in ("tests/hosts/create.yml", "tests/hosts/seed.yml", "playbooks/site.yml"):
        done = field.play(playbook, *arguments)
        if done.returncode != 0:
            sys.exit(f"bench: {playbook} failed:\n{done.stdout[-4000:]}{done.stderr[-1000:]}")
    callers.overlap(field, 0)


def measure(field: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Rotate under load and return the figures."""
    arguments = ["-e", f"comfyui_login_guard={str(not options.bare).lower()}"]
    hosts(field, *arguments)
    before, rotations, reported, said = callers.process(field), [], [], ""
    with callers.load(field, calls=options.clients, jobs=1 if options.bare else 2, socket=4) as found:
        time.sleep(2)
        begun = time.monotonic()
        for _number in range(options.rotations):
            start = time.monotonic()
            done = callers.rotate(field, *arguments)
            rotations.append(round(time.monotonic() - start, 1))
            reported += [float(seconds) for seconds in SAID.findall(done.stdout)]
            if done.returncode != 0 or callers.main_credential(field)["rotation"] is not None:
                said = done.stdout[-3000:]
                break
        took = time.monotonic() - begun
    calls, jobs, sockets = found["calls"], found["jobs"], found["socket"]
    return {
        "guard": not options.bare,
        "rotations_s": rotations,
        "version": callers.main_credential(field)["labels"]["current"],
        "client_processes": options.clients,
        "requests": calls.count,
        "requests_per_s": round(calls.count / took, 1),
        "failed_requests": len(calls.failures),
        "jobs": jobs.count,
        "failed_submissions": len(jobs.failures),
        "lost_jobs": jobs.lost,
        "sockets": 4,
        "dropped_sockets": len(sockets.failures),
        "restarted": callers.process(field) != before,
        "reported_windows_s": reported,
        "measured_window_s": round(calls.window, 1) if options.rotations == 1 else None,
        "failure": said,
    }


def main() -> None:
    """Command line; status 1 where the guard did not keep its promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bare", action="store_true", help="without the guard; one rotation is measured")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rotations", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="keep the hosts")
    options = parser.parse_args()
    options.rotations = 1 if options.bare else options.rotations
    field = field_hosts.Field()
    try:
        figures = measure(field, options)
    finally:
        if not options.keep:
            field.play("tests/hosts/destroy.yml")
    print(json.dumps(figures, indent=1))
    noticed = figures["failed_requests"] + figures["lost_jobs"] + figures["dropped_sockets"]
    sys.exit(1 if figures["failure"] or (figures["guard"] and noticed) else 0)


if __name__ == "__main__":
    main()
