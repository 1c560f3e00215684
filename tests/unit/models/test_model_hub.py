# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real huggingface_hub as downloader, against the local hub: resumed, refused when wrong, the token kept home.

``HUB_PYTHONS`` may name interpreters of further environments, with other versions of the library.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from local_hub import REVISION, TOKEN, Hub

from ansible_collections.genai.comfyui.plugins.module_utils import _model_fetch, _model_hash
from ansible_collections.genai.comfyui.plugins.module_utils._model_http import FetchError, Source
from ansible_collections.genai.comfyui.plugins.module_utils._model_hub import HubSource, Library, find_library

DATA = random.Random(7).randbytes(5_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
KEY = "org/repo/split/a b.safetensors"
NO_REPO = ("status", 401, {"X-Error-Code": "RepoNotFound"})
PATH = f"/org/repo/resolve/{REVISION}/split/a%20b.safetensors"
PYTHONS = [sys.executable, *filter(None, os.environ.get("HUB_PYTHONS", "").split(":"))]


if importlib.util.find_spec("huggingface_hub") is None:
    pytest.skip("this environment has no huggingface_hub", allow_module_level=True)


@pytest.fixture(params=PYTHONS, scope="module")
def library(request: pytest.FixtureRequest) -> Library:
    # Compiled once: the children do not write into the environment.
    subprocess.run([request.param, "-c", "import huggingface_hub.file_download"], check=True)
    found, why = find_library(request.param)
    assert found is not None, why
    return found


@pytest.fixture(autouse=True)
def filled(hub: Hub) -> None:
    """Put the file into the hub."""
    hub.files[KEY] = DATA


def fetch(hub: Hub, library: Library, path: Path, token: str | None = None, **options: Any) -> dict[str, Any]:
    given = {"sha256": DIGEST, "size": len(DATA), "pause": lambda _seconds: None, **options}
    source = HubSource(hub.url + PATH, library, token, timeout=given.pop("timeout", 5))
    done: dict[str, Any] = _model_fetch.fetch(source, str(path), **given)
    return done


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_leaves_nothing_else(hub: Hub, library: Library, tmp_path: Path) -> None:
    told: list[int] = []
    done = fetch(hub, library, tmp_path / "x", sha256=None, size=None, progress=told.append)
    assert done == {"sha256": DIGEST, "bytes": len(DATA), "fetched": len(DATA)}
    assert (tmp_path / "x").read_bytes() == DATA
    assert names(tmp_path) == ["x"]
    assert told == sorted(told)
    assert told[-1] == len(DATA)


def test_the_token_stays_with_its_host(hub: Hub, library: Library, tmp_path: Path) -> None:
    hub.gated.add("org/repo")
    fetch(hub, library, tmp_path / "x", TOKEN)
    assert {one.authorization for one in hub.seen if one.role == "hub"} == {f"Bearer {TOKEN}"}
    assert {one.authorization for one in hub.seen if one.role == "storage"} == {None}
    assert TOKEN not in repr(HubSource(hub.url, library, TOKEN))


HOME = """
import sys, huggingface_hub
text = open(sys.argv[1]).read().replace('if __name__ == "__main__"', "if False")
exec(text)
for guarded in (False, True):
    if guarded:
        keep_token_home(sys.argv[2])
    huggingface_hub.get_session().get(sys.argv[3], headers={"authorization": "Bearer hf_x"})
"""


def test_no_request_to_a_stranger_has_the_token_whoever_makes_it(hub: Hub, library: Library) -> None:
    program = Path(str(_model_hash.__file__)).with_name("_hub_program.py")
    asked = f"{hub.storage_url}/blob/{KEY}"
    subprocess.run([library.python, "-c", HOME, program, hub.url, asked], check=True)
    assert [one.authorization for one in hub.seen] == ["Bearer hf_x", None]


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


RUN = """
import sys
from ansible_collections.genai.comfyui.plugins.module_utils import _model_fetch, _model_hash, _model_hub
_model_hash.CHUNK = 65536
url, path, digest, size, python = sys.argv[1:]
source = _model_hub.HubSource(url, _model_hub.Library(python, ""), sys.stdin.readline().strip())
print(_model_fetch.fetch(source, path, sha256=digest, size=int(size))["fetched"])
"""


@pytest.fixture
def begin(hub: Hub, library: Library, tmp_path: Path) -> Iterator[Any]:
    running: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", RUN, hub.url + PATH, str(tmp_path / "x"), DIGEST, str(len(DATA))]
        pipe = subprocess.PIPE
        process = subprocess.Popen([*command, library.python], stdin=pipe, stdout=pipe, text=True)
        running.append(process)
        assert process.stdin is not None
        process.stdin.write(TOKEN + "\n")
        process.stdin.flush()
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_kill_at_ten_random_places_costs_a_chunk_each_at_most(hub: Hub, tmp_path: Path, begin: Any) -> None:
    chance, part, chunk = random.Random(11), tmp_path / ".x.part", 65536
    kept = 0
    for _attempt in range(10):
        more = chance.randrange(50_000, 400_000)
        hub.troubles["storage"] = [("hold", more)]
        before, process = hub.sent, begin()
        while process.poll() is None and not (part.exists() and part.stat().st_size >= kept + more // chunk * chunk):
            time.sleep(0.001)
        (child,) = children(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait()
        while Path(f"/proc/{child}/stat").exists() and Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
            time.sleep(0.001)
        assert not (tmp_path / "x").exists(), "half a file never has the final name"
        kept, earlier = part.stat().st_size, kept
        assert hub.sent - before <= kept - earlier + chunk
    hub.troubles["storage"] = []
    process = begin()
    assert int(process.communicate(timeout=60)[0]) == len(DATA) - kept
    assert (tmp_path / "x").read_bytes() == DATA
    assert names(tmp_path) == ["x"]


def test_the_token_is_in_no_argument_and_no_environment(hub: Hub, tmp_path: Path, begin: Any) -> None:
    hub.troubles["storage"] = [("slow", 0.05)]
    process = begin()
    while not hub.sent and process.poll() is None:
        time.sleep(0.005)
    (child,) = children(process.pid)
    for what in ("cmdline", "environ"):
        assert TOKEN.encode() not in Path(f"/proc/{child}/{what}").read_bytes()


LIBRARYS_OWN = """
import sys, huggingface_hub, huggingface_hub.constants
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 65536
huggingface_hub.hf_hub_download("org/repo", "split/a b.safetensors", revision=sys.argv[1], endpoint=sys.argv[2],
    local_dir=sys.argv[3], token=False)
"""


def test_why_the_librarys_own_function_is_not_used(hub: Hub, library: Library, tmp_path: Path) -> None:
    if library.version.startswith("0."):
        pytest.skip("before 1.0 the library went on where it was killed")
    hub.troubles["storage"] = [("slow", 0.02)]
    command = [library.python, "-c", LIBRARYS_OWN, REVISION, hub.url, str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while hub.sent < 2_000_000 and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.wait()
    before = hub.sent
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert hub.sent - before >= len(DATA), "all of it comes again: that is why"


def test_a_wrong_hash_never_lands(hub: Hub, library: Library, tmp_path: Path) -> None:
    hub.troubles["storage"] = [("corrupt",)]
    with pytest.raises(FetchError, match=f"wanted is {DIGEST}; it was thrown away") as caught:
        fetch(hub, library, tmp_path / "x")
    assert caught.value.kind == "hash"
    assert names(tmp_path) == []
    assert "secret-signature" not in str(caught.value)


@pytest.mark.parametrize("trouble", [("cut", 3_000_000), ("cut", 0), ("slow", 1.0)])
def test_a_broken_or_silent_connection_is_resumed(
    hub: Hub, library: Library, tmp_path: Path, trouble: tuple[Any, ...]
) -> None:
    hub.troubles["storage"] = [trouble]
    done = fetch(hub, library, tmp_path / "x", timeout=0.5 if trouble[0] == "slow" else 5)
    assert (tmp_path / "x").read_bytes() == DATA
    assert done["fetched"] <= len(DATA) + _model_hash.CHUNK


def test_another_content_under_the_same_address_is_not_mixed_in(hub: Hub, library: Library, tmp_path: Path) -> None:
    hub.troubles["storage"] = [("cut", 3_000_000)] + [("status", 500, {})] * 20
    with pytest.raises(InterruptedError):
        fetch(hub, library, tmp_path / "x", pause=stop)
    assert 3_000_000 >= (tmp_path / ".x.part").stat().st_size >= 3_000_000 - _model_hash.CHUNK
    other = bytes(reversed(DATA))
    hub.files[KEY], hub.troubles["storage"] = other, []
    done = fetch(hub, library, tmp_path / "x", sha256=hashlib.sha256(other).hexdigest())
    assert done["fetched"] == len(other)
    assert (tmp_path / "x").read_bytes() == other


def test_an_http_part_is_taken_over(hub: Hub, library: Library, tmp_path: Path) -> None:
    hub.troubles["storage"] = [("none",), ("cut", 2_000_000)]
    with pytest.raises(InterruptedError):
        _model_fetch.fetch(Source(hub.url + PATH), str(tmp_path / "x"), sha256=DIGEST, size=len(DATA), pause=stop)
    have = (tmp_path / ".x.part").stat().st_size
    assert have > 0
    assert fetch(hub, library, tmp_path / "x")["fetched"] == len(DATA) - have


def stop(_seconds: float) -> None:
    raise InterruptedError


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_hub_is_asked_again_after_what_it_says(hub: Hub, library: Library, tmp_path: Path, status: int) -> None:
    if library.version.startswith("0.") and status >= 500:
        pytest.skip("before 1.0 the library waits by itself, up to 23 s")
    hub.troubles["hub"] = [("status", status, {"Retry-After": "7"})]
    waits: list[float] = []
    fetch(hub, library, tmp_path / "x", pause=waits.append)
    assert len(waits) == 1
    assert min(waits) >= 7


@pytest.mark.parametrize(
    ("prepare", "kind", "said"),
    [
        (lambda hub: hub.gated.add("org/repo"), "forbidden", "is gated: accept its terms on the hub"),
        (lambda hub: hub.files.clear(), "missing", r"does not exist \(status 404\); check repository, revision, path"),
        (lambda hub: hub.troubles["hub"].append(("status", 401, {})), "forbidden", "wants a token; give one"),
        (lambda hub: hub.troubles["hub"].append(NO_REPO), "missing", "the repository does not exist, or is private"),
        (lambda hub: hub.troubles["storage"].append(("page",)), "page", "is a web page, not a file"),
        (lambda hub: hub.troubles["hub"].append(("page",)), "page", "does not answer as a hub does"),
        (lambda hub: hub.files.update({KEY: DATA[:-1]}), "size", "has 4999999 bytes, wanted are 5000000"),
    ],
)
def test_what_cannot_succeed_says_why(
    hub: Hub, library: Library, tmp_path: Path, prepare: Any, kind: str, said: str
) -> None:
    prepare(hub)
    with pytest.raises(FetchError, match=said) as caught:
        fetch(hub, library, tmp_path / "x")
    assert caught.value.kind == kind
    assert not (tmp_path / "x").exists()


def test_a_refused_token_is_named_and_not_shown(hub: Hub, library: Library, tmp_path: Path) -> None:
    hub.gated.add("org/repo")
    with pytest.raises(FetchError, match="gated") as caught:
        fetch(hub, library, tmp_path / "x", "hf_wrong")
    assert "hf_wrong" not in str(caught.value)


def test_xet_goes_on_where_a_file_ends_and_gets_no_token(hub: Hub, library: Library, tmp_path: Path) -> None:
    if library.xet is None:
        pytest.skip("this environment has no hf-xet that streams")
    hub.gated.add("org/repo")
    hub.troubles["storage"] = [("cut", 3_000_000)] + [("status", 500, {})] * 20
    with pytest.raises(InterruptedError):
        fetch(hub, replace(library, xet=None), tmp_path / "x", TOKEN, pause=stop)
    have = (tmp_path / ".x.part").stat().st_size
    hub.xet, hub.troubles["storage"], before = True, [], len(hub.seen)
    assert fetch(hub, library, tmp_path / "x", TOKEN)["fetched"] == len(DATA) - have
    assert (tmp_path / "x").read_bytes() == DATA
    seen = hub.seen[before:]
    assert {one.path.split("/")[1] for one in seen if one.role == "storage"} == {"v2", "v1", "xorb"}
    assert TOKEN not in str([one for one in seen if one.role == "storage"])
    hub.troubles["storage"] = [("corrupt",)] * 20
    with pytest.raises(FetchError, match="it was thrown away"):
        fetch(hub, library, tmp_path / "y", TOKEN)
    assert names(tmp_path) == ["x"]


def test_an_environment_without_the_library_is_named() -> None:
    assert find_library("/nowhere/python") == (None, "there is no /nowhere/python")
    assert find_library("/bin/true") == (None, "the huggingface_hub of /bin/true cannot be used (it ended)")


def test_a_full_disk_keeps_what_came(hub: Hub, library: Library, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], check=True)
    try:
        with pytest.raises(FetchError) as caught:
            fetch(hub, library, disk / "x")
        assert caught.value.kind == "space"
        assert set(names(disk)) == {".x.part", ".x.part.json"}
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        assert fetch(hub, library, disk / "x")["fetched"] < len(DATA) - 1_000_000
        assert (disk / "x").read_bytes() == DATA
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
