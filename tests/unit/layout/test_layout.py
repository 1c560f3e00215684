# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans and their effects on a real file system."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _layout_apply
from ansible_collections.genai.comfyui.plugins.module_utils._layout import LayoutError, Step, parse, plan


def wanted(path: Path, state: str, **settings: Any) -> dict[str, Any]:
    return {"path": str(path), "state": state, **settings}


def go(*raw: dict[str, Any]) -> list[Step]:
    """Plan and apply, and see that a second plan finds nothing to do."""
    steps: list[Step] = plan([parse(one) for one in raw])
    for step in steps:
        _layout_apply.apply(step)
    again = plan([parse(one) for one in raw])
    assert [step.changes for step in again] == [[] for _step in again]
    return steps


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def snapshot(root: Path) -> list[tuple[str, int, str]]:
    found = []
    for path in sorted(root.rglob("*")):
        is_link, is_file = path.is_symlink(), path.is_file()
        content = os.readlink(path) if is_link else path.read_text() if is_file else ""
        found.append((str(path), mode(path), content))
    return found


def test_a_whole_tree_in_one_go(tmp_path: Path) -> None:
    base = tmp_path / "srv"
    old = os.umask(0o077)
    try:
        go(
            wanted(base, "directory", mode="2750"),
            wanted(base / "models", "directory"),
            wanted(base / "a.conf", "file", content="ü\n", mode="0640"),
            wanted(base / "empty", "file"),
            wanted(base / "link", "link", src="a.conf"),
            wanted(base / "never", "absent"),
        )
    finally:
        os.umask(old)
    assert (mode(base), mode(base / "models")) == (0o2750, 0o755)
    assert (mode(base / "a.conf"), mode(base / "empty")) == (0o640, 0o644)
    assert (base / "link").read_bytes() == "ü\n".encode()
    assert (base / "empty").read_bytes() == b""


def test_only_what_differs_is_changed_and_the_rest_kept(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("old\n")
    file.chmod(0o604)
    inode = file.stat().st_ino
    (step,) = go(wanted(file, "file", mode="0600"))
    assert (step.changes, file.read_text(), file.stat().st_ino) == (["mode"], "old\n", inode)
    (step,) = go(wanted(file, "file", content="new\n"))
    assert (step.changes, mode(file)) == (["content"], 0o600)
    # Never written in place: whoever reads the old file goes on reading it.
    assert file.stat().st_ino != inode
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owner_and_group_by_name_and_number(tmp_path: Path) -> None:
    directory, file, link = tmp_path / "d", tmp_path / "d/f", tmp_path / "d/l"
    go(
        wanted(directory, "directory", owner="nobody", group="1"),
        wanted(file, "file", content="x", owner="1", mode="4755"),
        wanted(link, "link", src="f", owner="nobody"),
    )
    nobody = directory.stat().st_uid
    assert (nobody != 0, directory.stat().st_gid, file.stat().st_uid, link.lstat().st_uid) == (True, 1, 1, nobody)
    # A change of owner takes the set-user-id bit away, so the mode comes last.
    assert mode(file) == 0o4755
    (step,) = go(wanted(file, "file", owner="root"))
    assert (step.changes, mode(file), file.stat().st_uid) == (["owner"], 0o4755, 0)
    # New content leaves to the file what the entry says nothing about.
    go(wanted(file, "file", owner="1"))
    go(wanted(file, "file", content="y"))
    assert (file.stat().st_uid, mode(file)) == (1, 0o4755)


def test_a_link_is_turned_by_rename(tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to("v1")
    (step,) = go(wanted(link, "link", src="v2"))
    assert (step.changes, os.readlink(link), os.listdir(tmp_path)) == (["target"], "v2", ["current"])


def test_a_reader_sees_the_old_or_the_new_content_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "f"
    contents = {letter: letter * 200_000 for letter in "ab"}
    go(wanted(file, "file", content=contents["a"]))
    odd: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen = file.read_text()
            if seen not in contents.values():
                odd.append(len(seen))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(30):
        go(wanted(file, "file", content=contents["ab"[turn % 2 - 1]]))
    done.set()
    reader.join()
    assert odd == []


def test_absent_removes_files_and_links_and_trees_only_when_told(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("stays")
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep/f").write_text("")
    (tree / "link").symlink_to(outside)
    (tmp_path / "link").symlink_to(tree)
    with pytest.raises(LayoutError, match=r"tree: is a directory; say 'recursive: true' to remove it with all"):
        plan([parse(wanted(tree, "absent"))])
    go(wanted(tmp_path / "link", "absent"))
    assert tree.is_dir()
    go(wanted(tree, "absent", recursive=True))
    assert os.listdir(tmp_path) == ["outside"]
    assert outside.read_text() == "stays"


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/bin", "/srv/"])
def test_the_system_is_never_removed(path: str) -> None:
    with pytest.raises(LayoutError, match=r"is part of the system and is never removed; correct the path"):
        plan([parse({"path": path, "state": "absent", "recursive": True})])


def test_a_mount_point_is_never_removed() -> None:
    with pytest.raises(LayoutError, match=r"/dev/shm: is a mount point; unmount it before"):
        plan([parse({"path": "/dev/shm", "state": "absent", "recursive": True})])


def make_odd(place: Path) -> dict[str, Any]:
    """Return one impossible entry a kind, on a prepared file system."""
    (place / "dir").mkdir()
    (place / "file").write_text("f")
    (place / "to_file").symlink_to("file")
    (place / "to_dir").symlink_to("dir")
    (place / "one").write_text("1")
    os.link(place / "one", place / "two")
    os.mkfifo(place / "fifo")
    return {
        "file_on_directory": wanted(place / "dir", "file", content="x"),
        "directory_on_file": wanted(place / "file", "directory"),
        "file_on_link": wanted(place / "to_file", "file", content="x"),
        "directory_on_link": wanted(place / "to_dir", "directory"),
        "link_on_file": wanted(place / "file", "link", src="dir"),
        "hard_link": wanted(place / "one", "file", content="x"),
        "fifo": wanted(place / "fifo", "file", content="x"),
        "no_parent": wanted(place / "none/file", "file", content="x"),
        "parent_is_file": wanted(place / "file/below", "directory"),
        "owner": wanted(place / "file", "file", owner="no-such-user-here"),
        "group": wanted(place / "file", "file", group="no-such-group-here"),
    }


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("file_on_directory", "dir: is directory, a file is wanted; move it away"),
        ("directory_on_file", "file: is file, a directory is wanted; move it away"),
        (
            "file_on_link",
            "to_file: is a symbolic link to file, a file is wanted; name the real file instead, or remove",
        ),
        ("directory_on_link", "to_dir: is a symbolic link to dir, a directory is wanted; name the real directory"),
        ("link_on_file", "file: is file, a link is wanted; move it away"),
        (
            "hard_link",
            "one: has 2 names (hard links), and the others would keep the old content; remove the other names",
        ),
        ("fifo", "fifo: is device, pipe or socket, a file is wanted; move it away"),
        ("no_parent", "none does not exist; list it before, with state directory"),
        ("parent_is_file", "file is not a directory; move it away"),
        ("owner", "owner 'no-such-user-here' does not exist on this host; create it before"),
        ("group", "group 'no-such-group-here' does not exist on this host; create it before"),
    ],
)
def test_refusals(tmp_path: Path, kind: str, message: str) -> None:
    entry = make_odd(tmp_path)[kind]
    with pytest.raises(LayoutError) as refused:
        plan([parse(wanted(tmp_path / "good", "directory")), parse(entry)])
    assert message in str(refused.value)
    assert entry["path"] in str(refused.value)


def test_all_refusals_are_told_at_once(tmp_path: Path) -> None:
    odd = make_odd(tmp_path)
    before = snapshot(tmp_path / "dir")
    with pytest.raises(LayoutError) as refused:
        plan([parse(odd["fifo"]), parse(odd["no_parent"])])
    assert "fifo" in str(refused.value)
    assert "none does not exist" in str(refused.value)
    assert snapshot(tmp_path / "dir") == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give links away")
def test_the_links_of_a_service_user_are_not_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    go(wanted(link / "f", "file", content="through root's link"))
    os.chown(link, 1, 1, follow_symlinks=False)
    for state in ("file", "directory", "absent"):
        with pytest.raises(LayoutError, match=r"link: is a symbolic link that belongs to user 1, it is not followed"):
            plan([parse(wanted(link / "f", state))])


def test_a_file_that_turns_into_a_link_after_the_plan_is_not_followed(tmp_path: Path) -> None:
    file, victim = tmp_path / "f", tmp_path / "victim"
    for path in (file, victim):
        path.write_text("")
        path.chmod(0o600)
    (step,) = plan([parse(wanted(file, "file", mode="0666"))])
    file.unlink()
    file.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        _layout_apply.apply(step)
    assert mode(victim) == 0o600


def test_check_mode_on_a_bare_host_reports_changes(tmp_path: Path) -> None:
    raw = [
        wanted(tmp_path / "none/below", "directory", owner="no-such-user-here", group="no-such-group-here"),
        wanted(tmp_path / "none/below/f", "file", content="x", owner="no-such-user-here"),
        wanted(tmp_path / "none/below/l", "link", src="f"),
        wanted(tmp_path / "none/old", "absent"),
    ]
    steps = plan([parse(one) for one in raw], check=True)
    assert [step.changed for step in steps] == [True, True, True, False]
    assert os.listdir(tmp_path) == []


def test_a_plan_knows_what_its_earlier_entries_do(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "f").write_text("")
    removed, below = wanted(old, "absent", recursive=True), wanted(old / "f", "absent")
    assert [step.changed for step in plan([parse(removed), parse(below)])] == [True, False]
    with pytest.raises(LayoutError, match=r"its parent .*old is listed as absent; correct one of the two entries"):
        plan([parse(removed), parse(wanted(old / "g", "file"))])
    with pytest.raises(LayoutError, match=r"its parent .*new is listed as file"):
        plan([parse(wanted(tmp_path / "new", "file")), parse(wanted(tmp_path / "new/f", "file"))])


def test_a_path_listed_twice(tmp_path: Path) -> None:
    one = wanted(tmp_path / "d", "directory")
    assert [step.changed for step in go(one, dict(one))] == [True, False]
    with pytest.raises(LayoutError, match=r"d: listed twice with different settings; keep one of the entries"):
        plan([parse(one), parse({**one, "mode": "0700"})])


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "relative", "state": "file"}, "relative: give an absolute path without '..'"),
        ({"path": "/a/../b", "state": "file"}, "give an absolute path without '..'"),
        ({"path": "/a\0b", "state": "file"}, "give an absolute path"),
        ({"path": "/a", "state": "touch"}, "/a: state 'touch' is not known; use one of directory, file, link, absent"),
        ({"path": "/a", "state": "directory", "content": "x"}, "'content' has no meaning for state directory"),
        ({"path": "/a", "state": "file", "src": "x"}, "'src' has no meaning for state file"),
        ({"path": "/a", "state": "directory", "recursive": True}, "'recursive' has no meaning for state directory"),
        ({"path": "/a", "state": "link"}, "/a: a link needs 'src'"),
        ({"path": "/a", "state": "link", "src": "b", "mode": "0644"}, "/a: a link has no mode of its own"),
        ({"path": "/a", "state": "file", "mode": 420}, "/a: mode 420 is not understood; write it in quotes and octal"),
        ({"path": "/a", "state": "file", "mode": "u=rw"}, "mode 'u=rw' is not understood"),
        ({"path": "/a", "state": "file", "mode": "0888"}, "mode '0888' is not understood"),
    ],
)
def test_what_is_no_entry(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(LayoutError) as refused:
        parse(entry)
    assert message in str(refused.value)
