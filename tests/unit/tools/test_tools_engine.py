# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import engine

FakeDocker = Callable[[str], Path]


@pytest.fixture
def ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "is_root", lambda: False)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_an_engine_that_answers_is_used(fake_docker: FakeDocker, capsys: pytest.CaptureFixture[str]) -> None:
    fake_docker("echo 27.1")
    engine.ensure()
    assert "27.1 answers (already running)" in capsys.readouterr().out


@pytest.mark.usefixtures("ordinary_user")
def test_without_root_and_engine_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "is_debian", lambda: True)
    with pytest.raises(SystemExit) as caught:
        engine.ensure()
    text = str(caught.value)
    for part in ("apt-get install docker.io iptables", "usermod -aG docker", "DOCKER_HOST=unix://", "INVENTORY="):
        assert part in text
    assert list(tmp_path.iterdir()) == []


def test_elsewhere_the_message_names_no_debian_package() -> None:
    assert "apt-get" not in engine.missing(engine.Probe("", "client", "no docker command"), debian=False)


@pytest.mark.usefixtures("ordinary_user")
def test_an_engine_that_refuses_this_user_is_not_called_absent(fake_docker: FakeDocker) -> None:
    fake_docker('echo "permission denied while trying to connect" >&2; exit 1')
    with pytest.raises(SystemExit, match=r"runs, but user \S+ may not talk to it.*usermod -aG docker"):
        engine.ensure()


def test_a_docker_host_that_is_silent_is_named_and_nothing_is_installed(
    fake_docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fake_docker('echo "Cannot connect" >&2; exit 1')
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(SystemExit, match=r"DOCKER_HOST=unix:///nowhere.sock is set.*Cannot connect"):
        engine.ensure()
    assert log.read_text().splitlines() == ["version --format {{.Server.Version}}"]


def test_endpoint_follows_the_clients_context(fake_docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_docker("echo unix:///run/user/1000/docker.sock")
    assert engine.endpoint() == "unix:///run/user/1000/docker.sock"
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    assert engine.endpoint() == "tcp://elsewhere:2375"
    monkeypatch.delenv("DOCKER_HOST")
    fake_docker("exit 1")
    assert engine.endpoint() == engine.DEFAULT_ENDPOINT


@pytest.mark.parametrize("ticks", ["1", None])
def test_stop_leaves_a_process_that_only_has_the_same_number(
    ticks: str | None, sleeper: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "dockerd.json"
    record.write_text(json.dumps({"pid": sleeper.pid, "ticks": ticks}))
    monkeypatch.setattr(engine, "RECORD", record)
    engine.stop()
    assert sleeper.poll() is None


def test_stop_ends_what_was_started_here(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "dockerd.json"
    record.write_text(json.dumps({"pid": sleeper.pid, "ticks": engine.started_ticks(sleeper.pid)}))
    monkeypatch.setattr(engine, "RECORD", record)
    engine.stop()
    assert sleeper.wait(5) == -15
    assert not record.exists()


def test_a_pid_file_of_a_dead_engine_is_removed(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    pidfile = tmp_path / "docker.pid"
    pidfile.write_text(str(sleeper.pid))
    engine._drop_stale_pidfile(pidfile)
    assert not pidfile.exists()


@pytest.mark.parametrize(
    "mounts",
    [
        "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n",
        "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0\n",
    ],
)
def test_control_groups_that_suffice_are_left_alone(mounts: str, tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text(mounts)
    assert engine.ensure_systemd_hierarchy(table) is False
