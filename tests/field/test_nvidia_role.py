# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role nvidia_gpu where something is in the way: no GPU, Secure Boot, a build that fails, a reboot nobody allowed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from gpu_host import GpuHost, changes, repository

pytestmark = [pytest.mark.hosts, pytest.mark.slow]
CARD = "/srv/fake/root/sys/bus/pci/devices/0000:01:00.0"


@pytest.fixture(scope="module")
def host() -> Iterator[GpuHost]:
    """A host with a card and without a driver. The tests build on one another, in the order of a host's life."""
    repository()
    host = GpuHost("trixie", "role")
    host.start()
    yield host
    host.stop()


def refused(host: GpuHost, *texts: str, **variables: object) -> None:
    """Assert that a run is refused for that reason and changes nothing."""
    before = host.snapshot()
    done = host.converge(**variables)
    said = " ".join(done.stdout.split())
    assert done.returncode != 0, said[-3000:]
    for text in texts:
        assert text in said, said[-3000:]
    assert host.snapshot() == before


def test_no_gpu(host: GpuHost) -> None:
    """A host without a card is left alone, or refused when a card is insisted on."""
    host.on(f"mv {CARD} /srv/fake/card")
    done = host.converge()
    assert changes(done) == []
    assert "has no NVIDIA GPU; nothing was done" in " ".join(done.stdout.split())
    refused(host, "nvidia_gpu_require_hardware is true", nvidia_gpu_require_hardware=True)
    host.on(f"mv /srv/fake/card {CARD}")


def test_secure_boot(host: GpuHost) -> None:
    """The gate is before all changes, and opens for an enrolled key."""
    host.on(
        "mkdir -p /var/lib/dkms; echo key > /var/lib/dkms/mok.pub; echo 'SecureBoot enabled' > /srv/fake/secure-boot"
    )
    refused(host, "Secure Boot is on", "nvidia_gpu_secure_boot: enroll", "Nothing was changed")
    host.on("touch /srv/fake/enrolled")
    told = host.converge("--check")
    assert changes(told)
    host.on("rm /srv/fake/enrolled")


def test_dockers_own_repository(host: GpuHost) -> None:
    """On request, by its key's fingerprint; the engine runs; once there it is never touched; it goes when told."""
    before = host.snapshot()
    wanted = {"entry": "container", "nvidia_gpu_container_engines": ["docker"], "nvidia_gpu_kernel_release": ""}
    own = {**wanted, "nvidia_gpu_docker_source": "docker"}
    refused(host, "has the fingerprint", **own, nvidia_gpu_docker_repo_key_fingerprints=["0" * 40])
    done = host.converge(**own)
    assert "Install a Docker engine where one is wanted and none is there" in changes(done)
    assert host.on("dpkg-query -W -f '${Package} ${Version}' docker-ce") == "docker-ce 5:28.3.1-1"
    source = host.on("cat /etc/apt/sources.list.d/genai-docker.sources")
    assert "URIs: file:/srv/repo/engine/debian\nSuites: trixie\nComponents: stable\n" in source
    assert host.on("systemctl is-active docker").strip() == "active"
    assert '"cdi": true' in host.on("cat /etc/docker/daemon.json")
    # Docker's or the distribution's: an engine is there.
    assert changes(host.converge(**wanted)) == []
    assert changes(host.converge(nvidia_gpu_state="absent", nvidia_gpu_docker_remove=True))
    assert "docker" not in host.on("dpkg-query -W -f '${Package}\n'")
    host.on("rmdir /etc/docker; systemctl daemon-reload", check=False)
    assert host.snapshot() == before


def test_daemon_json_is_not_json(host: GpuHost) -> None:
    """Docker's damaged file is named with its line and stays as it is; entry point container touches no driver."""
    host.on(
        "mkdir -p /etc/docker; printf '{\\n  \"debug\": true,\\n}\\n' > /etc/docker/daemon.json; apt-get -v >/dev/null"
    )
    before = host.on("cat /etc/docker/daemon.json")
    wanted = {"entry": "container", "nvidia_gpu_container_engines": ["docker"], "nvidia_gpu_kernel_release": ""}
    # The engine and the toolkit come first; the driver's repository brings the dummies of both here.
    source = "deb [signed-by=/srv/repo/keys/right.asc] file:/srv/repo/cuda /"
    host.on(f"echo '{source}' > /etc/apt/sources.list.d/dummies.list; apt-get update -qq")
    done = host.converge(**wanted)
    assert done.returncode != 0
    assert "it is no valid JSON" in " ".join(done.stdout.split())
    # Newer Pythons name the comma, older ones what follows it.
    assert re.search(r"line [23] column", " ".join(done.stdout.split()))
    assert "nvidia-container-toolkit" not in host.on("dpkg-query -W")
    assert host.on("cat /etc/docker/daemon.json") == before
    host.on('printf \'{"log-driver": "journald"}\' > /etc/docker/daemon.json')
    assert changes(host.converge(**wanted))
    merged = host.on("cat /etc/docker/daemon.json")
    assert '"log-driver": "journald"' in merged
    assert '"nvidia-container-runtime"' in merged
    assert changes(host.converge(**wanted)) == []
    host.on("rm /etc/apt/sources.list.d/dummies.list; apt-get update -qq")


def test_build_fails(host: GpuHost) -> None:
    """The compiler's own words are in the message, whether dpkg notices or not; nothing is loaded, no reboot."""
    host.on("touch /srv/fake/dkms-fails")
    done = host.converge(
        nvidia_gpu_secure_boot="enroll", nvidia_gpu_mok_password="Correct-Horse-1", nvidia_gpu_reboot="always"
    )
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "too few arguments to function 'pci_resize_resource'" in said
    assert "Left half-way: nvidia-kernel-open-dkms" in said
    assert "Correct-Horse-1" not in said
    assert "reboot" not in host.on("journalctl --no-pager -q | grep -i 'system is rebooting' || true")
    host.on("touch /srv/fake/dkms-fails-silently")
    done = host.converge(nvidia_gpu_secure_boot="ignore")
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert "no driver module was built for kernel 6.12.990+deb13-amd64" in said
    assert "too few arguments to function 'pci_resize_resource'" in said
    # Mended by the vendor: the next run goes on from there.
    host.on("rm /srv/fake/dkms-fails /srv/fake/dkms-fails-silently; dpkg-reconfigure nvidia-kernel-open-dkms")


def test_enrolment(host: GpuHost) -> None:
    """The key is handed to the firmware once, and the console step is announced."""
    done = host.converge(nvidia_gpu_secure_boot="enroll", nvidia_gpu_mok_password="Correct-Horse-1")
    assert changes(done)
    assert "choose 'Enroll MOK'" in " ".join(done.stdout.split())
    assert "Correct-Horse-1" not in done.stdout
    host.on("test -e /srv/fake/pending")
    host.on("rm /srv/fake/secure-boot /srv/fake/pending")


def test_reboot_is_not_done_without_consent(host: GpuHost) -> None:
    """An older driver is loaded: the run says so, ends well, and leaves the machine up."""
    host.on("sh /srv/repo/load.sh 580.126.09")
    since = host.on("stat -c %Y /proc/1")
    done = host.converge()
    said = " ".join(done.stdout.split())
    assert changes(done) == []
    assert "driver 580.126.09 is loaded and 590.48.01 is installed" in said
    assert "A reboot is needed" in said
    assert host.on("stat -c %Y /proc/1") == since
    refusal = host.converge(entry="verify")
    assert refusal.returncode != 0


def test_works(host: GpuHost) -> None:
    """After the reboot the GPU is proven; power limit within the card's range; a second run changes nothing."""
    host.on("sh /srv/repo/load.sh 590.48.01; mkdir -p /etc/cdi")
    host.on("echo '# Managed by Ansible, collection genai.comfyui.' > /etc/cdi/nvidia.yaml")
    refused(host, "not between 100 and 350 W", nvidia_gpu_power_limit_watts=400)
    done = host.converge(nvidia_gpu_power_limit_watts=280, nvidia_gpu_expected_count=1, nvidia_gpu_min_vram_mib=24000)
    assert changes(done)
    assert '"limit": 280.0' in host.on("cat /srv/fake/gpu.json")
    assert "kind: nvidia.com/gpu" in host.on("cat /run/cdi/nvidia.yaml")
    # A static one goes stale; this one was ours.
    assert host.on("ls /etc/cdi") == ""
    assert changes(host.converge(nvidia_gpu_power_limit_watts=280)) == []
    wrong = host.converge(entry="verify", nvidia_gpu_expected_count=2, nvidia_gpu_driver_min_version="595")
    said = " ".join(wrong.stdout.split())
    assert "1 GPUs answer, nvidia_gpu_expected_count is 2" in said
    assert "driver 590.48.01 is older than nvidia_gpu_driver_min_version 595" in said


def test_removal(host: GpuHost) -> None:
    """What the role brought goes; what was there, or came otherwise, stays."""
    assert changes(host.converge(nvidia_gpu_state="absent"))
    left = host.on("dpkg-query -W -f '${Package} ${db:Status-Abbrev}\\n' | grep -E 'nvidia|libcuda' || true")
    assert left == ""
    assert host.on("cat /etc/docker/daemon.json").split() == ["{", '"log-driver":', '"journald"', "}"]
    assert "docker.io" in host.on("dpkg-query -W -f '${Package}\\n'").split()
    assert host.on("ls /etc/systemd/system | grep genai || true") == ""
    assert host.on("find /etc/apt -name '*genai*'") == ""
    assert changes(host.converge(nvidia_gpu_state="absent")) == []
