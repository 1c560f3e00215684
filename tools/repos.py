# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the git repositories that the local hosts install from, out of the stand-ins in this repository.

The same content gives the same commit everywhere and for ever: author, dates and messages are fixed.
Standard library only. Run as ``python -m tools.repos`` from the repository's root.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools._common import CACHE, ROOT, Fault, lock, main_guard, say, write_if_changed

GIT = CACHE / "git"
# Name of the repository, where its content stands here, the variable that pins it, how its tags begin.
STANDINS = (
    ("ComfyUI", "tests/standin/comfyui", "comfyui_version", "v0.0.1-standin"),
    ("ComfyUI-Login", "tests/standin/login", "comfyui_login_version", "v0.0.1-standin"),
)
FIXED = {
    "GIT_AUTHOR_NAME": "genai.comfyui contributors",
    "GIT_AUTHOR_EMAIL": "genai@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00+00:00",
    "GIT_COMMITTER_NAME": "genai.comfyui contributors",
    "GIT_COMMITTER_EMAIL": "genai@example.com",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00+00:00",
    # Nobody's own settings (signing, line endings, hooks, default branch) may change the commit.
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}
PLACEHOLDER = "Nothing here yet.\n"


def git(*arguments: str, text: str | None = None, **variables: str) -> str:
    """Run git, undisturbed by the caller's settings, and return its output.

    :raises Fault: git failed; its message is in the fault
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", *arguments],
        input=text,
        capture_output=True,
        text=True,
        env={**clean, **FIXED, **variables},
        check=False,
    )
    if done.returncode != 0:
        raise Fault(f"repos: git {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def files(source: Path) -> list[Path]:
    """Return a directory's files as git sees them: tracked or at least not ignored, and there."""
    if not source.is_dir():
        return []
    # The surrounding repository may belong to somebody else than who runs this (a container, CI).
    listed = git(
        "-c", "safe.directory=*", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"
    )
    return [source / name for name in sorted(set(listed.split("\0"))) if name and (source / name).is_file()]


def publish(source: Path, bare: Path, tag: str) -> str:
    """Make a bare repository hold a directory's files as its one commit and return the commit's id.

    The repository is only touched when the content differs. An absent or empty directory gives a placeholder.
    """
    with tempfile.TemporaryDirectory(prefix="repos-") as scratch:
        store = Path(scratch) / "store.git"
        index = str(Path(scratch) / "index")
        git("init", "-q", "--bare", "--initial-branch=main", str(store))
        found = files(source)
        lines = []
        for path in found:
            blob = git("-C", str(store), "hash-object", "-w", "--no-filters", str(path))
            mode = "100755" if os.access(path, os.X_OK) else "100644"
            lines.append(f"{mode} {blob}\t{path.relative_to(source).as_posix()}\n")
        if not found:
            blob = git("-C", str(store), "hash-object", "-w", "--stdin", text=PLACEHOLDER)
            lines.append(f"100644 {blob}\tREADME\n")
        git("-C", str(store), "update-index", "--add", "--index-info", text="".join(lines), GIT_INDEX_FILE=index)
        tree = git("-C", str(store), "write-tree", GIT_INDEX_FILE=index)
        commit = git("-C", str(store), "commit-tree", tree, "-m", "Stand-in for local hosts and tests")
        if current(bare) == commit:
            return commit
        git("-C", str(store), "update-ref", "refs/heads/main", commit)
        for hooks in store.glob("hooks/*"):
            hooks.unlink()
        _replace(store, bare, commit, tag)
    return commit


def current(bare: Path) -> str | None:
    """Return the commit of a bare repository's main branch, or None."""
    try:
        return (bare / "refs" / "heads" / "main").read_text().strip()
    except OSError:
        return None


def _replace(store: Path, bare: Path, commit: str, tag: str) -> None:
    """Bring a new commit into the published repository; earlier commits stay, so pinned checkouts keep working."""
    if not (bare / "HEAD").exists():
        bare.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(bare, ignore_errors=True)
        git("init", "-q", "--bare", "--initial-branch=main", "--template=", str(bare))
        # Hosts may ask for any commit by its id.
        git("-C", str(bare), "config", "uploadpack.allowAnySHA1InWant", "true")
    git("-C", str(bare), "fetch", "-q", "--force", "--no-tags", f"file://{store}", f"{commit}:refs/kept/{commit[:12]}")
    # A tag never moves: a clone that has it would refuse to fetch.
    git("-C", str(bare), "tag", "-f", f"{tag}-{commit[:8]}", commit)
    git("-C", str(bare), "update-ref", "refs/heads/main", commit)


def ensure(quiet: bool = False) -> dict[str, str]:
    """Publish all stand-ins and write versions.yml; return what it pins."""
    with lock("repos"):
        versions = {
            variable: publish(ROOT / source, GIT / f"{name}.git", tag) for name, source, variable, tag in STANDINS
        }
        text = "---\n" + "".join(f"{name}: {commit}\n" for name, commit in versions.items())
        changed = write_if_changed(GIT / "versions.yml", text)
    if quiet:
        return versions
    for (name, *_sources), commit in zip(STANDINS, versions.values()):
        say("repos", f"{name} {commit[:12]}{' (new)' if changed else ''}")
    return versions


def main() -> None:
    """Command line."""
    main_guard()
    argparse.ArgumentParser(description=__doc__).parse_args()
    ensure()


if __name__ == "__main__":
    main()
