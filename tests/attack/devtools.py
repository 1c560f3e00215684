# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real headless browser, driven by its own DevTools protocol."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 90.0


def find() -> str | None:
    """Return the path of this machine's browser."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One tab. `events` holds all that the browser has told about it: (method, parameters)."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number, self.session = socket, 0, ""
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []

    async def listen(self) -> None:
        """Take in what the browser says, until it closes the connection."""
        async for message in self._socket:
            said = message.json()
            if "id" not in said:
                self.events.append((said["method"], said["params"]))
            elif (answer := self._waiting.pop(said["id"], None)) is not None and not answer.done():
                answer.set_result(said)

    async def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self._number += 1
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        call = {"id": self._number, "method": method, "params": parameters}
        await self._socket.send_json({**call, "sessionId": self.session} if self.session else call)
        said = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in said, (method, said["error"])
        return said["result"]

    async def run(self, script: str) -> Any:
        """Evaluate JavaScript in the page, wait for its promise, and return the plain value."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, (script, found["exceptionDetails"])
        return found["result"].get("value")

    async def until(self, script: str) -> Any:
        """Evaluate until the value is true, also while pages change, and return it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            # A page that is just going away answers with an error.
            with suppress(AssertionError):
                if found := await self.run(script):
                    return found
            await asyncio.sleep(0.05)
        raise AssertionError(f"not within {PATIENCE:g} s: {script}; at {await self.run('location.href')}")

    async def open(self, url: str) -> None:
        """Go to *url* and wait until that page is complete."""
        await self.run("window.left = true")
        await self.call("Page.navigate", url=url)
        await self.until("!window.left && document.readyState === 'complete'")

    def told(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of all events of this name."""
        return [parameters for name, parameters in self.events if name == method]


@asynccontextmanager
async def browser(program: str, profile: Path) -> AsyncIterator[Page]:
    """A browser of its own, with a new *profile*, ended when the block is left."""
    options = [f"--user-data-dir={profile}", "--remote-debugging-port=0", "--headless=new", "--no-first-run"]
    # As root it does not start with its sandbox; the pages are ours. No request of the browser's own.
    options += ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    process = await asyncio.create_subprocess_exec(
        program, *options, "about:blank", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        port = profile / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while not (port.exists() and len(words := port.read_text(encoding="ascii").split()) == 2):
            assert process.returncode is None, f"{program} ended with status {process.returncode}"
            assert time.monotonic() < deadline, f"{program} did not start"
            await asyncio.sleep(0.05)
        async with aiohttp.ClientSession() as session:
            place = f"http://127.0.0.1:{words[0]}{words[1]}"
            async with session.ws_connect(place, max_msg_size=0) as socket:
                page = Page(socket)
                listener = asyncio.create_task(page.listen())
                try:
                    target = await page.call("Target.createTarget", url="about:blank")
                    attached = await page.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
                    page.session = attached["sessionId"]
                    for domain in ("Page", "Network", "Runtime"):
                        await page.call(f"{domain}.enable")
                    yield page
                finally:
                    listener.cancel()
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
