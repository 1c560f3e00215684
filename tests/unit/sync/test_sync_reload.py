# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reads a file is reloaded when it is older than the file: once for all its consumers, and also after a crash."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sync_cases import DIGIT, DOT, LETTER, ROTATING, SECRETS, consumer, credential, file

from ansible_collections.genai.comfyui.plugins.module_utils import _reload, _sync_write
from ansible_collections.genai.comfyui.plugins.module_utils._agree import Outcome, agree

HERE = Path(__file__).parent


def sync(folder: Path, *consumers: dict[str, Any], check: bool = False, main: dict[str, Any] | None = None) -> Outcome:
    """Call the back end with receipts in *folder*."""
    outcome = agree(consumers, {"main": main or ROTATING}, check, str(folder / "state"))
    assert not any(secret in repr(vars(outcome)) for secret in SECRETS)
    return outcome


def states(outcome: Outcome) -> list[str | None]:
    """The records' key ``reload``."""
    return [record["reload"] for record in outcome.records]


def calls(folder: Path) -> list[str]:
    """What was called, and forget it."""
    path = folder / "calls"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    path.write_text("", encoding="utf-8")
    return lines


@pytest.fixture
def command(tmp_path: Path) -> dict[str, Any]:
    """A command that notes that it ran, with an argument that a shell would change."""
    script = tmp_path / "told"
    body = f"#!/bin/sh\ntest -e {tmp_path}/fail && echo 'no, token is {DIGIT}' && exit 3\n"
    body += f'echo "$1" >> {tmp_path}/calls\n'
    script.write_text(body, encoding="utf-8")
    script.chmod(0o755)
    return {"command": [str(script), "$HOME; *"]}


def test_command(tmp_path: Path, command: dict[str, Any]) -> None:
    """Check mode tells; a run does it once for two files and leaves a receipt; the second run does nothing."""
    both = [consumer(file(tmp_path / name, f"T='{DOT}'\n"), reload=command) for name in ("a", "b")]
    look = sync(tmp_path, *both, check=True)
    assert (look.error, states(look), calls(tmp_path)) == (None, ["pending", "pending"], [])
    assert not (tmp_path / "state").exists()
    done = sync(tmp_path, *both)
    assert (done.error, states(done), calls(tmp_path)) == (None, ["done", "done"], ["$HOME; *"])
    assert done.reloaded == look.reloaded == [f"command {tmp_path / 'told'}"]
    again = sync(tmp_path, *both)
    assert (again.error, states(again), again.reloaded, calls(tmp_path)) == (None, [None, None], [], [])
    assert states(sync(tmp_path, *both, check=True)) == [None, None]
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    for receipt in (tmp_path / "state").iterdir():
        assert receipt.stat().st_mode & 0o777 == 0o600


def test_command_after_a_crash(tmp_path: Path, command: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between write and reload: the next run, which writes nothing, makes it good."""
    one = consumer(file(tmp_path / "a", f"T='{DOT}'\n"), reload=command)
    sync(tmp_path, one)
    calls(tmp_path)
    file(tmp_path / "a", f"T='{DOT}'\n")

    def killed(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_reload, "_do", killed)
        with pytest.raises(KeyboardInterrupt):
            sync(tmp_path, one)
    assert LETTER in (tmp_path / "a").read_text(encoding="utf-8")
    assert states(sync(tmp_path, one, check=True)) == ["pending"]
    made_good = sync(tmp_path, one)
    assert (made_good.changed_paths, states(made_good), calls(tmp_path)) == ([], ["done"], ["$HOME; *"])
    # Before the receipt was even begun, the file's own time is the evidence.
    with monkeypatch.context() as patched:
        patched.setattr(_sync_write, "_verify", killed)
        with pytest.raises(KeyboardInterrupt):
            sync(tmp_path, one, main=credential(token=DIGIT, version="v8"))
    late = sync(tmp_path, one, main=credential(token=DIGIT, version="v8"))
    assert (late.changed_paths, states(late), calls(tmp_path)) == ([], ["done"], ["$HOME; *"])


def test_command_that_fails(tmp_path: Path, command: dict[str, Any]) -> None:
    """The error says what and shows no value, the file stays, and the next run tries again."""
    (tmp_path / "fail").touch()
    one = consumer(file(tmp_path / "a", f"T='{DOT}'\n"), reload=command)
    failed = sync(tmp_path, one)
    assert str(failed.error).startswith("not everything could be reloaded (all files are as they should be; run again")
    assert f"command {tmp_path / 'told'} ended with status 3: no, token is <masked>" in str(failed.error)
    assert (failed.changed_consumers, states(failed)) == (["a"], ["pending"])
    assert LETTER in (tmp_path / "a").read_text(encoding="utf-8")
    assert states(sync(tmp_path, one, check=True)) == ["pending"]
    (tmp_path / "fail").unlink()
    again = sync(tmp_path, one)
    assert (again.error, again.changed_paths, states(again)) == (None, [], ["done"])
    gone = consumer(tmp_path / "a", id="gone", reload={"command": ["no-such-program"]})
    assert "there is no program no-such-program on this host" in str(sync(tmp_path, gone).error)


def test_nothing_is_reloaded_when_nothing_may_be_written(tmp_path: Path, command: dict[str, Any]) -> None:
    """A refusal of one consumer keeps the others' programs as they are."""
    good = consumer(file(tmp_path / "a", f"T='{DOT}'\n"), reload=command)
    bad = consumer(file(tmp_path / "bad.json", "{"), "json", reload=command)
    outcome = sync(tmp_path, good, bad)
    assert "nothing was written" in str(outcome.error)
    assert (states(outcome), calls(tmp_path)) == ([None, None], [])
    refused = consumer(file(tmp_path / "b", f"T='{DOT}'\n"), reload=command, validate=["false", "%s"])
    outcome = sync(tmp_path, good, refused)
    assert "false %s refuses the new content" in str(outcome.error)
    assert (states(outcome), calls(tmp_path)) == ([None, None], [])
    assert (states(sync(tmp_path, good)), calls(tmp_path)) == (["done"], ["$HOME; *"])


@pytest.fixture
def unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A running unit web.service with a real process; its files are in the folder given."""
    folder = tmp_path / "systemd"
    folder.mkdir()
    (folder / "systemctl").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {HERE}/small_systemctl.py "$@"\n')
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("SMALL_SYSTEMCTL", str(folder))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    (folder / "unit.json").write_text(json.dumps({"active": "inactive", "pid": 0}))
    os.system("systemctl restart web.service")
    calls(folder)
    yield folder
    process = read_unit(folder)["pid"]
    if process:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def read_unit(folder: Path) -> dict[str, Any]:
    """The unit as it is."""
    found: dict[str, Any] = json.loads((folder / "unit.json").read_text(encoding="utf-8"))
    return found


def older(path: Path) -> Path:
    """Give *path* a time of change before every process of the test."""
    os.utime(path, (time.time() - 60, time.time() - 60))
    return path


@pytest.mark.parametrize("action", ["restart", "reload"])
def test_unit(tmp_path: Path, unit: Path, action: str) -> None:
    """Older file: nothing. Newer file: once, and not again, though reload keeps the process."""
    paths = [older(file(tmp_path / name, f"T='{LETTER}'\n")) for name in ("a", "b")]
    both = [consumer(path, reload={"systemd": "web", "action": action}) for path in paths]
    assert states(sync(tmp_path, *both)) == [None, None]
    file(paths[0], f"T='{DOT}'\n")
    look = sync(tmp_path, *both, check=True)
    assert (states(look), calls(unit)) == (["pending", "pending"], [])
    done = sync(tmp_path, *both)
    assert (done.error, states(done), calls(unit)) == (None, ["done", "done"], [f"{action} web.service"])
    assert done.reloaded == look.reloaded == [f"systemd unit web.service ({action})"]
    again = sync(tmp_path, *both)
    assert (states(again), calls(unit)) == ([None, None], [])


def test_unit_after_a_crash(tmp_path: Path, unit: Path) -> None:
    """The file is right, the process is older: that alone is the evidence. Somebody else's restart counts, too."""
    path = file(tmp_path / "a", f"T='{LETTER}'\n")
    one = consumer(path, reload={"systemd": "web.service"})
    look = sync(tmp_path, one, check=True)
    assert (look.records[0]["status"], states(look)) == ("in_sync", ["pending"])
    assert look.records[0]["detail"].endswith("systemd unit web.service (restart) is older than its file")
    before = read_unit(unit)["pid"]
    done = sync(tmp_path, one)
    assert (done.changed_paths, states(done)) == ([], ["done"])
    assert read_unit(unit)["pid"] != before
    calls(unit)
    file(path, f"T='{LETTER}'\n")
    # The kernel's ticks are 10 ms and the slack is 50: only a start clearly later is one that we did not see.
    os.utime(path, (time.time() - 1, time.time() - 1))
    os.system("systemctl restart web.service")
    calls(unit)
    assert (states(sync(tmp_path, one)), calls(unit)) == ([None], [])


def test_unit_while_the_clock_is_set_back(tmp_path: Path, unit: Path) -> None:
    """The file's new time is before the process's start, yet the process that was told last has not read it."""
    path = file(tmp_path / "a", f"T='{DOT}'\n")
    one = consumer(path, reload={"systemd": "web.service"})
    assert states(sync(tmp_path, one)) == ["done"]
    calls(unit)
    older(file(path, f"T='{LETTER}'\n"))
    assert (states(sync(tmp_path, one)), calls(unit)) == (["done"], ["restart web.service"])
    assert (states(sync(tmp_path, one)), calls(unit)) == ([None], [])


def test_unit_that_fails(tmp_path: Path, unit: Path) -> None:
    """A failed restart is an error, the file stays; the failed unit has no process, and is tried again all the same."""
    path = file(tmp_path / "a", f"T='{DOT}'\n")
    one = consumer(path, reload={"systemd": "web"})
    process = read_unit(unit)["pid"]
    (unit / "unit.json").write_text(json.dumps({**read_unit(unit), "fails": f"bad {LETTER}"}))
    failed = sync(tmp_path, one)
    assert "systemd unit web.service (restart): Job for web.service failed: bad <masked>" in str(failed.error)
    assert (states(failed), failed.changed_consumers) == (["pending"], ["a"])
    assert LETTER in path.read_text(encoding="utf-8")
    os.kill(process, signal.SIGKILL)
    (unit / "unit.json").write_text(json.dumps({"active": "failed", "pid": 0}))
    assert states(sync(tmp_path, one, check=True)) == ["pending"]
    again = sync(tmp_path, one)
    assert (again.error, states(again)) == (None, ["done"])


@pytest.mark.parametrize(
    ("ends", "fault"), [("failed", "it is failed (x) now; see journalctl -u web"), ("inactive", "")]
)
def test_unit_that_ends_at_once(tmp_path: Path, unit: Path, ends: str, fault: str) -> None:
    """A restart that systemd takes for done, and the unit falls over right after; or it was done and needed no more."""
    (unit / "unit.json").write_text(json.dumps({**read_unit(unit), "ends": ends}))
    path = file(tmp_path / "a", f"T='{DOT}'\n")
    outcome = sync(tmp_path, consumer(path, reload={"systemd": "web"}))
    assert states(outcome) == ["pending" if fault else "done"]
    assert fault in str(outcome.error or "")
    assert (outcome.error is None) == (not fault)


def test_what_does_not_run_is_left_alone(tmp_path: Path, unit: Path) -> None:
    """A stopped unit will read the new file when it starts; a unit that is not there is told."""
    os.kill(read_unit(unit)["pid"], signal.SIGKILL)
    (unit / "unit.json").write_text(json.dumps({"active": "inactive", "pid": 0}))
    one = consumer(file(tmp_path / "a", f"T='{DOT}'\n"), reload={"systemd": "web"})
    two = consumer(file(tmp_path / "b", f"T='{DOT}'\n"), reload={"systemd": "nobody"})
    done = sync(tmp_path, one, two)
    assert (done.error, states(done), calls(unit)) == (None, [None, None], [])
    assert "there is no systemd unit nobody.service on this host" in done.records[1]["detail"]


def test_compose_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The container's making is the evidence; it is made anew, alone."""
    folder, project = tmp_path / "docker", tmp_path / "project"
    folder.mkdir()
    project.mkdir()
    (folder / "docker").write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {HERE}/small_docker.py "$@"\n')
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("SMALL_DOCKER", str(folder))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    one = consumer(file(project / ".env", f"T='{DOT}'\n"), "dotenv")
    one = {**one, "reload": {"compose": {"project_dir": str(project), "service": "web"}}}
    assert (states(sync(tmp_path, one)), calls(folder)) == ([None], [])
    (folder / "created").write_text("2026-01-02T03:04:05.123456789Z", encoding="ascii")
    assert states(sync(tmp_path, one, check=True)) == ["pending"]
    done = sync(tmp_path, one)
    wanted = f"{project}: compose --project-directory {project} up -d --no-deps --force-recreate web"
    assert (done.error, states(done), calls(folder)) == (None, ["done"], [wanted])
    assert (states(sync(tmp_path, one)), calls(folder)) == ([None], [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"systemd": "a", "command": ["b"]}, "names one of systemd, compose and command"),
        ({"action": "reload"}, "names one of systemd, compose and command"),
        ({"systemd": "a", "action": "stop"}, "'action' in 'reload' is restart or reload"),
        ({"command": ["a"], "action": "reload"}, "'action' in 'reload' belongs to systemd"),
        ({"command": "a b"}, "is a list of words, for there is no shell"),
        ({"compose": {"project_dir": "here", "service": "web"}}, "needs project_dir, an absolute path, and service"),
    ],
)
def test_declarations(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    """What makes no sense is refused before anything is written."""
    path = file(tmp_path / "a", f"T='{DOT}'\n")
    assert message in str(sync(tmp_path, consumer(path, reload=given)).error)
    assert DOT in path.read_text(encoding="utf-8")
