# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure ratios in one run and print them as a table and as JSON.

``make bench`` runs it. Every figure is a wall time of a whole command; only ratios taken in the same run are compared
with the limits, because the machine's own speed cancels out of them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import audit
import compose
import download
import guard
import yaml
from discovery import discovery

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent
PLAYBOOKS = Path(__file__).resolve().parent / "playbooks"
CODECS = ["dotenv", "dotenv", "dotenv", "systemd_env", "systemd_env", "raw", "raw", "json", "json", "json"]

Json = dict[str, t.Any]


class Bench:
    """Pseudo-hosts on this machine: a local connection and a directory of its own for each."""

    def __init__(self, where: Path, runs: int) -> None:
        self.where = where
        self.runs = runs
        self.environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(where / "ansible.cfg"),
            "ANSIBLE_FORKS": "10",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(where / "vault-password"),
        }
        (where / "vault-password").write_text("bench only\n")
        (where / "ansible.cfg").write_text("[defaults]\ngathering = explicit\n[connection]\npipelining = True\n")

    def inventory(self, count: int) -> Path:
        """Write an inventory of that many hosts with ten consumers each."""
        hosts: Json = {}
        for number in range(count):
            home = self.where / f"host-{number:03d}"
            home.mkdir(exist_ok=True)
            hosts[home.name] = {"comfyui_consumers": [self.consumer(home, *pair) for pair in enumerate(CODECS)]}
        path = self.where / f"hosts-{count}.yml"
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": self.python(),
            "comfyui_credential_store": {"type": "vault_file", "path": str(self.where / "credentials.vault.yml")},
        }
        path.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))
        return path

    @staticmethod
    def python() -> str:
        """Return the interpreter that the pseudo-hosts use."""
        return "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable

    @staticmethod
    def consumer(home: Path, number: int, codec: str) -> Json:
        """Return one consumer, with its file in place."""
        path = home / f"{number}.{codec}"
        if codec == "json" and not path.exists():
            path.write_text('{"a": 1, "token": ""}\n')
            path.chmod(0o600)
        one: Json = {"id": f"{number}", "path": str(path), "codec": codec}
        if codec in ("dotenv", "systemd_env"):
            one["key"] = "COMFYUI_API_TOKEN"
        if codec == "json":
            one["key"] = "/token"
        return one

    def once(self, *argv: str, environment: dict[str, str] | None = None) -> float:
        """Run one command from the tools' environment and return its wall time in seconds."""
        start = time.perf_counter()
        done = subprocess.run(
            [str(BIN / argv[0]), *argv[1:]],
            cwd=ROOT, env=environment or self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        took = time.perf_counter() - start
        if done.returncode != 0:
            raise SystemExit(f"bench: {' '.join(argv)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}")
        return took

    def times(self, *argv: str, environment: dict[str, str] | None = None) -> float:
        """Return the median wall time of some runs."""
        return statistics.median(self.once(*argv, environment=environment) for _round in range(self.runs))


def reconcile(bench: Bench, counts: list[int]) -> Json:
    """Measure the no-op reconcile of pseudo-hosts against ping and against builtin tasks."""
    largest = bench.inventory(max(counts))
    bench.once(
        "ansible", "-i", str(largest), "host-000", "-m", "genai.comfyui.credential", "-a", "name=main create=true"
    )
    bench.once("ansible-playbook", "-i", str(largest), str(PLAYBOOKS / "ours.yml"))
    rows = []
    for count in counts:
        hosts = str(bench.inventory(count))
        say(f"reconcile {count} hosts")
        ping = bench.times("ansible", "-i", hosts, "all", "-m", "ping")
        ours = bench.times("ansible-playbook", "-i", hosts, str(PLAYBOOKS / "ours.yml"))
        row: Json = {
            "hosts": count,
            "ping_s": ping,
            "ours_s": ours,
            "ours_per_host_s": ours / count,
            "ratio": ours / ping,
        }
        rows.append(row)
    say("the same job in builtin tasks")
    # On the second largest number: with fifty hosts it takes minutes.
    compared = rows[-2:][0]
    some = str(bench.inventory(compared["hosts"]))
    bench.once("ansible-playbook", "-i", some, str(PLAYBOOKS / "builtin.yml"))
    builtin = bench.once("ansible-playbook", "-i", some, str(PLAYBOOKS / "builtin.yml"))
    ratio = builtin / compared["ours_s"]
    return {"rows": rows, "builtin_hosts": compared["hosts"], "builtin_s": builtin, "builtin_over_ours": ratio}


def site(bench: Bench, inventory: str, password_file: str) -> Json:
    """Measure a no-op site.yml over running demo hosts against ping."""
    environment = {**os.environ, "ANSIBLE_VAULT_PASSWORD_FILE": password_file}
    say("no-op site.yml")
    playbook = ("ansible-playbook", "-i", inventory, "playbooks/site.yml")
    bench.once(*playbook, environment=environment)
    ping = bench.times("ansible", "-i", inventory, "containers", "-m", "ping", environment=environment)
    took = bench.times(*playbook, environment=environment)
    return {"ping_s": ping, "site_s": took, "ratio": took / ping}


def say(text: str) -> None:
    """Show progress where it does not mix with the results."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def table(results: Json, limits: list[tuple[str, float, str, float]]) -> str:
    """Lay the results out for people."""
    lines = [f"{'hosts':>5} {'ping s':>8} {'sync s':>8} {'per host':>9} {'ratio':>6}"]
    for row in results["reconcile"]["rows"]:
        figures = (row["hosts"], row["ping_s"], row["ours_s"], row["ours_per_host_s"], row["ratio"])
        lines.append("{:>5} {:>8.2f} {:>8.2f} {:>9.3f} {:>6.2f}".format(*figures))
    if "audit" in results:
        lines += ["", *audit.lines(results["audit"])]
    if "discovery" in results:
        one = results["discovery"]
        tree = f"{one['files']} files, {one['bytes'] / 1e6:.0f} MB"
        lines += ["", f"scan of {tree}: {one['scan_s']:.2f} s; grep -rF '$2': {one['grep_s']:.2f} s"]
    if "compose" in results:
        lines += ["", *compose.lines(results["compose"])]
    if "models" in results:
        lines += ["", *download.lines(results["models"])]
    if "guard" in results:
        lines += ["", *guard.lines(results["guard"])]
    lines.append("")
    for name, got, relation, limit in limits:
        met = got <= limit if relation == "<=" else got >= limit
        lines.append(f"{'met   ' if met else 'MISSED'} {name}: {got:.2f} ({relation} {limit})")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", default="1,5,10,50", help="numbers of pseudo-hosts, ascending")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--site", default="inventories/demo", help="inventory of running hosts; empty leaves it out")
    parser.add_argument("--compose", action="store_true", help="also measure containers, on a host of its own")
    parser.add_argument("--json", type=Path, default=ROOT / "reports" / "bench.json")
    options = parser.parse_args()
    where = Path(tempfile.mkdtemp(prefix="comfyui-bench-"))
    try:
        bench = Bench(where, options.runs)
        results: Json = {"reconcile": reconcile(bench, [int(n) for n in options.hosts.split(",")])}
        say("audit of one host")
        results["audit"] = audit.audit(where, 3 * options.runs, bench.python())
        say("scan of a tree for undeclared copies")
        results["discovery"] = discovery(where, options.runs)
        limits = [
            ("scan of 20 000 files / grep -rF '$2'", results["discovery"]["ratio"], "<=", 2.5),
            ("audit / a module that only reads", results["audit"]["ratio"], "<=", 1.5),
            ("reconcile / ping, most hosts", results["reconcile"]["rows"][-1]["ratio"], "<=", 1.5),
            ("builtin tasks / reconcile", results["reconcile"]["builtin_over_ours"], ">=", 8.0),
        ]
        say("a download beside curl")
        results["models"] = download.models(where, options.runs, bench.environment, bench.python())
        limits += download.limits(results["models"])
        say("requests through the guard and without it")
        results["guard"] = guard.guard(where)
        limits += guard.limits(results["guard"])
        if options.compose:
            say("a server in containers, one with systemd")
            results["compose"] = compose.compose(options.runs)
            limits += compose.limits(results["compose"])
        password_file = ROOT / ".cache" / "demo" / "vault-password"
        if options.site and password_file.exists():
            results["site"] = site(bench, options.site, str(password_file))
            limits.append(("no-op site.yml / ping", results["site"]["ratio"], "<=", 12.0))
        else:
            say("no demo hosts: site.yml is not measured; run make site first")
    finally:
        shutil.rmtree(where)
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    print(table(results, limits))
    print(f"JSON: {options.json}")


if __name__ == "__main__":
    main()
