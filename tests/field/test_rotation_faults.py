# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations on real hosts with full disks and wrong clocks; the way back; new passwords; a token that is known."""

from __future__ import annotations

import http.client
import re
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from callers import calling, current, killed, main_credential, overlap, process, rotate, status
from fake_clock import controller, own_clock, set_clock
from field_hosts import APP, CACHE, UNIT, Field
from full_disks import Small
from rotation_ends import ready, settled
from test_leaks import leaks

__all__ = ["ready"]
pytestmark = [pytest.mark.hosts, pytest.mark.slow]

ACCEPT = f"{APP}/login/ACCEPT.json"
DAY = 86400
TEN = "10 days, 0:00:00"
FULL = "no space is left on the file system; free some and run again"


def said(text: str) -> str:
    """Return what Ansible printed, without its line breaks."""
    return re.sub(r"\s+", " ", text)


def phase(field: Field) -> str | None:
    """Return the phase of the running rotation."""
    rotation = main_credential(field)["rotation"]
    return None if rotation is None else str(rotation["phase"])


def clients(field: Field) -> str:
    """Return the sums of the clients' files."""
    return field.on("cli-1", "sha256sum /srv/notebooks.env /etc/comfyui-mcp.json")


def log_in(field: Field, password: str) -> str | None:
    """Send the web form; return the session's cookie, or None where the password is refused."""
    connection = http.client.HTTPConnection(field.address("srv-1"), 8188, timeout=10)
    try:
        form = urlencode({"username": "admin", "password": password})
        connection.request("POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        entered = answer.status == 302 and answer.getheader("Location") == "/"
        return str(answer.getheader("Set-Cookie")).partition(";")[0] if entered else None
    finally:
        connection.close()


def session(field: Field, cookie: str) -> int:
    """Return what the server answers to a browser with this cookie."""
    connection = http.client.HTTPConnection(field.address("srv-1"), 8188, timeout=10)
    try:
        connection.request("GET", "/queue", headers={"Cookie": cookie, "Accept": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_full_disks_only_delay_it_and_leave_nothing_behind(ready: Field) -> None:
    field = ready
    # In a container nothing is mounted for the services too unless one says so; on a machine systemd does.
    field.on("srv-1", f"mount --make-rshared / && systemctl restart {UNIT}")
    was, before = current(field), process(field)
    login, truth, client = Small("srv-1", f"{APP}/login"), Small(None, str(CACHE)), Small("cli-1", "/srv")
    with login, truth, client, calling(field) as calls:
        receipt = {"./RETIRED.json", "./.RETIRED.json.lock"}  # the first rotation makes it
        there = [set(one.names()) | receipt for one in (login, client)]
        login.fill()
        done = rotate(field, "-vvv", "--diff")
        output = done.stdout + done.stderr
        assert done.returncode != 0
        assert f"{ACCEPT}: {FULL}" in said(done.stdout), done.stdout[-3000:]
        assert phase(field) == "pending"
        login.free()
        truth.fill()
        done = rotate(field, "-vvv", "--diff")
        output += done.stdout + done.stderr
        assert done.returncode != 0
        assert f"credential store {CACHE}/credentials.vault.yml: {FULL}" in said(done.stdout), done.stdout[-3000:]
        assert phase(field) == "pending"
        truth.free()
        client.fill()
        done = rotate(field, "-vvv", "--diff")
        output += done.stdout + done.stderr
        assert done.returncode != 0
        assert f"/srv/notebooks.env: {FULL}" in said(done.stdout), done.stdout[-3000:]
        assert "waits for consumer cli-1:notebooks" in said(done.stdout), done.stdout[-3000:]
        assert phase(field) == "accepted"
        client.free()
        done = rotate(field)
        assert done.returncode == 0, done.stdout[-5000:]
        # Neither a temporary file nor a copy, where each write was tried.
        assert [set(one.names()) | receipt for one in (login, client)] == there
        assert not [name for name in truth.names() if "genai-tmp" in name]
        assert leaks(output.encode(), [was[1], *field.secrets()]) == []
    assert calls.failures == []
    assert process(field) == before
    settled(field, was)


@pytest.fixture
def wrong_clocks(ready: Field) -> Iterator[Field]:
    """Let the Python of the client host be ten days behind.

    Containers share the kernel's clock, so it is the processes' own idea that is wrong: that of the modules that run
    there and of the clients that call.
    """
    field, place = ready, "/usr/lib/python3/dist-packages/zz_clock.pth"
    line = f"import time; time.time = (lambda right: lambda: right() - {10 * DAY})(time.time)"
    field.on("cli-1", f"echo '{line}' > {place}")
    behind = float(field.on("cli-1", "python3 -c 'import time; print(time.time())'"))
    assert behind < time.time() - 9 * DAY
    yield field
    field.on("cli-1", f"rm -f {place}")


def test_a_new_password_while_a_clients_clock_is_wrong(wrong_clocks: Field) -> None:
    """Sessions end if asked, the old password with the overlap; no way leads back after the switch; no call fails."""
    field = wrong_clocks
    overlap(field, 1)
    before = process(field)
    old = main_credential(field)["password"]["value"]
    cookie = log_in(field, old)
    assert cookie is not None
    assert session(field, cookie) == 200
    with calling(field) as calls:
        done = rotate(field, "-e", "comfyui_rotate=password", "-e", "comfyui_rotation_sessions=end")
        assert done.returncode == 0, done.stdout[-5000:]
        assert main_credential(field)["rotation"]["phase"] == "switched"
        assert session(field, cookie) == 401
        new = main_credential(field)["password"]["value"]
        assert new != old
        fresh = log_in(field, new)
        assert fresh is not None
        assert session(field, fresh) == 200
        done = rotate(field, "-e", "comfyui_rotation_abort=true")
        assert done.returncode != 0
        assert "there is no way back" in said(done.stdout), done.stdout[-3000:]
        assert main_credential(field)["rotation"]["phase"] == "switched"
        done = rotate(field, "-e", "comfyui_rotation_reason=compromise")
        assert done.returncode == 0, done.stdout[-5000:]
    assert calls.failures == []
    assert process(field) == before
    assert session(field, fresh) == 401
    assert log_in(field, old) is None
    assert log_in(field, new) is not None


def test_no_wrong_clock_moves_a_rotation_or_ends_an_overlap(ready: Field) -> None:
    """A controller's in the middle of it, back and forth; and the server's, while it runs."""
    field = ready
    with own_clock(field):
        overlap(field, 24)
        was, before = current(field), process(field)
        with calling(field) as calls:
            killed(field, "Bring every host in line and look")
            assert f"is {TEN} ahead of this controller's" in refused(field, **controller(-10))
            # Clients and servers hold the new token, but no end of the overlap was told to anybody.
            assert phase(field) == "distributed"
            assert status(field, was[1]) == 200
            done = rotate(field)
            assert done.returncode == 0, done.stdout[-5000:]
            assert phase(field) == "switched"
            assert f"is {TEN} behind this controller's" in refused(field, **controller(10))
            assert phase(field) == "switched"
            set_clock(field, 10)
            # The guard goes by the end that it was told; who holds the current token does not notice.
            await_status(field, was[1], 401)
            assert f"is {TEN} ahead of this controller's" in refused(field)
            assert phase(field) == "switched"
            set_clock(field, 0)
            await_status(field, was[1], 200)
        assert calls.failures == []
        assert calls.count > 100
        assert process(field) == before
        done = rotate(field, "-e", "comfyui_rotation_reason=compromise")
        assert done.returncode == 0, done.stdout[-5000:]
        settled(field, was)


def refused(field: Field, **environment: str) -> str:
    """Run the rotation, which must fail for a clock, and return what it said."""
    done = rotate(field, **environment)
    assert done.returncode != 0
    assert "waits for clock srv-1:default: its clock " in said(done.stdout), done.stdout[-5000:]
    return said(done.stdout)


def await_status(field: Field, token: str, wanted: int) -> None:
    """Wait until the server answers so to this token."""
    deadline = time.monotonic() + 30
    while status(field, token) != wanted:
        assert time.monotonic() < deadline, f"it never answered {wanted}"
        time.sleep(0.2)


def test_it_can_be_aborted_after_clients_hold_the_new_token(ready: Field) -> None:
    field = ready
    was, before, there = current(field), process(field), clients(field)
    with calling(field) as calls:
        # When it has begun, when both tokens are valid, and when the clients' files hold the new one.
        killed(field, "Bring every host in line and look")
        killed(field, "Know that it moved")
        killed(field, "and when its files were written last")
        item = main_credential(field)
        withdrawn = item["versions"][item["labels"]["pending"]]["hash"]
        assert clients(field) != there
        assert (status(field, was[1]), status(field, withdrawn)) == (200, 200)
        done = rotate(field, "-e", "comfyui_rotation_abort=true")
        assert done.returncode == 0, done.stdout[-5000:]
    assert calls.failures == []
    assert process(field) == before
    assert clients(field) == there
    assert current(field) == was
    assert main_credential(field)["rotation"] is None
    assert (status(field, was[1]), status(field, withdrawn)) == (200, 401)
    assert withdrawn not in str(field.truth())


def test_after_a_compromise_the_old_token_is_refused_first_of_all(ready: Field) -> None:
    field = ready
    overlap(field, 24)
    was, before, there = current(field), process(field), clients(field)
    cookie = log_in(field, main_credential(field)["password"]["value"])
    assert cookie is not None
    assert session(field, cookie) == 200
    known = ("-e", "comfyui_rotation_reason=compromise")
    killed(field, "Leave the consumers as they are", *known)
    item = main_credential(field)
    assert clients(field) == there
    assert (status(field, was[1]), session(field, cookie)) == (401, 401)
    assert status(field, item["versions"][item["rotation"]["to"]]["hash"]) == 200
    done = rotate(field, *known)
    assert done.returncode == 0, done.stdout[-5000:]
    assert process(field) == before
    settled(field, was)
