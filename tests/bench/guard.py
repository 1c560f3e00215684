# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard costs: one ComfyUI with it and one without, side by side, asked in turns in one run.

Many short rounds alternate between the two, and figures are medians over rounds, so that what else the machine does
meets both alike. Without more it is the stand-in; CONTRACT_COMFYUI_PATH, CONTRACT_LOGIN_PATH and CONTRACT_PYTHON (see
tests/contract) name a real pair. By itself: ``python tests/bench/guard.py``.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import bcrypt

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "standin"), str(TESTS / "attack")]

from besieged import Besieged  # isort: skip
from harness import PASSWORD, STANDIN_COMFYUI, STANDIN_LOGIN, TOKENS, Pair, Server  # isort: skip

ROUNDS = 80
PARALLEL = 8
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
# So that every wrong login reaches bcrypt; otherwise all but the first twenty would cost nothing.
BUDGETS = "WINDOW, PER_ADDRESS, GLOBAL = 60.0, 100_000, 100_000"
# Counts each look at a file below login/ that Python code takes; the guard looks by os.lstat and os.open.
COUNTER = """
import os
from aiohttp import web
from server import PromptServer
NODE_CLASS_MAPPINGS = {}
count = 0
def counted(call):
    def counting(path, *more, **named):
        global count
        count += "/login/" in str(path)
        return call(path, *more, **named)
    return counting
os.stat, os.lstat, os.open = counted(os.stat), counted(os.lstat), counted(os.open)
@PromptServer.instance.routes.get("/bench_looks")
async def looks(request):
    return web.json_response(count)
"""

Json = dict[str, t.Any]


class Client:
    """One kept connection that asks for one page with a token, and takes as little of the machine as it can."""

    def __init__(self, server: Server, token: str, path: str = "/system_stats") -> None:
        parts = urlsplit(server.url)
        self._connection = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=60)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        self._rest = b""

    def ask(self, times: int = 1) -> float:
        """Send this many requests at once; return the seconds until all are answered with 200."""
        begin = time.perf_counter()
        self._connection.sendall(self._request * times)
        for _turn in range(times):
            status, _body = self._answer()
            if status != 200:
                raise SystemExit(f"bench: status {status} instead of 200")
        return time.perf_counter() - begin

    def get(self) -> tuple[int, bytes]:
        """Ask once; return status and body."""
        self._connection.sendall(self._request)
        return self._answer()

    def _answer(self) -> tuple[int, bytes]:
        while (end := self._rest.find(b"\r\n\r\n")) < 0:
            self._more()
        found = LENGTH.search(self._rest, 0, end)
        size = end + 4 + (int(found[1]) if found else 0)
        while len(self._rest) < size:
            self._more()
        status, body = int(self._rest[9:12]), self._rest[end + 4 : size]
        self._rest = self._rest[size:]
        return status, body

    def _more(self) -> None:
        data = self._connection.recv(65536)
        if not data:
            raise SystemExit("bench: the server closed the connection")
        self._rest += data


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of *values* does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def compare(bare: Server, guarded: Server, token: str) -> Json:
    """Measure one request after another, and batches on one connection, in turns."""
    clients = (Client(bare, token), Client(guarded, token))
    for client in clients:
        client.ask(20)
    one: tuple[list[float], list[float]] = ([], [])
    batch: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS):
        order = (0, 1) if turn % 2 else (1, 0)
        for which in order * 10:
            one[which].append(clients[which].ask())
        for which in order:
            batch[which].append(clients[which].ask(20))
    bare_ms, guarded_ms = (1000 * statistics.median(times) for times in one)
    return {
        "bare_ms": bare_ms,
        "guarded_ms": guarded_ms,
        "added_ms": guarded_ms - bare_ms,
        "throughput_ratio": statistics.median(before / after for before, after in zip(*batch)),
    }


def besiege(server: Server, token: str, seconds: float) -> Json:
    """Measure other requests, in turns without and with eight people at a time who log in wrongly."""
    client = Client(server, token)
    quiet: list[float] = []
    loud: list[float] = []
    statuses: list[int] = []
    begin = threading.Event()
    over = threading.Event()

    def guess(number: int) -> None:
        while not over.is_set():
            if begin.wait(0.1):
                statuses.append(server.login(username=f"mallory-{number}", password="wrong").status)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(PARALLEL)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(8):
            begin.set() if turn % 2 else begin.clear()
            # Logins under way at a change of turns belong to the loud one.
            time.sleep(0.1 if turn % 2 else 4.0)
            end = time.perf_counter() + seconds / 8
            while time.perf_counter() < end:
                (loud if turn % 2 else quiet).append(client.ask())
                time.sleep(0.002)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    return {
        "logins": len(statuses),
        "throttled": statuses.count(429),
        "requests": len(loud),
        "quiet_p99_ms": 1000 * percentile(quiet, 0.99),
        "p99_ms": 1000 * percentile(loud, 0.99),
        "longest_ms": 1000 * max(loud),
    }


def reread(place: Besieged, server: Server, token: str) -> Json:
    """Measure how soon a new ACCEPT.json is in force, and how often the guard looks for one."""
    other = Client(server, TOKENS["dot"])
    delays = []
    for turn in range(10):
        # Renames fall anywhere between two looks.
        time.sleep(0.07 * turn)
        place.accept(token, *([] if turn % 2 else [TOKENS["dot"]]))
        begin = time.perf_counter()
        while other.get()[0] != (401 if turn % 2 else 200):
            if time.perf_counter() - begin > 10:
                raise SystemExit("bench: ACCEPT.json was not read again")
            time.sleep(0.002)
        delays.append(time.perf_counter() - begin)
    client, count = Client(server, token), Client(server, token, "/bench_looks")
    rates = {}
    for name, pause in (("slow", 0.05), ("fast", 0.0)):
        before, asked, start = int(count.get()[1]), 0, time.perf_counter()
        while time.perf_counter() - start < 4:
            client.ask()
            asked += 1
            time.sleep(pause)
        took = time.perf_counter() - start
        rates[f"{name}_requests_per_s"] = asked / took
        rates[f"{name}_looks_per_s"] = (int(count.get()[1]) - before) / took
    return {"longest_s": max(delays), **rates}


def guard(where: Path, seconds: float = 16.0) -> Json:
    """Start both below the folder *where* and measure for about *seconds* under wrong logins. Tokens have cost 12."""
    token = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12, b"2b")).decode()
    places = []
    for guarded in (False, True):
        root = where / ("guarded" if guarded else "bare")
        root.mkdir()
        pair = Pair(
            root,
            comfyui=Path(os.environ.get("CONTRACT_COMFYUI_PATH") or STANDIN_COMFYUI),
            login=Path(os.environ.get("CONTRACT_LOGIN_PATH") or STANDIN_LOGIN),
            python=os.environ.get("CONTRACT_PYTHON") or sys.executable,
            arguments=("--cpu",),
        )
        place = Besieged(pair, guarded)
        pair.set_password(token)
        pair.add_node("bench_looks.py", {"bench_looks.py": COUNTER})
        places.append(place)
    bare, ours = places
    throttle = ours.guard_node / "throttle.py"
    changed, times = re.subn(r"(?m)^WINDOW, PER_ADDRESS, GLOBAL = .*$", BUDGETS, throttle.read_text(encoding="utf-8"))
    if times != 1:
        raise SystemExit("bench: the guard's budgets are not where they were")
    throttle.write_text(changed, encoding="utf-8")
    ours.accept(token)
    load = os.getloadavg()[0]
    with bare.pair.serve() as one, ours.pair.serve() as two:
        results: Json = {"load": load, "real": bool(os.environ.get("CONTRACT_COMFYUI_PATH"))}
        results.update(compare(one, two, token))
        results["logins"] = besiege(two, token, seconds)
        results["accept"] = reread(ours, two, token)
    return results


def limits(results: Json) -> list[tuple[str, float, str, float]]:
    """Return what is promised: name, figure, relation, limit."""
    logins, accept = results["logins"], results["accept"]
    promised = [
        ("guard: added to /system_stats, ms", results["added_ms"], "<=", 0.2),
        ("guard: p99 of others under wrong logins, ms", logins["p99_ms"], "<=", 50.0),
        ("guard: new ACCEPT.json in force, s", accept["longest_s"], "<=", 1.0),
        ("guard: looks at files, busy, per s", accept["fast_looks_per_s"], "<=", 4.0),
    ]
    if results["real"]:
        promised.append(("guard: throughput with / without", results["throughput_ratio"], ">=", 0.95))
    return promised


def lines(results: Json) -> list[str]:
    """Return the figures for people."""
    logins, accept = results["logins"], results["accept"]
    # The stand-in answers fifty times as fast as ComfyUI, so that a share of its time says nothing about ComfyUI's.
    real = "" if results["real"] else "; promised for the real pair only"
    return [
        f"guard on the {'real pair' if results['real'] else 'stand-in'}, machine's load {results['load']:.1f}:",
        f"  /system_stats {results['bare_ms']:.3f} ms without, {results['guarded_ms']:.3f} ms with;"
        f" throughput {results['throughput_ratio']:.3f} of that without{real}",
        f"  {logins['logins']} wrong logins, {PARALLEL} at a time ({logins['throttled']} throttled), beside"
        f" {logins['requests']} requests: p99 {logins['p99_ms']:.1f} ms, longest {logins['longest_ms']:.1f} ms;"
        f" without logins p99 {logins['quiet_p99_ms']:.1f} ms",
        f"  looks at files below login/: {accept['slow_looks_per_s']:.1f} a second at"
        f" {accept['slow_requests_per_s']:.0f} requests a second, {accept['fast_looks_per_s']:.1f} at"
        f" {accept['fast_requests_per_s']:.0f}",
    ]


def main() -> None:
    """Measure the guard alone."""
    where = Path(tempfile.mkdtemp(prefix="comfyui-bench-"))
    try:
        results = guard(where)
    finally:
        shutil.rmtree(where)
    print("\n".join(lines(results)))
    for name, got, relation, limit in limits(results):
        met = got <= limit if relation == "<=" else got >= limit
        print(f"{'met   ' if met else 'MISSED'} {name}: {got:.3f} ({relation} {limit})")


if __name__ == "__main__":
    main()
