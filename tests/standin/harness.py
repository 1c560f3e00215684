# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a ComfyUI (the stand-in, or a checkout of the real one) with the login node on a free loopback port.

    pair = Pair(tmp_path)
    pair.set_password(TOKEN)
    with pair.serve() as server:
        assert server.request("GET", "/system_stats").status == 401

`Pair` is a directory tree; `Server` is one process on it. Nothing here waits by sleeping for a fixed time.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

HERE = Path(__file__).resolve().parent
STANDIN_COMFYUI = HERE / "comfyui"
STANDIN_LOGIN = HERE / "login"
LOGIN_NODE = "ComfyUI-Login"

# All hash the same password, with bcrypt's cheapest cost. They differ in the letter after the cost.
PASSWORD = "Correct-Horse-1"
USERNAME = "comfy"
TOKENS = {
    "letter": "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK",
    "digit": "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O",
    "dot": "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe",
    "slash": "$2b$04$/hRM0B3tgjpFRE39yawQi.SK6lcV1hbnSOqmkAioWQU3YsCsCoAxi",
}
TOKEN = TOKENS["letter"]


# Put before a command, it takes from root the right to read and write what the file modes forbid.
# 1 and 2 are CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, 24 is PR_CAPBSET_DROP.
BOUND_BY_MODES = (
    sys.executable,
    "-c",
    "import ctypes, os, sys\n"
    "for capability in (1, 2): ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])",
)


class StartError(Exception):
    """The process ended, or the deadline passed, before it listened; the text ends with its log."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer: status, headers with lower-case names (the last of each), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    @property
    def location(self) -> str:
        """Where a redirect points, or an empty string."""
        return self.headers.get("location", "")

    @property
    def cookie(self) -> str:
        """`name=value` of the cookie that was set, ready for a Cookie header; or an empty string."""
        return self.headers.get("set-cookie", "").split(";")[0]


def request(
    url: str,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 30.0,
) -> Answer:
    """One request on a connection of its own, without following redirects. `path` is sent as it is."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request(method, parts.path.rstrip("/") + path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def free_port() -> int:
    """A TCP port that was free on loopback a moment ago.

    It lies below the range from which the kernel serves others who ask for any port: a server that takes seconds
    to start would else find it taken, and its test would talk to somebody else.
    """
    while True:
        port = random.randint(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class Site:
    """Something that answers HTTP at `url`, whoever runs it."""

    url: str

    def request(
        self,
        method: str,
        path: str,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request; `token` goes into an Authorization: Bearer header."""
        bearer = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return request(self.url, method, path, {**bearer, **(headers or {})}, body)

    def login(self, headers: Mapping[str, str] | None = None, **form: str) -> Answer:
        """POST the login form with these fields."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request("POST", "/login", headers={**kind, **(headers or {})}, body=urlencode(form).encode())


@dataclass
class Server(Site):
    """A running process. `log()` is all it wrote to stdout and stderr."""

    process: subprocess.Popen[bytes]
    url: str
    log_file: Path

    def log(self) -> str:
        """What the process has written so far."""
        return self.log_file.read_text(errors="replace")

    def listening(self) -> bool:
        """Whether the port takes connections."""
        parts = urlsplit(self.url)
        try:
            socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1).close()
        except OSError:
            return False
        return True

    def wait_until_listening(self, timeout: float) -> None:
        """Return when the port takes connections; StartError when the process ends or `timeout` seconds pass."""
        deadline = time.monotonic() + timeout
        while not self.listening():
            if self.process.poll() is not None:
                raise StartError(f"ended with status {self.process.returncode} before it listened\n{self.log()}")
            if time.monotonic() > deadline:
                raise StartError(f"did not listen within {timeout:g} s\n{self.log()}")
            time.sleep(0.02)

    def wait_until_ended(self, timeout: float = 60.0) -> int:
        """The exit status of a process that is expected to end by itself."""
        return self.process.wait(timeout)

    def stop(self) -> None:
        """End the process group, by SIGTERM and after 10 seconds by SIGKILL."""
        for kill in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                return
            os.killpg(self.process.pid, kill)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                continue


@dataclass
class Pair:
    """A ComfyUI tree below `root` with the login node in `custom_nodes`; both are copies, free to be damaged.

    `arguments` go to every start of it.
    """

    root: Path
    comfyui: Path = STANDIN_COMFYUI
    login: Path | None = STANDIN_LOGIN
    python: str = sys.executable
    start_timeout: float = 120.0
    arguments: Sequence[str] = ()
    _runs: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        shutil.copytree(self.comfyui, self.code, symlinks=True, ignore=self._leave_out)
        if self.login is not None:
            ours = shutil.ignore_patterns(".git", "__pycache__", ".secret-key.txt")
            shutil.copytree(self.login, self.node, ignore=ours)

    def _leave_out(self, folder: str, names: list[str]) -> set[str]:
        """What a used checkout holds beyond its code: secrets, users' files, models."""
        place = Path(folder).relative_to(self.comfyui)
        if place == Path():
            return {".git", "__pycache__", "login", "PASSWORD", "user", "temp", "venv", ".venv"} & set(names)
        if place.parts[0] not in ("models", "input", "output"):
            return {"__pycache__"} & set(names)
        files = [name for name in names if Path(folder, name).is_file()]
        return {name for name in files if Path(folder, name).stat().st_size > 0 or name.startswith(".")}

    @property
    def code(self) -> Path:
        """The directory of `main.py` and `folder_paths.py`."""
        return self.root / "ComfyUI"

    @property
    def custom_nodes(self) -> Path:
        """Where custom nodes lie."""
        return self.code / "custom_nodes"

    @property
    def node(self) -> Path:
        """The login node."""
        return self.custom_nodes / LOGIN_NODE

    @property
    def key_file(self) -> Path:
        """The login node's session key."""
        return self.node / ".secret-key.txt"

    @property
    def password_file(self) -> Path:
        """`login/PASSWORD`."""
        return self.code / "login" / "PASSWORD"

    @property
    def user_directory(self) -> Path:
        """Files of the one user."""
        return self.code / "user" / "default"

    def set_password(self, token: str, username: str | None = USERNAME) -> None:
        """Write PASSWORD with one or two lines, mode 0600."""
        self.write_password(f"{token}\n" if username is None else f"{token}\n{username}\n")

    def write_password(self, content: str | bytes) -> None:
        """Write PASSWORD byte for byte, mode 0600."""
        self.password_file.parent.mkdir(exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        descriptor = os.open(self.password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(data)

    def add_node(self, name: str, files: Mapping[str, str]) -> Path:
        """A custom node of these files (name to text), or one `.py` file when the name ends so."""
        place = self.custom_nodes / name
        if not name.endswith(".py"):
            place.mkdir()
        for file, text in files.items():
            (place / file if place.is_dir() else place).write_text(text)
        return place

    def without_module(self, name: str) -> dict[str, str]:
        """An environment in which importing this package fails, as if it were not installed."""
        shadow = self.root / "shadow"
        (shadow / name).mkdir(parents=True)
        (shadow / name / "__init__.py").write_text(
            f"raise ModuleNotFoundError('No module named {name!r}', name={name!r})"
        )
        return {"PYTHONPATH": str(shadow)}

    def start(self, *arguments: str, env: Mapping[str, str] | None = None, command: Sequence[str] = ()) -> Server:
        """Start a process and return at once. `command` goes before the interpreter (for example `setpriv ...`)."""
        self._runs += 1
        port = free_port()
        log_file = self.root / f"log-{self._runs}.txt"
        # Argument lists only; -u because the log is read while the process runs.
        line = [*command, self.python, "-u", "main.py", "--listen", "127.0.0.1", "--port", str(port)]
        line += [*self.arguments, *arguments]
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                line,
                cwd=self.code,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        return Server(process, f"http://127.0.0.1:{port}", log_file)

    @contextmanager
    def serve(
        self, *arguments: str, env: Mapping[str, str] | None = None, command: Sequence[str] = ()
    ) -> Iterator[Server]:
        """A process that listens, ended when the block is left; StartError when it does not come to listen."""
        server = self.start(*arguments, env=env, command=command)
        try:
            server.wait_until_listening(self.start_timeout)
            yield server
        finally:
            server.stop()

    def run_until_ended(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120.0) -> Server:
        """Start a process that is expected to end by itself, and wait for it; its status is in `process.returncode`."""
        server = self.start(*arguments, env=env)
        try:
            server.wait_until_ended(timeout)
        finally:
            server.stop()
        return server
