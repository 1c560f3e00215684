# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where files lie: full, read-only and other file systems, and how many come at a time. Real mounts."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cow_disk
import pytest
from local_hub import REVISION, Hub

from ansible_collections.genai.comfyui.plugins.module_utils import _model_run as run
from ansible_collections.genai.comfyui.plugins.module_utils import _models

DATA = random.Random(5).randbytes(3 << 20)
DIGEST = hashlib.sha256(DATA).hexdigest()
LEFT = {".genai-comfyui-models.json", "vae", "vae/.x.safetensors.part", "vae/.x.safetensors.part.json"}

Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount small file systems; *kind* other than tmpfs needs its mkfs."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted: list[Path] = []

    def make(name: str, options: str, kind: str = "tmpfs", source: str = "tmpfs") -> Path:
        place = tmp_path / name
        place.mkdir()
        subprocess.run(["mount", "-t", kind, "-o", options, source, str(place)], check=True)
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def lay_down(folder: Path, wanted: list[dict[str, Any]], stores: list[str] | None = None, **given: Any) -> Any:
    record = _models.Record.read(str(folder))
    steps = [_models.look(_models.parse(one), record, stores or [], False) for one in wanted]
    return run.carry_out(steps, record, run.Settings(**given), run.Meter(str(folder)))


def hubs(*names: str, size: int | None = None) -> list[dict[str, Any]]:
    one = {"repo": "org/repo", "revision": REVISION, "kind": "vae", "size": size, "sha256": DIGEST}
    return [{**one, "path": f"{name}.safetensors"} for name in names]


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("kilobytes", [4, 12, 100, 1024, 2500, 3071, 3072 + 4, 3072 + 8, 3072 + 12])
def test_a_disk_that_is_full_at_any_moment(hub: Hub, mount: Mount, kilobytes: int) -> None:
    hub.files["org/repo/x.safetensors"] = DATA
    disk = mount("disk", f"size={kilobytes}k")
    target = disk / "vae" / "x.safetensors"
    failed = ""
    try:
        lay_down(disk, hubs("x"), endpoints=[hub.url])
    except run.ModelsFailed as error:
        failed = str(error)
    part = disk / "vae" / ".x.safetensors.part"
    if kilobytes < 3072:
        have = part.stat().st_size if part.exists() else 0
        # The note beside the part, which tells the size, is the first thing that may not fit.
        known = have or kilobytes > 100
        assert failed.startswith(f"{target}: {disk} is full; free {f'{len(DATA) - have} more bytes' if known else ''}")
    assert not failed or f"{disk} is full; free " in failed
    assert not target.exists() or target.read_bytes() == DATA, "no half file has the final name"
    assert below(disk) <= LEFT | {"vae/x.safetensors"}, "nothing lies about"
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    lay_down(disk, hubs("x"), endpoints=[hub.url])
    assert target.read_bytes() == DATA
    assert below(disk) == {".genai-comfyui-models.json", "vae", "vae/x.safetensors"}


@pytest.mark.parametrize("inodes", [2, 3, 4])
def test_a_disk_with_room_for_bytes_and_for_no_more_files(hub: Hub, mount: Mount, inodes: int) -> None:
    hub.files["org/repo/x.safetensors"] = DATA
    disk = mount("disk", f"size=16m,nr_inodes={inodes}")
    with pytest.raises(run.ModelsFailed, match=rf"{disk} is full of files; remove some and run again, what"):
        lay_down(disk, hubs("x"), endpoints=[hub.url])
    target = disk / "vae" / "x.safetensors"
    assert not target.exists() or target.read_bytes() == DATA
    subprocess.run(["mount", "-o", "remount,nr_inodes=100", str(disk)], check=True)
    lay_down(disk, hubs("x"), endpoints=[hub.url])
    assert target.read_bytes() == DATA
    assert below(disk) == {".genai-comfyui-models.json", "vae", "vae/x.safetensors"}


def test_a_full_disk_while_a_store_is_copied(mount: Mount, tmp_path: Path) -> None:
    disk, store = mount("disk", "size=1m"), tmp_path / "x.safetensors"
    store.write_bytes(DATA)
    with pytest.raises(run.ModelsFailed, match=rf"{disk} is full; free {len(DATA)} more bytes"):
        lay_down(disk, [{"src": str(store), "sha256": DIGEST, "size": len(DATA)}], endpoints=[], link="copy")
    assert below(disk) == set()


def test_a_read_only_place_is_named(hub: Hub, mount: Mount) -> None:
    hub.files["org/repo/x.safetensors"] = DATA
    disk = mount("disk", "size=16m,ro")
    with pytest.raises(run.ModelsFailed, match=rf"{disk}/vae/x.safetensors: Read-only file system"):
        lay_down(disk, hubs("x"), endpoints=[hub.url])


def test_a_read_only_store_serves_by_symlink_or_copy(mount: Mount, tmp_path: Path) -> None:
    store, models = mount("store", "size=16m"), tmp_path / "models"
    models.mkdir()
    (store / "x.safetensors").write_bytes(DATA)
    subprocess.run(["mount", "-o", "remount,ro", str(store)], check=True)
    wanted = [{"src": str(store / "x.safetensors"), "sha256": DIGEST}]
    assert lay_down(models, wanted, endpoints=[])[0]["link"] == "symlink", "no hard link leaves a file system"
    (models / "x.safetensors").unlink()
    (models / _models.RECORD).unlink()
    assert lay_down(models, wanted, endpoints=[], link="copy")[0]["link"] == "copy"
    (models / "x.safetensors").unlink()
    (models / _models.RECORD).unlink()
    with pytest.raises(run.ModelsFailed, match=r"cannot be put to .*: hard: Invalid cross-device link"):
        lay_down(models, wanted, endpoints=[], link="hard")


def test_a_reflink_is_refused_where_the_file_system_has_none(mount: Mount) -> None:
    plain = mount("plain", "size=16m")
    (plain / "a").write_bytes(DATA)
    with pytest.raises(run.ModelsFailed, match=r"cannot be put to .*: reflink: "):
        lay_down(plain, [{"src": str(plain / "a"), "name": "b", "sha256": DIGEST}], endpoints=[], link="reflink")
    assert below(plain) == {"a"}


@pytest.fixture
def cow(mount: Mount, tmp_path: Path) -> Path:
    """Give a disk whose files can share extents."""
    cow_disk.make_image(tmp_path / "image")
    return mount("cow", "loop", "btrfs", str(tmp_path / "image"))


def test_a_reflink_shares_extents_until_one_of_both_is_written_to(cow: Path) -> None:
    store, copy = cow / "store.safetensors", cow / "x.safetensors"
    store.write_bytes(DATA)
    assert not [extent for extent in cow_disk.extents(store) if extent[2]]
    wanted = [{"src": str(store), "name": copy.name, "sha256": DIGEST}]
    (done,) = lay_down(cow, wanted, endpoints=[], link="reflink", mode=0o640)
    assert (done["link"], done["bytes"]) == ("reflink", len(DATA))
    assert (copy.read_bytes() == DATA, copy.stat().st_mode & 0o777) == (True, 0o640)
    assert copy.stat().st_ino != store.stat().st_ino
    shared = cow_disk.extents(store)
    assert cow_disk.extents(copy) == shared, "not a byte was copied"
    assert {extent[2] for extent in shared} == {True}
    assert sum(extent[1] for extent in shared) * 4096 == len(DATA)
    with copy.open("r+b") as stream:
        stream.seek(1 << 20)
        stream.write(b"changed")
    assert hashlib.sha256(store.read_bytes()).hexdigest() == DIGEST
    assert copy.read_bytes() == DATA[: 1 << 20] + b"changed" + DATA[(1 << 20) + 7 :]
    ours, theirs = ({extent[0] for extent in cow_disk.extents(one)} for one in (copy, store))
    assert ours & theirs, "the rest is shared still"
    assert ours - theirs, "what was written lies elsewhere"


def test_auto_takes_a_reflink_where_no_hard_link_goes(cow: Path) -> None:
    for name in ("store", "models"):
        cow_disk.subvolume(cow / name)
    (cow / "store" / "x.safetensors").write_bytes(DATA)
    (done,) = lay_down(cow / "models", hubs("x"), [str(cow / "store")], endpoints=[])
    assert done["link"] == "reflink", "a hard link leaves no subvolume"
    assert {extent[2] for extent in cow_disk.extents(cow / "models" / "vae" / "x.safetensors")} == {True}
    (cow / "store" / "x.safetensors").unlink()
    (again,) = lay_down(cow / "models", hubs("x"), endpoints=[])
    assert (again["verified"], again["fetched"]) == ("record", 0)


@pytest.mark.parametrize("cap", [1, 3])
def test_no_more_files_at_a_time_than_the_cap(hub: Hub, tmp_path: Path, cap: int) -> None:
    names = [f"f{number}" for number in range(6)]
    for name in names:
        hub.files[f"org/repo/{name}.safetensors"] = DATA
    together, most, lock = [0], [0], threading.Lock()
    hub.troubles["storage"] = [("slow", 0.002)] * 20

    class Watched(run.Meter):
        def start(self, name: str, total: int | None) -> Callable[[int], None]:
            with lock:
                together[0] += 1
                most[0] = max(most[0], together[0])
            return super().start(name, total)

        def end(self, name: str) -> None:
            with lock:
                together[0] -= 1
            super().end(name)

    record = _models.Record.read(str(tmp_path))
    steps = [_models.look(_models.parse(one), record, [], False) for one in hubs(*names)]
    done = run.carry_out(steps, record, run.Settings([hub.url], parallel=cap), Watched(str(tmp_path)))
    assert {one["status"] for one in done} == {"downloaded"}
    assert most[0] == cap


def test_a_mirror_serves_when_the_hub_does_not(hub: Hub, tmp_path: Path) -> None:
    hub.files["org/repo/x.safetensors"] = DATA
    hub.troubles["hub"] = [("status", 404, {})]
    (done,) = lay_down(tmp_path, hubs("x"), endpoints=[hub.url + "/nowhere", hub.url])
    assert done["source"].startswith(hub.url + "/org/")
