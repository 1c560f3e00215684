# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, with real processes and real HTTP; only systemd itself is stood in for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from module_host import DIGIT, LETTER, Host, hosted


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with hosted(tmp_path) as made:
        yield made


def test_starts_once_and_then_leaves_alone(host: Host) -> None:
    one, two = host.unit("a"), host.unit("b")
    planned = host.run(one, two, _ansible_check_mode=True, enabled=True)
    assert planned["changed"] is True
    assert [record["action"] for record in planned["instances"]] == ["started", "started"]
    assert host.calls() == []

    first = host.run(one, two, enabled=True)
    assert first["changed"] is True
    for record in first["instances"]:
        assert (record["action"], record["reasons"]) == ("started", ["it does not run"])
        assert record["active"] is True
        assert record["probe"]["state"] == "locked"
        assert abs(record["since"] - time.time()) < 30
    assert first["instances"][0]["pid"] == host.state("a")["pid"]
    assert "enable comfyui@a.service comfyui@b.service" in host.calls()

    before = host.calls()
    second = host.run(one, two, enabled=True)
    assert second["changed"] is False
    assert [record["action"] for record in second["instances"]] == ["none", "none"]
    assert host.calls() == before


def test_restarts_exactly_the_one_that_is_older_than_its_file(host: Host) -> None:
    one, two = host.unit("a"), host.unit("b")
    host.start("a")
    host.start("b")
    host.password("b", LETTER, ago=-1)
    result = host.run(one, two)
    assert [record["action"] for record in result["instances"]] == ["none", "restarted"]
    assert result["instances"][1]["reasons"] == [f"{two['watch'][0]} changed after the process started"]
    assert "restart comfyui@b.service" in host.calls()


def test_restarts_for_another_token_even_when_no_file_is_newer(host: Host) -> None:
    one = host.unit(token=DIGIT)
    host.start()
    host.password("a", LETTER, ago=3600)
    (record,) = host.run(one)["instances"]
    assert (record["action"], record["reasons"]) == ("restarted", ["the process holds another token than the truth"])
    assert record["probe"]["state"] == "locked"


def test_an_open_server_is_stopped_before_anything_else_and_started_again(host: Host) -> None:
    one, two = host.unit("a"), host.unit("b", token=DIGIT)
    host.start("a")
    host.start("b")
    (host.folder("a") / "open").write_text("")
    (host.folder("b") / "queue").write_text("3")
    host.password("b", LETTER)
    retired = {"main": {"token": LETTER, "previous": {"token": DIGIT}}}
    result = host.run(one, two, credentials=retired, drain=5, fails=True)
    # It is still open after its start, so it ends stopped; the other one does not suffer.
    assert host.calls()[0] == "stop comfyui@a.service"
    assert result["msg"].startswith("Stopped, because not locked. a: a stranger (no credential) was let in")
    assert [record["active"] for record in result["instances"]] == [False, True]
    assert (host.state("a")["active"], host.state("b")["active"]) == ("inactive", "active")
    assert (host.folder("b") / "queue").read_text() == "0"


def test_an_open_server_that_is_mended_by_its_start_stays(host: Host) -> None:
    one = host.unit()
    host.start()
    pid = host.state()["pid"]
    (host.folder("a") / "open").write_text("")
    planned = host.run(one, _ansible_check_mode=True)["instances"][0]
    assert planned["action"] == "restarted"
    assert host.state()["pid"] == pid
    # What mends it comes with the unit's stop: the stood-in systemd is told to by the file's own disappearance.
    program = host.path / "systemctl"
    program.write_text(
        program.read_text().replace("exec ", f'[ "$1" = stop ] && rm -f "{host.folder("a")}/open"\nexec ')
    )
    (record,) = host.run(one)["instances"]
    assert (record["action"], record["probe"]["state"]) == ("restarted", "locked")
    assert record["reasons"][0].startswith("a stranger (no credential) was let in with 200")


def test_a_refused_start_ends_stopped_with_the_reason_of_the_unit(host: Host) -> None:
    said = f"Nov 22 python[7]: comfyui-start: login/PASSWORD holds {DIGIT} and mode 0644; run the playbook"
    one, two = host.unit("a", refuses=said), host.unit("b")
    result = host.run(one, two, fails=True)
    assert result["changed"] is True
    assert result["msg"] == (
        "Stopped, because not locked. a: comfyui-start: login/PASSWORD holds <token> and mode 0644; run the playbook "
        "(failed, exit-code, exit status 78)"
    )
    assert host.calls()[-1] == "stop comfyui@a.service"
    assert host.state("b")["active"] == "active"


def test_secrets_are_masked_and_nothing_else(host: Host) -> None:
    # "comfyui" is a user name here, and must not turn every unit's name into stars.
    credential = {"username": "comfyui", "token": LETTER, "password": "Correct-Horse-1", "version": "v7"}
    one = host.unit("a", refuses="comfyui-start: Correct-Horse-1 is a poor password in v7")
    result = host.run(one, credentials={"main": credential}, fails=True)
    assert result["instances"][0]["unit"] == "comfyui@a.service"
    assert "comfyui-start: ******** is a poor password in v7" in result["msg"]


def test_a_start_that_does_not_end_is_stopped(host: Host) -> None:
    host.alter("z", active="inactive")
    one = host.unit(hangs=600)
    # The module gives systemctl a minute more than the unit itself has; here that minute is not waited for.
    program = host.path / "systemctl"
    program.write_text(program.read_text().replace("exec ", '[ "$1" = restart ] && set -- start "$2"\nexec timeout 2 '))
    result = host.run(one, fails=True)
    assert "a: activating, success, exit status 0; see journalctl -u comfyui@a.service" in result["msg"]
    assert host.calls()[-1] == "stop comfyui@a.service"
    assert result["instances"][0]["active"] is False


def test_stops_and_waits_for_the_queue_as_long_as_told(host: Host) -> None:
    one = host.unit()
    host.start()
    (host.folder("a") / "queue").write_text("2")
    (record,) = host.run(one, state="stopped", drain=10)["instances"]
    assert (record["action"], record["active"], record["detail"]) == ("stopped", False, "")
    assert (host.folder("a") / "queue").read_text() == "0"
    again = host.run(one, state="stopped")
    assert again["changed"] is False

    host.start()
    (host.folder("a") / "queue").write_text("9")
    (record,) = host.run(one, state="restarted", drain=1, keep_queue=False)["instances"]
    assert record["active"] is True
    assert record["detail"].endswith("jobs were still queued after 1 s and are lost")
    assert record["jobs"] is None


def test_a_restart_puts_back_what_was_queued_and_names_what_it_could_not(host: Host) -> None:
    one = host.unit()
    host.start()
    jobs = host.folder("a") / "jobs"
    jobs.write_text("runs\nfirst\nbad-one\nlast\n")
    result = host.run(one, state="restarted")
    (record,) = result["instances"]
    assert record["jobs"] == {
        "kept": ["runs", "first", "last"],
        "lost": [{"id": "bad-one", "why": "refused with 400"}],
        "late": 0,
    }
    assert record["detail"] == "jobs that were queued could not be put back and are lost: bad-one (refused with 400)"
    assert jobs.read_text().split() == ["runs", "first", "last"]
    assert "client_id" not in str(result)
    # Without it the queue is gone with the process.
    (record,) = host.run(one, state="restarted", keep_queue=False)["instances"]
    assert (record["jobs"], jobs.exists()) == (None, False)


def test_jobs_that_came_too_late_to_be_seen_are_counted(host: Host) -> None:
    """By what the stopped process itself logged since its queue was asked for."""
    one = host.unit()
    host.start()
    pid = host.run(one, state="status")["instances"][0]["pid"]
    hour = 3600 * 10**6
    now = int(time.monotonic() * 1e6)
    entries = [
        {"_PID": str(pid), "__MONOTONIC_TIMESTAMP": str(now + hour), "MESSAGE": "got prompt"},
        {"_PID": str(pid), "__MONOTONIC_TIMESTAMP": str(now - hour), "MESSAGE": "got prompt"},
        {"_PID": "1", "__MONOTONIC_TIMESTAMP": str(now + hour), "MESSAGE": "got prompt"},
        {"_PID": str(pid), "__MONOTONIC_TIMESTAMP": str(now + hour), "MESSAGE": [103, 111, 116]},
        {"_PID": str(pid), "__MONOTONIC_TIMESTAMP": str(now + hour), "MESSAGE": "Prompt executed"},
    ]
    log = host.home / "comfyui@a.service.log"
    log.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries) + "not json: got prompt\n")
    (record,) = host.run(one, state="restarted")["instances"]
    assert record["jobs"] == {"kept": [], "lost": [], "late": 1}
    assert record["detail"] == "up to 1 more jobs came while it was being stopped, and may be lost"
    assert 0 < record["proven"] <= record["gap"]


def test_a_unit_that_cannot_be_stopped_is_an_error(host: Host) -> None:
    one = host.unit(unstoppable=True)
    host.start()
    result = host.run(one, state="stopped", fails=True)
    assert result["msg"] == "Not stopped. a: it could not be stopped and still runs"


def test_what_is_just_coming_up_is_waited_for(host: Host) -> None:
    one = host.unit()
    host.start()
    host.alter(active="activating", sub="start-post", comes_up=3)
    result = host.run(one)
    assert result["changed"] is False
    assert result["instances"][0]["probe"]["state"] == "locked"


def test_unit_files_that_systemd_has_not_read(host: Host) -> None:
    one = host.unit(reload=True)
    host.start()
    host.alter(reload=True)
    planned = host.run(one, _ansible_check_mode=True)["instances"][0]
    assert planned["reasons"] == ["its unit files changed since systemd read them"]
    assert host.run(one)["instances"][0]["action"] == "restarted"
    assert host.calls()[0] == "daemon-reload"


def test_status_only_looks(host: Host) -> None:
    one, gone = host.unit(reload=True), {"name": "gone", "url": "http://127.0.0.1:1"}
    host.start()
    host.alter(reload=True)
    result = host.run(one, gone, state="status", credentials={})
    assert result["changed"] is False
    assert [record["active"] for record in result["instances"]] == [True, False]
    assert result["instances"][1]["detail"].startswith("there is no unit comfyui@gone.service")
    assert host.calls() == []


def test_a_bare_host_in_check_mode_would_start(host: Host) -> None:
    planned = {"main": {"username": "admin", "token": None, "password": None}}
    nowhere = {"name": "a", "url": "http://127.0.0.1:1", "watch": ["/nonexistent/PASSWORD"]}
    result = host.run(nowhere, _ansible_check_mode=True, enabled=True, credentials=planned)
    assert result["changed"] is True
    assert result["instances"][0]["action"] == "started"
    # Without check mode the same is an error that names the unit.
    failed = host.run(nowhere, fails=True)
    assert "there is no unit comfyui@a.service" in failed["msg"]


def test_enabled_is_left_as_it_is_unless_told(host: Host) -> None:
    one = host.unit(enabled=True)
    host.start()
    assert host.run(one)["changed"] is False
    assert host.state()["enabled"] is True
    assert host.run(one, enabled=False)["changed"] is True
    assert host.state()["enabled"] is False


def test_without_systemd_the_error_says_so(host: Host) -> None:
    host.environment["PATH"] = "/nonexistent"
    result = host.run({"name": "a", "url": "http://127.0.0.1:1"}, fails=True)
    assert "systemctl cannot be run" in result["msg"]
    assert "needs systemd" in result["msg"]


def test_the_journal_comes_on_request_and_without_secrets(host: Host) -> None:
    one = host.unit("a")
    host.start("a")
    (host.folder("a").parent / "comfyui@a.service.log").write_text(f"first\nthe token is {LETTER} here\n")
    assert "log" not in host.run(one, state="status")["instances"][0]
    (record,) = host.run(one, state="status", logs=50)["instances"]
    assert record["log"][0] == "first"
    assert record["log"][1].startswith("the token is <")
    assert "$2b$" not in str(record)
