# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that says it is Rocky Linux 9, with the real dnf and rpm, and signed repositories of dummy packages.

It is Debian 12, whose archive has the dnf (4.14) and libdnf (0.69) that release 9 has; os-release and redhat-release
are the fake, and nothing behind them is.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import gpu_rpms
from gpu_host import CACHE, ROOT, GpuHost

from tools import machine, repos

BASE = "genai-comfyui/bookworm"
IMAGE = "genai-comfyui/rocky9-fake"
LABEL = "genai.comfyui.rpm-recipe"
PACKAGES = "dnf rpm createrepo-c dnf-plugins-core gnupg"
BUILDER = "genai-comfyui-nvidia-rpm-builder"
REPOSITORIES = CACHE / "rpms.tar"
RECIPES = ("gpu_dummies.py", "gpu_rpms.py", "gpu_rhel.py")


def docker(*words: str, text: bytes | None = None) -> bytes:
    """Run docker and return its output."""
    done = subprocess.run(["docker", *words], input=text, capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"docker {' '.join(words)}\n{done.stdout[-2000:]!r}{done.stderr.decode()[-4000:]}")
    return done.stdout


def image() -> None:
    """Make the image out of Debian's, unless it was made by the same recipe."""
    base = docker("image", "inspect", "--format", "{{.Id}}", BASE).decode().strip()
    recipe = hashlib.sha256(f"{base}{PACKAGES}{gpu_rpms.FAKE_ROCKY}".encode()).hexdigest()[:16]
    form = f'{{{{index .Config.Labels "{LABEL}"}}}}'
    have = subprocess.run(
        ["docker", "image", "inspect", "--format", form, IMAGE], capture_output=True, text=True, check=False
    )
    if have.stdout.strip() == recipe:
        return
    subprocess.run(["docker", "rm", "-f", "-v", BUILDER], check=False, capture_output=True)
    volumes = [word for volume in machine.host_volumes(repos.GIT) for word in ("-v", volume)]
    docker("run", "-d", "--name", BUILDER, "--init", *volumes, BASE, "sleep", "infinity")
    try:
        install = f"apt-get update -qq && apt-get install -y -qq --no-install-recommends {PACKAGES}"
        docker("exec", "-e", "DEBIAN_FRONTEND=noninteractive", BUILDER, "sh", "-c", install)
        docker("exec", "-i", BUILDER, "sh", text=gpu_rpms.FAKE_ROCKY.encode())
        docker(
            "commit", "--change", f"LABEL {LABEL}={recipe}", "--change", 'CMD ["/lib/systemd/systemd"]', BUILDER, IMAGE
        )
    finally:
        docker("rm", "-f", "-v", BUILDER)


def repositories() -> None:
    """Make engine, images and repositories, where they are not there yet."""
    for words in (["tools.engine", "ensure"], ["tools.images"], ["tools.repos"]):
        subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "rpm-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        image()
        newest = max(Path(__file__).with_name(name).stat().st_mtime for name in RECIPES)
        if REPOSITORIES.exists() and REPOSITORIES.stat().st_mtime > newest:
            return
        script = "tar -C /srv -xf - && sh /srv/build/build.sh"
        made = docker("run", "--rm", "-i", "--init", IMAGE, "sh", "-c", script, text=gpu_rpms.recipe())
        temporary = REPOSITORIES.with_suffix(".new")
        temporary.write_bytes(made)
        temporary.rename(REPOSITORIES)


class RhelHost(GpuHost):
    """A container of that image, with a pretended GPU."""

    def __init__(self, purpose: str) -> None:
        super().__init__("rocky9", purpose)

    def start(self, archive: bool = False) -> None:
        """Start it; the repositories that it knows are those in /srv/rpm."""
        assert not archive, "no archive of the real distribution can be reached"
        self.stop()
        options = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--cgroupns=host"]
        options += ["--security-opt", "apparmor=unconfined", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
        options += ["--tmpfs", "/run", "--tmpfs", "/run/lock"]
        docker("run", "-d", "--name", self.name, "--hostname", self.release, *options, IMAGE, "/lib/systemd/systemd")
        unpack = "mkdir -p /srv/rpm && tar -C /srv/rpm -xf -"
        docker("exec", "-i", self.name, "sh", "-c", unpack, text=REPOSITORIES.read_bytes())
        for name, text in (
            ("load.sh", gpu_rpms.LOAD),
            ("mokutil", gpu_rpms.FAKE_MOKUTIL),
            ("setup.sh", gpu_rpms.SETUP),
        ):
            docker("exec", "-i", self.name, "sh", "-c", f"cat > /srv/rpm/{name}", text=text.encode())
        self.on("sh /srv/rpm/setup.sh")
        self.on("systemctl is-system-running --wait", check=False)
        variables = {
            "ansible_connection": "community.docker.docker",
            "ansible_host": self.name,
            "ansible_python_interpreter": "/usr/bin/python3",
            **self.variables(),
        }
        self.inventory.write_text(json.dumps({"all": {"hosts": {self.release: variables}}}))

    def fingerprint(self, name: str = "right") -> str:
        """Return a signing key's fingerprint."""
        return self.on(f"cat /srv/rpm/keys/{name}.fingerprint").strip()

    def variables(self) -> dict[str, t.Any]:
        """Return what points the role at the dummies and at the pretended hardware."""
        found: dict[str, t.Any] = {"nvidia_gpu_root": "/srv/fake/root", "nvidia_gpu_kernel_release": gpu_rpms.KERNEL}
        for name in ("", "toolkit_", "docker_"):
            found[f"nvidia_gpu_{name}repo_base_url"] = "file:///srv/rpm"
            found[f"nvidia_gpu_{name}repo_key_url"] = "file:///srv/rpm/keys/right.asc"
            found[f"nvidia_gpu_{name}repo_key_fingerprints"] = [self.fingerprint()]
        return found

    def snapshot(self) -> str:
        """Return all that a refused change must not have changed, dnf's cache left out."""
        return self.on(
            "cd /etc; find yum.repos.d dnf pki modprobe.d docker systemd/system /var/lib/genai-comfyui -type f "
            "-exec sha256sum {} + 2>/dev/null | sort; rpm -qa 2>/dev/null | sort"
        )
