# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not in files: processes, containers, the journal and git history."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scan_cases import DIGIT, DOT, LETTER, PASSWORD, SLASH, left_out, look

from ansible_collections.genai.comfyui.plugins.module_utils import _scan_system

ENGINES = pytest.mark.parametrize("grep", ["", None], ids=["grep", "python"])


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """A process with secrets in its environment and arguments, which has begun to wait."""
    program = "print('ready', flush=True); input()"
    words = [sys.executable, "-c", program, f"--header=Bearer {SLASH}", base64.b64encode(DOT.encode()).decode()]
    environment = {"COMFYUI_API_TOKEN": LETTER, "OTHER": f"x:{PASSWORD}@host", "PLAIN": "1", LETTER: "name"}
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        yield started
        started.kill()


def test_process(process: subprocess.Popen[str]) -> None:
    declared = [{"id": "env", "path": "/nowhere", "codec": "dotenv", "key": "COMFYUI_API_TOKEN"}]
    result = look(sources=("processes",), declared=declared)
    own = [one for one in result["findings"] if one["path"].startswith(f"/proc/{process.pid}/")]
    name = Path(f"/proc/{process.pid}/comm").read_text().strip()
    who = f"{name}, user {Path('/proc/self').owner()}"
    assert sorted((one["detail"], one["version"], one["field"], one["spelling"]) for one in own) == [
        ("argument 3 of " + who, "v6", "token", "plain"),
        ("argument 4 of " + who, "v5", "token", "base64"),
        ("environment variable <token of main v7> of " + who, "v7", "token", "plain"),
        ("environment variable OTHER of " + who, "v7", "password", "plain"),
    ]
    assert [one["declared"] for one in result["declared"] if str(process.pid) in one["path"]] == ["env"]
    assert result["counts"]["processes"] > 1


def program(path: Path, text: str) -> str:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


DESCRIBED = {
    "Id": "0123",
    "Name": "/worker",
    "Args": ["--token", LETTER],
    "Config": {"Env": ["PATH=/bin", f"T={DIGIT}", f"COMFYUI_API_TOKEN={LETTER}"], "Labels": {"note": PASSWORD}},
    "State": {"Running": False, "Pid": 0},
}


def test_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "answer.json").write_text(json.dumps([DESCRIBED]))
    engine = program(tmp_path / "docker", f'if [ "$1" = ps ]; then echo 0123; else cat {tmp_path}/answer.json; fi\n')
    monkeypatch.setattr(_scan_system, "_ENGINES", (engine, str(tmp_path / "podman")))
    result = look(
        sources=("containers",),
        declared=[{"id": "c", "path": "/nowhere", "codec": "dotenv", "key": "COMFYUI_API_TOKEN"}],
    )
    assert sorted((one["detail"], one["version"], one["field"]) for one in result["findings"]) == [
        ("Args", "v7", "token"),
        ("Config.Labels.note", "v7", "password"),
        ("environment variable T", "v8", "token"),
    ]
    assert {one["path"] for one in result["findings"]} == {f"{engine} container worker"}
    assert [one["declared"] for one in result["declared"]] == ["c"]
    assert result["counts"] == {"containers": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo cannot connect >&2; exit 1", "container engine does not answer"),
        ("sleep 60", "container engine did not answer in time"),
        ('if [ "$1" = ps ]; then echo 1; else echo no json; fi', "its answer is no JSON"),
        (None, "not installed"),
    ],
)
def test_engine_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, reason: str
) -> None:
    engine = program(tmp_path / "docker", text + "\n") if text else str(tmp_path / "docker")
    monkeypatch.setattr(_scan_system, "_ENGINES", (engine,))
    monkeypatch.setattr(_scan_system, "_PATIENCE", 1.0)
    assert list(left_out(look(sources=("containers",)))) == [reason]


LINES = f"""2026-11-22T10:00:00+0000 host python[12]: Your token is {LETTER}
2026-11-22T10:00:01+0000 host python[12]: nothing
2026-11-22T10:00:02+0000 host sudo[13]: ann : COMMAND=/usr/bin/curl -H 'Bearer {DIGIT}'
2026-11-22T10:00:03+0000 host python[14]: Your token is {LETTER}
                                          {SLASH}
"""


@ENGINES
def test_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grep: str | None) -> None:
    (tmp_path / "lines").write_text(LINES)
    monkeypatch.setattr(_scan_system, "_JOURNAL", program(tmp_path / "journalctl", f"cat {tmp_path}/lines\n"))
    result = look(sources=("journal",), grep=grep)
    assert [(one["path"], one["detail"], one["version"], one["count"], one["line"]) for one in result["findings"]] == [
        ("journal", "a later line of a message", "v6", 1, None),
        ("journal of python", "first at 2026-11-22T10:00:00+0000", "v7", 2, None),
        ("journal of sudo", "first at 2026-11-22T10:00:02+0000", "v8", 1, None),
    ]
    assert list(left_out(result)) == ["older than journal_days"]
    assert left_out(look(sources=("journal",), grep=grep, journal_days=0)) == {}


@ENGINES
def test_journal_that_fails_or_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grep: str | None) -> None:
    path = tmp_path / "journalctl"
    monkeypatch.setattr(_scan_system, "_JOURNAL", program(path, "exit 3\n"))
    told = left_out(look(sources=("journal",), grep=grep, journal_days=0))
    assert told == {"journalctl failed (exit status 3)": ["the journal"]}
    program(path, "exec sleep 60\n")
    result = look(sources=("journal",), grep=grep, journal_days=0, timeout=0.5)
    assert left_out(result) == {"time is up": ["the rest of the journal"]}
    assert result["complete"] is False
    path.unlink()
    assert left_out(look(sources=("journal",), grep=grep, journal_days=0)) == {"not installed": [str(path)]}


def git(where: Path, *words: str) -> None:
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    environment = {**os.environ, **names, "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run(["git", "-C", str(where), *words], env=environment, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with tokens in a deleted file, a deleted branch and a message, and none in its work tree."""
    where = tmp_path / "project"
    where.mkdir()
    git(where, "init", "-q", "-b", "main")
    (where / "config").mkdir()
    (where / "config/.env").write_text(f"# mine\nT={LETTER}\n")
    (where / "big").write_bytes(b"x" * 2_000_000)
    git(where, "add", ".")
    git(where, "commit", "-qm", "first")
    git(where, "rm", "-q", "config/.env")
    git(where, "commit", "-qm", f"remove {PASSWORD}")
    git(where, "checkout", "-q", "-b", "away")
    (where / "other").write_text(DOT)
    git(where, "add", ".")
    git(where, "commit", "-qm", "other")
    git(where, "checkout", "-q", "main")
    git(where, "branch", "-qD", "away")
    git(where, "repack", "-qad")
    return where


@ENGINES
def test_git_history(repository: Path, grep: str | None) -> None:
    shutil.copytree(repository, repository.parent / "again")
    result = look(repository.parent, sources=("files", "git"), grep=grep, max_size=1024 * 1024)
    found = [one for one in result["findings"] if one["kind"] == "git"]
    details = sorted((one["version"], one["field"], one["line"], one["detail"].split(" ")[0]) for one in found)
    assert details == [("v5", "token", 1, "other"), ("v7", "password", 6, "the"), ("v7", "token", 2, "config/.env")]
    assert [one["detail"].split(" ")[0:3] for one in found if one["line"] == 2] == [["config/.env", "in", "commit"]]
    assert not [one for one in result["findings"] if one["kind"] == "file" and "project/config" in one["path"]]
    assert result["counts"]["repositories"] == 2
    assert len([one for one in left_out(result)["larger than max_size"] if ", object " in one]) == 1
    assert {os.path.dirname(one["path"]) for one in found} <= {str(repository), str(repository.parent / "again")}


def test_git_bare_and_broken(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(repository), str(tmp_path / "bare"))
    shutil.rmtree(repository)
    broken = tmp_path / "broken/.git"
    broken.mkdir(parents=True)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/.git").write_text(f"gitdir: {tmp_path}/elsewhere\n")
    result = look(tmp_path, sources=("files", "git"))
    assert {one["path"] for one in result["findings"]} == {str(tmp_path / "bare")}
    told = left_out(result)
    assert told["git cannot read the repository"] == [str(broken)]
    assert told["a link to another repository"] == [str(tmp_path / "tree/.git")]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_git_runs_as_the_owner(repository: Path) -> None:
    """A repository's configuration names programs; none of them runs as root."""
    for path in [repository, *repository.rglob("*")]:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    mark = repository.parent / "ran"
    evil: dict[str, Any] = {"core.fsmonitor": f"touch {mark}", "core.sshCommand": f"touch {mark}", "gpg.program": "x"}
    for key, value in evil.items():
        git(repository, "config", "-f", str(repository / ".git/config"), key, value)
    result = look(repository, sources=("files", "git"))
    # The way to pytest's folder is closed to the owner, so nothing is read, and that is said.
    assert left_out(result)["git cannot read the repository"] == [str(repository / ".git")]
    assert not mark.exists()
