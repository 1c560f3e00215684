# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations and upgrades of a real server; an upgrade that does not prove itself is taken back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from field_hosts import APP, ROOT, UNIT, Field, Knocker

OPERATE = "playbooks/operate.yml"
NODE = f"{APP}/custom_nodes/ComfyUI-Login"
# Makes the login node one that cannot be imported, so that ComfyUI would start without it, open to everybody.
BREAK = "echo 'raise ImportError' | cat - __init__.py > x; mv x __init__.py"


def operate(field: Field, operation: str, **more: object) -> tuple[int, str]:
    """Run one operation; return its exit status and what was said."""
    chosen = {"comfyui_operation": operation, "comfyui_operation_drain": 5, **more}
    done = field.play(OPERATE, "-e", json.dumps(chosen))
    return done.returncode, done.stdout


def pid(field: Field) -> int:
    """Return the server's main process."""
    return int(field.on("srv-1", f"systemctl show -P MainPID {UNIT}"))


def test_an_instance_that_nobody_lists(converged: Field) -> None:
    """It is named, and fails the run; it goes only when told, with its token, and its data stays."""
    old, data = APP.replace("/default/", "/old/"), "/srv/comfyui/instances/old"
    converged.on(
        "srv-1",
        f"mkdir -p {old}/login {data}/output && cp -p {APP}/login/PASSWORD {old}/login/ && touch {data}/output/kept.png"
        " && mkdir -p /etc/systemd/system/comfyui@old.service.d && systemctl enable comfyui@old"
        " && printf '[Service]\\nExecStartPre=\\nExecStartPost=\\nExecStart=\\nExecStart=/bin/sleep infinity\\n'"
        " > /etc/systemd/system/comfyui@old.service.d/instance.conf && systemctl daemon-reload"
        " && systemctl start --no-block comfyui@old",
    )
    told = converged.validate()
    assert told.returncode == 2, told.stdout
    assert "comfyui@old.service: active: not in comfyui_instances any more" in told.stdout
    before = pid(converged)
    planned = converged.site("-e", "comfyui_leftover=absent", "--tags", "comfyui", "--check")
    assert planned.returncode == 0, planned.stdout
    assert converged.on("srv-1", f"systemctl is-active comfyui@old; ls -d {old}").split() == ["active", old]
    done = converged.site("-e", "comfyui_leftover=absent")
    assert done.returncode == 0, done.stdout
    left = f"systemctl is-active comfyui@old; ls -A /etc/systemd/system | grep old; ls -d {old}; ls {data}/output; true"
    assert converged.on("srv-1", left).split() == ["inactive", "kept.png"]
    assert pid(converged) == before
    assert converged.validate().returncode == 0


def test_operations(converged: Field) -> None:
    """Status and logs only look; a restart, a stop and a start do what they say, and are proven."""
    before = pid(converged)
    status, said = operate(converged, "status")
    assert status == 0, said
    assert f"default: active, process {before} since " in said
    assert "changed=0" in said
    status, said = operate(converged, "logs", comfyui_operation_lines=20)
    assert status == 0, said
    assert len(re.findall(r"\d{4}-\d\d-\d\dT\S+ srv-1 ", said)) == 20, said
    assert not [one for one in converged.secrets() if one in said]
    assert pid(converged) == before

    status, said = operate(converged, "restart")
    assert status == 0, said
    assert "default: active, restarted (a restart was asked for)" in said
    assert pid(converged) != before

    status, said = operate(converged, "stop")
    assert status == 0, said
    assert (converged.state(), converged.listens()) == ("inactive", False)
    status, said = operate(converged, "start")
    assert status == 0, said
    assert "default: active, started (it does not run)" in said
    assert converged.validate().returncode == 0


def test_an_operation_that_makes_no_sense_is_refused(converged: Field) -> None:
    """Before anything is done, with what there is to choose from."""
    before = pid(converged)
    done = converged.play(
        OPERATE, "-e", json.dumps({"comfyui_operation": "stop", "comfyui_operation_instances": ["x"]})
    )
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "comfyui_operation is stop and must be one of status, logs, start, stop, restart" in said
    assert "names of this host's instances, which are default" in said
    assert pid(converged) == before


def commit(field: Field, repository: str, script: str) -> dict[str, str]:
    """Commit a change to a copy of one of the repositories that the host installs from; return what pins it."""
    made = field.on(
        "srv-1",
        f"""set -e; cd /var/tmp; test -d {repository} || git clone -q /srv/git/{repository}.git {repository}
        cd {repository}; git checkout -q origin/HEAD; {script}
        git -c user.name=tests -c user.email=tests@example.com commit -qam change
        git branch -q change-$(git rev-parse --short HEAD); git rev-parse HEAD""",
    ).strip()
    role = {"ComfyUI": "comfyui", "ComfyUI-Login": "comfyui_login"}[repository]
    return {f"{role}_repo": f"file:///var/tmp/{repository}", f"{role}_version": made}


@pytest.fixture
def pinned(converged: Field, tmp_path: Path) -> Iterator[Path]:
    """Return a second inventory that pins other versions; the first one's are installed again at the end."""
    path = tmp_path / "pins.json"
    yield path
    done = converged.site()
    assert done.returncode == 0, done.stdout[-4000:]


def pin(path: Path, **versions: str) -> None:
    """Let the inventory say these versions: a host's own variables win over its groups'."""
    path.write_text(json.dumps({"comfyui_servers": {"hosts": {"srv-1": versions}}}))


def head(field: Field, path: str = APP) -> str:
    """Return which commit is checked out."""
    return field.on("srv-1", f"git -C {path} rev-parse HEAD").strip()


def test_an_upgrade_is_proven_or_taken_back(converged: Field, pinned: Path) -> None:
    """A sound version stays; one without its login goes, and nobody gets in meanwhile."""
    sound = commit(converged, "ComfyUI", "echo '# one more line' >> main.py")
    pin(pinned, **sound)
    arguments = ("playbooks/upgrade.yml", "-i", str(pinned), "-e", "comfyui_upgrade_drain=5")
    with Knocker(converged.address("srv-1")) as knocker:
        done = converged.play(*arguments)
        assert done.returncode == 0, done.stdout[-6000:]
        assert f"-> {sound['comfyui_version'][:12]}" in done.stdout
        assert "default: active, restarted" in done.stdout
        assert head(converged) == sound["comfyui_version"]
        again = converged.play(*arguments)
        assert again.returncode == 0, again.stdout[-4000:]
        assert "nothing changes" in again.stdout
        assert "changed=0" in again.stdout

        broken = commit(converged, "ComfyUI-Login", BREAK)
        node = head(converged, NODE)
        pin(pinned, **{**sound, **broken})
        # The controller dies after the checkout. The note of the former version outlives it.
        died = converged.play(
            *arguments,
            ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "tests" / "field" / "callback"),
            ANSIBLE_CALLBACKS_ENABLED="stop_at_task",
            STOP_AT_NAME="Lay down login directories and the guard",
        )
        assert died.returncode != 0
        assert head(converged, NODE) == broken["comfyui_login_version"]
        done = converged.play(*arguments)
        assert done.returncode != 0
        said = " ".join(done.stdout.split())
        assert "The upgrade failed and was taken back; the former version runs and is proven locked." in said
        assert "Stopped, because not locked. default:" in said
        assert (head(converged), head(converged, NODE)) == (sound["comfyui_version"], node)
        assert converged.state() == "active"
    assert knocker.answers > 0
    assert knocker.let_in == []
    assert converged.on("srv-1", "ls /opt/comfyui/former.json 2>/dev/null", check=False) == ""


def test_pins_on_the_command_line_are_refused(converged: Field) -> None:
    """They would win over the former version, too."""
    done = converged.play("playbooks/upgrade.yml", "-e", "comfyui_version=master")
    assert done.returncode != 0
    assert "was given with -e" in " ".join(done.stdout.split())
