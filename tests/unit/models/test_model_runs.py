# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that meet each other, were cut off, or meet what somebody changed meanwhile. Real files."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from local_hub import REVISION, Hub

from ansible_collections.genai.comfyui.plugins.module_utils import _model_run as run
from ansible_collections.genai.comfyui.plugins.module_utils import _models

DATA = random.Random(6).randbytes(300_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
OTHER = DATA[::-1]
NAME = "x.safetensors"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    made = tmp_path / "store" / NAME
    made.parent.mkdir()
    made.write_bytes(DATA)
    return made


def from_store(store: Path) -> dict[str, Any]:
    return {"src": str(store), "sha256": DIGEST, "size": len(DATA)}


HUB = {"repo": "org/repo", "revision": REVISION, "path": NAME, "sha256": DIGEST, "size": len(DATA)}


def lay_down(folder: Path, wanted: dict[str, Any], **given: Any) -> dict[str, Any]:
    record = _models.Record.read(str(folder))
    step = _models.look(_models.parse(wanted), record, [], False)
    settings = run.Settings(**{"endpoints": [], **given})
    (done,) = run.carry_out([step], record, settings, run.Meter(str(folder)))
    return dict(done)


def names(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()}


def remove(folder: Path) -> str:
    (done,) = run.remove([NAME], _models.Record.read(str(folder)), False)
    return str(done["status"])


@pytest.mark.parametrize("way", ["hard", "symlink", "copy"])
def test_a_link_waits_for_the_run_that_has_the_place(folder: Path, store: Path, way: str) -> None:
    results: list[Any] = []
    with (folder / f".{NAME}.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = threading.Event()

        class Meter(run.Meter):
            def start(self, name: str, total: int | None) -> Any:
                waiting.set()
                return super().start(name, total)

        record = _models.Record.read(str(folder))
        step = _models.look(_models.parse(from_store(store)), record, [], False)

        def link() -> None:
            results.extend(run.carry_out([step], record, run.Settings([], link=way), Meter(str(folder))))

        thread = threading.Thread(target=link)
        thread.start()
        assert waiting.wait(10)
        thread.join(0.2)
        assert not (folder / NAME).exists()
        assert names(folder) <= {f".{NAME}.part", run.PROGRESS, run.PROGRESS + ".new"}
    thread.join(10)
    assert [one["link"] for one in results] == [way]
    assert (folder / NAME).read_bytes() == DATA
    assert names(folder) == {NAME, _models.RECORD}


@pytest.mark.parametrize("way", ["hard", "symlink", "copy"])
def test_a_store_that_changes_while_it_is_read(
    folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    reading = os.preadv

    def read(descriptor: int, buffers: Any, place: int) -> int:
        # Somebody gives the store another file at this very moment.
        new = store.with_suffix(".new")
        new.write_bytes(OTHER)
        new.replace(store)
        return reading(descriptor, buffers, place)

    monkeypatch.setattr(os, "preadv", read)
    if way == "symlink":
        with pytest.raises(run.ModelsFailed, match=rf"^{folder / NAME}: {store} changed while it was read; run again$"):
            lay_down(folder, from_store(store), link=way)
        assert names(folder) == set()
    else:
        lay_down(folder, from_store(store), link=way)
        assert (folder / NAME).read_bytes() == DATA


def test_what_changes_while_it_is_verified_is_not_on_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / NAME).write_bytes(DATA)
    reading = os.preadv

    def read(descriptor: int, buffers: Any, place: int) -> int:
        count = reading(descriptor, buffers, place)
        os.utime(folder / NAME, ns=(1, 10**18 + place))
        return count

    monkeypatch.setattr(os, "preadv", read)
    with pytest.raises(run.ModelsFailed, match=rf"{folder / NAME} changed while it was read; run again"):
        lay_down(folder, {**from_store(folder / NAME), "name": NAME})
    assert names(folder) == {NAME}


def test_leftovers_of_a_run_that_was_cut_off_go(hub: Hub, folder: Path, store: Path) -> None:
    hub.files[f"org/repo/{NAME}"] = DATA
    left = (f".{NAME}.part", f".{NAME}.part.json", f".{NAME}.link")

    def litter() -> None:
        for name in left:
            (folder / name).write_bytes(b"{}" if name.endswith("json") else DATA[:100])

    litter()
    # Whatever a run that was killed while it wrote the record left.
    (folder / (_models.RECORD + ".new")).write_bytes(b"{" * 10_000)
    lay_down(folder, from_store(store))
    assert names(folder) == {NAME, _models.RECORD}, "a link needs no part of a download"
    litter()
    assert remove(folder) == "removed"
    assert names(folder) == {_models.RECORD}
    litter()
    assert lay_down(folder, HUB, endpoints=[hub.url])["status"] == "downloaded"
    assert names(folder) == {NAME, _models.RECORD}, "a download needs no part of a copy"


def test_a_hard_link_to_the_very_file_leaves_no_second_name(folder: Path, store: Path) -> None:
    lay_down(folder, from_store(store), link="hard")
    record = _models.Record.read(str(folder))
    step = _models.Step(_models.parse(from_store(store)), "link", str(store), 0, True)
    run.carry_out([step], record, run.Settings([], link="hard"), run.Meter(str(folder)))
    assert names(folder) == {NAME, _models.RECORD}
    assert store.stat().st_nlink == 2


@pytest.mark.parametrize("way", ["hard", "symlink", "copy", "http"])
def test_a_file_of_somebody_else_in_its_place_is_kept(hub: Hub, folder: Path, store: Path, way: str) -> None:
    hub.files[f"org/repo/{NAME}"] = DATA
    given = {"endpoints": [hub.url], "link": way}
    wanted = HUB if way == "http" else from_store(store)
    lay_down(folder, wanted, **given)
    for content in (OTHER, OTHER + b"more"):
        mine = folder / "mine"
        mine.write_bytes(content)
        mine.replace(folder / NAME)
        assert remove(folder) == "kept"
        with pytest.raises(_models.ModelError, match="move it away"):
            lay_down(folder, wanted, **given)
        assert (folder / NAME).read_bytes() == content


@pytest.mark.parametrize("way", ["hard", "symlink", "copy", "http"])
def test_what_is_unchanged_is_removed_wherever_it_was_moved(hub: Hub, folder: Path, store: Path, way: str) -> None:
    hub.files[f"org/repo/{NAME}"] = DATA
    wanted = HUB if way == "http" else from_store(store)
    lay_down(folder, wanted, endpoints=[hub.url], link=way)
    moved = folder.with_name("moved")
    # As a new disk has it: other inodes, and the time of the copy.
    subprocess.run(["cp", "-r", "--no-dereference", str(folder), str(moved)], check=True)
    assert remove(moved) == "removed"
    assert names(moved) == {_models.RECORD}
    assert store.read_bytes() == DATA


def test_a_store_whose_file_changed_after_the_record(hub: Hub, folder: Path, store: Path) -> None:
    hub.files[f"org/repo/{NAME}"] = DATA
    for way in ("hard", "symlink"):
        store.write_bytes(DATA)
        lay_down(folder, from_store(store), link=way)
        store.write_bytes(OTHER)
        done = lay_down(folder, HUB, endpoints=[hub.url])
        assert (done["status"], done["fetched"]) == ("downloaded", len(DATA)), way
        assert (folder / NAME).read_bytes() == DATA
        assert store.read_bytes() == OTHER, "a download writes into nobody's file"
        assert remove(folder) == "removed"


def test_two_runs_forget_nothing_of_each_other(folder: Path) -> None:
    for name in ("a", "b", "c"):
        (folder / name).write_bytes(DATA)
    before = _models.Record.read(str(folder))
    before.note("c", DIGEST, laid=True)
    before.write()
    one, two = _models.Record.read(str(folder)), _models.Record.read(str(folder))
    one.note("a", DIGEST, laid=True)
    one.forget("c")
    one.write()
    two.note("b", DIGEST, laid=False)
    two.write()
    assert {name: entry["laid"] for name, entry in _models.Record.read(str(folder)).entries.items()} == {
        "a": True,
        "b": False,
    }


def test_mode_and_owner_are_right_before_the_final_name(
    hub: Hub, folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files[f"org/repo/{NAME}"] = DATA
    seen: list[tuple[int, int]] = []
    replacing = os.replace

    def replace(source: str, target: str) -> None:
        if str(target).endswith(NAME):
            seen.append((os.stat(source).st_mode & 0o777, os.stat(source).st_uid))
        replacing(source, target)

    monkeypatch.setattr(os, "replace", replace)
    owner = 12345 if os.geteuid() == 0 else os.geteuid()
    lay_down(folder, HUB, endpoints=[hub.url], mode=0o640, owner=(owner, -1))
    assert seen == [(0o640, owner)]
    (folder / NAME).unlink()
    lay_down(folder, from_store(store), link="copy", mode=0o640, owner=(owner, -1))
    assert seen == [(0o640, owner)] * 2


def test_a_folder_that_is_a_symlink_counts_where_it_leads(folder: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        (folder / "vae").symlink_to(disk)
        wanted = {**HUB, "kind": "vae", "size": 2 << 20}
        step = _models.look(_models.parse(wanted), _models.Record(str(folder)), [], False)
        with pytest.raises(_models.ModelError, match=rf"^{disk} has \d+ bytes free; {2 << 20} are needed"):
            _models.check_space([step], str(folder), "auto", 0)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("way", ["hard", "symlink", "copy"])
def test_a_store_of_links_as_a_hubs_cache_is_one(folder: Path, store: Path, way: str) -> None:
    snapshot = store.parent / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / NAME).symlink_to(f"../../{NAME}")
    assert lay_down(folder, from_store(snapshot / NAME), link=way)["link"] == way
    assert (folder / NAME).read_bytes() == DATA
    assert (folder / NAME).is_symlink() == (way == "symlink")
