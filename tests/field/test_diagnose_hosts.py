# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On real hosts, with systemd and the guard: what diagnose.yml names is what was broken, and its command mends it."""

from __future__ import annotations

import subprocess

import pytest
from field_hosts import APP, UNIT, Field

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

PASSWORD = f"{APP}/login/PASSWORD"


def diagnosed(field: Field, code: int) -> dict[str, str | None]:
    """Run the playbook and return the cause of each walk."""
    done: subprocess.CompletedProcess[str] = field.play("playbooks/diagnose.yml")
    assert done.returncode == code, done.stdout[-4000:] + done.stderr
    for secret in field.secrets():
        assert secret not in done.stdout
    return {
        f"{one['host']} {one['name']}": one["cause"] and one["cause"]["code"]
        for one in field.report("diagnose")["walks"]
    }


def test_causes_on_real_hosts_are_named_and_mended(converged: Field) -> None:
    field = converged
    nothing = dict.fromkeys(("srv-1 default", "cli-1 notebooks", "cli-1 mcp", "cli-1 mcp-password"))
    field.on("srv-1", f"systemctl stop {UNIT}")
    found = diagnosed(field, 2)
    assert found == {**dict.fromkeys(nothing, "unit_stopped")}
    assert field.report("diagnose")["cause"]["where"] == f"srv-1: {UNIT}.service"

    # The program that starts ComfyUI refuses such a PASSWORD; what is named is not the unit that failed for it.
    field.on("srv-1", f"sed -i 's/$/\\r/' {PASSWORD}; systemctl start {UNIT} || true")
    field.on(
        "cli-1", 'sed -i "s/^export COMFYUI_API_TOKEN=.*/export COMFYUI_API_TOKEN=changeme\\r/" /srv/notebooks.env'
    )
    found = diagnosed(field, 2)
    assert (found["srv-1 default"], found["cli-1 mcp"]) == ("password_crlf", "password_crlf")
    assert found["cli-1 notebooks"] == "token_unknown"
    cause = field.report("diagnose")["cause"]
    assert (cause["code"], cause["certainty"]) == ("password_crlf", "sure")
    assert cause["mend"].endswith("genai.comfyui.site")

    mended = field.site()
    assert mended.returncode == 0, mended.stdout[-4000:]
    assert diagnosed(field, 0) == nothing
