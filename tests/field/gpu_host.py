# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host with a pretended GPU and a signed repository of dummies, which the tests may break and mend."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

from gpu_repository import KERNELS, make

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from tools import machine, repos

BIN = Path(sys.executable).parent
CACHE = ROOT / ".cache" / "nvidia"
REPOSITORY = CACHE / "repository"
Done = subprocess.CompletedProcess[str]


def environment() -> dict[str, str]:
    """Return the environment for Ansible: this virtual environment first, no pyenv shims (they answer 127)."""
    parts = [p for p in os.environ.get("PATH", os.defpath).split(os.pathsep) if not p.endswith("pyenv/shims")]
    quiet = {
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
    }
    return {**os.environ, **quiet, "PATH": os.pathsep.join([str(BIN), *parts])}


def repository() -> None:
    """Make the container engine, the images and the repositories, where they are not there yet."""
    for words in (["tools.engine", "ensure"], ["tools.images"], ["tools.repos"]):
        subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = Path(f"{REPOSITORY}.tar")
        recipes = [Path(__file__).with_name(name) for name in ("gpu_dummies.py", "gpu_repository.py")]
        whole = made.exists() and (REPOSITORY / "keys").exists()
        if not whole or made.stat().st_mtime < max(recipe.stat().st_mtime for recipe in recipes):
            make(REPOSITORY)


def fingerprint(name: str = "right") -> str:
    """Return a signing key's fingerprint."""
    return (REPOSITORY / "keys" / f"{name}.fingerprint").read_text()


class GpuHost:
    """A container of one Debian release."""

    def __init__(self, release: str, purpose: str) -> None:
        self.release, self.name = release, f"genai-comfyui-nvidia-{purpose}-{release}"
        self.inventory = CACHE / f"{purpose}-{release}.json"

    def start(self, archive: bool = False) -> None:
        """Start it.

        :param archive: with Debian's archive; without it apt knows the dummies only, and answers at once
        """
        self.stop()
        options = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--cgroupns=host"]
        options += ["--security-opt", "apparmor=unconfined", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
        options += ["--tmpfs", "/run", "--tmpfs", "/run/lock"]
        options += [word for volume in machine.host_volumes(repos.GIT) for word in ("-v", volume)] if archive else []
        command = ["docker", "run", "-d", "--name", self.name, "--hostname", self.release, *options]
        command += [f"genai-comfyui/{self.release}", "/lib/systemd/systemd"]
        subprocess.run(command, check=True, capture_output=True)
        with Path(f"{REPOSITORY}.tar").open("rb") as stream:
            unpack = ["docker", "exec", "-i", self.name, "sh", "-c", "mkdir -p /srv/repo && tar -C /srv/repo -xf -"]
            subprocess.run(unpack, stdin=stream, check=True, capture_output=True)
        self.on("sh /srv/repo/setup.sh")
        if not archive:
            self.on("rm -rf /etc/apt/sources.list* /var/lib/apt/lists/*; mkdir -p /etc/apt/sources.list.d")
        self.on("systemctl is-system-running --wait", check=False)
        variables = {
            "ansible_connection": "community.docker.docker",
            "ansible_host": self.name,
            "ansible_python_interpreter": "/usr/bin/python3",
            **self.variables(),
        }
        self.inventory.write_text(json.dumps({"all": {"hosts": {self.release: variables}}}))

    def variables(self) -> dict[str, t.Any]:
        """Return what points the role at the dummies and at the pretended hardware."""
        return {
            "nvidia_gpu_root": "/srv/fake/root",
            "nvidia_gpu_kernel_release": KERNELS[self.release],
            "nvidia_gpu_repo_base_url": "file:/srv/repo",
            "nvidia_gpu_repo_key_url": "file:/srv/repo/keys/right.asc",
            "nvidia_gpu_repo_key_fingerprints": [fingerprint()],
            "nvidia_gpu_toolkit_repo_base_url": "file:/srv/repo",
            "nvidia_gpu_toolkit_repo_key_url": "file:/srv/repo/keys/right.asc",
            "nvidia_gpu_toolkit_repo_key_fingerprints": [fingerprint()],
            "nvidia_gpu_docker_repo_base_url": "file:/srv/repo/engine",
            "nvidia_gpu_docker_repo_key_url": "file:/srv/repo/keys/right.asc",
            "nvidia_gpu_docker_repo_key_fingerprints": [fingerprint()],
        }

    def stop(self) -> None:
        """Remove it."""
        subprocess.run(["docker", "rm", "-f", "-v", self.name], check=False, capture_output=True)

    def on(self, script: str, check: bool = True) -> str:
        """Run a shell script on it and return its output."""
        command = ["docker", "exec", self.name, "sh", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"{self.release}: {script}\n{done.stdout}{done.stderr}")
        return done.stdout

    def converge(self, *arguments: str, **variables: t.Any) -> Done:
        """Run the role; ``entry`` is one of its entry points."""
        words = [
            "-i",
            str(self.inventory),
            str(ROOT / "tests/field/nvidia.yml"),
            "-e",
            json.dumps(variables),
            *arguments,
        ]
        return self._run("ansible-playbook", *words)

    def module(self, name: str, arguments: dict[str, t.Any], check: bool = False) -> dict[str, t.Any]:
        """Call one module and return its result."""
        words = ["-i", str(self.inventory), "all", "-m", f"genai.comfyui.{name}", "-a", json.dumps(arguments), "-o"]
        done = self._run("ansible", *words, *(["--check"] if check else []))
        try:
            result: dict[str, t.Any] = json.loads(done.stdout[done.stdout.index("{") :])
        except ValueError:
            raise AssertionError(done.stdout + done.stderr) from None
        return result

    def _run(self, program: str, *words: str) -> Done:
        command = [str(BIN / program), *words]
        return subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=600
        )

    def snapshot(self) -> str:
        """Return all that a refused change must not have changed."""
        return self.on(
            "cd /etc; find apt modprobe.d docker systemd/system /var/lib/genai-comfyui -type f -exec sha256sum {} + "
            "2>/dev/null | sort; dpkg-query -W; apt-mark showhold"
        )


def changes(done: Done) -> list[str]:
    """Return the names of the tasks that changed something, of a run that succeeded."""
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found, task = [], ""
    for line in done.stdout.splitlines():
        if line.startswith("TASK ["):
            task = line[6:].split("] *")[0].split(" : ")[-1]
        elif line.startswith("changed: "):
            found.append(task)
    return found
