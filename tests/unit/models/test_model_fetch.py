# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file over real HTTP: resumed at any byte, refused when wrong, and the token kept from strangers."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from local_hub import REVISION, TOKEN, Hub

from ansible_collections.genai.comfyui.plugins.module_utils import _model_fetch
from ansible_collections.genai.comfyui.plugins.module_utils._model_http import FetchError, Source

DATA = random.Random(7).randbytes(5_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
KEY = "org/repo/split/a b.safetensors"
NO_REPO = ("status", 401, {"X-Error-Code": "RepoNotFound"})


def source(hub: Hub, token: str | None = None, timeout: float = 5) -> Source:
    return Source(f"{hub.url}/org/repo/resolve/{REVISION}/split/a%20b.safetensors", token, timeout=timeout)


def fetch(hub: Hub, path: Path, **options: Any) -> dict[str, Any]:
    given = {"sha256": DIGEST, "size": len(DATA), "pause": lambda _seconds: None, **options}
    place = given.pop("source", source(hub))
    done: dict[str, Any] = _model_fetch.fetch(place, str(path), **given)
    return done


@pytest.fixture(autouse=True)
def filled(hub: Hub) -> None:
    """Put the file into the hub."""
    hub.files[KEY] = DATA


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole(hub: Hub, tmp_path: Path) -> None:
    told: list[int] = []
    done = fetch(hub, tmp_path / "x", progress=told.append)
    assert done == {"sha256": DIGEST, "bytes": len(DATA), "fetched": len(DATA)}
    assert (tmp_path / "x").read_bytes() == DATA
    assert names(tmp_path) == ["x"]
    assert told[-1] == len(DATA)
    assert told == sorted(told)


def test_the_hub_tells_size_and_hash_where_nobody_else_does(hub: Hub, tmp_path: Path) -> None:
    assert fetch(hub, tmp_path / "x", sha256=None, size=None)["sha256"] == DIGEST
    hub.plain_marks = True
    with pytest.raises(FetchError, match="names no sha256; give the one it must have"):
        fetch(hub, tmp_path / "y", sha256=None)


def test_the_token_stays_with_its_host(hub: Hub, tmp_path: Path) -> None:
    hub.gated.add("org/repo")
    fetch(hub, tmp_path / "x", source=source(hub, TOKEN))
    assert {one.authorization for one in hub.seen if one.role == "hub"} == {f"Bearer {TOKEN}"}
    assert {one.authorization for one in hub.seen if one.role == "storage"} == {None}
    assert TOKEN not in repr(source(hub, TOKEN))


@pytest.mark.parametrize("offset", [0, 1, *random.Random(3).sample(range(len(DATA)), 8)])
def test_a_broken_connection_is_resumed_where_it_broke(hub: Hub, tmp_path: Path, offset: int) -> None:
    hub.troubles["storage"] = [("none",), ("cut", offset)]
    done = fetch(hub, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == DATA
    assert done["fetched"] == len(DATA), "not a byte that came was lost"
    ranges = [one.range for one in hub.seen if one.role == "storage" and one.method == "GET"]
    assert len(ranges) == 2
    assert ranges[0] is None


KILLED = """
import sys
from ansible_collections.genai.comfyui.plugins.module_utils import _model_fetch, _model_hash, _model_http
_model_hash.CHUNK = 65536
url, path, digest, size = sys.argv[1:]
print(_model_fetch.fetch(_model_http.Source(url), path, sha256=digest, size=int(size))["fetched"])
"""


def test_a_kill_at_ten_random_places_costs_a_chunk_each_at_most(hub: Hub, tmp_path: Path) -> None:
    chance, part, chunk = random.Random(11), tmp_path / ".x.part", 65536
    command = [sys.executable, "-c", KILLED, source(hub).url, str(tmp_path / "x"), DIGEST, str(len(DATA))]
    kept = 0
    for _attempt in range(10):
        more = chance.randrange(50_000, 400_000)
        hub.troubles["storage"] = [("none",), ("hold", more)]
        before, process = hub.sent, subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while process.poll() is None and not (part.exists() and part.stat().st_size >= kept + more // chunk * chunk):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "x").exists(), "half a file never has the final name"
        kept, earlier = part.stat().st_size, kept
        assert hub.sent - before <= kept - earlier + chunk
    hub.troubles["storage"] = []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (tmp_path / "x").read_bytes() == DATA
    assert int(done.stdout) == len(DATA) - kept
    assert names(tmp_path) == ["x"]


def test_a_wrong_hash_never_lands(hub: Hub, tmp_path: Path) -> None:
    hub.troubles["storage"] = [("none",), ("corrupt",)]
    with pytest.raises(FetchError, match=f"wanted is {DIGEST}; it was thrown away") as caught:
        fetch(hub, tmp_path / "x")
    assert caught.value.kind == "hash"
    assert names(tmp_path) == []
    assert "secret-signature" not in str(caught.value)


def test_another_content_under_the_same_address_is_not_mixed_in(hub: Hub, tmp_path: Path) -> None:
    hub.troubles["storage"] = [("none",), ("cut", 1_000_000)] + [("status", 500, {})] * 10
    with pytest.raises(FetchError, match="gave up after 5 attempts"):
        fetch(hub, tmp_path / "x")
    assert (tmp_path / ".x.part").stat().st_size == 1_000_000
    other = bytes(reversed(DATA))
    hub.files[KEY], hub.troubles["storage"] = other, []
    digest = hashlib.sha256(other).hexdigest()
    assert fetch(hub, tmp_path / "x", sha256=digest)["fetched"] == len(other)
    assert (tmp_path / "x").read_bytes() == other


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_asked_again_after_what_it_says(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.troubles["hub"] = [("status", status, {"Retry-After": "7"})] * 2
    waits: list[float] = []
    fetch(hub, tmp_path / "x", pause=waits.append)
    assert len(waits) == 2
    assert min(waits) >= 7
    hub.troubles["hub"] = [("status", status, {})] * 10
    with pytest.raises(FetchError, match=f"status {status}; gave up after 5 attempts"):
        fetch(hub, tmp_path / "y")


@pytest.mark.parametrize(
    ("prepare", "kind", "said"),
    [
        (lambda hub: hub.gated.add("org/repo"), "forbidden", "is gated: accept its terms on the hub"),
        (lambda hub: hub.files.clear(), "missing", r"does not exist \(status 404\); check repository, revision, path"),
        (lambda hub: hub.troubles["hub"].append(("status", 401, {})), "forbidden", "wants a token; give one"),
        (lambda hub: hub.troubles["hub"].append(NO_REPO), "missing", "the repository does not exist, or is private"),
        (lambda hub: hub.troubles["storage"].append(("page",)), "page", "is a web page, not a file"),
        (lambda hub: hub.files.update({KEY: DATA[:-1]}), "size", "has 4999999 bytes, wanted are 5000000"),
    ],
)
def test_what_cannot_succeed_says_why(hub: Hub, tmp_path: Path, prepare: Any, kind: str, said: str) -> None:
    prepare(hub)
    with pytest.raises(FetchError, match=said) as caught:
        fetch(hub, tmp_path / "x")
    assert caught.value.kind == kind
    assert not (tmp_path / "x").exists()


def test_a_refused_token_is_not_shown(hub: Hub, tmp_path: Path) -> None:
    hub.gated.add("org/repo")
    with pytest.raises(FetchError) as caught:
        fetch(hub, tmp_path / "x", source=source(hub, "hf_wrong"))
    assert "hf_wrong" not in str(caught.value)


def test_nobody_listens(tmp_path: Path, hub: Hub) -> None:
    with pytest.raises(FetchError, match=r"127\.0\.0\.1 cannot be reached"):
        fetch(hub, tmp_path / "x", source=Source("http://127.0.0.1:1/x"))


def test_a_silent_server_counts_as_broken(hub: Hub, tmp_path: Path) -> None:
    hub.troubles["storage"] = [("none",), ("slow", 1.0)]
    assert fetch(hub, tmp_path / "x", source=source(hub, timeout=0.3))["bytes"] == len(DATA)


def test_a_second_run_waits_and_does_not_write_into_the_first(hub: Hub, tmp_path: Path) -> None:
    hub.troubles["storage"] = [("none",), ("slow", 0.01)]
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(fetch(hub, tmp_path / "x", pause=time.sleep)["fetched"])
        except FetchError as error:
            results.append(error.kind)

    threads = [threading.Thread(target=run) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results, key=str) == [len(DATA), "busy"]
    assert (tmp_path / "x").read_bytes() == DATA
    assert names(tmp_path) == ["x"]


def test_a_full_disk_keeps_what_came(hub: Hub, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    try:
        with pytest.raises(FetchError) as caught:
            fetch(hub, disk / "x")
        assert caught.value.kind == "space"
        assert set(names(disk)) == {".x.part", ".x.part.json"}
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        assert fetch(hub, disk / "x")["fetched"] < len(DATA) - 1_000_000
        assert (disk / "x").read_bytes() == DATA
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
