# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``PROGRAM DIRECTORY PORT``: answers as a ComfyUI with its login does, as far as this module looks.

It takes its token from ``PASSWORD`` in the directory once, at its start. While there is a file ``open`` it lets
everybody in; ``queue`` holds the number of jobs, and ``jobs`` their names, the first one running, which are gone with
the process; a job named ``bad-...`` is refused. While there is a file ``guard`` it takes the tokens in
``ACCEPT.json`` and no other, and otherwise lets every path pass that ends in ``.js``, as the login node does.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HOME = Path(sys.argv[1])
TOKEN = (HOME / "PASSWORD").read_text().splitlines()[0]
JOBS = HOME / "jobs"
if (HOME / "started").exists():
    JOBS.unlink(missing_ok=True)
(HOME / "started").touch()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        sent = (self.headers["Authorization"] or "")[7:]
        guard = (HOME / "guard").exists()
        known = sent == TOKEN
        if guard:
            known = sent in [one["token"] for one in json.loads((HOME / "ACCEPT.json").read_text())["tokens"]]
        elif self.path.endswith(".js"):
            self.send_error(404)
            return
        queue = HOME / "queue"
        left = int(queue.read_text()) if queue.exists() else 0
        if left and known and self.path == "/prompt":
            queue.write_text(str(left - 1))
        answer: Any = {"exec_info": {"queue_remaining": left}}
        if self.path == "/queue":
            names = JOBS.read_text().split() if JOBS.exists() else []
            items = [[number, name, {"1": {}}, {"client_id": "me"}, ["1"]] for number, name in enumerate(names)]
            answer = {"queue_running": items[:1], "queue_pending": items[:0:-1]}
        self.reply(200 if known or (HOME / "open").exists() else 401, answer)

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        right = (self.headers["Authorization"] or "")[7:] == TOKEN and not job["prompt_id"].startswith("bad-")
        if right:
            assert (job["prompt"], job["extra_data"]) == ({"1": {}}, {"client_id": "me"})
            with JOBS.open("a") as file:
                file.write(job["prompt_id"] + "\n")
        self.reply(200 if right else 400, {"prompt_id": job["prompt_id"]})

    def reply(self, status: int, answer: Any) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
