# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools import repos


def make_source(root: Path) -> Path:
    """Lay out a small work tree with a tracked, an untracked, an ignored and an executable file."""
    source = root / "source"
    (source / "deep").mkdir(parents=True)
    (source / "tracked.txt").write_bytes(b"one\r\ntwo\n")
    (source / "deep" / "run.sh").write_text("#!/bin/sh\n")
    (source / "deep" / "run.sh").chmod(0o755)
    (source / "ignored.pyc").write_bytes(b"\0")
    (root / ".gitignore").write_text("*.pyc\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "add", "source/tracked.txt"], check=True)
    return source


def inside(bare: Path, *arguments: str) -> str:
    """Ask a repository as a host would."""
    return subprocess.run(
        ["git", "-C", str(bare), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def snapshot(directory: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_ino) for path in directory.rglob("*")}


def test_the_same_content_gives_the_same_commit_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = repos.publish(make_source(tmp_path / "one"), tmp_path / "one.git", "v1")
    other = make_source(tmp_path / "two")
    config = tmp_path / "gitconfig"
    config.write_text("[commit]\n gpgsign = true\n[core]\n autocrlf = true\n[user]\n name = Somebody\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    # As in a git hook.
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    os.utime(other / "tracked.txt", (1, 1))
    assert repos.publish(other, tmp_path / "two.git", "v1") == one
    for name in ("GIT_DIR", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    # What anybody gets from this content with these dates; a change here would move every pinned version.
    assert inside(tmp_path / "one.git", "log", "-1", "--format=%an %ad %cn", "--date=iso-strict") == (
        "genai.comfyui contributors 2026-01-01T00:00:00+00:00 genai.comfyui contributors"
    )


def test_only_files_that_git_does_not_ignore_are_published(tmp_path: Path) -> None:
    bare = tmp_path / "x.git"
    commit = repos.publish(make_source(tmp_path / "tree"), bare, "v1")
    listed = inside(bare, "ls-tree", "-r", "--format=%(objectmode) %(path)", commit).splitlines()
    assert listed == ["100755 deep/run.sh", "100644 tracked.txt"]
    assert inside(bare, "rev-parse", f"v1-{commit[:8]}^{{commit}}") == commit == inside(bare, "rev-parse", "main")
    raw = subprocess.run(["git", "-C", str(bare), "show", f"{commit}:tracked.txt"], capture_output=True, check=True)
    assert raw.stdout == b"one\r\ntwo\n"


def test_unchanged_content_rewrites_nothing(tmp_path: Path) -> None:
    source, bare = make_source(tmp_path / "tree"), tmp_path / "x.git"
    commit = repos.publish(source, bare, "v1")
    before = snapshot(bare)
    assert repos.publish(source, bare, "v1") == commit
    assert snapshot(bare) == before


def test_changed_content_moves_the_branch_and_keeps_the_old_commit(tmp_path: Path) -> None:
    source, bare = make_source(tmp_path / "tree"), tmp_path / "x.git"
    old = repos.publish(source, bare, "v1")
    (source / "tracked.txt").write_text("three\n")
    new = repos.publish(source, bare, "v1")
    assert new != old
    subprocess.run(["git", "-C", str(bare), "gc", "-q", "--prune=now"], check=True)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", f"file://{bare}", str(clone)], check=True)
    assert inside(clone, "rev-parse", "HEAD") == new == inside(clone, "rev-parse", f"v1-{new[:8]}^{{commit}}")
    # A tag that moved would keep clones from fetching.
    assert inside(clone, "rev-parse", f"v1-{old[:8]}^{{commit}}") == old
    subprocess.run(["git", "-C", str(clone), "fetch", "-q", "origin", old], check=True)
    assert inside(clone, "cat-file", "-t", old) == "commit"


def test_a_deleted_file_is_gone_and_an_empty_directory_gives_a_placeholder(tmp_path: Path) -> None:
    source, bare = make_source(tmp_path / "tree"), tmp_path / "x.git"
    (source / "tracked.txt").unlink()
    assert inside(bare, "ls-tree", "-r", "--name-only", repos.publish(source, bare, "v1")) == "deep/run.sh"
    empty = repos.publish(tmp_path / "absent", tmp_path / "e.git", "v1")
    assert inside(tmp_path / "e.git", "ls-tree", "--name-only", empty) == "README"


def test_git_failing_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"repos: git -C \S+ write-tree failed: .+"):
        repos.git("-C", str(tmp_path), "write-tree")
