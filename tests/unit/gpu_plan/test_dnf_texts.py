# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that dnf reads and writes. The answers are recorded from dnf 4.14.0, which release 9 has as well."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _dnf_remove, _dnf_set
from ansible_collections.genai.comfyui.plugins.module_utils import _dnf_text as text
from ansible_collections.genai.comfyui.plugins.module_utils._apt_text import Wish
from ansible_collections.genai.comfyui.plugins.module_utils._dnf import Dnf
from ansible_collections.genai.comfyui.plugins.module_utils._record import Record

INSTALL = """\
Last metadata expiration check: 0:00:02 ago on Mon Nov 23 02:51:33 2026.
================================================================================
 Package                    Arch        Version                 Repo       Size
================================================================================
Installing:
 kmod-nvidia-open-dkms      noarch      3:580.126.09-1.el9      base      5.7 k
 nvidia-driver-cuda         noarch      3:580.126.09-1.el9      base      6.2 k
Installing dependencies:
 dkms                       noarch      9.6-1.el9               base      5.5 k
Enabling module streams:
 nvidia-driver                          580-open

Transaction Summary
================================================================================
Install  3 Packages

Leaving Shell
"""
SWITCH = """\
Downgrading:
 kmod-nvidia-open-dkms      noarch      3:580.126.09-1.el9      base      5.7 k
     replacing  kmod-nvidia-old.noarch 3:570-1
Switching module streams:
 nvidia-driver                          590-open -> 580-open

Transaction Summary
"""
REMOVE = """\
Removing:
 libnvidia             noarch      3:590.48.01-1.el9      @base        0
Removing dependent packages:
 local-cuda-application-with-a-long-name
                       noarch      1-1                    @base        2
Removing unused dependencies:
 dkms                  noarch      9.6-1.el9              @base        0

Transaction Summary
"""
NO_STREAM = """\
All matches were filtered out by modular filtering for argument: nvidia-driver-cuda-580.*
Nothing to do.
Complete!
Error: Problems in request:
missing groups or modules: nvidia-driver:570-open
Error: Unable to find a match: nvidia-driver-cuda-580.* kmod-nvidia-open-dkms
"""
NEEDED = """\
error: Failed dependencies:
\tlibnvidia = 3:590.48.01 is needed by (installed) nvidia-driver-cuda-3:590.48.01-1.el9.noarch
\tdkms is needed by (installed) kmod-nvidia-open-dkms-3:590.48.01-1.el9.noarch
"""


def test_transactions() -> None:
    """What comes, becomes older, goes, and which streams: a name too long for its column counts as well."""
    found = text.read_transaction(INSTALL, {"dkms": "9.5-1.el9"})
    assert found.install["nvidia-driver-cuda"] == ("", "3:580.126.09-1.el9")
    assert found.install["dkms"] == ("9.5-1.el9", "9.6-1.el9")
    assert (len(found.install), found.remove, found.downgrade) == (3, [], [])
    assert found.lines()[-1] == "module stream nvidia-driver:580-open"
    older = text.read_transaction(SWITCH, {"kmod-nvidia-open-dkms": "3:590.48.01-1.el9"})
    assert (older.downgrade, older.streams) == (["kmod-nvidia-open-dkms"], ["nvidia-driver:580-open"])
    assert list(older.install) == ["kmod-nvidia-open-dkms"]
    gone = text.read_transaction(REMOVE, {})
    assert gone.remove == ["libnvidia", "local-cuda-application-with-a-long-name", "dkms"]
    assert not text.read_transaction("Nothing to do.\nComplete!\n", {}).install


def test_refusals_are_seen() -> None:
    """``dnf shell`` ends with status 0 whatever happened, so its words count."""
    assert text.failed(NO_STREAM)
    assert not text.failed(INSTALL)
    assert "missing groups or modules: nvidia-driver:570-open" in text.complaints(NO_STREAM)
    assert "Complete" not in text.complaints(NO_STREAM)


def test_script_never_runs_what_it_only_asks() -> None:
    """At the end of a file dnf's shell does what is still open, so the last line leaves it."""
    assert text.script(["m:1"], ["a-1.*", "b"], run=False) == "module enable m:1\ninstall a-1.* b\nts list\nquit\n"
    assert text.script([], ["a"], run=True) == "install a\nts run\nquit\n"
    assert text.spec(Wish("a", "1.*")) == "a-1.*"


def test_repositories() -> None:
    """Packages are checked, or the lists where only these are signed; the key is a file of ours."""
    one = {"name": "cuda", "uri": "https://mirror.example.com/rhel9/x86_64/"}
    packages, lists = text.repository(one, "/k"), text.repository({**one, "verify": "lists"}, "/k")
    assert "[genai-cuda]" in packages
    assert "\ngpgcheck=1\nrepo_gpgcheck=0\ngpgkey=file:///k\n" in packages
    assert "\ngpgcheck=0\nrepo_gpgcheck=1\ngpgkey=file:///k\n" in lists


LOCKS: list[tuple[str, bool]] = [
    ("nvidia-driver-cuda-3:580.126.09-1.el9.*", False),
    ("nvidia-driver-cuda-3:575.10.01-1.el9.*", True),
    ("nvidia-driver-cuda-0:580.126.09-1.el9.*", True),
    ("nvidia-driver-*:580.126.09-1.el9.*", False),
    ("libnvidia-ml-3:575.10.01-1.el9.*", False),
    ("!nvidia-driver-cuda-3:580.126.09-1.el9.*", True),
    ("!nvidia-driver-cuda-3:590.48.01-1.el9.*", False),
    ("dkms-0:9.6-1.el9.*", False),
    ("dkms-9.5-1.el9.noarch", True),
]


@pytest.mark.parametrize(("line", "against"), LOCKS)
def test_somebodys_locks(line: str, against: bool) -> None:
    """A lock on another version, or against this one, is in the way."""
    assert text.locked_by([line], text.read_transaction(INSTALL, {})) == ([line] if against else [])


def test_lock_lists() -> None:
    """Ours come and go; comments and those of others stay as they are."""
    theirs = "\n# Added lock on Mon Nov 23\nvim-2:9.0-1.el9.*\n"
    ours = text.lock("libnvidia-ml", "3:580.1-1.el9")
    assert text.with_locks(theirs, [], [ours]) == f"{theirs}{ours}\n"
    assert text.with_locks(f"{theirs}{ours}\n", [ours], []) == theirs
    assert text.locks(theirs) == ["vim-2:9.0-1.el9.*"]
    assert text.locked_names(["vim-2:9.0-1.el9.*", "!emacs-1:1-1.*", "nonsense"]) == {"vim"}


def test_what_came() -> None:
    """New names; a version where another one stays; keys; never a kernel, nor what was only upgraded."""
    before = {"kernel-devel": ["5.14.0-1.x86_64"], "kernel-core": ["5.14.0-1.x86_64"], "curl": ["7-1.x86_64"]}
    after = {
        "kernel-devel": ["5.14.0-1.x86_64", "5.14.0-2.x86_64"], "kernel-core": ["5.14.0-1.x86_64", "5.14.0-2.x86_64"],
        "curl": ["8-1.x86_64"], "nvidia-open": ["3:580-1.x86_64"], "gpg-pubkey": ["83613eac-6b03aa31.(none)"],
    }  # fmt: skip
    found = _dnf_set.came(before, after)
    assert sorted(found) == ["gpg-pubkey-83613eac-6b03aa31", "kernel-devel-5.14.0-2.x86_64", "nvidia-open"]
    assert _dnf_set.newest(after)["nvidia-open"] == "3:580-1"


@pytest.mark.parametrize("name", ["-y", "", "a b", "a;b", "*", "a\nts run"])
def test_no_package_names(name: str) -> None:
    """What would be an option, a glob or another line of the script is refused."""
    with pytest.raises(ValueError, match="no package name"):
        _dnf_set.check_name(name)


def test_needed_stay() -> None:
    """Of what is on record, that which others need stays, and the rest is asked about again."""
    asked: list[list[str]] = []

    def run(command: list[str]) -> tuple[int, str, str]:
        asked.append(command)
        if command[:3] == ["rpm", "-e", "--test"]:
            return (1, "", NEEDED) if "libnvidia" in command else (0, "", "")
        return 0, {"libnvidia": "libnvidia\n", "dkms": "dkms\n"}[command[-1]], ""

    assert text.needed(NEEDED) == ["libnvidia", "dkms"]
    assert _dnf_remove.removable(Dnf(run), ["libnvidia", "dkms", "nvidia-modprobe"]) == ["nvidia-modprobe"]
    assert len([command for command in asked if "--test" in command]) == 2
    assert _dnf_remove.is_of("kernel-devel-5.14.0-2.x86_64", "kernel-devel")
    assert not _dnf_remove.is_of("kernel-devel-matched", "kernel-devel")


def test_record(tmp_path: Path) -> None:
    """Which tool it was, and the streams, are on record; a record of apt's is spelled as ever."""
    record = Record(str(tmp_path / "record"))
    record.save()
    assert "manager" not in (tmp_path / "record").read_text()
    record.manager, record.streams = "dnf", {"nvidia-driver": "580-open"}
    record.save()
    again: t.Any = Record(str(tmp_path / "record"))
    assert (again.manager, again.streams) == ("dnf", {"nvidia-driver": "580-open"})
