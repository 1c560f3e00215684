# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People at a real browser, behind the guard: log in, load the web UI, make a picture, log out.

The browser is this machine's own. It is not fetched here: with its libraries it takes more than 400 MB.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import devtools
import pytest
from besieged import Besieged
from harness import PASSWORD, USERNAME, Server

PROMPT = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0xFF0000}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "browser"}},
}
# Queue it, follow it on a socket of the page's own, and show what came out.
MAKE = """
(async () => {
  const socket = new WebSocket(`ws://${location.host}/ws?clientId=browser-test`);
  const seen = [];
  const done = new Promise((resolve) => {
    socket.addEventListener("message", (event) => {
      if (typeof event.data !== "string") return;
      seen.push(JSON.parse(event.data).type);
      if (["execution_success", "execution_error"].includes(seen.at(-1))) resolve();
    });
  });
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
  const kind = {"Content-Type": "application/json"};
  const body = JSON.stringify({prompt: PROMPT, client_id: "browser-test"});
  const queued = await (await fetch("/api/prompt", {method: "POST", headers: kind, body})).json();
  await done;
  let entry;
  while (!entry) entry = (await (await fetch(`/api/history/${queued.prompt_id}`)).json())[queued.prompt_id];
  const image = new Image();
  image.src = "/api/view?" + new URLSearchParams(entry.outputs["2"].images[0]);
  await image.decode();
  return {seen, state: entry.status.status_str, width: image.naturalWidth};
})()
""".replace("PROMPT", json.dumps(PROMPT))
STATUS = "fetch('/api/system_stats').then((answer) => answer.status)"


def statuses(page: devtools.Page) -> dict[str, int]:
    """The last status of each path that the page was given."""
    # Browsers ask for a page's manifest without cookies; ComfyUI-Login alone refuses that too.
    told = [one for one in page.told("Network.responseReceived") if one["type"] != "Manifest"]
    answers = [one["response"] for one in told]
    found = {urlsplit(one["url"]).path: one["status"] for one in answers if one["url"].startswith("http")}
    # Browsers ask for it unasked; the stand-in has none.
    return {path: status for path, status in found.items() if (path, status) != ("/favicon.ico", 404)}


async def visit(page: devtools.Page, server: Server) -> None:
    await page.open(f"{server.url}/")
    assert await page.run("location.pathname") == "/login"
    assert set(statuses(page).values()) <= {200, 304}, statuses(page)
    await page.run(
        f"document.querySelectorAll('[name=username]').forEach((field) => {{ field.value = {json.dumps(USERNAME)} }});"
        f"document.querySelector('[name=password]').value = {json.dumps(PASSWORD)};"
        "document.querySelector('[name=password]').form.requestSubmit()"
    )
    await page.until("location.pathname === '/' && document.readyState === 'complete'")
    # The UI's own socket, opened by its own code.
    sockets: list[dict[str, Any]] = []
    for _turn in range(600):
        sockets = page.told("Network.webSocketHandshakeResponseReceived")
        if sockets and page.told("Network.webSocketFrameReceived"):
            break
        await asyncio.sleep(0.1)
    assert [one["response"]["status"] for one in sockets][:1] == [101]
    # What the UI looks for and may find missing are files of the user; nothing else is, and nothing is refused.
    odd = {path: status for path, status in statuses(page).items() if status not in (200, 204, 304)}
    assert all(status == 404 and ("/userdata" in path or path == "/user.css") for path, status in odd.items()), odd
    assert await page.run("document.cookie") == ""

    made = await page.run(MAKE)
    assert (made["state"], made["width"]) == ("success", 64)
    assert {"execution_start", "executed", "execution_success"} <= set(made["seen"])

    (cookie,) = (await page.call("Network.getCookies", urls=[server.url]))["cookies"]
    assert cookie["httpOnly"]
    assert await page.run(STATUS) == 200
    await page.open(f"{server.url}/logout")
    assert await page.run("location.pathname") == "/login"
    assert await page.run(STATUS) == 401
    # Also for whoever kept a copy of the cookie.
    kept = {name: cookie[name] for name in ("name", "value", "domain", "path")}
    await page.call("Network.setCookie", **kept)
    assert await page.run(STATUS) == 401
    await page.open(f"{server.url}/")
    assert await page.run("location.pathname") == "/login"


def test_people_work_as_without_the_guard(place: Besieged, tmp_path: Path) -> None:
    program = devtools.find()
    if program is None:
        pytest.skip("needs a browser: apt-get install chromium, then make browser")

    async def play(server: Server) -> None:
        async with devtools.browser(program, tmp_path / "profile") as page:
            await visit(page, server)

    with place.pair.serve() as server:
        asyncio.run(play(server))


def test_every_file_of_the_web_ui_loads_with_a_session(guarded: Besieged) -> None:
    server = guarded.server
    found = re.search(r"web root: (.+)", server.log())
    assert found is not None
    root = Path(found[1].strip().removesuffix("\x1b[0m"))
    cookie = {"Cookie": server.login(password=PASSWORD).cookie}
    start = server.request("GET", "/", headers=cookie)
    assert (start.status, start.body) == (200, (root / "index.html").read_bytes())
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    assert files
    wrong = {}
    for path in files:
        name = path.relative_to(root).as_posix()
        answer = server.request("GET", "/" + quote(name), headers={**cookie, "Accept-Encoding": "identity"})
        if (answer.status, len(answer.body)) != (200, path.stat().st_size):
            wrong[name] = answer.status
    assert wrong == {}
