# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``PROGRAM KIND URL FILE RESULT STOP``: a client that reads its own file before each call, as real tools do.

Runs on a client host, with nothing but the standard library, until the file STOP is there. KIND is ``calls`` (asks for
the queue), ``jobs`` (submits pictures and looks at the end what became of each) or ``socket`` (holds a WebSocket).
RESULT gets what came of it as JSON: ``count``, ``failures`` (time and what was wrong), ``lost`` (jobs that never ran).
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shlex
import socket
import sys
import time
from urllib.parse import urlsplit

Failures = list[tuple[float, str]]
# Seconds between two requests: the pace of the load, and no wait for anything.
PAUSE = float(os.environ.get("CALLER_PAUSE", "0.05"))


def bearer(path: str) -> str:
    """Return what the tool of this file would send."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".json"):
        return str(json.loads(text)["mcpServers"]["comfyui"]["headers"]["Authorization"])
    line = next(line for line in text.splitlines() if "COMFYUI_API_TOKEN=" in line)
    return "Bearer " + shlex.split(line.partition("=")[2])[0]


def ask(address: str, token: str, path: str, body: object = None) -> tuple[str, bytes]:
    """Send one request; return what is wrong with the answer, and its body."""
    connection = http.client.HTTPConnection(address, timeout=10)
    headers = {"Authorization": token, "Accept": "application/json"}
    try:
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        connection.request("GET" if data is None else "POST", path, body=data, headers=headers)
        answer = connection.getresponse()
        said = answer.read()
        return ("" if answer.status == 200 else str(answer.status)), said
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, b""
    finally:
        connection.close()


class Client:
    """One client process."""

    def __init__(self, address: str, path: str, stop: str) -> None:
        self.address, self.path, self.stop = address, path, stop
        self.count = 0
        self.failures: Failures = []
        self.lost = 0

    def running(self) -> bool:
        return not os.path.exists(self.stop)

    def note(self, wrong: str, at: float | None = None) -> bool:
        self.count += 1
        if wrong:
            self.failures.append((time.time() if at is None else at, wrong))
        return not wrong

    def calls(self) -> None:
        while self.running():
            # What its file held then is what it is refused for, however late a busy machine answers.
            begun = time.time()
            self.note(ask(self.address, bearer(self.path), "/queue")[0], begun)
            time.sleep(PAUSE)

    def jobs(self) -> None:
        """Queue five jobs whenever none is left, after a pause; at the end the picture of each must be there.

        Not the history: like the queue it is in memory, and a restart forgets what was done before it.
        """
        submitted: list[str] = []
        while self.running():
            wrong, said = ask(self.address, bearer(self.path), "/prompt")
            if self.note(wrong) and json.loads(said)["exec_info"]["queue_remaining"] == 0:
                # Who waits for an empty queue must be able to see one.
                time.sleep(2)
                for _number in range(5):
                    self.submit(submitted)
            time.sleep(PAUSE)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            wrong, said = ask(self.address, bearer(self.path), "/prompt")
            if not wrong and json.loads(said)["exec_info"]["queue_remaining"] == 0:
                break
            time.sleep(0.2)
        view = "/view?type=output&filename={}_00001_.png"
        self.lost = sum(bool(ask(self.address, bearer(self.path), view.format(one))[0]) for one in submitted)
        self.count = len(submitted)

    def submit(self, submitted: list[str]) -> None:
        name = f"load-{time.time_ns()}"
        inputs = {"width": 512, "height": 512, "batch_size": 1, "color": len(submitted)}
        prompt = {
            "1": {"class_type": "EmptyImage", "inputs": inputs},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": name}},
        }
        wrong, _said = ask(self.address, bearer(self.path), "/prompt", {"prompt": prompt})
        if self.note(wrong):
            submitted.append(name)

    def hold(self) -> None:
        """Hold a WebSocket, and open another one whenever it ends."""
        host, _colon, port = self.address.partition(":")
        while self.running():
            try:
                with socket.create_connection((host, int(port or 80)), timeout=10) as connection:
                    key = base64.b64encode(os.urandom(16)).decode()
                    lines = [
                        f"GET /ws?clientId={key[:8].encode().hex()} HTTP/1.1",
                        f"Host: {self.address}",
                        "Upgrade: websocket",
                        "Connection: Upgrade",
                        f"Sec-WebSocket-Key: {key}",
                        "Sec-WebSocket-Version: 13",
                        f"Authorization: {bearer(self.path)}",
                    ]
                    connection.sendall("\r\n".join([*lines, "", ""]).encode())
                    opened = b" 101 " in connection.recv(65536).partition(b"\r\n")[0]
                    self.note("" if opened else "not opened")
                    self.listen(connection) if opened else time.sleep(PAUSE)
            except OSError as error:
                self.note(type(error).__name__)
                time.sleep(PAUSE)

    def listen(self, connection: socket.socket) -> None:
        connection.settimeout(0.5)
        while self.running():
            try:
                if not connection.recv(65536):
                    self.failures.append((time.time(), "dropped"))
                    return
            except socket.timeout:
                continue


def main() -> None:
    """Run one client to its end."""
    kind, url, path, result, stop = sys.argv[1:6]
    client = Client(urlsplit(url).netloc, path, stop)
    {"calls": client.calls, "jobs": client.jobs, "socket": client.hold}[kind]()
    with open(result + ".part", "w", encoding="utf-8") as file:
        json.dump({"count": client.count, "failures": client.failures, "lost": client.lost}, file)
    os.rename(result + ".part", result)


if __name__ == "__main__":
    main()
