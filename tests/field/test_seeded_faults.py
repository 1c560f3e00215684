# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves a bare ComfyUI open ends our instance stopped, and the playbooks say why."""

from __future__ import annotations

import typing as t

import pytest
from field_hosts import APP, UNIT, Field, Knocker

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

NODE = f"{APP}/custom_nodes/ComfyUI-Login"
KEY = f"{NODE}/.secret-key.txt"
PASSWORD = f"{APP}/login/PASSWORD"
SITE = "/opt/comfyui/venv/lib/python3*/site-packages"


class Seed(t.NamedTuple):
    """A fault: how it is made, a word that its report must hold, how it is undone where the play does not mend it."""

    break_it: str
    word: str
    mend: str = ""


SEEDS = {
    "a dependency of the node is gone": Seed(
        f"mv {SITE}/aiohttp_session /root/gone", "aiohttp_session", f"mv /root/gone $(echo {SITE})/aiohttp_session"
    ),
    "PASSWORD cannot be read": Seed(f"chown root:root {PASSWORD}; chmod 000 {PASSWORD}", "PASSWORD"),
    "PASSWORD is empty": Seed(f": > {PASSWORD}", "PASSWORD"),
    "the session key is empty": Seed(f": > {KEY}", "secret-key"),
    "the session key is corrupt": Seed(f"echo 'x,2026-01-01T00:00:00' > {KEY}", "secret-key"),
    "the node's directory is gone": Seed(f"rm -rf {NODE}", "ComfyUI-Login"),
    "custom nodes are switched off": Seed(
        "mkdir -p /run/systemd/system/comfyui@default.service.d;"
        f" systemctl cat {UNIT} | grep '^ExecStart=/'"
        " | sed 's/$/ --disable-all-custom-nodes/; 1i [Service]\\nExecStart='"
        " > /run/systemd/system/comfyui@default.service.d/seed.conf; systemctl daemon-reload",
        "locked",
        "rm /run/systemd/system/comfyui@default.service.d/seed.conf; systemctl daemon-reload",
    ),
}


@pytest.mark.parametrize("name", SEEDS)
def test_a_server_that_would_be_open_ends_stopped(converged: Field, name: str) -> None:
    seed = SEEDS[name]
    field = converged
    with Knocker(field.address("srv-1")) as knocker:
        field.on("srv-1", seed.break_it)
        try:
            field.on("srv-1", f"systemctl reset-failed {UNIT}; systemctl restart {UNIT}", check=False)
            assert field.state() == "failed"
            assert not field.listens()
            said = field.validate()
            assert said.returncode != 0
            assert seed.word in said.stdout, said.stdout[-4000:]
            again = field.site()
            if seed.mend:
                # Not the play's to mend: it says why, and the instance stays stopped.
                assert again.returncode != 0, again.stdout[-4000:]
                assert seed.word in again.stdout, again.stdout[-4000:]
                assert not field.listens()
        finally:
            field.on("srv-1", seed.mend or "true", check=False)
        again = field.site()
        assert again.returncode == 0, again.stdout[-6000:]
        assert field.state() == "active"
    assert knocker.let_in == []


def test_the_knocking_would_notice_an_open_server(converged: Field) -> None:
    """One of these faults on a bare start, without our programs, lets the knocking in: the tests above can fail."""
    field = converged
    port = 8299
    bare = (
        f"cd {APP} && exec setsid runuser -u comfyui -- /opt/comfyui/venv/bin/python -B main.py"
        f" --listen 0.0.0.0 --port {port} --disable-all-custom-nodes --user-directory /tmp/bare"
        " --input-directory /tmp/bare --output-directory /tmp/bare --temp-directory /tmp/bare > /tmp/bare.log 2>&1 &"
    )
    wait = f"for i in $(seq 300); do curl -s -o /dev/null http://127.0.0.1:{port}/ && exit; sleep 0.1; done; exit 1"
    try:
        with Knocker(field.address("srv-1"), port) as knocker:
            field.on("srv-1", f"mkdir -p /tmp/bare; chown comfyui /tmp/bare; {bare}")
            field.on("srv-1", wait)
            field.on("srv-1", f"curl -sf http://127.0.0.1:{port}/system_stats")
            assert knocker.noticed(20)
    finally:
        field.on("srv-1", f"pkill -f '[m]ain.py --listen 0.0.0.0 --port {port}'", check=False)
