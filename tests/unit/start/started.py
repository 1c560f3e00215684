# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server laid out as the roles lay it out, started by start.py, with strangers hammering its port all the while."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.genai.comfyui.plugins.plugin_utils._server_tree import server_lib

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPOSITORY / "tests" / "standin"))

from harness import TOKEN, Pair, Server, free_port, request

GUARD_SOURCE = REPOSITORY / "roles" / "comfyui_login" / "files" / "guard"
PROGRAM = REPOSITORY / "roles" / "comfyui" / "files" / "lib" / "start.py"
STARTUP = 60.0
# Set it to see every test of a refusal fail: the checks and the gate are then cut out of the copy that is tested.
DISARMED = os.environ.get("GENAI_COMFYUI_TEST_DISARMED", "") == "1"


def disarm(lib: Path) -> None:
    """Cut the checks and the gate out of a copy of start.py; what remains is ComfyUI's own behaviour."""
    program = lib / "start.py"
    text = program.read_text()
    for armed, harmless in (
        ("token = None if helps else check_files(options, arguments)", "token = None"),
        ("Gate(options.socket, token, options.origin, refuse).install()", "pass"),
        ("if end.code == REFUSED:", "if False:"),
    ):
        assert text.count(armed) == 1
        text = text.replace(armed, harmless)
    program.write_text(text)


class Strangers:
    """Threads that ask again and again, from before the start to the end, and count what they were answered."""

    ASKED = ("/system_stats", "/system_stats?token=")

    def __init__(self, url: str) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self._url, self._end = url, threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(path,)) for path in self.ASKED]

    def _ask(self, path: str) -> None:
        while not self._end.is_set():
            try:
                self.answers[path, request(self._url, "GET", path, timeout=5).status] += 1
            except OSError:
                # Nobody listens. A pause far shorter than any answer, so as not to starve the server of a processor.
                self._end.wait(0.001)
            except Exception:
                self.answers[path, -1] += 1

    def __enter__(self) -> Strangers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    @property
    def let_in(self) -> int:
        """How often a stranger was let in."""
        return sum(count for (_path, status), count in self.answers.items() if 200 <= status < 300)


@dataclass
class Locked:
    """A stand-in tree with everything in place, and the programs of the role's lib directory."""

    root: Path
    pair: Pair = field(init=False)

    def __post_init__(self) -> None:
        for entry in server_lib(str(self.root)):
            path = Path(entry["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(entry["content"])
        if DISARMED:
            disarm(self.lib)
        self.pair = Pair(self.root)
        shutil.copytree(GUARD_SOURCE, self.guard, ignore=shutil.ignore_patterns("__pycache__"))
        self.pair.set_password(TOKEN)
        self.write_key(base64.urlsafe_b64encode(os.urandom(32)).decode() + ",9999-12-31T00:00:00")

    @property
    def lib(self) -> Path:
        return self.root / "lib"

    @property
    def guard(self) -> Path:
        return self.root / "ComfyUI" / "custom_nodes" / "ComfyUI-Login-Guard"

    def write_key(self, content: str) -> None:
        """Write the session key file, mode 0600."""
        self.pair.key_file.unlink(missing_ok=True)
        self.pair.key_file.touch(0o600)
        self.pair.key_file.write_text(content)

    def add_node(self, name: str, text: str) -> None:
        """Add a custom node of one file."""
        (self.pair.custom_nodes / f"{name}.py").write_text("NODE_CLASS_MAPPINGS = {}\n" + text)

    def start(
        self, *arguments: str, own: Sequence[str] = (), command: Sequence[str] = (), port: int | None = None
    ) -> Server:
        """Start start.py and return at once; *own* are its options, *arguments* ComfyUI's."""
        port = port or free_port()
        log = self.root / "log.txt"
        line = [*command, sys.executable, str(self.lib / "start.py"), "--app", str(self.pair.code)]
        line += ["--socket", str(self.root / "run" / "prove.sock"), *own]
        line += ["--", "--listen", "127.0.0.1", "--port", str(port), *arguments]
        with log.open("wb") as stream:
            process = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                # A shell's background job ignores it, and so would all that it starts.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        return Server(process, f"http://127.0.0.1:{port}", log)

    def refused(self, *arguments: str, own: Sequence[str] = (), command: Sequence[str] = ()) -> str:
        """Start, see it refused while no stranger was let in, and return the reason.

        A server that does come to listen is hammered until a stranger has been answered, so that a gate that lets
        it pass is noticed.
        """
        port = free_port()
        with Strangers(f"http://127.0.0.1:{port}") as strangers:
            server = self.start(*arguments, own=own, command=command, port=port)
            try:
                deadline = time.monotonic() + STARTUP
                while server.process.poll() is None and len(strangers.answers) < 2 and time.monotonic() < deadline:
                    strangers._end.wait(0.01)
            finally:
                server.stop()
        said: str = server.log()
        assert strangers.let_in == 0, f"strangers were let in: {strangers.answers}\n{said}"
        assert server.process.returncode == 78, f"status {server.process.returncode}\n{said}"
        assert TOKEN not in said
        lines = [line for line in said.splitlines() if line.startswith("comfyui-start: refused: ")]
        assert len(lines) == 1, said
        assert not (self.root / "run" / "prove.sock").exists()
        return lines[0].removeprefix("comfyui-start: refused: ")
