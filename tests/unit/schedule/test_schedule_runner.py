# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that the units run: words, exit codes, lock, memory of runs, and figures of a real truth."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "comfyui_rotation_schedule" / "files" / "run.py"
BIN = Path(sys.executable).parent
FIGURES = 'comfyui_token_age_alarm{credential="main"} 0\n'
# Notes its words and environment, then does what the file named like the playbook says.
STAND_IN = """#!/bin/sh
for word; do printf '%s\\n' "$word"; done > "words-$3"
env > "environment-$3"
test ! -f "do-$3" || . "./do-$3"
"""
# Half a minute, should a test fail and nobody stop it.
SOME = "$(seq 300)"
PASSWORD = "vault-password-of-the-tests"


class Place:
    """A project, a state directory and settings, and the program to run there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state = directory / "state"
        (self.state / "metrics").mkdir(parents=True)
        (directory / "project").mkdir()
        self.project = directory / "project"
        self.figures = self.state / "metrics" / "comfyui_rotation.prom"
        self.settings: dict[str, Any] = {
            "ansible_playbook": str(directory / "ansible-playbook"),
            "project_dir": str(self.project),
            "inventory": "inventory.yml",
            "state_dir": str(self.state),
            "collections_path": "/opt/collections",
            "vault_ids": ["default", "new"],
            "ssh_key": True,
            "arguments": ["-e", "a=1"],
            "metrics_path": str(self.figures),
            "metrics_playbook": "figures",
            "jobs": {
                "rotate": {"playbook": "turn", "arguments": ["-e", "b=2"]},
                "audit": {"playbook": "look", "arguments": []},
            },
        }
        (directory / "ansible-playbook").write_text(STAND_IN, encoding="utf-8")
        (directory / "ansible-playbook").chmod(0o755)
        self.does("figures", f"cat > {self.figures} <<'END'\n{FIGURES}END")

    def does(self, playbook: str, script: str) -> None:
        """Say what the stand-in of ansible-playbook does for a playbook."""
        (self.project / f"do-{playbook}").write_text(script + "\n", encoding="utf-8")

    def words(self, playbook: str) -> list[str]:
        """Return the words that the stand-in got for a playbook, without its own name."""
        return (self.project / f"words-{playbook}").read_text(encoding="utf-8").splitlines()

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start the program."""
        path = self.directory / "settings.json"
        path.write_text(json.dumps(self.settings), encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
        environment.pop("CREDENTIALS_DIRECTORY", None)
        return subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM), str(path), *words],
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str, **variables: str) -> tuple[int, str]:
        """Run the program; return exit code and output."""
        process = self.start(*words, **variables)
        out, _none = process.communicate(timeout=60)
        return process.returncode, out

    def runs(self) -> Any:
        """Return what is remembered of runs."""
        return json.loads((self.state / "runs.json").read_text(encoding="utf-8"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_words_and_environment(place: Place) -> None:
    """Files are named, never what they hold."""
    credentials = place.directory / "credentials"
    credentials.mkdir()
    (credentials / "vault-default").write_text(PASSWORD, encoding="utf-8")
    assert place.run("rotate", "--check", CREDENTIALS_DIRECTORY=str(credentials)) == (0, "")
    secrets = [
        *("--vault-id", f"default@{credentials}/vault-default", "--vault-id", f"new@{credentials}/vault-new"),
        *("--private-key", f"{credentials}/ssh-key"),
    ]
    assert place.words("turn") == ["-i", "inventory.yml", "turn", "-e", "a=1", "-e", "b=2", "--check", *secrets]
    told = {"comfyui_metrics_runs": f"{place.state}/runs.json", "comfyui_metrics_path": str(place.figures)}
    known = ["-i", "inventory.yml", "figures", "-e", "a=1", "--check", "-e"]
    assert place.words("figures") == [*known, json.dumps(told), *secrets]
    variables = (place.project / "environment-turn").read_text(encoding="utf-8")
    assert f"\nANSIBLE_HOME={place.state}/ansible\n" in f"\n{variables}"
    assert f"\nHOME={place.state}\n" in f"\n{variables}"
    assert "ANSIBLE_COLLECTIONS_PATH=/opt/collections\n" in variables
    assert f"PATH={place.directory}:" in variables
    assert PASSWORD not in variables
    # By hand there are no credentials of systemd's.
    assert place.run("audit") == (0, "")
    assert place.words("look") == ["-i", "inventory.yml", "look", "-e", "a=1"]


@pytest.mark.parametrize(
    ("turn", "figures", "code", "told"),
    [
        ("exit 2", "", 2, ""),
        ("exit 4", "exit 1", 4, ""),
        ("kill -9 $$", "", 137, ""),
        ("", "exit 2", 21, "could not be written"),
        ("", "true", 21, "could not be written"),
        ("", "sed -i 's/ 0$/ 1/'", 20, "a token is older than its policy allows"),
        ("exit 2", "sed -i 's/ 0$/ 1/'", 2, ""),
    ],
)
def test_exit_codes(place: Place, turn: str, figures: str, code: int, told: str) -> None:
    place.does("turn", turn)
    if figures.startswith("sed"):
        place.figures.write_text(FIGURES, encoding="utf-8")
        place.does("figures", f"{figures} {place.figures}")
    elif figures:
        place.does("figures", figures)
    found, out = place.run("rotate")
    assert (found, told in out) == (code, True)
    # A failed run is one that is told of, too.
    assert place.words("figures")


def test_what_is_remembered(place: Place) -> None:
    begun = time.time()
    place.run("rotate")
    first = place.runs()["rotate"]
    assert begun - 1 < first["started"] <= first["finished"] == first["succeeded"] <= time.time()
    place.does("turn", "exit 2")
    place.run("rotate")
    place.does("look", "exit 4")
    place.run("audit")
    runs = place.runs()
    assert (runs["rotate"]["exit"], runs["rotate"]["succeeded"]) == (2, first["succeeded"])
    assert (runs["audit"]["exit"], runs["audit"]["succeeded"]) == (4, None)
    assert sorted(one.name for one in place.state.iterdir()) == ["lock", "metrics", "runs.json"]
    assert {(place.state / name).stat().st_mode & 0o777 for name in ("lock", "runs.json")} == {0o600}
    (place.state / "runs.json").write_text("not JSON", encoding="utf-8")
    place.run("audit")
    assert sorted(place.runs()) == ["audit"]


def test_one_run_at_a_time(place: Place) -> None:
    """Whoever comes second does nothing. The lock goes with its process, and with no file."""
    place.does("turn", f"touch begun; for i in {SOME}; do test -f go && break; sleep 0.1; done")
    first = place.start("rotate")
    deadline = time.monotonic() + 30
    while not (place.project / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    code, out = place.run("audit")
    assert (code, "another run holds" in out) == (75, True)
    assert not (place.project / "words-look").exists()
    assert not (place.state / "runs.json").exists()
    first.kill()
    first.wait(timeout=30)
    assert place.run("audit") == (0, "")
    (place.project / "go").touch()
    first.communicate(timeout=30)


def test_programs_left_behind_hold_no_lock(place: Place) -> None:
    """SSH leaves a process behind for the next connection."""
    place.does("turn", "sleep 60 >/dev/null 2>&1 & echo $! > left")
    assert place.run("rotate") == (0, "")
    left = int((place.project / "left").read_text())
    try:
        assert place.run("rotate", "--check")[0] == 0
    finally:
        os.kill(left, signal.SIGTERM)
        os.kill(int((place.project / "left").read_text()), signal.SIGTERM)


def test_a_request_to_stop_is_handed_on(place: Place) -> None:
    place.does("turn", f"trap 'echo stopped > told; exit 0' TERM; touch begun; for i in {SOME}; do sleep 0.1; done")
    process = place.start("rotate")
    deadline = time.monotonic() + 30
    while not (place.project / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    assert (place.project / "told").exists()
    assert place.runs()["rotate"]["exit"] == 143
    assert not (place.project / "words-figures").exists()


def test_what_cannot_begin(place: Place) -> None:
    assert place.run()[0] == 64
    code, out = place.run("dance")
    assert (code, "there is no job 'dance'; there are audit, rotate" in out) == (64, True)
    place.settings["state_dir"] = str(place.directory / "nowhere")
    code, out = place.run("audit")
    assert (code, "run this as the unit's user" in out) == (64, True)
    missing = [sys.executable, "-I", str(PROGRAM), "/nonexistent/settings.json", "audit"]
    done = subprocess.run(missing, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "run the role again" in done.stderr) == (64, True)


INVENTORY = """
all:
  vars:
    ansible_connection: local
    comfyui_credential_store: {{type: vault_file, path: "{{{{ inventory_dir }}}}/truth.vault.yml"}}
    ansible_python_interpreter: {python}
  children:
    comfyui_servers: {{hosts: {{s1: {{}}}}}}
"""
CREATE = """
- hosts: s1
  gather_facts: false
  tasks:
    - genai.comfyui.credential:
        name: main
        create: true
        policy: {cost: 4, rotate_after_days: 30, alarm_after_days: 1}
    - genai.comfyui.credential: {name: main, policy: {alarm_after_days: 45}}
      when: calm | default(false)
"""


def test_figures_of_a_real_truth(place: Place) -> None:
    """The real ansible-playbook, with the vault password from systemd's directory, writes what monitoring reads."""
    credentials = place.directory / "credentials"
    credentials.mkdir()
    (credentials / "vault-default").write_text(PASSWORD, encoding="utf-8")
    (place.project / "inventory.yml").write_text(INVENTORY.format(python=sys.executable), encoding="utf-8")
    (place.project / "create.yml").write_text(CREATE, encoding="utf-8")
    place.settings |= {"ansible_playbook": str(BIN / "ansible-playbook"), "vault_ids": ["default"], "ssh_key": False}
    place.settings |= {"metrics_playbook": "genai.comfyui.metrics", "collections_path": ""}
    place.settings["jobs"]["rotate"] = {"playbook": "create.yml", "arguments": []}
    code, out = place.run("rotate", CREDENTIALS_DIRECTORY=str(credentials))
    assert code == 0, out
    figures = place.figures.read_text(encoding="utf-8")
    assert 'comfyui_token_age_days{credential="main"} 0' in figures
    assert 'comfyui_rotation_phase{credential="main",phase="idle"} 1' in figures
    assert 'comfyui_token_days_to_due{credential="main"} ' in figures
    assert 'comfyui_run_exit_code{job="rotate"} 0' in figures
    assert "comfyui_audit_ok" not in figures
    assert "$2" not in figures
    assert PASSWORD not in out
