# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a download with its hash beside ``curl`` without one, and a second run over 29 GB that are known.

``python tests/bench/download.py`` runs it alone. The server is a process of its own that sends with ``sendfile``, as
storage hosts do. Both write to memory where there is room, so that the programs are compared and not the disk. They
take turns, and who begins changes. Where it is allowed, server, curl and ours alike go before other work of the machine
(the scheduler's SCHED_FIFO), for a moment each: what else runs would decide otherwise. ``--share`` leaves that out.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

SIZE = 2_000_000_000
PIECE = 64 << 20
SET = 29_000_000_000
HOSTS = 10
MEMORY = Path("/dev/shm")
OURS = """
import sys, time
from ansible_collections.genai.comfyui.plugins.module_utils import _model_fetch, _model_http
url, path, digest, size = sys.argv[1:]
start = time.perf_counter()
_model_fetch.fetch(_model_http.Source(url), path, sha256=digest, size=int(size))
print(time.perf_counter() - start)
"""
# Before other work, if that is allowed; then the command.
FIRST = """
import os, sys
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except PermissionError:
    pass
os.execvp(sys.argv[1], sys.argv[1:])
"""
# At a priority above all else, one download after the other would starve the machine: others get a turn between two.
# There is no condition to wait for.
PAUSE = 1.0

Json = dict[str, t.Any]


def serve(where: Path) -> None:
    """Say port and sha256, then send SIZE bytes to everybody who asks, one after the other."""
    piece = os.urandom(PIECE)
    (where / "piece").write_bytes(piece)
    digest = hashlib.sha256()
    for at in range(0, SIZE, PIECE):
        digest.update(memoryview(piece)[: min(PIECE, SIZE - at)])
    source = os.open(where / "piece", os.O_RDONLY)
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], digest.hexdigest(), flush=True)
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nETag: "x"\r\nConnection: close\r\n\r\n'.encode()
    while True:
        connection, _address = server.accept()
        with connection:
            asked = connection.recv(65536)
            connection.sendall(head)
            for at in range(0, SIZE if asked.startswith(b"GET") else 0, PIECE):
                done, end = 0, min(PIECE, SIZE - at)
                while done < end:
                    done += os.sendfile(connection.fileno(), source, done, end - done)


def first(share: bool) -> tuple[list[str], bool]:
    """Return what to put before a command, and whether what it starts goes before other work."""
    words = [] if share else [sys.executable, "-c", FIRST]
    ask = [*words, sys.executable, "-c", "import os; print(os.sched_getscheduler(0) == os.SCHED_FIFO)"]
    return words, subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip() == "True"


def download(where: Path, runs: int, share: bool = False) -> Json:
    """Return the medians of both and the ratio of the rates, ours to curl's; each pair is taken in turn."""
    room = shutil.disk_usage(MEMORY).free > 3 * SIZE if MEMORY.is_dir() else False
    place = Path(tempfile.mkdtemp(prefix="comfyui-bench-", dir=MEMORY if room else where))
    words, alone = first(share)
    serving = [*words, sys.executable, __file__, "serve", str(place)]
    server = subprocess.Popen(serving, stdout=subprocess.PIPE, text=True)
    took: dict[str, list[float]] = {"curl": [], "ours": []}
    try:
        assert server.stdout is not None
        port, digest = server.stdout.readline().split()
        url, target = f"http://127.0.0.1:{port}/x", str(place / "x")
        commands = {
            "curl": ["curl", "-s", "-o", target, "-w", "%{time_total}", url],
            "ours": [sys.executable, "-c", OURS, url, target, digest, str(SIZE)],
        }
        for number in range(2 * runs):
            # Who begins changes, so that what a machine does meanwhile meets both alike.
            for name in sorted(commands, reverse=bool(number % 2)):
                done = subprocess.run([*words, *commands[name]], capture_output=True, text=True, check=True)
                took[name].append(float(done.stdout))
                os.unlink(target)
                time.sleep(PAUSE)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(place)
    middle = {name: statistics.median(times) for name, times in took.items()}
    ratio = middle["curl"] / middle["ours"]
    how = {"memory": room, "first": alone, "load": os.getloadavg()[0]}
    return {"bytes": SIZE, **how, "curl_s": middle["curl"], "ours_s": middle["ours"], "ratio": ratio, **took}


def sparse(where: Path, ansible: Path, environment: dict[str, str], python: str) -> Json:
    """Return the wall time of a second run over a known set on ten pseudo-hosts, and the bytes of models it read.

    Whether a model is read is seen by its time of access: each file's is older than its change, which any read mends.
    """
    files: list[Path] = []
    for number in range(HOSTS):
        folder = where / f"models-{number}"
        folder.mkdir()
        entries = {}
        for name in ("a.safetensors", "b.safetensors", "c.safetensors"):
            path = folder / name
            with path.open("wb") as stream:
                stream.truncate(SET // 3)
            os.utime(path, ns=(10**18, 2 * 10**18))
            found = path.stat()
            known = {"inode": found.st_ino, "size": found.st_size, "mtime_ns": found.st_mtime_ns}
            entries[name] = {**known, "sha256": "0" * 64, "laid": True}
            files.append(path)
        (folder / ".genai-comfyui-models.json").write_text(json.dumps({"schema": 1, "files": entries}))
    hosts = {f"host-{number}": {"folder": str(where / f"models-{number}")} for number in range(HOSTS)}
    common = {"ansible_connection": "local", "ansible_python_interpreter": python}
    inventory = where / "models.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
    wanted = [{"url": f"http://127.0.0.1:1/{path.name}", "sha256": "0" * 64} for path in files[:3]]
    given = json.dumps({"dir": "{{ folder }}", "files": wanted})
    command = [str(ansible), "-i", str(inventory), "all", "-m", "genai.comfyui.model", "-a", given]
    start = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    took = time.perf_counter() - start
    read = sum(path.stat().st_size for path in files if path.stat().st_atime_ns != 10**18)
    # Not every file system notes reads; then nothing is known.
    with files[0].open("rb") as stream:
        stream.read(1)
    noted = files[0].stat().st_atime_ns != 10**18
    return {"hosts": HOSTS, "bytes": SET, "s": took, "per_host_s": took / HOSTS, "read": read if noted else None}


def lines(results: Json) -> list[str]:
    """Lay the results out for people."""
    one, two = results["download"], results["known_models"]
    where, read = "memory" if one["memory"] else "disk", "unknown" if two["read"] is None else two["read"]
    rates = f"{one['ours_s']:.2f} s; curl, without a hash: {one['curl_s']:.2f} s"
    how = f"both {'before' if one['first'] else 'beside'} other work, load {one['load']:.1f}"
    return [
        f"download of {one['bytes'] / 1e9:.0f} GB to {where}: {rates}; {how}",
        f"known set of {two['bytes'] / 1e9:.0f} GB on {two['hosts']} hosts: {two['s']:.2f} s, {read} bytes read",
    ]


def limits(results: Json) -> list[tuple[str, float, str, float]]:
    """Return what is promised."""
    found = [
        ("download with hash / curl, rate", results["download"]["ratio"], ">=", 0.95),
        ("second run over 29 GB of models, s per host", results["known_models"]["per_host_s"], "<=", 1.0),
    ]
    if results["known_models"]["read"] is not None:
        found.append(("bytes of models read by it", results["known_models"]["read"], "<=", 0))
    return found


def models(where: Path, runs: int, environment: dict[str, str], python: str, share: bool = False) -> Json:
    """Measure both."""
    ansible = Path(sys.executable).with_name("ansible")
    return {"download": download(where, runs, share), "known_models": sparse(where, ansible, environment, python)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory(prefix="comfyui-bench-") as made:
            counts = [int(one) for one in sys.argv[1:] if one.isdigit()] or [3]
            found = models(Path(made), counts[0], dict(os.environ), sys.executable, "--share" in sys.argv)
        print("\n".join(lines(found)))
        for name, got, relation, limit in limits(found):
            print(f"{'met' if (got <= limit if relation == '<=' else got >= limit) else 'MISSED'} {name}: {got:.2f}")
