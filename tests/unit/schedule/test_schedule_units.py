# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units that the role writes: systemd takes them, finds them hardened, and sees no password in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROLE = Path(__file__).resolve().parents[3] / "roles" / "comfyui_rotation_schedule"
# In tenths; systemd calls 2.0 and below OK, and a unit without any hardening 9.6.
EXPOSURE = 20
# As in the role: other units of the machine may have faults of their own.
VERIFY = ("verify", "--man=no", "--recursive-errors=no")
PLAY = """
- hosts: localhost
  gather_facts: false
  vars_files: ["{role}/defaults/main.yml", "{role}/vars/main.yml"]
  tasks:
    - ansible.builtin.template:
        src: "{role}/templates/job.{{{{ item.1 }}}}.j2"
        dest: "{out}/comfyui-{{{{ item.0.name }}}}.{{{{ item.1 }}}}"
        mode: "0644"
      vars: {{job: "{{{{ item.0 }}}}"}}
      loop: "{{{{ comfyui_rotation_schedule__wanted | product(['service', 'timer']) | list }}}}"
    - ansible.builtin.copy:
        content: "{{{{ comfyui_rotation_schedule__settings | to_nice_json }}}}"
        dest: "{out}/settings.json"
        mode: "0644"
"""


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the units and settings as the role's templates and variables make them."""
    out = tmp_path_factory.mktemp("units")
    (out / "bin").mkdir()
    (out / "bin" / "python").symlink_to(sys.executable)
    given = {
        "comfyui_rotation_schedule_project_dir": "/srv/infra",
        "comfyui_rotation_schedule_inventory": "inventories/production",
        "comfyui_rotation_schedule_write_paths": ["/srv/truth"],
        "comfyui_rotation_schedule_venv": str(out),
        "comfyui_rotation_schedule_collection": "genai.comfyui:0.1.0",
        "comfyui_rotation_schedule_vault_passwords": [
            {"id": "default", "path": "/etc/vault/default"},
            {"id": "new", "path": "/etc/vault/new", "encrypted": True},
        ],
        "comfyui_rotation_schedule_ssh_key": "/etc/vault/key",
        "comfyui_rotation_schedule_on_failure": ["alert@%n.service"],
        "comfyui_rotation_schedule_rotate_calendar": "*:0/15",
    }
    (out / "play.yml").write_text(PLAY.format(role=ROLE, out=out), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    environment.update(ANSIBLE_HOME=str(out / "home"), ANSIBLE_LOCALHOST_WARNING="0", LC_ALL="C.UTF-8")
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"),
            *("-e", json.dumps(given), "play.yml"),
        ],
        cwd=out,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def analyze(*words: str | Path) -> Any:
    """Run systemd-analyze; skip where there is none."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze here")
    done: Any = subprocess.run([program, *words], capture_output=True, text=True, timeout=60, check=False)
    done.out = done.stdout + done.stderr
    return done


def test_what_the_units_say(units: Path) -> None:
    service = (units / "comfyui-rotate.service").read_text(encoding="utf-8")
    lines = service.splitlines()
    for line in (
        "OnFailure=alert@%n.service",
        "User=comfyui-rotation",
        "WorkingDirectory=/srv/infra",
        "LoadCredential=vault-default:/etc/vault/default",
        "LoadCredentialEncrypted=vault-new:/etc/vault/new",
        "LoadCredential=ssh-key:/etc/vault/key",
        f"ExecStart={units}/bin/python -I /opt/comfyui-rotation/run.py /etc/comfyui-rotation/settings.json rotate",
        "SuccessExitStatus=75",
        "TimeoutStartSec=14400",
        "ReadWritePaths=/var/lib/comfyui-rotation",
        "ReadWritePaths=/srv/infra",
        "ReadWritePaths=/srv/truth",
    ):
        assert line in lines
    audit = (units / "comfyui-audit.service").read_text(encoding="utf-8")
    assert service.replace(" rotate\n", " audit\n").split("Wants=")[1] == audit.split("Wants=")[1]
    timer = (units / "comfyui-rotate.timer").read_text(encoding="utf-8").splitlines()
    for line in ("OnCalendar=*:0/15", "RandomizedDelaySec=10min", "Persistent=yes", "WantedBy=timers.target"):
        assert line in timer
    assert "OnCalendar=daily" in (units / "comfyui-audit.timer").read_text(encoding="utf-8")


def test_what_the_settings_say(units: Path) -> None:
    settings = json.loads((units / "settings.json").read_text(encoding="utf-8"))
    assert settings["vault_ids"] == ["default", "new"]
    assert settings["ssh_key"] is True
    assert settings["collections_path"] == "/opt/comfyui-rotation/collections"
    assert settings["arguments"] == ["-e", "comfyui_report_dir=/var/lib/comfyui-rotation/reports"]
    assert settings["jobs"]["rotate"]["arguments"] == ["-e", "comfyui_rotation_reason=scheduled"]
    # Names of secrets' files are in the unit alone.
    assert "/etc/vault" not in json.dumps(settings)


@pytest.mark.parametrize("job", ["rotate", "audit"])
@pytest.mark.parametrize("kind", ["service", "timer"])
def test_systemd_takes_them(units: Path, job: str, kind: str) -> None:
    done = analyze(*VERIFY, units / f"comfyui-{job}.{kind}")
    assert done.returncode == 0, done.out
    # As a warning only, for instance of an unknown key.
    assert "comfyui-" not in done.out


def test_the_role_asks_so() -> None:
    tasks = (ROLE / "tasks" / "present.yml").read_text(encoding="utf-8")
    assert tasks.count(f"validate: systemd-analyze {' '.join(VERIFY)} %s") == 2


def test_systemd_would_complain(units: Path, tmp_path: Path) -> None:
    """The test above can fail."""
    bad = (units / "comfyui-rotate.service").read_text(encoding="utf-8").replace("LockPersonality=", "LokPersonality=")
    (tmp_path / "comfyui-rotate.service").write_text(bad, encoding="utf-8")
    done = analyze(*VERIFY, tmp_path / "comfyui-rotate.service")
    assert re.search(r"comfyui-rotate\.service:\d+: Unknown key", done.out)


@pytest.mark.parametrize("job", ["rotate", "audit"])
def test_systemd_finds_them_hardened(units: Path, job: str) -> None:
    words = ("security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager")
    done = analyze(*words, units / f"comfyui-{job}.service")
    assert done.returncode == 0, done.out
    assert "Overall exposure level" in done.out
