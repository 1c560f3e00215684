# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own driver packages, from its own archive: every planned set is simulated, a small one really installed.

Modules are not built here: that takes minutes, and no card would load them.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest
from gpu_host import GpuHost, repository

from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan import gpu_plan

pytestmark = [pytest.mark.hosts, pytest.mark.slow]
KERNEL = {"bookworm": "6.1.0-0-amd64", "trixie": "6.12.0+deb13-amd64"}
"""Kernels that have left the archive long ago: the headers of the newest one stand in."""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest) -> Iterator[GpuHost]:
    """A bare host with Debian's archive."""
    repository()
    host = GpuHost(request.param, "debian")
    host.start(archive=True)
    yield host
    host.stop()


def wanted(host: GpuHost, **asked: t.Any) -> dict[str, t.Any]:
    """Return the module's arguments for a plan with Debian's own driver."""
    release = {"bookworm": "12", "trixie": "13"}[host.release]
    system = {"distribution": "debian", "release": release, "arch": "x86_64", "kernel": KERNEL[host.release]}
    plan = gpu_plan(system, {"source": "distro", "min_version": "", **asked})
    keys = ("components", "packages", "wanted", "hold", "hold_except")
    return {"name": "nvidia-driver", **{key: plan[key] for key in keys}}


def test_simulated(host: GpuHost) -> None:
    """apt finds compute and full sets with the proprietary module, in one transaction, and changes nothing."""
    before = host.snapshot()
    branch = {"bookworm": "535.", "trixie": "550."}[host.release]
    for profile in ("compute", "full"):
        result = host.module("package_set", wanted(host, profile=profile), check=True)
        assert "msg" not in result, result["msg"]
        came = {line.split()[0]: line.split()[1] for line in result["packages"]}
        for name in ("nvidia-smi", "libcuda1", "nvidia-kernel-dkms"):
            assert came[name].startswith(branch), came[name]
        assert {"dkms", "nvidia-persistenced", "nvidia-modprobe", "linux-headers-amd64"} <= set(came)
        # The running kernel's headers are not offered any more, so a kernel comes that has some.
        assert "linux-image-amd64" in came
        assert ("xserver-xorg-core" in came) == (profile == "full")
        assert "libcuda1" in result["holds"]
    assert host.snapshot() == before


def test_open_module(host: GpuHost) -> None:
    """The plan refuses it as F2 and F3: on Debian 12 apt refuses it, too; on Debian 13 it would come and not build."""
    result = host.module("package_set", wanted(host, module="open"), check=True)
    if host.release == "bookworm" and "msg" not in result:
        pytest.fail("Debian 12's open module can be installed again; the plan's refusal F3 is out of date")
    if host.release == "bookworm":
        assert "nvidia-open-kernel-dkms" in result["msg"]
    else:
        assert any(line.startswith("nvidia-open-kernel-dkms 550.") for line in result["packages"])


def test_installed_for_real(host: GpuHost) -> None:
    """The real nvidia-smi comes from non-free, says that there is no driver, is held, and goes without a trace."""
    before = host.snapshot()
    arguments = {**wanted(host), "packages": [{"name": "nvidia-smi"}], "wanted": []}
    result = host.module("package_set", arguments)
    assert "msg" not in result, result["msg"]
    assert "nvidia-smi" in host.on("apt-mark showhold").split()
    said = host.on("nvidia-smi; echo $?", check=False)
    # Where the container may make a device node and not open it, the real one says that in yet another way.
    assert "couldn't communicate with the NVIDIA driver" in said or "Failed to initialize NVML" in said, said
    assert said.split()[-1] in ("9", "12", "255"), said
    assert not host.module("package_set", arguments)["changed"]
    host.module("package_set", {"name": "nvidia-driver", "state": "absent"})
    assert host.snapshot() == before
