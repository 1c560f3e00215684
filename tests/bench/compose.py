# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a server in containers against one with systemd, and how long an upgrade takes it away.

``tests/bench/run.py --compose`` runs it; alone: ``python tests/bench/compose.py``. Its host is the Compose tests',
with another name; ComfyUI's repository gets one commit more, as something to upgrade to.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, t.Any]
SYSTEMD = ("-e", "comfyui_deployment=systemd")
# One process: a client that is started for each question takes longer than what is measured.
CALLER = """
import http.client, json, sys, time, os
token = sys.stdin.read().strip()
good = []
while not os.path.exists("/run/bench-stop"):
    connection = http.client.HTTPConnection("srv-1", 8188, timeout=1)
    try:
        connection.request("GET", "/system_stats", headers={"Authorization": "Bearer " + token})
        if connection.getresponse().status == 200:
            good.append(time.monotonic())
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    time.sleep(0.02)
gaps = sorted((b - a for a, b in zip(good, good[1:])), reverse=True)
print(json.dumps({"answers": len(good), "gaps": gaps[:3]}))
"""
NEWER = (
    "rm -rf /srv/newer && git -c safe.directory='*' clone -q /srv/git/ComfyUI.git /srv/newer && cd /srv/newer"
    " && git config user.name bench && git config user.email bench@example.com && echo >> README.md"
    " && git add -A && git commit -qm newer && git rev-parse HEAD"
)


def timed(field: t.Any, runs: int, *arguments: str) -> float:
    """Return the median wall time of converging hosts on which nothing is to be done, in seconds."""
    times = []
    for _run in range(runs):
        start = time.perf_counter()
        done = field.site(*arguments)
        times.append(time.perf_counter() - start)
        if done.returncode != 0:
            raise SystemExit(f"bench: site.yml failed:\n{done.stdout[-3000:]}")
    return statistics.median(times)


def upgrade(field: t.Any, where: Path) -> Json:
    """Upgrade by one commit while a client asks without a pause.

    :returns: ``downtime_s``, the longest time between two good answers; ``start_s``, which a restart of the same
        container takes, and which the downtime may not exceed by more than the drain, of which there is none here
    """
    commit = field.on("srv-1", NEWER).strip()
    newer = where / "newer.yml"
    pins = {"comfyui_repo": "file:///srv/newer", "comfyui_version": commit}
    newer.write_text(json.dumps({"all": {"hosts": {"srv-1": pins}}}))
    found: Json = {}
    for name in ("restart", "upgrade"):
        field.on("cli-1", "rm -f /run/bench-stop")
        command = ["docker", "exec", "-i", f"{field.project}-cli-1", "python3", "-c", CALLER]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as caller:
            assert caller.stdin is not None
            caller.stdin.write(field.token())
            caller.stdin.close()
            time.sleep(2)
            try:
                if name == "restart":
                    field.on("srv-1", "systemctl restart comfyui@default")
                else:
                    done = field.play("playbooks/upgrade.yml", "-i", str(newer))
                    if done.returncode != 0:
                        raise SystemExit(f"bench: upgrade.yml failed:\n{done.stdout[-3000:]}")
                time.sleep(1)
            finally:
                field.on("cli-1", "touch /run/bench-stop")
            assert caller.stdout is not None
            found[name] = json.loads(caller.stdout.read())
    return {"downtime_s": found["upgrade"]["gaps"][0], "restart_s": found["restart"]["gaps"][0]}


def compose(runs: int) -> Json:
    """Bring the hosts up, measure, and remove them."""
    os.environ.setdefault("FIELD_NAME", "bench")
    sys.path.insert(0, str(ROOT / "tests" / "field"))
    # By name, because each folder of tests is typed by itself.
    hosts: t.Any = importlib.import_module("compose_field")
    with hosts.compose_hosts() as field:
        found: Json = {"compose_s": timed(field, runs)}
        found.update(upgrade(field, hosts.CACHE))
        if field.site(*SYSTEMD).returncode != 0:
            raise SystemExit("bench: the hosts could not go over to systemd")
        found["systemd_s"] = timed(field, runs, *SYSTEMD)
    found["ratio"] = found["compose_s"] / found["systemd_s"]
    found["downtime_ratio"] = found["downtime_s"] / found["restart_s"]
    return found


def lines(found: Json) -> list[str]:
    """Lay the figures out for people."""
    return [
        f"no-op site.yml: containers {found['compose_s']:.1f} s, systemd {found['systemd_s']:.1f} s",
        f"upgrade: no answer for {found['downtime_s']:.2f} s; a restart takes {found['restart_s']:.2f} s",
    ]


def limits(found: Json) -> list[tuple[str, float, str, float]]:
    """Return what is to hold."""
    return [
        ("no-op site.yml, containers / systemd", found["ratio"], "<=", 1.3),
        ("no answer during an upgrade / during a restart", found["downtime_ratio"], "<=", 2.0),
    ]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    found = compose(parser.parse_args().runs)
    print("\n".join(lines(found)))
    print(json.dumps({**found, "limits": limits(found)}, indent=2))


if __name__ == "__main__":
    main()
