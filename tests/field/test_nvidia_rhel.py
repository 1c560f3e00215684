# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role nvidia_gpu on a host that says it is Rocky Linux 9: the real dnf 4.14, real module streams, signed dummies.

The tests build on one another, in the order of a host's life.
"""

from __future__ import annotations

import copy
import json
import typing as t
from collections.abc import Callable, Iterator

import pytest
from gpu_host import changes
from gpu_rhel import RhelHost, repositories
from gpu_rpms import KERNEL

from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan import gpu_plan

pytestmark = [pytest.mark.hosts, pytest.mark.slow]
Arguments = dict[str, t.Any]
ENGINES = {"nvidia_gpu_container_engines": ["docker", "podman"], "nvidia_gpu_docker_source": "docker"}
BARE: list[str] = []
"""What the host was like before anything."""


@pytest.fixture(scope="module")
def host() -> Iterator[RhelHost]:
    """A host with a card and without a driver."""
    repositories()
    host = RhelHost("rhel")
    host.start()
    BARE.append(host.snapshot())
    yield host
    host.stop()


def wanted(host: RhelHost, branch: str = "580", variant: str = "") -> Arguments:
    """Return the module's arguments for a driver, as the role's plan makes them."""
    system = {"distribution": "rocky", "release": "9.6", "arch": "x86_64", "kernel": KERNEL}
    asked: Arguments = {"branch": branch, "repo_base": f"file:///srv/rpm{variant}", "min_version": ""}
    asked |= {"key_url": "file:///srv/rpm/keys/right.asc", "fingerprints": [host.fingerprint()]}
    plan = gpu_plan(system, asked)
    keys = ("repositories", "packages", "wanted", "hold", "hold_except")
    found = {key: copy.deepcopy(plan[key]) for key in keys}
    return {"name": "nvidia-driver", "manager": "dnf", "streams": [plan["stream"]], **found}


def versions(host: RhelHost, *names: str) -> list[str]:
    """Return the versions of packages, or rpm's word that there is none."""
    return host.on(f"rpm -q --qf '%{{VERSION}}\\n' {' '.join(names)}", check=False).splitlines()


def test_check_mode(host: RhelHost) -> None:
    """On a bare host dnf is asked, with the repository in a scratch: what would come is told, and nothing changes."""
    done = host.converge("--check", "--diff")
    assert "Install the driver in one transaction" in changes(done)
    for text in (
        "kmod-nvidia-open-dkms 3:580.126.09-1.el9",
        "module stream nvidia-driver:580-open",
        f"kernel-devel {KERNEL[:-7]}",
    ):
        assert text in done.stdout, done.stdout[-6000:]
    assert host.snapshot() == BARE[0]


def other_key(arguments: Arguments) -> None:
    """The address serves a key that was replaced."""
    arguments["repositories"][0]["key_url"] = "file:///srv/rpm/keys/wrong.asc"


def forged(arguments: Arguments) -> None:
    """The right key, but the packages are signed with another one; dnf says so when it has them."""
    arguments["repositories"][0]["uri"] = "file:///srv/rpm/forged/rhel9/x86_64"


def forged_lists(arguments: Arguments) -> None:
    """The right key, but the lists are signed with another one."""
    arguments["repositories"][0].update(uri="file:///srv/rpm/forged/stable/rpm/x86_64", verify="lists")
    arguments.update(streams=[], packages=[{"name": "nvidia-container-toolkit"}], wanted=[])


def unsigned_lists(arguments: Arguments) -> None:
    """Signed lists are expected, and there are none."""
    arguments["repositories"][0].update(verify="lists")


def no_repository(arguments: Arguments) -> None:
    """Nothing is at that address."""
    arguments["repositories"][0]["uri"] = "file:///srv/rpm/nowhere"


def no_stream(arguments: Arguments) -> None:
    """The branch is not offered."""
    arguments["streams"] = ["nvidia-driver:570-open"]


def no_such_version(arguments: Arguments) -> None:
    """The branch is, but not in that version."""
    for one in arguments["packages"]:
        one["version"] = one["version"].replace("580.*", "580.99.99-*")


FAULTS: list[tuple[Callable[[Arguments], None], list[str]]] = [
    (other_key, ["has the fingerprint", "is expected", "ask the vendor"]),
    (forged, ["dnf failed", "GPG check FAILED"]),
    (forged_lists, ["genai-nvidia-cuda", "GPG"]),
    (unsigned_lists, ["genai-nvidia-cuda", "repomd.xml.asc"]),
    (no_repository, ["genai-nvidia-cuda", "repomd.xml"]),
    (no_stream, ["the stream nvidia-driver:570-open is not offered; on offer: 580-dkms, 580-open, 590-open"]),
    (no_such_version, ["nvidia-driver-cuda is not offered in a version 580.99.99-*", "3:580.126.09-1.el9"]),
]


@pytest.mark.parametrize(("fault", "texts"), FAULTS, ids=[fault.__name__ for fault, _texts in FAULTS])
def test_refused(host: RhelHost, fault: Callable[[Arguments], None], texts: list[str]) -> None:
    """The fault is named, and files, packages, keys, streams and locks are as they were."""
    arguments = wanted(host)
    fault(arguments)
    result = host.module("package_set", arguments)
    assert "msg" in result, result
    for text in texts:
        assert text in result["msg"]
    assert host.snapshot() == BARE[0]


def test_somebody_elses(host: RhelHost) -> None:
    """A stream or a version lock that is not ours is respected and named, with the command that lets it change."""
    module = "[nvidia-driver]\\nname=nvidia-driver\\nstream=590-open\\nprofiles=\\nstate=enabled\\n"
    host.on(f"printf '{module}' > /etc/dnf/modules.d/nvidia-driver.module")
    result = host.module("package_set", wanted(host), check=True)
    assert "the stream nvidia-driver:590-open is enabled, but not by this role" in result["msg"]
    assert "'dnf module reset nvidia-driver'" in result["msg"]
    host.on("rm /etc/dnf/modules.d/nvidia-driver.module; cp /etc/dnf/plugins/versionlock.list /root/locks")
    host.on("echo 'libnvidia-ml-3:575.10.01-1.el9.*' >> /etc/dnf/plugins/versionlock.list")
    result = host.module("package_set", wanted(host), check=True)
    assert "locked, but not by this role: libnvidia-ml-3:575.10.01-1.el9.*" in result["msg"]
    host.on("cp /root/locks /etc/dnf/plugins/versionlock.list")
    # The running kernel's headers are gone: the newest kernel comes, to be booted.
    gone = {**wanted(host), "wanted": [{"name": "kernel-devel-5.14.0-1.el9.x86_64", "otherwise": ["kernel"]}]}
    result = host.module("package_set", gone, check=True)
    assert "kernel 5.14.0-999.el9" in result["packages"]
    assert host.snapshot() == BARE[0]


def test_converge(host: RhelHost) -> None:
    """Driver, stream, key, locks, module, toolkit for podman; that a boot is left to do is said."""
    host.on("dnf -y -q install podman")
    BARE.append(host.snapshot())
    done = host.converge()
    assert "Install the driver in one transaction" in changes(done)
    assert "A reboot is needed before the GPU works" in " ".join(done.stdout.split())
    names = ("nvidia-driver-cuda", "libnvidia-ml", "kmod-nvidia-open-dkms", "nvidia-container-toolkit")
    assert versions(host, *names) == ["580.126.09", "580.126.09", "580.126.09", "1.20.0"]
    assert "stream=580-open" in host.on("cat /etc/dnf/modules.d/nvidia-driver.module")
    assert "libnvidia-ml-3:580.126.09-1.el9.*" in host.on("dnf -q versionlock list")
    assert host.on(f"cat /lib/modules/{KERNEL}/extra/nvidia.ko").strip() == "580.126.09"
    assert "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-genai-nvidia-cuda" in host.on("cat /etc/yum.repos.d/genai-*")
    # Nobody else's update moves it, and nobody else's transaction either.
    assert "nvidia" not in host.on("dnf -q -y --refresh update >/dev/null; dnf -q check-update || true")


def test_works(host: RhelHost) -> None:
    """Loaded, it is proven; the second run changes nothing and needs no key; tags run parts."""
    host.on("sh /srv/rpm/load.sh 580.126.09; mv /srv/rpm/keys /srv/rpm/gone")
    first = host.converge()
    assert "Install the driver in one transaction" not in changes(first)
    assert changes(host.converge()) == []
    host.on("mv /srv/rpm/gone /srv/rpm/keys")
    assert "kind: nvidia.com/gpu" in host.on("cat /run/cdi/nvidia.yaml")
    # The parts that the tags name, and no driver: its options would be written otherwise.
    options = {"nvidia_gpu_module_options": {"NVreg_Dummy": 1}, "nvidia_gpu_expected_count": 2}
    wrong = host.converge("--tags", "container,verify", **options)
    said = " ".join(wrong.stdout.split())
    assert "1 GPUs answer, nvidia_gpu_expected_count is 2" in said
    assert "nvidia_gpu : Let it follow driver and toolkit]" in said
    assert host.on("ls /etc/modprobe.d | grep genai || true") == ""


def test_upgrade(host: RhelHost) -> None:
    """From 580 to 590: the stream is switched and the locks follow, in one transaction; back needs consent."""
    done = host.converge(nvidia_gpu_driver_branch="590")
    assert "Install the driver in one transaction" in changes(done)
    assert "driver 580.126.09 is loaded and 590.48.01 is installed" in " ".join(done.stdout.split())
    assert versions(host, "nvidia-driver-cuda", "libnvidia-ml") == ["590.48.01"] * 2
    assert "stream=590-open" in host.on("cat /etc/dnf/modules.d/nvidia-driver.module")
    locks = host.on("dnf -q versionlock list")
    assert "nvidia-driver-cuda-3:590.48.01-1.el9.*" in locks
    assert "580" not in locks
    assert host.on(f"cat /lib/modules/{KERNEL}/extra/nvidia.ko").strip() == "590.48.01"
    host.on("sh /srv/rpm/load.sh 590.48.01")
    before = host.snapshot()
    back = host.module("package_set", wanted(host, "580"))
    assert "it would be a downgrade, which has to be allowed first" in back["msg"]
    assert host.snapshot() == before
    # A newer one of the branch appears: nobody asked for it, until somebody does.
    newer = wanted(host, "590", "/newer")
    assert host.module("package_set", newer, check=True)["packages"] == []
    assert not host.module("package_set", {**wanted(host, "590"), "latest": True}, check=True)["packages"]
    told = host.module("package_set", {**newer, "latest": True}, check=True)["packages"]
    assert "nvidia-driver-cuda 3:590.55.02-1.el9 (was 3:590.48.01-1.el9)" in told
    assert host.snapshot() == before


def test_docker(host: RhelHost) -> None:
    """No engine of its own: refused with what works; Docker's repository on request, started, never touched again."""
    before = host.snapshot()
    common = {"nvidia_gpu_driver_branch": "590"}
    refused = host.converge(**common, **{**ENGINES, "nvidia_gpu_docker_source": "distro"})
    said = " ".join(refused.stdout.split())
    assert refused.returncode != 0
    assert "no Docker engine of their own. Set nvidia_gpu_docker_source: docker" in said
    assert "nvidia_gpu_container_engines: [podman]" in said
    assert host.snapshot() == before
    # Somebody said no to CDI before there was an engine.
    host.on('mkdir -p /etc/docker; echo \'{"features": {"cdi": false}}\' > /etc/docker/daemon.json')
    insisted = host.converge(**common, **ENGINES, nvidia_gpu_cdi=True)
    assert "says features.cdi: false, and nvidia_gpu_cdi: true wants the opposite" in " ".join(insisted.stdout.split())
    assert versions(host, "docker-ce") == ["package docker-ce is not installed"]
    done = host.converge(**common, **ENGINES)
    assert "Start the engine that was just installed" in changes(done)
    assert "says features.cdi: false, which stays" in " ".join(done.stdout.split())
    assert host.on("systemctl is-active docker; systemctl is-enabled docker").split() == ["active", "enabled"]
    daemon = json.loads(host.on("cat /etc/docker/daemon.json"))
    assert daemon["features"] == {"cdi": False}
    assert daemon["runtimes"]["nvidia"]["path"] == "nvidia-container-runtime"
    assert changes(host.converge(**common, **ENGINES)) == []


def test_absent(host: RhelHost) -> None:
    """What the role brought goes, but for what somebody else needs by now; all else is as before the first run."""
    host.on("dnf -y -q install local-cuda-app")
    done = host.converge(nvidia_gpu_state="absent", nvidia_gpu_docker_remove=True)
    assert changes(done)
    assert host.on("rpm -qa | grep -E 'nvidia|docker|containerd|dkms' | sort").split() == [
        "libnvidia-ml-590.48.01-1.el9.x86_64"
    ]
    assert versions(host, "podman", "local-cuda-app") == ["5.4.0", "1"]
    assert json.loads(host.on("cat /etc/docker/daemon.json")) == {"features": {"cdi": False}}
    assert changes(host.converge(nvidia_gpu_state="absent")) == []
    host.on("rm -r /etc/docker; rpm -e local-cuda-app libnvidia-ml")
    assert host.snapshot() == BARE[1]
