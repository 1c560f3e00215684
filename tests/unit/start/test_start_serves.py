# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sound server does under start.py: all that it does without it, and no token in its log."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from started import STARTUP, Locked, Strangers, disarm

from harness import TOKEN, TOKENS, Server, free_port  # isort: skip


def run(locked: Locked, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(locked.lib / "start.py"), "--app", str(locked.pair.code)]
    line += ["--socket", str(locked.root / "run" / "prove.sock"), "--", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=STARTUP)


def prove(locked: Locked, server: Server, *options: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(locked.lib / "prove.py"), "--app", str(locked.pair.code), "--url", server.url]
    env = {"MAINPID": str(server.process.pid), "PATH": "/usr/bin:/bin"}
    return subprocess.run([*line, *options], capture_output=True, text=True, check=False, timeout=STARTUP, env=env)


def test_it_serves_and_no_stranger_is_let_in(locked: Locked) -> None:
    # Printed in every way a custom node can think of.
    (locked.pair.custom_nodes / "chatty.py").write_text(
        f"import logging, sys\nNODE_CLASS_MAPPINGS = {{}}\nTOKEN = {TOKEN!r}\n"
        f"print('printed', TOKEN, {quote(TOKEN, safe='')!r})\nprint('error', TOKEN, file=sys.stderr)\n"
        "logging.warning('logged %s', TOKEN)\nsys.__stdout__.write('under ' + TOKEN + '\\n')\n"
        "sys.stdout.buffer.write(b'bytes ' + TOKEN.encode() + b'\\n')\n"
        "sys.stdout.flush()\ntry:\n    raise ValueError(TOKEN)\nexcept ValueError:\n    logging.exception('raised')\n"
    )
    port = free_port()
    with Strangers(f"http://127.0.0.1:{port}") as strangers:
        server = locked.start(port=port)
        try:
            server.wait_until_listening(STARTUP)
            assert server.request("GET", "/system_stats", token=TOKEN).status == 200
            assert prove(locked, server).returncode == 0
            kept = server.request("GET", "/internal/logs", token=TOKEN)
            # The application is what it is without start.py: one process, main.py as its name, its own directory.
            stats = server.request("GET", "/system_stats", token=TOKEN).json()["system"]
            assert stats["argv"][0].endswith("main.py")
            assert stats["argv"][1:3] == ["--listen", "127.0.0.1"]
        finally:
            server.stop()
    assert server.process.returncode == -signal.SIGTERM
    assert strangers.let_in == 0
    assert {status for _path, status in strangers.answers} == {401}
    for text in (server.log(), kept.text):
        assert TOKEN not in text
        assert quote(TOKEN, safe="") not in text
        assert "use token=<token 9dd7d353a709>" in text
        assert "logged <token 9dd7d353a709>" in text
        assert "ValueError: <token 9dd7d353a709>" in text
    # ComfyUI keeps each write by itself, and print makes several.
    assert kept.text.count("<token 9dd7d353a709>") == 6
    assert "printed <token 9dd7d353a709> <token 9dd7d353a709>" in server.log()
    assert "error <token 9dd7d353a709>" in server.log()
    assert "under <token 9dd7d353a709>" in server.log()
    assert "bytes <token 9dd7d353a709>" in server.log()
    assert not (locked.root / "run" / "prove.sock").exists()


def test_ctrl_c_is_for_comfyui(locked: Locked) -> None:
    server = locked.start()
    try:
        server.wait_until_listening(STARTUP)
        server.process.send_signal(signal.SIGINT)
        assert server.wait_until_ended() == 0
    finally:
        server.stop()
    assert "Stopped server" in server.log()


def test_several_addresses_tls_and_an_origin(locked: Locked) -> None:
    key = locked.root / "key.pem"
    certificate = locked.root / "certificate.pem"
    line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    line += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*line, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    port = free_port()
    origin = "https://ui.example"
    server = locked.start(
        *("--listen", "127.0.0.1,127.0.0.2", "--enable-cors-header", origin),
        *("--tls-keyfile", str(key), "--tls-certfile", str(certificate)),
        own=["--origin", origin],
        port=port,
    )
    server.url = f"https://127.0.0.1:{port}"
    try:
        server.wait_until_listening(STARTUP)
        assert prove(locked, server, "--ca", str(certificate), "--origin", origin).returncode == 0
        untrusted = prove(locked, server, "--origin", origin)
        without = prove(locked, server, "--ca", str(certificate))
        server.url = f"https://127.0.0.2:{port}"
        assert prove(locked, server, "--insecure", "--origin", origin).returncode == 0
    finally:
        server.stop()
    assert (untrusted.returncode, "certificate is not trusted" in untrusted.stderr) == (1, True)
    assert (without.returncode, "token_refused" in without.stderr) == (1, True)


def test_help_and_ci_mode_end_as_in_comfyui(locked: Locked) -> None:
    ci = run(locked, "--quick-test-for-ci")
    assert (ci.returncode, TOKEN in ci.stdout + ci.stderr) == (0, False)
    assert run(locked, "--no-such-flag").returncode == 2
    locked.pair.password_file.unlink()
    shown = run(locked, "--help")
    assert (shown.returncode, "--enable-cors-header" in shown.stdout) == (0, True)


def test_an_exception_is_comfyuis_own(locked: Locked) -> None:
    (locked.pair.code / "server.py").write_text(f"raise RuntimeError('broken {TOKEN}')\n")
    done = run(locked)
    assert done.returncode == 1
    assert "RuntimeError: broken <token 9dd7d353a709>" in done.stderr
    assert TOKEN not in done.stderr + done.stdout


def test_prove_does_not_outwait_the_process(locked: Locked) -> None:
    server = locked.start("--quick-test-for-ci")
    server.wait_until_ended()
    done = prove(locked, server, "--timeout", "600")
    assert done.returncode == 1
    assert done.stderr.startswith(f"comfyui-prove: {server.url}: down: the server's process has ended; last seen: ")


def test_prove_tells_open_from_another_token(locked: Locked) -> None:
    with locked.pair.serve() as server:
        locked.pair.set_password(TOKENS["dot"])
        other = prove(locked, server)
    locked.pair.key_file.write_text("")
    with locked.pair.serve("--disable-all-custom-nodes") as server:
        leaky = prove(locked, server)
    locked.pair.password_file.write_bytes(b"")
    empty = prove(locked, server)
    for done, why in (
        (other, ": token_refused: strangers are refused, and so is the token"),
        (leaky, ": open: a stranger (no credential) was let in with 200"),
        (empty, "login/PASSWORD: is empty"),
    ):
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert done.stderr.startswith("comfyui-prove: ")
        assert why in done.stderr
        assert "$2b$" not in done.stderr + done.stdout


def test_these_tests_would_notice_an_open_server(locked: Locked, tmp_path: Path) -> None:
    """Without its gate the program serves everybody, and the strangers say so."""
    if "Gate(options.socket" in (locked.lib / "start.py").read_text():
        disarm(locked.lib)
    with pytest.raises(AssertionError, match="strangers were let in"):
        locked.refused("--disable-all-custom-nodes")
