# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``PROGRAM URL FILE RESULT STOP``: a client that reads its own file before each call, as real tools do at their start.

Runs on a client host, with nothing but the standard library, until the file STOP is there. RESULT gets what came of it
as JSON: ``calls``, ``failures`` (time and what was wrong) and the longest time without an answer in seconds.
"""

from __future__ import annotations

import http.client
import json
import os
import shlex
import sys
import time
from urllib.parse import urlsplit


def bearer(path: str) -> str:
    """Return what the tool of this file would send."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if path.endswith(".json"):
        return str(json.loads(text)["mcpServers"]["comfyui"]["headers"]["Authorization"])
    line = next(line for line in text.splitlines() if "COMFYUI_API_TOKEN=" in line)
    return "Bearer " + shlex.split(line.partition("=")[2])[0]


def call(address: str, token: str) -> str:
    """Ask for the queue; return what is wrong with the answer."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", "/queue", headers={"Authorization": token, "Accept": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return "" if answer.status == 200 else str(answer.status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


def main() -> None:
    url, path, result, stop = sys.argv[1:5]
    address = urlsplit(url).netloc
    failures: list[tuple[float, str]] = []
    calls = 0
    while not os.path.exists(stop):
        wrong = call(address, bearer(path))
        calls += 1
        if wrong:
            failures.append((time.time(), wrong))
        time.sleep(0.05)
    with open(result + ".part", "w", encoding="utf-8") as file:
        json.dump({"calls": calls, "failures": failures}, file)
    os.rename(result + ".part", result)


if __name__ == "__main__":
    main()
