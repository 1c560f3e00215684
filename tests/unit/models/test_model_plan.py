# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted, what is there, where it comes from, and whether it fits. Real files; no network."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _model_run as run
from ansible_collections.genai.comfyui.plugins.module_utils import _models
from ansible_collections.genai.comfyui.plugins.module_utils._model_hub import Library
from ansible_collections.genai.comfyui.plugins.module_utils._models import ModelError, Record, look, parse, parse_all

DATA = b"weights" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()
HUB = {"repo": "org/repo", "revision": "abc", "path": "split/vae/x.safetensors", "kind": "vae"}
WANTED = {**HUB, "sha256": DIGEST, "size": len(DATA)}
SETTINGS = run.Settings(["http://127.0.0.1:1"], offline=True)


def steps(folder: Path, stores: Any = (), always: bool = False, **more: Any) -> list[_models.Step]:
    return [look(parse({**WANTED, **more}), Record.read(str(folder)), [str(store) for store in stores], always)]


def do(folder: Path, *arguments: Any, settings: run.Settings = SETTINGS, **more: Any) -> dict[str, Any]:
    planned = steps(folder, *arguments, **more)
    done: list[dict[str, Any]] = run.carry_out(planned, Record.read(str(folder)), settings, run.Meter(str(folder)))
    return done[0]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "store" / "vae").mkdir(parents=True)
    (tmp_path / "store" / "vae" / "x.safetensors").write_bytes(DATA)
    return tmp_path / "store"


def test_addresses_follow_the_mirrors() -> None:
    model = parse(WANTED)
    assert model.path == "vae/x.safetensors"
    assert model.addresses(["https://a/", "http://b"]) == [
        "https://a/org/repo/resolve/abc/split/vae/x.safetensors",
        "http://b/org/repo/resolve/abc/split/vae/x.safetensors",
    ]
    assert parse({"url": "https://h/x?s=1", "sha256": DIGEST}).addresses(["https://a"]) == ["https://h/x?s=1"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "a file: give exactly one of repo, url and src; given is none"),
        ({"url": "https://h/x", "src": "/x"}, "given is url, src"),
        ({"repo": "org/repo", "path": "x"}, "repo needs path and revision; 'main' moves, pin a commit"),
        ({**HUB, "repo": "nonsense"}, "repo, revision or path is malformed"),
        ({**HUB, "path": "../x"}, "repo, revision or path is malformed"),
        ({**HUB, "kind": "../../etc"}, "is no place below the models directory"),
        ({**HUB, "name": ".hidden"}, "is no place below the models directory"),
        ({"url": "ftp://h/x", "sha256": DIGEST}, "url must start with http:// or https://"),
        ({"url": "https://h/x"}, "sha256 is missing; only a hub's repository can tell it"),
        ({**HUB, "sha256": DIGEST[:-1]}, "sha256 is not 64 hex digits"),
    ],
)
def test_refusals(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said.replace("(", r"\(")):
        parse(given)


def test_two_files_for_one_place() -> None:
    with pytest.raises(ModelError, match=r"vae/x\.safetensors: two files claim this place"):
        parse_all([WANTED, {**WANTED, "revision": "other"}])


@pytest.mark.parametrize("way", ["hard", "symlink", "copy", "auto"])
def test_a_store_is_used_before_the_network(folder: Path, store: Path, way: str) -> None:
    settings = run.Settings(["http://127.0.0.1:1"], link=way, mode=0o640)
    done = do(folder, [store], settings=settings)
    target = folder / "vae" / "x.safetensors"
    assert (done["status"], done["link"]) == ("linked", "hard" if way == "auto" else way)
    assert target.read_bytes() == DATA
    assert target.is_symlink() == (way == "symlink")
    assert os.path.samefile(target, store / "vae" / "x.safetensors") == (way != "copy")
    assert {one.name for one in target.parent.iterdir()} == {"x.safetensors"}


def test_a_store_with_another_file_is_refused(folder: Path, store: Path) -> None:
    (store / "vae" / "x.safetensors").write_bytes(DATA[::-1])
    with pytest.raises(ModelError, match="the store's file is another one"):
        do(folder, [store])
    assert not (folder / "vae" / "x.safetensors").exists()


def test_what_is_known_is_not_read_again(folder: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    do(folder, [store])

    def read(path: str) -> str:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(run, "digest_of", read)
    assert do(folder)["verified"] == "record"
    with pytest.raises(AssertionError, match="was read"):
        do(folder, (), True)


def test_a_changed_file_is_read_again_and_replaced_when_nobody_wrote_to_it(folder: Path, store: Path) -> None:
    do(folder, [store], settings=run.Settings([], link="copy"))
    target = folder / "vae" / "x.safetensors"
    found = target.stat()
    target.write_bytes(DATA[::-1])
    with pytest.raises(ModelError, match="is damaged, or another file: move it away"):
        do(folder)
    # As a disk that fails does it: no time says so, and only a read finds it.
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert do(folder)["verified"] == "record"
    with pytest.raises(ModelError, match="offline is set"):
        do(folder, (), True)
    target.write_bytes(DATA)
    assert do(folder)["verified"] == "read"


def test_a_strangers_file_is_adopted_or_left_alone(folder: Path) -> None:
    target = folder / "vae" / "x.safetensors"
    target.parent.mkdir()
    target.write_bytes(DATA)
    assert do(folder)["verified"] == "read"
    (kept,) = run.remove(["vae/x.safetensors"], Record.read(str(folder)), False)
    assert kept["status"] == "kept"
    assert target.exists()
    for content, said in ((DATA + b"1", "is another file"), (DATA[::-1], "move it away")):
        (folder / _models.RECORD).unlink(missing_ok=True)
        target.write_bytes(content)
        with pytest.raises(ModelError, match=said):
            do(folder)
        assert target.read_bytes() == content


def test_removal_takes_what_was_laid_down_and_its_remains(folder: Path, store: Path) -> None:
    do(folder, [store])
    (folder / "vae" / ".x.safetensors.part").write_bytes(b"x")
    (folder / "vae" / "mine.safetensors").write_bytes(b"x")
    record = Record.read(str(folder))
    assert run.remove(["vae/x.safetensors"], record, True)[0]["status"] == "removed"
    assert (folder / "vae" / "x.safetensors").exists(), "check mode removes nothing"
    assert run.remove(["vae/x.safetensors"], record, False)[0]["status"] == "removed"
    assert [one.name for one in (folder / "vae").iterdir()] == ["mine.safetensors"]
    assert run.remove(["vae/x.safetensors"], Record.read(str(folder)), False)[0]["status"] == "absent"
    assert (store / "vae" / "x.safetensors").read_bytes() == DATA


def test_everything_must_fit_before_anything_is_fetched(folder: Path) -> None:
    free = os.statvfs(folder)
    size = free.f_bavail * free.f_frsize
    planned = steps(folder, size=size)
    with pytest.raises(ModelError, match=r"bytes free; \d+ are needed and 1000 stay in reserve: \d+ bytes are missing"):
        _models.check_space(planned, str(folder), "auto", 1000)
    (folder / "vae").mkdir()
    with (folder / "vae" / ".x.safetensors.part").open("wb") as part:
        part.truncate(size - 10)
    assert steps(folder, size=size)[0].missing == 10, "what has come already needs no space"


def test_a_broken_record_costs_a_read_and_no_more(folder: Path, store: Path) -> None:
    do(folder, [store])
    for content in ("", "{", '{"files": []}', '{"files": {"vae/x.safetensors": 1}}'):
        (folder / _models.RECORD).write_text(content)
        assert do(folder)["verified"] == "read"


def test_progress_can_be_read_by_others(folder: Path) -> None:
    meter = run.Meter(str(folder))
    told = meter.start("a", 100)
    told(10)
    assert run.read_progress(str(folder))["a"]["done"] == 10
    meter.close()
    assert run.read_progress(str(folder)) == {}
    (folder / run.PROGRESS).write_text("nonsense")
    assert run.read_progress(str(folder)) == {}


def test_who_fetches_is_chosen_and_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = steps(folder)
    assert run.choose("http", "/nowhere", planned) == (None, {"name": "http", "why": "asked for"})
    assert run.choose("auto", "/nowhere", planned) == (None, {"name": "http", "why": "there is no /nowhere"})
    with pytest.raises(ModelError, match="downloader is hub, but there is no /nowhere; set hub_python, or downloader"):
        run.choose("hub", "/nowhere", planned)
    plain = [look(parse({"url": "https://h/x", "sha256": DIGEST}), Record.read(str(folder)), [], False)]
    assert run.choose("hub", "/nowhere", plain)[1]["why"] == "nothing is to come from a hub's repository"
    monkeypatch.setattr(run, "find_library", lambda python: (Library(python, "9.9", "1"), ""))
    library, said = run.choose("auto", "/x", planned)
    assert library == Library("/x", "9.9")
    assert run.choose("auto", "/x", planned, xet=True)[0] == Library("/x", "9.9", "1")
    assert said == {"name": "hub", "why": "its environment has it", "version": "9.9", "xet": None}
