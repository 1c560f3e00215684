# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a repository or a package is refused by name, before anything of the host has changed.

Judged by the real apt of each release: Debian 12 verifies with gpgv, Debian 13 with sqv.
"""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Callable, Iterator

import pytest
from gpu_host import GpuHost, fingerprint, repository
from gpu_repository import KERNELS

pytestmark = [pytest.mark.hosts, pytest.mark.slow]
Arguments = dict[str, t.Any]


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest) -> Iterator[GpuHost]:
    """A host without a driver."""
    repository()
    host = GpuHost(request.param, "sources")
    host.start()
    yield host
    host.stop()


def wanted(host: GpuHost, branch: str = "590", variant: str = "cuda") -> Arguments:
    """Return the module's arguments for a driver, as the role's plan makes them."""
    from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan import gpu_plan

    release = {"bookworm": "12", "trixie": "13"}[host.release]
    system = {"distribution": "debian", "release": release, "arch": "x86_64", "kernel": KERNELS[host.release]}
    plan = gpu_plan(system, {"source": "cuda_repo", "branch": branch, "repo_base": "file:/srv/repo", "min_version": ""})
    plan["repositories"][0].update(
        uri=f"file:/srv/repo/{variant}", key_url="file:/srv/repo/keys/right.asc", fingerprints=[fingerprint()]
    )
    keys = ("repositories", "pins", "packages", "wanted", "hold", "hold_except", "keep_from_unattended")
    return {"name": "nvidia-driver", **{key: copy.deepcopy(plan[key]) for key in keys}}


def other_key(arguments: Arguments) -> None:
    """The address serves a key that was replaced."""
    arguments["repositories"][0]["key_url"] = "file:/srv/repo/keys/wrong.asc"


def expired_key(arguments: Arguments) -> None:
    """The expected key, past its time."""
    arguments["repositories"][0].update(
        uri="file:/srv/repo/expired", key_url="file:/srv/repo/keys/expired.asc", fingerprints=[fingerprint("expired")]
    )


def somebody_elses(arguments: Arguments) -> None:
    """The right key, but the repository is signed with another one."""
    arguments["repositories"][0]["uri"] = "file:/srv/repo/wrong"


def no_repository(arguments: Arguments) -> None:
    """Nothing is at that address."""
    arguments["repositories"][0]["uri"] = "file:/srv/repo/nowhere"


def missing_branch(arguments: Arguments) -> None:
    """The branch is not offered."""
    arguments["repositories"][0]["uri"] = "file:/srv/repo/missing"


def no_such_version(arguments: Arguments) -> None:
    """The branch is, but not in that version."""
    arguments["packages"][1]["version"] = "590.99.99-*"
    arguments["pins"][0]["entries"][0]["pin"] = "version 590.99.99-*"


def no_key(arguments: Arguments) -> None:
    """The address serves something else."""
    arguments["repositories"][0]["key_url"] = "file:/srv/repo/setup.sh"


FAULTS: list[tuple[Callable[[Arguments], None], list[str]]] = [
    (other_key, ["has the fingerprint", "is expected", "ask the vendor"]),
    (expired_key, ["nvidia-cuda: its key", "has expired", "apt says"]),
    (somebody_elses, ["nvidia-cuda: it is not signed by key"]),
    (no_repository, ["nvidia-cuda: ", "apt says"]),
    (missing_branch, ["nvidia-driver-cuda is not offered in a version 590.*", "on offer: 595.10.01-1"]),
    (no_such_version, ["nvidia-driver-cuda is not offered in a version 590.99.99-*", "590.48.01-1"]),
    (no_key, ["setup.sh cannot be used", "no OpenPGP public key block"]),
]


@pytest.mark.parametrize(("fault", "texts"), FAULTS, ids=[fault.__name__ for fault, _texts in FAULTS])
def test_refused(host: GpuHost, fault: Callable[[Arguments], None], texts: list[str]) -> None:
    """The fault is named, and files, packages and holds are as they were."""
    arguments = wanted(host)
    fault(arguments)
    before = host.snapshot()
    result = host.module("package_set", arguments)
    assert "msg" in result, result
    for text in texts:
        assert text in result["msg"]
    assert host.snapshot() == before


def only_once(host: GpuHost) -> None:
    """Leave out on Debian 12 what apt decides alike everywhere."""
    if host.release != "trixie":
        pytest.skip("asked on Debian 13 only")


def test_another_source_names_it(host: GpuHost) -> None:
    """A hand-written source with another key is named; taken over only when told."""
    only_once(host)
    source = "deb [signed-by=/srv/repo/keys/wrong.asc] file:/srv/repo/cuda /\n"
    host.on(f"printf '{source}' > /etc/apt/sources.list.d/cuda-debian.list")
    before = host.snapshot()
    arguments = wanted(host)
    result = host.module("package_set", arguments)
    assert "/etc/apt/sources.list.d/cuda-debian.list names the same repository with another key" in result["msg"]
    assert host.snapshot() == before
    arguments["repositories"][0]["replaces"] = ["cuda-debian.list"]
    assert "/etc/apt/sources.list.d/cuda-debian.list" in host.module("package_set", arguments, check=True)["files"]
    assert host.snapshot() == before
    host.on("rm /etc/apt/sources.list.d/cuda-debian.list")


def test_life(host: GpuHost) -> None:
    """Check mode, install, nothing, somebody's hold, a newer version, an upgrade, a conflict, removal."""
    before = host.snapshot()
    branch = "580" if host.release == "bookworm" else "590"
    told = host.module("package_set", wanted(host, branch), check=True)
    assert told["changed"]
    assert host.snapshot() == before
    done = host.module("package_set", wanted(host, branch))
    assert done["packages"] == told["packages"]
    held = host.on("apt-mark showhold").split()
    assert {"libcuda1", "nvidia-driver-cuda", "nvidia-kernel-open-dkms"} <= set(held)
    assert "linux-headers-amd64" not in held
    assert not host.module("package_set", wanted(host, branch))["changed"]

    # The same branch has a newer version: nobody asked for it.
    host.on("apt-get update -qq")
    newer = wanted(host, branch)
    newer["repositories"][0]["uri"] = "file:/srv/repo/newer"
    result = host.module("package_set", newer)
    assert result["packages"] == []
    if branch == "590":
        upgraded = host.module("package_set", {**newer, "latest": True})
        assert "nvidia-driver-cuda 590.55.02-1 (was 590.48.01-1)" in upgraded["packages"]
        assert not host.module("package_set", {**newer, "latest": True})["changed"]
    else:
        upgraded = host.module("package_set", {**wanted(host, "590", "newer")})
        assert "nvidia-driver-cuda 590.55.02-1 (was 580.126.09-1)" in upgraded["packages"]
    assert "libcuda1" in host.on("apt-mark showhold").split()

    # Back needs consent.
    back = wanted(host, "590", "newer")
    back["packages"] = [{**one, "version": one["version"].replace("590.*", "590.48*")} for one in back["packages"]]
    back["pins"][0]["entries"][0]["pin"] = "version 590.48*"
    kept = host.snapshot()
    refused = host.module("package_set", back)
    assert "downgrade" in refused["msg"]
    assert host.snapshot() == kept
    assert host.module("package_set", {**back, "allow_downgrade": True})["changed"]

    # What somebody else holds or needs stays.
    host.on("apt-mark hold dkms")
    gone = host.module("package_set", {"name": "nvidia-driver", "state": "absent"})
    assert "nvidia-driver-cuda removed" in gone["packages"]
    assert gone["kept"] == ["dkms"]
    host.on("apt-mark unhold dkms; apt-get purge -y -qq dkms")
    left = host.on("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' | grep -E 'nvidia|cuda' || true")
    assert left == ""
    assert host.on("apt-mark showhold") == ""
    assert host.snapshot() == before
    assert not host.module("package_set", {"name": "nvidia-driver", "state": "absent"})["changed"]


def test_conflict(host: GpuHost) -> None:
    """A package of somebody else that is in the way is named, and may go only by name."""
    only_once(host)
    source = "deb [signed-by=/srv/repo/keys/right.asc] file:/srv/repo/local /\n"
    host.on(
        f"printf '{source}' > /etc/apt/sources.list.d/local.list; apt-get update -qq;"
        " apt-get install -y -qq local-cuda-app"
    )
    before = host.snapshot()
    result = host.module("package_set", wanted(host, variant="conflict"))
    assert "would remove local-cuda-app" in result["msg"]
    assert host.snapshot() == before
    allowed = {**wanted(host, variant="conflict"), "may_remove": ["local-cuda-*"]}
    assert "local-cuda-app removed" in host.module("package_set", allowed, check=True)["packages"]
    host.on("apt-get purge -y -qq local-cuda-app; rm /etc/apt/sources.list.d/local.list; apt-get update -qq")


def test_over_http(host: GpuHost) -> None:
    """Key and repository come over HTTP with apt's own downloader; a key that is not there is named."""
    only_once(host)
    host.on("systemd-run -q --unit=mirror python3 -m http.server --bind 127.0.0.1 --directory /srv/repo 8000")
    host.on("timeout 30 sh -c 'until ss -ltn | grep -q :8000; do :; done'")
    arguments = wanted(host)
    arguments["repositories"][0].update(
        uri="http://127.0.0.1:8000/cuda", key_url="http://127.0.0.1:8000/keys/right.asc"
    )
    result = host.module("package_set", arguments, check=True)
    assert "msg" not in result, result["msg"]
    assert any(line.startswith("nvidia-driver-cuda 590.") for line in result["packages"])
    arguments["repositories"][0]["key_url"] = "http://127.0.0.1:8000/keys/nowhere.asc"
    refused = host.module("package_set", arguments, check=True)
    assert "http://127.0.0.1:8000/keys/nowhere.asc cannot be fetched" in refused["msg"]
    host.on("systemctl stop mirror")


def test_somebodys_hold(host: GpuHost) -> None:
    """A hold that is not ours is respected and named. The last test: what it installs stays on the host."""
    only_once(host)
    host.module("package_set", wanted(host, "590"))
    host.on("rm -rf /var/lib/genai-comfyui; apt-mark hold libcuda1")
    before = host.snapshot()
    newer = wanted(host, "590", "newer")
    newer["packages"] = [{**one, "version": one["version"].replace("590.*", "590.55*")} for one in newer["packages"]]
    result = host.module("package_set", newer)
    assert "on hold, but not by this role" in result["msg"]
    assert "libcuda1" in result["msg"]
    assert host.snapshot() == before
