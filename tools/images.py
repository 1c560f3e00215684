# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the images of the local hosts: Debian with systemd and Python, one a release; some with a container engine.

With mmdebstrap from the machine's own Debian mirror where that is possible, else from a base image of a registry.
Standard library only. Run as ``python -m tools.images [--rebuild] [release ...]`` from the repository's root.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

from tools import machine
from tools._common import (
    CACHE,
    Fault,
    apt_install,
    is_debian,
    is_root,
    lock,
    main_guard,
    output,
    say,
    tail,
    write_if_changed,
)

RELEASES = ("bookworm", "trixie")
# Built when a host asks for it. Compose v2 and a buildx that understands it are in Debian 13 only.
ENGINES = {"trixie-docker": "trixie"}
APT_CONF = CACHE / "apt.conf"
LABEL = "genai.comfyui.recipe"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "python3", "python3-apt", "python3-venv", "git", "curl", "sudo"),
    *("iproute2", "procps", "ca-certificates", "libcap2-bin", "less"),
)
ENGINE_PACKAGES = ("docker.io", "docker-cli", "docker-compose", "docker-buildx", "iptables")
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
# Units that cannot work in a container or only cost start-up time there.
MASKED = (
    *("systemd-resolved.service", "systemd-networkd.service", "getty.target", "console-getty.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
)
FINISH = (
    f"systemctl mask {' '.join(MASKED)} >/dev/null 2>&1; "
    # Cloned hosts must not share an identity: systemd makes one at the first start.
    ": > /etc/machine-id; rm -f /var/lib/dbus/machine-id"
)
# Without it /proc/sys is read-only in a host, and this engine then fails on every bridge network.
ENGINE_DROPIN = "[Service]\\nExecStartPre=/bin/mount -o remount,rw,bind /proc/sys\\n"
ENGINE_FINISH = (
    "mkdir -p /etc/systemd/system/docker.service.d; "
    f"printf '{ENGINE_DROPIN}' > /etc/systemd/system/docker.service.d/procsys.conf"
)
TAIL = 'ENV container=docker\nSTOPSIGNAL SIGRTMIN+3\nCMD ["/lib/systemd/systemd"]\n'


def image(release: str) -> str:
    """Return the image's name for a Debian release, or for one of ENGINES."""
    return f"genai-comfyui/{release}"


def has_engine(name: str) -> bool:
    """Tell whether an image, by its full name, has a container engine inside, which asks for more of the host."""
    return name.split(":")[0] in map(image, ENGINES)


def content(release: str) -> tuple[str, tuple[str, ...], str]:
    """Return the Debian release, the packages and the last commands of an image."""
    if release in ENGINES:
        return ENGINES[release], (*PACKAGES, *ENGINE_PACKAGES), f"{FINISH}; {ENGINE_FINISH}"
    return release, PACKAGES, FINISH


def sources(release: str) -> list[str]:
    """Return apt source lines for a release on this machine's own mirrors; empty: mmdebstrap's default."""
    archive, security = machine.apt_archives()
    if not archive:
        return []
    lines = [f"deb {archive} {release} main", f"deb {archive} {release}-updates main"]
    if security:
        lines.append(f"deb {security} {release}-security main")
    return lines


def recipe(release: str) -> str:
    """Return the hash of all that decides an image's content."""
    suite, packages, finish = content(release)
    parts = [suite, *packages, *EXCLUDED, finish, TAIL, *sources(suite), machine.apt_options()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def stale(releases: list[str]) -> list[str]:
    """Return the releases whose image is absent or was made by another recipe."""
    # A format for one image at a time: inspect prints nothing useful when one of several is absent.
    form = '{{range .RepoTags}}{{.}} {{end}}{{index .Config.Labels "' + LABEL + '"}}'
    done = output(["docker", "image", "inspect", "--format", form, *map(image, releases)])
    have = {words[0].split(":")[0]: words[-1] for words in map(str.split, done.stdout.splitlines()) if len(words) > 1}
    return [release for release in releases if have.get(image(release)) != recipe(release)]


def _mmdebstrap(release: str, log: Path) -> None:
    """Build one image from the archive.

    :raises Fault: with the end of the log
    """
    suite, packages, finish = content(release)
    command = [
        "mmdebstrap", "--variant=minbase", "--skip=cleanup/apt/lists", f"--include={','.join(packages)}",
        '--aptopt=Apt::Install-Recommends "false"', f"--aptopt={APT_CONF}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED),
        f"--customize-hook=chroot $1 sh -c {machine.quoted([finish])}",
        suite, "-", *sources(suite),
    ]  # fmt: skip
    base = f"{image(release)}-base"
    with log.open("w") as stream:
        packing = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stream)
        importing = subprocess.run(
            ["docker", "import", "-", base], stdin=packing.stdout, stdout=stream, stderr=stream, check=False
        )
        if packing.stdout:
            packing.stdout.close()
        if packing.wait() != 0 or importing.returncode != 0:
            raise Fault(f"images: mmdebstrap could not make {release}. The end of {log}:\n{tail(log)}")
    _build(release, f"FROM {base}\n{TAIL}", log)
    # Only the tag goes: the layers are the finished image's.
    output(["docker", "rmi", "--no-prune", base])


def _from_registry(release: str, log: Path) -> None:
    """Build one image on the registry's Debian.

    :raises Fault: with the end of the log
    """
    suite, packages, finish = content(release)
    excludes = "".join(f"path-exclude={pattern}\\n" for pattern in EXCLUDED)
    text = (
        f"FROM debian:{suite}\nENV DEBIAN_FRONTEND=noninteractive\n"
        f"RUN printf '{excludes}' > /etc/dpkg/dpkg.cfg.d/lean && apt-get update -qq"
        f" && apt-get install -y -qq --no-install-recommends {' '.join(packages)} && {{ {finish}; }}\n"
        f"ENV DEBIAN_FRONTEND=\n{TAIL}"
    )
    _build(release, text, log)


def _build(release: str, text: str, log: Path) -> None:
    """Run docker build on a Dockerfile without a context."""
    command = ["docker", "build", "-t", image(release), "--label", f"{LABEL}={recipe(release)}", "-"]
    with log.open("a") as stream:
        done = subprocess.run(command, input=text, text=True, stdout=stream, stderr=stream, check=False)
    if done.returncode != 0:
        raise Fault(f"images: docker build of {release} failed. The end of {log}:\n{tail(log)}")


def way() -> str:
    """Choose how to build; installs mmdebstrap where that is possible."""
    if is_root() and is_debian():
        if shutil.which("mmdebstrap") is None or not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
            apt_install("images", ["mmdebstrap", "debian-archive-keyring"])
        return "mmdebstrap"
    return "registry"


def build(releases: list[str]) -> None:
    """Build images side by side, with a line every few seconds.

    :raises Fault: one of them failed; the others are still finished
    """
    chosen = way()
    how = {
        "mmdebstrap": "mmdebstrap from this machine's Debian mirror",
        "registry": "docker build on a registry's Debian",
    }
    say("images", f"building {' and '.join(releases)} with {how[chosen]}; about a minute")
    write_if_changed(APT_CONF, "// How this machine reaches archives.\n" + machine.apt_options())
    faults: list[str] = []

    def work(release: str) -> None:
        try:
            (_mmdebstrap if chosen == "mmdebstrap" else _from_registry)(release, CACHE / f"image-{release}.log")
            say("images", f"{image(release)} is ready")
        except (Fault, OSError) as error:
            faults.append(str(error))

    threads = {release: threading.Thread(target=work, args=(release,)) for release in releases}
    for thread in threads.values():
        thread.start()
    shown = time.monotonic()
    while any(thread.is_alive() for thread in threads.values()):
        for thread in threads.values():
            thread.join(0.2)
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            for release, thread in threads.items():
                if thread.is_alive():
                    last = tail(CACHE / f"image-{release}.log", 1).strip()
                    say("images", f"{release}: {last[:100]}")
    # What the new images replaced; the engine refuses where a container still uses it.
    output(["docker", "image", "prune", "-f", "--filter", f"label={LABEL}"])
    if faults:
        hint = "\nWithout a registry: as root on Debian or Ubuntu, mmdebstrap builds the images from the archive."
        raise Fault("\n".join(faults) + (hint if chosen == "registry" else ""))


def ensure(releases: list[str], rebuild: bool = False) -> None:
    """Build what is absent or outdated."""
    wanted = releases if rebuild else stale(releases)
    if wanted:
        with lock("images"):
            wanted = releases if rebuild else stale(releases)
            if wanted:
                build(wanted)
    say("images", json.dumps({release: recipe(release) for release in releases}).strip("{}").replace('"', ""))


def main() -> None:
    """Command line."""
    main_guard()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", nargs="*", default=list(RELEASES))
    parser.add_argument("--rebuild", action="store_true", help="build even what is up to date")
    options = parser.parse_args()
    ensure(options.release, options.rebuild)


if __name__ == "__main__":
    main()
