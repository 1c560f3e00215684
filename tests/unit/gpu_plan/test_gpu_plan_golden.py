# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of all combinations: what would be installed, from where, or why not.

``GOLDEN_WRITE=1 pytest tests/unit/gpu_plan`` writes it anew; the difference is then yours to judge.
"""

from __future__ import annotations

import os
from pathlib import Path

from gpu_plan_cases import combinations, host

from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan import gpu_plan

TABLE = Path(__file__).with_name("golden.tsv")
HEAD = "host\tsource\tbranch\tprofile\tmodule\trefused\trepository\tkey\tpackages\twanted\tpin\tstream"


def row(name: str, source: str, branch: str, profile: str, module: str) -> str:
    """Return one line of the table."""
    asked = {"source": source, "branch": branch, "profile": profile, "module": module}
    # Debian's own drivers are below the floor; the table is to say what they are all the same.
    plan = gpu_plan(host(name), {**asked, "min_version": ""})
    words = [name, source, str(plan["branch"]), profile, plan["module"]]
    refused = ",".join(refusal["code"] for refusal in plan["refusals"])
    if refused:
        return "\t".join([*words, refused, *["-"] * 6])
    repositories = [f"{one['uri']} {one['suite']}" for one in plan["repositories"]]
    if plan["components"]:
        repositories = [" ".join([*plan["components"]["suites"], *plan["components"]["components"]])]
    keys = [key[-8:] for one in plan["repositories"] for key in one["fingerprints"]]
    packages = [one["name"] + (f"={one['version']}" if one["version"] else "") for one in plan["packages"]]
    wanted = [f"{one['name']}|{'+'.join(one['otherwise'])}" for one in plan["wanted"]]
    pins = [entry["pin"] for pin in plan["pins"] for entry in pin["entries"] if entry["priority"] > 0]
    cells = [["-"], repositories, keys, packages, wanted, pins, [plan["stream"]]]
    return "\t".join([*words, *(" ".join(cell).strip() or "-" for cell in cells)])


def test_golden_table() -> None:
    """Every combination plans what the table says."""
    lines = [HEAD, *(row(*combination) for combination in combinations())]
    # A fixed branch (Debian's own) gives the same line for each asked one.
    lines = [*Path(__file__).read_text().splitlines()[:3], *dict.fromkeys(lines)]
    if os.environ.get("GOLDEN_WRITE"):
        TABLE.write_text("\n".join(lines) + "\n")
    assert TABLE.read_text().splitlines() == lines


def test_every_release_has_a_way() -> None:
    """With nothing asked for, each supported release plans a driver of 580 or newer and refuses nothing."""
    for name in dict.fromkeys(combination[0] for combination in combinations()):
        plan = gpu_plan(host(name), {})
        assert plan["refusals"] == [], name
        assert plan["branch"] >= 580, name
        assert plan["module"] == "open", name
