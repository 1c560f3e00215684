# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed at any task is mended by the next one, and nobody gets in meanwhile."""

from __future__ import annotations

import os

import pytest
from field_hosts import ROOT, Field, Knocker

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

CALLBACK = {
    "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests" / "field" / "callback"),
    "ANSIBLE_CALLBACKS_ENABLED": "stop_at_task",
}
# The virtual environment is kept: making it is most of the time and none of the risk.
RESET = """
systemctl stop 'comfyui@*' 2>/dev/null
mv /opt/comfyui/venv /root/venv
rm -rf /opt/comfyui /srv/comfyui /etc/systemd/system/comfyui@*
mkdir /opt/comfyui && mv /root/venv /opt/comfyui/venv
systemctl daemon-reload; systemctl reset-failed; true
"""


# Every fourth task in turn, from one bare host on, is what fits into every run of the tests; FIELD_STRIDE=1 takes each.
STRIDE = int(os.environ.get("FIELD_STRIDE", "4"))


def test_killed_at_task_after_task_it_converges(converged: Field) -> None:
    field = converged
    field.on("srv-1", RESET)
    with Knocker(field.address("srv-1")) as knocker:
        killed = 0
        for number in range(1, 400, STRIDE):
            done = field.site(STOP_AT_TASK=str(number), **CALLBACK)
            if done.returncode == 0:
                break
            assert done.returncode == -9, done.stdout[-6000:]
            killed += 1
        assert killed * STRIDE >= 40, f"only {killed} runs were killed"
        again = field.site()
        assert again.returncode == 0, again.stdout[-6000:]
        recap = [line for line in again.stdout.split("PLAY RECAP")[1].splitlines() if "changed=" in line]
        assert all("changed=0" in line for line in recap), recap
        assert field.state() == "active"
    assert knocker.answers > 0
    assert knocker.let_in == []


def test_a_second_run_changes_nothing(converged: Field) -> None:
    done = converged.site()
    recap = [line for line in done.stdout.split("PLAY RECAP")[1].splitlines() if "changed=" in line]
    assert recap
    assert all("changed=0" in line for line in recap), recap


def test_a_process_older_than_its_files_is_restarted_and_no_other(converged: Field) -> None:
    field = converged
    login = "/opt/comfyui/instances/default/ComfyUI/login"
    before = field.on("srv-1", "systemctl show -p MainPID comfyui@default")
    # The guard follows PASSWORD and ACCEPT.json by itself.
    field.on("srv-1", f"touch {login}/PASSWORD {login}/ACCEPT.json")
    field.site()
    assert field.on("srv-1", "systemctl show -p MainPID comfyui@default") == before
    field.on("srv-1", f"touch {login}/../custom_nodes/ComfyUI-Login/.secret-key.txt")
    field.site()
    assert field.on("srv-1", "systemctl show -p MainPID comfyui@default") != before
