# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts into an image's hash, and how its context is packed."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _image_build as build
from ansible_collections.genai.comfyui.plugins.module_utils import _image_context as context

DOT = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "ComfyUI" / ".git").mkdir(parents=True)
    (folder / "ComfyUI" / "__pycache__").mkdir()
    (folder / "ComfyUI" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "ComfyUI" / "__pycache__" / "main.cpython-313.pyc").write_bytes(b"\0")
    (folder / "ComfyUI" / "main.py").write_text("print()\n")
    (folder / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    (folder / "start").write_text("#!/bin/sh\n")
    (folder / "start").chmod(0o755)
    (folder / "link").symlink_to("start")
    return folder


def of(folder: Path, base: str = "sha256:1", more: str = "", **labels: str) -> str:
    return context.inputs(context.entries(str(folder)), base, labels, {}, more)


def test_counts_names_contents_programs_links_base_labels_and_more(place: Path) -> None:
    seen = {of(place)}

    def another(what: str) -> None:
        now = of(place)
        assert now not in seen, what
        seen.add(now)

    assert of(place, base="sha256:2") not in seen
    assert of(place, version="v1") not in seen
    assert of(place, more="x") not in seen
    (place / "ComfyUI" / "main.py").write_text("print(1)\n")
    another("content")
    (place / "start").chmod(0o644)
    another("executable bit")
    (place / "start").rename(place / "begin")
    another("name")
    (place / "link").unlink()
    (place / "link").symlink_to("begin")
    another("target of a link")


def test_does_not_count_times_git_bytecode_and_other_modes(place: Path) -> None:
    before = of(place)
    os.utime(place / "ComfyUI" / "main.py", (1, 1))
    (place / "ComfyUI" / "main.py").chmod(0o600)
    (place / "ComfyUI" / ".git" / "HEAD").write_text("0" * 40)
    (place / "ComfyUI" / "__pycache__" / "main.cpython-313.pyc").write_bytes(b"\1")
    assert of(place) == before


def test_two_files_do_not_count_as_one(place: Path, tmp_path: Path) -> None:
    """Contents cannot move from one file to its neighbour, nor an option into the files, without being seen."""
    assert context.inputs([], "a", {"b": "c"}, {}, "") != context.inputs([], "a", {}, {"b": "c"}, "")
    assert context.inputs([], "a", {"b": "c"}, {}, "d") != context.inputs([], "a", {"b": "cd"}, {}, "")


def test_packs_the_same_bytes_from_two_copies(place: Path, tmp_path: Path) -> None:
    digests = []
    for number in range(2):
        os.utime(place / "ComfyUI" / "main.py", (number, number))
        os.utime(place / "ComfyUI", (number, number))
        target = tmp_path / f"{number}.tar"
        context.pack(str(place), context.entries(str(place)), str(target))
        digests.append(hashlib.sha256(target.read_bytes()).hexdigest())
    assert digests[0] == digests[1]
    with tarfile.open(tmp_path / "0.tar") as tar:
        records = {record.name: record for record in tar.getmembers()}
    assert sorted(records) == ["ComfyUI", "ComfyUI/main.py", "Dockerfile", "link", "start"]
    assert (records["start"].mode, records["Dockerfile"].mode) == (0o755, 0o644)
    assert {(record.mtime, record.uid, record.gid) for record in records.values()} == {(context.EPOCH, 0, 0)}
    assert records["link"].linkname == "start"


@pytest.mark.parametrize("name", ["PASSWORD", "ACCEPT.json", ".secret-key.txt", ".env"])
def test_refuses_a_context_with_a_secret(place: Path, name: str) -> None:
    (place / "ComfyUI" / name).write_text("x")
    with pytest.raises(context.ContextError, match=f"ComfyUI/{name} must not be in an image"):
        context.entries(str(place))


def test_refuses_a_context_that_is_none(tmp_path: Path, place: Path) -> None:
    with pytest.raises(context.ContextError, match="has no Dockerfile"):
        context.entries(str(tmp_path / "context" / "ComfyUI"))
    os.mkfifo(place / "pipe")
    with pytest.raises(context.ContextError, match="pipe is neither a file nor a link"):
        context.entries(str(place))


@pytest.mark.parametrize("value", [DOT, DOT.replace("$", "$$"), "https://me:hunter2@mirror.example/simple"])
def test_refuses_secrets_in_options_and_never_shows_them(value: str) -> None:
    with pytest.raises(context.ContextError, match="build_args: INDEX looks like a secret") as caught:
        context.refuse_secrets("build_args", {"INDEX": value, "GOOD": "https://mirror.example/simple"})
    assert value not in str(caught.value)
    context.refuse_secrets("labels", {"GOOD": "git@host:path", "commit": "0c1d2e4b" * 5})


def test_the_end_of_a_log_holds_no_secret() -> None:
    said = "\n".join(["first", *map(str, range(30)), f"got {DOT}", "from https://me:hunter2@mirror.example/", ""])
    shown = build.last(said)
    assert DOT[:20] not in shown
    assert "hunter2" not in shown
    assert shown.startswith("17\n")
    assert shown.endswith("from https://<masked>@mirror.example/")


def test_prunes_neither_current_nor_kept_nor_used() -> None:
    found = [build.Image(f"n:{name}", f"id-{name}", name, "") for name in "abcdef"]
    gone = build.prunable(found, "n:c", 1, {"id-e"})
    assert [one.tag for one in gone] == ["n:b", "n:d", "n:f"]
    assert build.prunable(found, "n:c", 9, set()) == []


@pytest.mark.parametrize(
    ("base", "is_pinned", "is_id"),
    [
        (f"python@sha256:{'0' * 64}", True, False),
        (f"mirror.example:5000/python:3.13@sha256:{'0' * 64}", True, False),
        (f"sha256:{'0' * 64}", False, True),
        ("0123456789ab", False, True),
        ("python:3.13", False, False),
        ("python@sha256:0123", False, False),
    ],
)
def test_knows_what_may_be_pulled(base: str, is_pinned: bool, is_id: bool) -> None:
    assert (build.pinned(base), build.is_id(base)) == (is_pinned, is_id)


def test_of_a_step_that_failed_its_own_words_are_shown() -> None:
    run = 'RUN ["python3", "-m", "pip", "install", "-r", "list.txt"]' + " " * 900
    said = (
        f"#17 1.5 ERROR: No matching distribution\n#17 ERROR: process\n------\n > [stage-1 6/11] {run}:\n"
        f"1.4 Collecting a\n1.5 ERROR: No matching distribution\n------\nDockerfile:26\n--------------------\n"
        f"  26 | >>> {run}\n--------------------\nERROR: failed to solve: process {run}\n"
    )
    assert build.last(said) == "1.4 Collecting a\n1.5 ERROR: No matching distribution"
    pulled = "------\n > [internal] load metadata for x:\n------\nDockerfile:9\nERROR: failed to solve: no x\n"
    assert build.last(pulled).endswith("no x")
