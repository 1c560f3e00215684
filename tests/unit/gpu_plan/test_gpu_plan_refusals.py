# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What does not work is refused, and the refusal's own advice works."""

from __future__ import annotations

import typing as t

import pytest
from gpu_plan_cases import BLACKWELL, PASCAL, host

from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan import (
    PlanError,
    at_least,
    generation,
    gpu_plan,
    version_glob,
)

Json = dict[str, t.Any]
SECURE = {"secure_boot": "enabled", "mok_enrolled": False}
# host, more about it, asked, code, text, what the text advises
CASES: list[tuple[str, Json, Json, str, str, Json]] = [
    ("debian12", {}, {"source": "distro"}, "F1", "debian12's own driver is 535", {"source": "cuda_repo"}),
    ("debian12", {}, {"source": "distro"}, "F1", 'nvidia_gpu_driver_min_version: "535"', {"min_version": "535"}),
    ("debian13", {}, {"source": "distro"}, "F1", "needs 580 or newer", {"min_version": ""}),
    ("ubuntu2404", {}, {"branch": "570"}, "F1", "Set nvidia_gpu_driver_branch: 580", {"branch": "580"}),
    ("rocky9", {}, {"min_version": "590"}, "F1", "Set nvidia_gpu_driver_branch: 590", {"branch": "590"}),
    ("rocky9", {}, {"version": "575.10-1"}, "F1", "575.10-1", {"version": "580.10-1"}),
    ("debian13", {}, {"source": "distro", "module": "open", "min_version": "", "cdi": False}, "F2", "does not build",
     {"module": "proprietary"}),
    ("debian12", {}, {"source": "distro", "module": "open", "min_version": "", "cdi": False}, "F3", "security updates",
     {"module": "proprietary"}),
    ("debian13", {}, {"repo_release": "debian12"}, "F4", "SHA-1", {"repo_release": ""}),
    ("ubuntu2204", {}, {"source": "cuda_repo", "repo_release": "ubuntu2404"}, "F4", "not made for ubuntu2204",
     {"repo_release": "ubuntu2204"}),
    ("debian13", {}, {"branch": "580"}, "F5", "begins at 590", {"branch": "590"}),
    ("debian12", {}, {"source": "distro", "module": "open", "min_version": ""}, "F8", "nvidia-current-open.ko",
     {"module": "proprietary"}),
    ("debian12", {"podman": "4.3.1"}, {"cdi_flags": []}, "F9", "Podman 4.3.1 refuses", {"cdi_flags": None}),
    ("debian12", {"podman": "4.3.1"}, {"cdi_flags": ["a"]}, "F9", "no-additional-gids-for-device-nodes",
     {"cdi_flags": ["a", "no-additional-gids-for-device-nodes"]}),
    ("debian12", {"docker": "20.10.24"}, {"cdi": True}, "cdi_docker", "came with 25", {"cdi": "auto"}),
    ("debian12", {}, {"cdi": True, "engines": ["docker"]}, "cdi_docker", "Docker 20.10", {"cdi": "auto"}),
    ("debian13", {"podman": "5.4.2"}, {"cdi": False}, "cdi_podman", "only through CDI", {"cdi": "auto"}),
    ("debian13", {}, {"engines": ["lxc"]}, "engine", "names lxc", {"engines": ["podman"]}),
    ("rhel9", {}, {"engines": ["docker"]}, "docker_rhel", "no Docker engine of their own", {"engines": ["podman"]}),
    ("rocky9", {}, {"engines": ["docker"]}, "docker_rhel", "Docker's repository", {"docker_source": "docker"}),
    ("rhel9", {}, {"source": "distro"}, "source", "cuda_repo", {"source": "cuda_repo"}),
    ("debian13", SECURE, {}, "secure_boot", "not enrolled", {"secure_boot": "enroll"}),
    ("debian13", {**SECURE, "mok_enrolled": None}, {}, "secure_boot", "at the console", {"secure_boot": "enroll"}),
    ("ubuntu2404", SECURE, {"source": "cuda_repo"}, "secure_boot", "Canonical signed", {"source": "distro"}),
    ("debian13", {"container": True}, {}, "container", "its kernel is the host's", {"manage": False}),
    ("debian13", {"container": True}, {}, "container", "nvidia_gpu_kernel_release", {"kernel": "6.12.9+deb13-amd64"}),
    ("debian12", {"gpus": [PASCAL]}, {"module": "open"}, "old_card", "before Turing", {"module": "auto"}),
    ("debian12", {"gpus": [PASCAL]}, {"branch": "590"}, "branch", "GTX 1080 Ti is too old", {"branch": "580"}),
    ("debian12", {"gpus": [BLACKWELL]}, {"module": "proprietary"}, "new_card", "Blackwell", {"module": "auto"}),
    ("debian13", {"gpus": [{**PASCAL, "pci_id": "10de:2204", "power": {"min_w": 100.0, "max_w": 350.0}}]},
     {"power_limit": 400}, "power", "not between 100 and 350 W", {"power_limit": 350}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "more", "asked", "code", "text", "advice"), CASES)
def test_refused_and_the_advice_works(name: str, more: Json, asked: Json, code: str, text: str, advice: Json) -> None:
    """The reason is named; who follows the advice is not refused for it again."""
    refusals = gpu_plan(host(name, **more), asked)["refusals"]
    assert [one["message"] for one in refusals if one["code"] == code and text in one["message"]], refusals
    after = gpu_plan(host(name, **more), {**asked, **advice})["refusals"]
    assert code not in [one["code"] for one in after]


def test_no_way_out() -> None:
    """An old and a new card, an old card on Debian 13, another system, another architecture, a real-time kernel."""

    def codes(*arguments: t.Any) -> list[str]:
        return [one["code"] for one in gpu_plan(*arguments)["refusals"]]

    assert "mixed" in codes(host("debian12", gpus=[PASCAL, BLACKWELL]), {})
    assert codes(host("debian13", gpus=[PASCAL]), {}) == ["branch"]
    assert codes({**host("debian13"), "release": "11"}, {}) == ["platform"]
    assert codes({**host("debian13"), "distribution": "arch", "release": ""}, {}) == ["platform"]
    assert codes({**host("debian13"), "release": "11"}, {"manage": False}) == []
    assert codes({**host("debian13"), "arch": "riscv64"}, {}) == ["arch"]
    assert codes({**host("debian13"), "kernel": "6.12.117+deb13-rt-amd64"}, {}) == ["kernel"]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"source": "elsewhere"}, "nvidia_gpu_driver_source is 'elsewhere'"),
        ({"branch": "newest"}, "nvidia_gpu_driver_branch is 'newest'"),
        ({"version": "latest"}, "nvidia_gpu_driver_version is 'latest'"),
        ({"branch": "580", "version": "590.1-1"}, "590.1-1 is not of nvidia_gpu_driver_branch 580"),
        ({"module": "nouveau"}, "nvidia_gpu_kernel_module"),
        ({"profile": "some"}, "nvidia_gpu_driver_profile"),
        ({"min_version": "new"}, "nvidia_gpu_driver_min_version"),
        ({"colour": "green"}, "does not know colour"),
    ],
)
def test_nonsense(asked: Json, text: str) -> None:
    """A value that is not known is named with its variable."""
    with pytest.raises(PlanError, match=r"nvidia_gpu|GPU plan") as caught:
        gpu_plan(host("debian12"), asked)
    assert text in str(caught.value)
    if "colour" not in asked:
        with pytest.raises(PlanError, match="nvidia_gpu_secure_boot"):
            gpu_plan(host("debian12"), {"secure_boot": "on"})


def test_versions() -> None:
    """Branches and exact versions compare by their numbers."""
    assert at_least("580.126.09", "580")
    assert at_least("590.48.01", "580.126.09")
    assert not at_least("575.99", "580")
    assert not at_least("580.65.06", "580.126.09")
    assert at_least("3:610.57.04-1.el9", "610")
    assert at_least("1", "")
    assert version_glob("", 580) == "580.*"
    assert version_glob("580.126.09", 580) == "580.126.09-*"
    assert version_glob("580.126.09-1", 580) == "580.126.09-1"


def test_generations() -> None:
    """The device id tells what a card can run."""
    known = {"10de:1b80": "old", "10de:1db4": "old", "10de:1e04": "turing", "2204": "turing", "10de:2684": "turing",
             "10de:2330": "turing", "10de:2b85": "blackwell", "": "", "none": "", "8086:2204": ""}  # fmt: skip
    assert {card: generation(card) for card in known} == known
    assert generation(None) == ""


def test_mixed_but_workable() -> None:
    """A Pascal card beside an Ampere one gets the proprietary module of the last branch that serves both."""
    plan = gpu_plan(host("debian12", gpus=[PASCAL, {"pci_id": "10de:2204"}]), {})
    assert (plan["module"], plan["branch"], plan["refusals"]) == ("proprietary", 580, [])


def test_signed_modules_need_no_key() -> None:
    """Ubuntu's prebuilt modules pass Secure Boot, need no compiler and follow the kernel."""
    plan = gpu_plan(host("ubuntu2404-hwe", **SECURE), {})
    assert plan["refusals"] == []
    assert not plan["dkms"]
    assert "linux-modules-nvidia-580-server-open-generic-hwe-24.04" in [one["name"] for one in plan["packages"]]
    assert "linux-modules-nvidia-*" in plan["hold_except"]


def test_internal_copy() -> None:
    """Address, key and fingerprint of a copy of the repository stand for the vendor's."""
    plan = gpu_plan(host("debian13"), {"repo_base": "https://mirror.example.com/cuda/", "key_url": "https://mirror.example.com/k",
                                       "fingerprints": ["ab cd"]})  # fmt: skip
    assert plan["repositories"][0]["uri"] == "https://mirror.example.com/cuda/debian13/x86_64/"
    assert plan["repositories"][0]["key_url"] == "https://mirror.example.com/k"
    assert plan["repositories"][0]["fingerprints"] == ["ABCD"]


def test_containers() -> None:
    """Which engine of which version gets at GPUs in which way."""

    def ways(name: str, **more: t.Any) -> tuple[bool, bool, bool, list[str]]:
        plan = gpu_plan(host(name, **more), {})["containers"]
        return plan["runtime"], plan["docker_cdi"], plan["cdi"], plan["cdi_flags"]

    flag = "no-additional-gids-for-device-nodes"
    assert ways("debian12", docker="20.10.24") == (True, False, False, [])
    assert ways("debian12", docker="unknown") == (True, False, False, [])
    assert ways("debian13", docker="unknown") == (True, True, True, [])
    assert gpu_plan(host("debian13", docker="26.1.5"), {"cdi": "False"})["containers"]["cdi"] is False
    assert ways("debian13", docker="26.1.5") == (True, True, True, [])
    assert ways("debian12", podman="4.3.1") == (False, False, True, [flag])
    assert ways("debian13", podman="5.4.2") == (False, False, True, [])
    assert ways("debian12", docker="20.10.24", podman="4.3.1") == (True, False, True, [flag])
    assert gpu_plan(host("debian13"), {})["containers"]["manage"] is False
    wanted = gpu_plan(host("debian13"), {"engines": ["docker"]})["containers"]
    assert [one["name"] for one in wanted["engine_packages"]] == ["docker.io", "docker-cli"]
    there = gpu_plan(host("debian13", docker="26.1.5"), {"engines": ["docker"]})["containers"]
    assert there["engine_packages"] == []
    upstream = gpu_plan(host("debian13"), {"engines": ["docker"], "docker_source": "docker"})["containers"]
    assert upstream["engine_repositories"][0]["suite"] == "trixie"
    there = gpu_plan(host("debian13", docker="28.3"), {"engines": ["docker"], "docker_source": "docker"})["containers"]
    assert (there["engine_packages"], there["engine_repositories"]) == ([], [])
    exact = gpu_plan(host("debian13", docker="26"), {"toolkit_version": "1.20.0"})["containers"]
    assert {one["version"] for one in exact["packages"]} == {"1.20.0-*"}
    warned = gpu_plan(host("debian13", podman="5.4.2", static_cdi=True), {})
    assert "goes stale" in warned["warnings"][0]


def test_docker_on_rhel() -> None:
    """Docker's own repository for this release, or a copy of it; never where an engine is there."""
    asked = {"engines": ["docker"], "docker_source": "docker"}
    (repository,) = gpu_plan(host("rocky9"), asked)["containers"]["engine_repositories"]
    assert repository["uri"] == "https://download.docker.com/linux/rhel/9/x86_64/stable"
    assert repository["fingerprints"] == ["060A61C51B558A7F742B77AAC52FEB6B621E9F35"]
    copy = {**asked, "docker_base": "https://mirror.example.com/docker/", "docker_fingerprints": ["ab cd"]}
    (repository,) = gpu_plan(host("rocky9"), copy)["containers"]["engine_repositories"]
    assert repository["uri"] == "https://mirror.example.com/docker/rhel/9/x86_64/stable"
    assert repository["key_url"] == "https://mirror.example.com/docker/rhel/gpg"
    assert repository["fingerprints"] == ["ABCD"]
    assert gpu_plan(host("rocky9", docker="28.3.1"), asked)["containers"]["engine_packages"] == []
    assert gpu_plan(host("ubuntu2404"), copy)["containers"]["engine_repositories"][0]["suite"] == "noble"


def test_locks_on_rhel() -> None:
    """The plugin that keeps versions comes along; without locks nothing keeps dnf-automatic away, which is said."""
    plan = gpu_plan(host("rocky9"), {})
    assert plan["packages"][0]["name"] == "python3-dnf-plugin-versionlock"
    assert "kmod-nvidia-*" in plan["hold"]
    assert not [text for text in plan["warnings"] if "dnf-automatic" in text]
    free = gpu_plan(host("rocky9"), {"hold": False})
    assert "python3-dnf-plugin-versionlock" not in [one["name"] for one in free["packages"]]
    assert [text for text in free["warnings"] if "dnf-automatic" in text]
    exact = gpu_plan(host("rocky9"), {"version": "580.126.09"})
    assert {"name": "kmod-nvidia-open-dkms", "version": "580.126.09-*"} in exact["packages"]
