# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""curl, nginx and HAProxy, asked over HTTP on loopback: the token that we wrote is the one that is sent or accepted."""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from golden_hashes import PASSWORD, TOKENS, credential
from golden_tools import Unavailable, libraries, program

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._judge import judge

pytestmark = pytest.mark.slow


def unpacked(name: str) -> tuple[str, dict[str, str]]:
    """Return a program and its environment, or skip the test."""
    try:
        return program(name), libraries()
    except Unavailable as error:
        pytest.skip(f"not asked: {error}")


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """A server that answers with the Authorization header that it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write((self.headers.get("Authorization") or "").encode("latin-1"))

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


def curl(url: str, *options: str) -> str:
    """Return what the server got as Authorization."""
    path, environment = unpacked("curl")
    return subprocess.run(
        [path, "-sS", "--noproxy", "*", *options, url], env=environment, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_curl(tmp_path: Path, echo: str, token: str) -> None:
    """A header and the bearer option of a ``-K`` file, and a password in ``.netrc``, reach the server whole."""
    config, bearer = _codecs.get("curl_config"), f"Bearer {token}"
    for key, value, text in [
        ("header:Authorization", bearer, 'header = "X-Other: 1"\n'),
        ("header:Authorization", bearer, "header = Authorization: old # c\n"),
        ("oauth2-bearer", token, "oauth2-bearer = old\n"),
    ]:
        path = tmp_path / "curlrc"
        path.write_text(config.replace(text, key, value), encoding="utf-8")
        assert curl(echo, "-K", str(path)) == bearer, key
    path = tmp_path / "netrc"
    path.write_text(_codecs.get("netrc").replace("machine 127.0.0.1 login ann\n", "127.0.0.1", token), encoding="utf-8")
    got = curl(echo, "--netrc-file", str(path))
    assert base64.b64decode(got.removeprefix("Basic ")).decode() == f"ann:{token}"


@pytest.mark.parametrize("name", TOKENS)
def test_curl_naive(tmp_path: Path, echo: str, name: str) -> None:
    """A header that curl loses without double quotes is damage or doubt for us."""
    codec, bearer = _codecs.get("curl_config"), f"Bearer {TOKENS[name]}"
    for spelling in ("'Authorization: {}'", "Authorization: {}", '"Authorization: {}"'):
        text = f"header = {spelling.format(bearer)}\n"
        path = tmp_path / "curlrc"
        path.write_text(text, encoding="utf-8")
        fine = curl(echo, "-K", str(path)) == bearer
        read, doubt = codec.decode(text, "header:Authorization"), codec.doubt(text, "header:Authorization")
        status = judge(read, "bearer", credential(name)).status
        assert (status == "in_sync" and doubt is None) == fine, spelling


def free_port() -> int:
    """Return a port that was free just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def serving(command: list[str], environment: dict[str, str], port: int) -> Iterator[None]:
    """Run a server while the block runs; wait until its port answers."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for _attempt in range(200):
            if process.poll() is not None:
                pytest.fail(f"it did not start: {process.stdout.read() if process.stdout else ''}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(10)


def ask(port: int, path: str, authorization: str) -> tuple[int, str]:
    """Return status and body."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": authorization})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_nginx(tmp_path: Path) -> None:
    """Every token is found by its own row and its password by htpasswd; a lower-cased token is nobody's."""
    program_path, environment = unpacked("nginx")
    rows, users = "# tokens\n", ""
    for name, token in TOKENS.items():
        rows = _codecs.get("nginx_map").replace(rows, name, f"Bearer {token}")
        users = _codecs.get("htpasswd").replace(users, name, token)
    (tmp_path / "rows").write_text(rows, encoding="utf-8")
    (tmp_path / "users").write_text(users, encoding="utf-8")
    port = free_port()
    temporary = "".join(
        f"{one}_temp_path {tmp_path}/{one};" for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        f"http {{ {temporary} access_log off; map_hash_bucket_size 256;\n"
        f"map $http_authorization $who {{ default nobody; include {tmp_path}/rows; }}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 $who; }}\n"
        f"location /basic {{ auth_basic x; auth_basic_user_file {tmp_path}/users; try_files /none =204; }} }} }}\n",
        encoding="utf-8",
    )
    tmp_path.chmod(0o755)
    command = [program_path, "-e", "stderr", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    with serving(command, environment, port):
        for name, token in TOKENS.items():
            assert ask(port, "/", f"Bearer {token}") == (200, name)
            for other in (f"Bearer {token.lower()}", f"Bearer {token}x", f"x Bearer {token}", token):
                assert ask(port, "/", other) == (200, "nobody")
            basic = [base64.b64encode(f"{name}:{one}".encode()).decode() for one in (PASSWORD, "wrong")]
            assert [ask(port, "/basic", f"Basic {one}")[0] for one in basic] == [204, 401]


def test_haproxy(tmp_path: Path) -> None:
    """Every token is found in the map by its own row; a lower-cased token is nobody's."""
    program_path, environment = unpacked("haproxy")
    rows = "# tokens\n"
    for name, token in TOKENS.items():
        rows = _codecs.get("haproxy_map").replace(rows, name, token)
    (tmp_path / "rows").write_text(rows, encoding="utf-8")
    port = free_port()
    (tmp_path / "haproxy.cfg").write_text(
        "defaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n"
        f"frontend f\n bind 127.0.0.1:{port}\n"
        f" http-request return status 200 content-type text/plain lf-string"
        f" %[http_auth_bearer,map_str({tmp_path}/rows,nobody)]\n",
        encoding="utf-8",
    )
    with serving([program_path, "-db", "-f", str(tmp_path / "haproxy.cfg")], environment, port):
        for name, token in TOKENS.items():
            assert ask(port, "/", f"Bearer {token}") == (200, name)
            assert ask(port, "/", f"Bearer {token.lower()}") == (200, "nobody")
