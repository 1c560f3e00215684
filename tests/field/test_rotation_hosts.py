# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations on real hosts, while clients read their own files and call: nothing refused, whatever goes wrong."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from callers import calling, current, killed, main_credential, process, rotate, status
from field_hosts import APP, CACHE, PROJECT, Field
from rotation_ends import ready, settled
from test_leaks import leaks

__all__ = ["ready"]
pytestmark = [pytest.mark.hosts, pytest.mark.slow]

ACCEPT = f"{APP}/login/ACCEPT.json"
# Each run dies one durable step later than the one before; what it did stays done.
DEATHS = (
    "Bring every host in line and look",
    "Put the token into PASSWORD that belongs there now",
    "Know that it moved",
    "and when its files were written last",
    "Bring every host to what is wanted now",
    "See which versions get in",
    "Bring every host to what is wanted now",
)


def files(field: Field) -> str:
    """Return the sums of all files that hold a token."""
    client = field.on("cli-1", "sha256sum /srv/notebooks.env /etc/comfyui-mcp.json")
    return client + field.on("srv-1", f"sha256sum {ACCEPT} {APP}/login/PASSWORD")


def test_killed_in_each_phase_it_goes_on_and_nobody_is_refused(ready: Field) -> None:
    field = ready
    was, secrets, before = current(field), field.secrets(), process(field)
    said = ""
    with calling(field) as calls:
        phases = []
        for name in DEATHS:
            said += killed(field, name)
            phases.append((main_credential(field)["rotation"] or {}).get("phase"))
        done = rotate(field, "-vvv", "--diff")
        said += done.stdout + done.stderr
        assert done.returncode == 0, done.stdout[-5000:]
    assert calls.failures == []
    assert calls.count > 100
    assert phases == ["pending", "pending", "accepted", "accepted", "distributed", "distributed", "switched"]
    assert process(field) == before
    settled(field, was)
    journal = field.on("srv-1", "journalctl -o cat -u comfyui@default")
    assert leaks((said + journal).encode(), [*secrets, *field.secrets()]) == []
    assert field.on("srv-1", f"stat -c '%a %U' {ACCEPT}").split() == ["600", "comfyui"]


def test_an_absent_client_a_damaged_file_and_a_reboot_only_delay_it(ready: Field) -> None:
    field = ready
    was = current(field)
    subprocess.run(["docker", "stop", "-t", "5", f"{PROJECT}-cli-1"], check=True, capture_output=True)
    try:
        done = rotate(field)
        assert done.returncode != 0
        assert "waits for consumer cli-1:notebooks: could not be reached" in done.stdout
        assert main_credential(field)["rotation"]["phase"] == "accepted"
        assert status(field, was[1]) == 200
        # Whoever leaves the client out does not make the rotation finish either.
        assert rotate(field, "--limit", "srv-1").returncode != 0
        assert main_credential(field)["rotation"]["phase"] == "accepted"
        # While it runs the guard keeps what was valid; after a reboot it would not start with such a file.
        field.on("srv-1", f"echo '{{' > {ACCEPT}")
        assert status(field, was[1]) == 200
        subprocess.run(["docker", "restart", f"{PROJECT}-srv-1"], check=True, capture_output=True)
    finally:
        subprocess.run(["docker", "start", f"{PROJECT}-cli-1"], check=True, capture_output=True)
    for host in ("srv-1", "cli-1"):
        field.on(host, "until systemctl is-system-running --wait | grep -qE 'running|degraded'; do sleep 0.2; done")
    done = rotate(field)
    assert done.returncode == 0, done.stdout[-5000:]
    settled(field, was)


def test_two_controllers_and_an_older_truth_are_refused_before_anything_is_written(ready: Field) -> None:
    field = ready
    was = current(field)
    truth = CACHE / "credentials.vault.yml"
    shutil.copy(truth, CACHE / "older")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(rotate, field)
        while main_credential(field)["rotation"] is None and not first.done():
            pass
        second = rotate(field)
        assert second.returncode != 0
        assert "is at work on these credentials" in second.stdout
        assert first.result().returncode == 0, first.result().stdout[-5000:]
    shutil.copy(truth, CACHE / "newer")
    newest = current(field)
    shutil.copy(CACHE / "older", truth)
    before = files(field)
    try:
        done = rotate(field)
        assert done.returncode != 0
        assert "does not know" in done.stdout
        assert files(field) == before
        assert field.site().returncode != 0
        assert files(field) == before
        assert (status(field, newest[1]), status(field, was[1])) == (200, 401)
    finally:
        shutil.copy(CACHE / "newer", truth)
    settled(field, was)
