# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed apt repositories of dummy packages that stand for NVIDIA's: right, wrong and expired key, missing branch ...

The packages have the real ones' names and dependencies in small, and no content of theirs. Needs dpkg-deb and gpg.
Run as ``python tests/field/gpu_repository.py DIRECTORY``; leaves a tar file beside the directory.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from gpu_dummies import (
    DOCKER_CE,
    DOCKER_UNIT,
    FAKE_CTK,
    FAKE_DOCKER,
    FAKE_MOKUTIL,
    FAKE_SMI,
    LOAD,
    POSTINST,
    REFRESH_PATH,
    REFRESH_SERVICE,
    SETUP,
)

KERNELS = {"bookworm": "6.1.0-99-amd64", "trixie": "6.12.990+deb13-amd64"}
"""The kernel that each release's host is said to have."""
SCRIPTS = {"usr/bin/nvidia-smi", "usr/bin/nvidia-ctk", "usr/bin/docker", "usr/bin/podman", "usr/sbin/dkms"}


class Dummy:
    """One package to build."""

    def __init__(self, name: str, version: str, depends: str = "", conflicts: str = "", **files: str) -> None:
        self.name, self.version, self.depends, self.conflicts = name, version, depends, conflicts
        self.files = {
            key.replace("__", "/").replace("_DOT_", ".").replace("_DASH_", "-"): v for key, v in files.items()
        }
        self.content: dict[str, str] = {}
        self.postinst = self.prerm = ""

    def holding(self, content: dict[str, str], postinst: str = "", prerm: str = "") -> Dummy:
        """Give it files by path, and maintainer scripts."""
        self.content, self.postinst, self.prerm = content, postinst, prerm
        return self


def driver(version: str) -> list[Dummy]:
    """Return a driver's packages in one version."""
    same = f"(= {version})"
    plain = version.split("-")[0]
    module = {f"usr/src/nvidia-{plain}/dkms.conf": f'PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="{plain}"\n'}
    postinst = POSTINST.replace("@VERSION@", plain)
    prerm = "#!/bin/sh\nfind /lib/modules -name 'nvidia.ko' -delete\n"
    depends = f"libcuda1 {same}, libnvidia-ml1 {same}, nvidia-persistenced {same}, nvidia-modprobe {same}"
    return [
        Dummy("nvidia-driver-cuda", version, depends).holding(
            {"usr/bin/nvidia-smi": FAKE_SMI.replace("@VERSION@", plain)}
        ),
        Dummy("libcuda1", version).holding({f"usr/lib/x86_64-linux-gnu/libcuda.so.{plain}": "dummy\n"}),
        Dummy("libnvidia-ml1", version).holding({f"usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{plain}": "dummy\n"}),
        Dummy("nvidia-persistenced", version),
        Dummy("nvidia-modprobe", version),
        Dummy("nvidia-kernel-open-dkms", version, "dkms", "nvidia-kernel-dkms").holding(module, postinst, prerm),
        Dummy("nvidia-kernel-dkms", version, "dkms", "nvidia-kernel-open-dkms").holding(module, postinst, prerm),
        Dummy("nvidia-open", version, f"nvidia-driver-cuda {same}, nvidia-kernel-open-dkms {same}"),
        Dummy("cuda-drivers", version, f"nvidia-driver-cuda {same}, nvidia-kernel-dkms {same}"),
    ]


def kernel_packages() -> list[Dummy]:
    """Return dkms, headers and kernels. They stand for Debian's own, which would bring a compiler."""
    found = [Dummy("dkms", "99").holding({"usr/sbin/dkms": "#!/bin/sh\ncat /var/lib/dkms/dummy-status 2>/dev/null\n"})]
    for release in KERNELS.values():
        found.append(
            Dummy(f"linux-headers-{release}", "99").holding({f"lib/modules/{release}/build/Makefile": "all:\n"})
        )
    found.append(Dummy("linux-headers-amd64", "99"))
    found.append(Dummy("linux-image-amd64", "99"))
    # Engines in small: one that does not run, and one of the version that needs a workaround.
    found.append(Dummy("docker.io", "99").holding({"usr/bin/docker": FAKE_DOCKER}))
    found.append(Dummy("docker-cli", "99"))
    found.append(Dummy("podman", "4.3.1").holding({"usr/bin/podman": "#!/bin/sh\necho podman version 4.3.1\n"}))
    return found


def toolkit(version: str) -> list[Dummy]:
    """Return the container toolkit's packages in one version."""
    same = f"(= {version})"
    plain = version.split("-")[0]
    files = {
        "usr/bin/nvidia-ctk": FAKE_CTK.replace("@VERSION@", plain),
        "lib/systemd/system/nvidia-cdi-refresh.service": REFRESH_SERVICE,
        "lib/systemd/system/nvidia-cdi-refresh.path": REFRESH_PATH,
    }
    return [
        Dummy(
            "nvidia-container-toolkit",
            version,
            f"nvidia-container-toolkit-base {same}, libnvidia-container-tools {same}",
        ),
        Dummy("nvidia-container-toolkit-base", version).holding(files),
        Dummy("libnvidia-container-tools", version, f"libnvidia-container1 {same}"),
        Dummy("libnvidia-container1", version),
    ]


def docker() -> list[Dummy]:
    """Return Docker's own packages."""
    unit = {"lib/systemd/system/docker.service": DOCKER_UNIT}
    return [
        Dummy("docker-ce", "5:28.3.1-1", "docker-ce-cli, containerd.io").holding(unit),
        Dummy("docker-ce-cli", "5:28.3.1-1", "", "docker-cli, docker.io").holding({"usr/bin/docker": DOCKER_CE}),
        *(Dummy(name, "9-1") for name in ("containerd.io", "docker-buildx-plugin", "docker-compose-plugin")),
    ]


def build(dummy: Dummy, where: Path) -> Path:
    """Build one package and return its file."""
    target = where / f"{dummy.name}_{dummy.version}_all.deb"
    if target.exists():
        return target
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        root.chmod(0o755)
        control = f"Package: {dummy.name}\nVersion: {dummy.version}\nArchitecture: all\n"
        control += "Maintainer: Tests <tests@example.com>\n"
        control += f"Depends: {dummy.depends}\n" if dummy.depends else ""
        control += f"Conflicts: {dummy.conflicts}\n" if dummy.conflicts else ""
        (root / "DEBIAN").mkdir(mode=0o755)
        (root / "DEBIAN/control").write_text(f"{control}Description: dummy that stands for the real {dummy.name}\n")
        for script, text in (("postinst", dummy.postinst), ("prerm", dummy.prerm)):
            if text:
                (root / "DEBIAN" / script).write_text(text)
                (root / "DEBIAN" / script).chmod(0o755)
        for name, text in dummy.content.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
            (root / name).chmod(0o755 if name in SCRIPTS else 0o644)
        command = ["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(root), str(target)]
        subprocess.run(command, check=True, capture_output=True)
    return target


class Keys:
    """Throw-away signing keys: ``right``, ``wrong`` and ``expired``."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(mode=0o700, parents=True)
        self.old = ["--faked-system-time", "20200101T000000!"]
        self.fingerprints: dict[str, str] = {}
        self.public: dict[str, bytes] = {}
        for name in ("right", "wrong", "expired"):
            old = self.old if name == "expired" else []
            life = "1y" if name == "expired" else "never"
            self.gpg(
                *old, "--passphrase", "", "--quick-gen-key", f"{name} <{name}@example.com>", "ed25519", "sign", life
            )
            listing = self.gpg("--with-colons", "--list-keys", f"{name}@example.com").decode()
            self.fingerprints[name] = next(line.split(":")[9] for line in listing.splitlines() if line[:3] == "fpr")
            self.public[name] = self.gpg("--armor", "--export", f"{name}@example.com")
            if old:
                # The vendor renewed it and signs on; whoever has the old copy sees an expired key.
                self.gpg("--quick-set-expire", self.fingerprints[name], "0")

    def gpg(self, *words: str) -> bytes:
        """Run gpg in its own home."""
        command = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--quiet", *words]
        return subprocess.run(command, check=True, capture_output=True, env={**os.environ, "LC_ALL": "C"}).stdout

    def sign(self, name: str, text: Path) -> None:
        """Write InRelease beside a Release file."""
        out = str(text.with_name("InRelease"))
        self.gpg("--local-user", f"{name}@example.com", "--output", out, "--clearsign", str(text))

    def close(self) -> None:
        """End the agent that gpg started."""
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(self.home, ignore_errors=True)


def index(files: list[Path], repository: Path, suite: str = "") -> Path:
    """Write Packages and Release of a flat repository, or of one with a suite and the component ``stable``.

    :returns: the Release file, to be signed
    """
    lists = repository / "dists" / suite / "stable/binary-amd64" if suite else repository
    lists.mkdir(parents=True, exist_ok=True)
    stanzas = []
    for file in files:
        control = subprocess.run(["dpkg-deb", "--field", str(file)], check=True, capture_output=True, text=True).stdout
        data = file.read_bytes()
        (repository / file.name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        stanzas.append(f"{control}Filename: ./{file.name}\nSize: {len(data)}\nSHA256: {digest}\n")
    packages = "\n".join(stanzas).encode()
    (lists / "Packages").write_bytes(packages)
    (lists / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    release = repository / "dists" / suite / "Release" if suite else repository / "Release"
    lines = ["Origin: Dummy", "Label: Dummy", "Date: Sat, 01 Jan 2022 00:00:00 UTC"]
    lines += [f"Suite: {suite}", f"Codename: {suite}", "Architectures: amd64", "Components: stable"] if suite else []
    lines.append("SHA256:")
    for name in ("Packages", "Packages.gz"):
        data = (lists / name).read_bytes()
        lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {(lists / name).relative_to(release.parent)}")
    release.write_text("\n".join(lines) + "\n")
    return release


def make(out: Path) -> None:
    """Make everything below *out*: ``<name>/`` repositories, ``keys/<name>.asc`` and ``keys/<name>.fingerprint``."""
    shutil.rmtree(out, ignore_errors=True)
    pool = out / "pool"
    pool.mkdir(parents=True)
    keys = Keys(out / ".gnupg")
    try:
        sets = {name: driver(name) for name in ("580.126.09-1", "590.48.01-1", "590.55.02-1", "595.10.01-1")}
        kernel, first, second = kernel_packages(), toolkit("1.18.1-1"), toolkit("1.20.0-1")
        both = sets["580.126.09-1"] + sets["590.48.01-1"] + kernel
        rival = Dummy("nvidia-driver-cuda", "590.48.01-1", "libcuda1 (= 590.48.01-1)", "local-cuda-app").holding(
            {"usr/bin/nvidia-smi": FAKE_SMI.replace("@VERSION@", "590.48.01")}
        )
        repositories = {
            "cuda": (both, "right"),
            "newer": (both + sets["590.55.02-1"], "right"),
            "wrong": (both, "wrong"),
            "expired": (both, "expired"),
            "missing": (sets["595.10.01-1"] + kernel, "right"),
            "conflict": ([rival, *sets["590.48.01-1"][1:], *kernel], "right"),
            "toolkit": (first + second, "right"),
            "local": ([Dummy("local-cuda-app", "1")], "right"),
        }
        for name, (dummies, key) in repositories.items():
            where = pool / ("rival" if name == "conflict" else "common")
            where.mkdir(exist_ok=True)
            keys.sign(key, index([build(dummy, where) for dummy in dummies], out / name))
        for suite in KERNELS:
            files = [build(dummy, pool / "common") for dummy in docker()]
            keys.sign("right", index(files, out / "engine/debian", suite))
        (out / "keys").mkdir()
        for name, fingerprint in keys.fingerprints.items():
            (out / "keys" / f"{name}.asc").write_bytes(keys.public[name])
            (out / "keys" / f"{name}.fingerprint").write_text(fingerprint)
    finally:
        keys.close()
    shutil.rmtree(pool)
    for name, text in (("setup.sh", SETUP), ("load.sh", LOAD), ("mokutil", FAKE_MOKUTIL)):
        (out / name).write_text(text)
        (out / name).chmod(0o755)
    subprocess.run(["tar", "-C", str(out), "-cf", f"{out}.tar", "."], check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())
