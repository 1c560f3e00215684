# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: what is found, what is left out and named, with GNU grep and without."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from scan_cases import DIGIT, LETTER, PASSWORD, SLASH, TOKENS, left_out, look, places

from ansible_collections.genai.comfyui.plugins.module_utils import _scan_base, _scan_sieve
from ansible_collections.genai.comfyui.plugins.module_utils._scan import scan
from ansible_collections.genai.comfyui.plugins.module_utils._scan_base import Clock, Options
from ansible_collections.genai.comfyui.plugins.module_utils._scan_sieve import Sieve, gnu_grep

ENGINES = pytest.mark.parametrize("grep", ["", None], ids=["grep", "python"])


@ENGINES
def test_every_version_with_its_line(tmp_path: Path, grep: str | None) -> None:
    for number, token in enumerate(TOKENS):
        (tmp_path / f"{number}.env").write_text("#\n" * number + f"T={token}\n")
    (tmp_path / "notes.txt").write_text("nothing\n")
    result = look(tmp_path, grep=grep)
    assert places(result, tmp_path) == [(f"{n}.env", n + 1, version) for n, (version, _l) in enumerate(TOKENS.values())]
    assert result["engine"] == ("python" if grep is None else "grep" if gnu_grep() else "python")
    assert result["counts"] == {"files": 5, "bytes": result["counts"]["bytes"], "directories": 1}
    assert result["complete"] is True


@ENGINES
def test_names_that_make_trouble(tmp_path: Path, grep: str | None) -> None:
    for name in (b"-f", b"a b", b"quo'te", b"li\nne", b"\xff\xfe", "ü".encode(), b"--help"):
        path = os.fsencode(tmp_path) + b"/" + name
        Path(os.fsdecode(path)).write_text(LETTER)
    result = look(tmp_path, grep=grep)
    assert len(result["findings"]) == 7
    assert json.dumps(result).encode("utf-8")
    assert not [one for one in result["findings"] if not one["path"].isprintable()]


@ENGINES
def test_a_binary_file_is_searched(tmp_path: Path, grep: str | None) -> None:
    (tmp_path / "webui.db").write_bytes(b"SQLite format 3\0" + b"\0\xff" * 500 + LETTER.encode() + b"\0" * 100)
    assert places(look(tmp_path, grep=grep), tmp_path) == [("webui.db", 1, "v7")]


@ENGINES
def test_left_out_and_named(tmp_path: Path, grep: str | None) -> None:
    (tmp_path / "model.safetensors").write_text(LETTER)
    (tmp_path / "old.log.gz").write_text(LETTER)
    with open(tmp_path / "huge", "w") as stream:
        stream.write(LETTER)
        stream.truncate(3 * 1024 * 1024)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "deep/deep/x")
    (tmp_path / "deep/deep/deep").mkdir(parents=True)
    (tmp_path / "deep/deep/deep/x").write_text(LETTER)
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup/x").write_text(LETTER)
    result = look(
        tmp_path, tmp_path / "none", grep=grep, max_size=1024 * 1024, max_depth=2, exclude=[f"{tmp_path}/backup*"]
    )
    assert result["findings"] == []
    told = left_out(result)
    assert sorted(told.pop("a symbolic link")) == [f"{tmp_path}/link", f"{tmp_path}/loop"]
    assert told == {
        "a model, picture, sound or program": [f"{tmp_path}/model.safetensors"],
        "compressed": [f"{tmp_path}/old.log.gz"],
        "deeper than max_depth": [f"{tmp_path}/deep/deep/deep"],
        "excluded": [f"{tmp_path}/backup"],
        "larger than max_size": [f"{tmp_path}/huge"],
        "no regular file": [f"{tmp_path}/fifo"],
        "no such file or directory": [f"{tmp_path}/none"],
    }


def test_more_than_the_examples_are_counted(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number}.png").write_text("x")
    (only,) = look(tmp_path)["left_out"]
    assert only["count"] == 20
    assert len(only["examples"]) == 5


@ENGINES
def test_unreadable(grep: str | None) -> None:
    # Not below pytest's folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="scan-test-"))
    folder.chmod(0o755)
    (folder / "secret").write_text(LETTER)
    (folder / "secret").chmod(0)
    (folder / "closed").mkdir(mode=0)
    # Root may read everything; so somebody else looks.
    program = (
        "import json, os, sys; from pathlib import Path; from scan_cases import look\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"print(json.dumps(look(Path(sys.argv[1]), grep={grep!r})['left_out']))"
    )
    try:
        command = [sys.executable, "-c", program, str(folder)]
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    finally:
        shutil.rmtree(folder)
    assert done.returncode == 0, done.stderr
    (told,) = json.loads(done.stdout)
    assert told["reason"] == "permission denied"
    assert sorted(told["examples"]) == [f"{folder}/closed", f"{folder}/secret"]


@pytest.mark.skipif(os.stat("/dev").st_dev == os.stat("/dev/shm").st_dev, reason="/dev/shm is no file system")
def test_another_file_system() -> None:
    seed = Path(f"/dev/shm/scan-test-{os.getpid()}")
    seed.write_text(LETTER)
    try:
        result = look(Path("/dev"))
        assert str(seed) not in {one["path"] for one in result["findings"]}
        assert any(one["reason"] == "another file system" for one in result["left_out"])
        exclude = [one for one in map(str, Path("/dev").iterdir()) if one != "/dev/shm"]
        result = look(Path("/dev"), one_file_system=False, exclude=exclude)
        assert str(seed) in {one["path"] for one in result["findings"]}
    finally:
        seed.unlink()


def test_hard_links_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(LETTER)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert len(look(tmp_path)["findings"]) == 1
    assert len(look(tmp_path, tmp_path)["findings"]) == 1, "a root that is named twice"


@ENGINES
def test_secret_in_a_path_is_found_and_not_shown(tmp_path: Path, grep: str | None) -> None:
    folder = tmp_path / PASSWORD
    folder.mkdir()
    (folder / "x").write_text(LETTER)
    (tmp_path / f"out-{DIGIT}.txt").write_text("nothing\n")
    findings = look(tmp_path, grep=grep)["findings"]
    found = {(one["kind"], one["path"].replace(str(tmp_path), ""), one["version"]) for one in findings}
    assert found == {
        ("name", "/<password of main v7>", "v7"),
        ("file", "/<password of main v7>/x", "v7"),
        ("name", "/out-<token of main v8>.txt", "v8"),
    }


def test_shell_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".bash_history").write_text(f"ls\ncurl -H 'Authorization: Bearer {LETTER}'\nls\ncurl {LETTER}\n")
    fish = tmp_path / ".local/share/fish"
    fish.mkdir(parents=True)
    (fish / "fish_history").write_text(f"- cmd: set T '{SLASH}'\n")
    result = look(sources=("histories",))
    own = [one for one in result["findings"] if one["path"].startswith(str(tmp_path))]
    assert [(one["kind"], one["line"], one["count"], one["version"]) for one in own] == [
        ("history", 2, 2, "v7"),
        ("history", 1, 1, "v6"),
    ]
    both = look(tmp_path, sources=("histories", "files"))
    assert len([one for one in both["findings"] if one["path"].startswith(str(tmp_path))]) == 2, "each once"


def test_declared(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text(f"T='{LETTER}'\nOLD='{LETTER}'\n")
    (tmp_path / "PASSWORD").write_text(f"{LETTER}\nadmin\n")
    (tmp_path / "ACCEPT.json").write_text(json.dumps({"tokens": [LETTER, DIGIT]}))
    (tmp_path / "broken.json").write_text('{"t": "' + LETTER)
    declared = [
        {"id": "env", "path": str(tmp_path / "a.env"), "codec": "dotenv", "key": "T"},
        {"id": "server", "path": str(tmp_path / "PASSWORD"), "codec": "login_password"},
        {"id": "guard", "path": str(tmp_path / "ACCEPT.json")},
        {"id": "broken", "path": str(tmp_path / "broken.json"), "codec": "json", "key": "/t"},
        {"id": "not there", "path": str(tmp_path / "none"), "codec": "raw"},
        {"id": "no preset", "preset": "nonsense"},
    ]
    result = look(tmp_path, declared=declared)
    assert places(result, tmp_path) == [("a.env", 2, "v7")]
    assert [one["declared"] for one in result["declared"]] == ["guard", "guard", "server", "env", "broken"]


@ENGINES
def test_time_is_up(tmp_path: Path, grep: str | None) -> None:
    (tmp_path / "a").write_text(LETTER)
    result = look(tmp_path, grep=grep, timeout=0.0)
    assert result["findings"] == []
    assert result["complete"] is False
    assert left_out(result) == {"time is up": [str(tmp_path)]}
    clock = Clock(60)
    sieve = Sieve(b"[$]2b", clock, gnu_grep() if grep == "" else None)
    clock._end = time.monotonic() - 1
    assert list(sieve.files([str(tmp_path / "a")])) == [(str(tmp_path / "a"), "time is up")]
    sieve.close()


def test_a_reader_that_hangs_is_stopped(tmp_path: Path) -> None:
    """Grep opens only regular files; one that stands for a slow disk does not hold the scan up."""
    grep = tmp_path / "grep"
    grep.write_text("#!/bin/sh\nexec sleep 60\n")
    grep.chmod(0o755)
    started = time.monotonic()
    sieve = Sieve(b"x", Clock(0.3), str(grep))
    assert list(sieve.files(["/etc/passwd"])) == [("/etc/passwd", "time is up")]
    sieve.close()
    assert time.monotonic() - started < 10


def test_max_findings(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}").write_text(LETTER)
    result = look(tmp_path, max_findings=3)
    assert len(result["findings"]) == 3
    assert result["complete"] is False


def test_grep_sees_no_secret_in_its_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    real = _scan_base.popen

    def noted(words: list[str], **more: Any) -> Any:
        seen.extend(words)
        return real(words, **more)

    monkeypatch.setattr(_scan_sieve, "popen", noted)
    (tmp_path / PASSWORD).mkdir()
    (tmp_path / PASSWORD / "x").write_text(LETTER)
    (tmp_path / "y").write_text(LETTER)
    assert len(look(tmp_path)["findings"]) == 3
    assert str(tmp_path / "y") in seen
    assert not [one for one in seen if PASSWORD in one or LETTER[29:40] in one]


def test_nothing_known(tmp_path: Path) -> None:
    result = scan(Options(roots=[str(tmp_path)]), {"main": {"token": None, "password": None}})
    assert result["findings"] == []
    assert result["not_searched"] == ["nothing is known"]
