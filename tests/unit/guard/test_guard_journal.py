# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit lines, and what the real fail2ban makes of them."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from guarded_package import load
from hypothesis import given
from hypothesis import strategies as st

journal = load("journal")
ROOT = Path(__file__).resolve().parents[3]
FILTER = ROOT / "roles" / "comfyui_login" / "files" / "fail2ban" / "comfyui-login-guard.conf"
UNPACKED = ROOT / ".cache" / "fail2ban"
TOKEN = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
LINE = re.compile(
    r'comfyui-login-guard: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ login [a-z]+ address=[0-9A-Za-z.:]+ user="[^"\s]*"'
)


def lines(capsys: pytest.CaptureFixture[str], *logins: tuple[str, str, str]) -> list[str]:
    capsys.readouterr()
    for result, address, user in logins:
        journal.login(result, address, journal.user_name(user, "the-password"))
    return [line for line in capsys.readouterr().err.split("\n") if line]


@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_no_name_breaks_the_line(typed: str) -> None:
    name = journal.user_name(typed)
    assert re.fullmatch(r"[ -!#-~]*", name)
    assert " " not in name
    assert len(name) <= 4 * journal.USER_LIMIT + 3


def test_names_keep_secrets() -> None:
    assert journal.user_name("comfy@example.org") == "comfy@example.org"
    assert journal.user_name(None) == journal.user_name(b"x") == ""
    assert journal.user_name("hunter2", "hunter2") == "(secret)"
    assert journal.user_name(TOKEN) == journal.user_name(f"x {TOKEN}") == "(secret)"
    assert journal.user_name('a" b\n') == "a\\x22\\x20b\\x0a"
    assert journal.user_name("x" * 65) == "x" * 64 + "..."


def test_lines_are_whole_and_plain_whatever_comfyui_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Newer ComfyUI: a level for each handler, and colours before each line.
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("\x1b[32m[%(levelname)s]\x1b[0m %(message)s"))
    handler.setLevel(logging.CRITICAL)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    sys.stderr.write("\r 50%|#####     | 10/20")
    journal.login("accepted", "192.0.2.1", "comfy")
    journal.say("read again")
    progress, accepted, other, end = capsys.readouterr().err.split("\n")
    assert progress.startswith("\r 50%")
    assert LINE.fullmatch(accepted)
    assert (other, end) == ("comfyui-login-guard: read again", "")


def test_nowhere_to_write_to_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w", encoding="ascii") as closed:
        pass
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        journal.login("failed", "192.0.2.1", "comfy")


def fail2ban_regex() -> list[str]:
    """The command of the real fail2ban-regex: this machine's, or Debian's package, unpacked and not installed."""
    installed = shutil.which("fail2ban-regex")
    if installed:
        return [installed]
    UNPACKED.mkdir(parents=True, exist_ok=True)
    program = UNPACKED / "root" / "usr" / "bin" / "fail2ban-regex"
    with (UNPACKED / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            if not shutil.which("apt-get"):
                pytest.skip("there is no fail2ban, and no apt-get to fetch it")
            fetch = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "fail2ban"]
            done = subprocess.run(fetch, cwd=UNPACKED, capture_output=True, text=True, check=False)
            found = sorted(UNPACKED.glob("fail2ban_*.deb"))
            if not found:
                pytest.skip(f"fail2ban cannot be fetched: {done.stderr.strip()[-200:]}")
            subprocess.run(["dpkg", "-x", str(found[-1]), str(UNPACKED / "root")], check=True)
    return [sys.executable, str(program), "-c", str(UNPACKED / "root" / "etc" / "fail2ban")]


def banned(tmp_path: Path, content: list[str]) -> list[str]:
    """The addresses that fail2ban finds in these lines, in order."""
    log = tmp_path / "log"
    log.write_text("\n".join(content) + "\n")
    place = {"PYTHONPATH": str(UNPACKED / "root" / "usr" / "lib" / "python3" / "dist-packages"), "HOME": str(tmp_path)}
    command = [*fail2ban_regex(), "--print-all-matched", "--out", "ip", str(log), str(FILTER)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **place}, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.split()


def test_fail2ban_finds_the_wrong_logins_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = lines(
        capsys,
        ("failed", "192.0.2.1", "comfy"),
        ("accepted", "192.0.2.2", "comfy"),
        ("failed", "2001:db8::3", ""),
        ("guest", "192.0.2.4", ""),
        ("malformed", "192.0.2.5", ""),
        ("throttled", "192.0.2.6", ""),
        ("failed", "unknown", ""),
        ("failed", "192.0.2.7", 'x"\ncomfyui-login-guard: 2026-01-01T00:00:00Z login failed address=192.0.2.8 user="y'),
        ("failed", "192.0.2.9", " address=192.0.2.10"),
        ("failed", "192.0.2.11", "x" * 500),
    )
    assert len(said) == 10
    assert all(LINE.fullmatch(one) for one in said)
    expected = ["192.0.2.1", "2001:db8::3", "192.0.2.6", "192.0.2.7", "192.0.2.9", "192.0.2.11"]
    noise = ["got prompt", "To see the GUI go to: http://127.0.0.1:8188", f"x {said[0]}"]
    assert banned(tmp_path, [*noise, *said]) == expected
    # As the journal hands them out.
    journaled = [f"gpu1 python[4711]: {one}" for one in [*noise, *said]]
    assert banned(tmp_path, journaled) == expected
