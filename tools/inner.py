# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the base image that engines inside local hosts build on: Debian and Python as a tar, for ``docker import``.

No registry is asked. Root on Debian makes it with mmdebstrap, others export it from a registry's image.
Standard library only. Run as ``python -m tools.inner`` from the repository's root.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tools import images, machine
from tools._common import CACHE, Fault, lock, main_guard, output, say, tail, write_if_changed

WHERE = CACHE / "inner"
SEEN_AT = "/srv/images"
TAR = "python.tar"
SUITE = "trixie"
PACKAGES = ("python3", "python3-venv", "ca-certificates", "curl")
# One moment for all files, so that two machines with the same packages make the same tar.
EPOCH = "1767225600"
PIP_LOCAL = frozenset({"find-links", "extra-index-url", "index-url"})


def settings() -> dict[str, str]:
    """Return this machine's pip settings without what lies in directories that a container does not see."""
    found = {}
    for key, value in machine.pip_settings().items():
        words = [word for word in value.split() if key not in PIP_LOCAL or ("://" in word and "file:" not in word)]
        if words:
            found[key] = " ".join(words)
    return found


def recipe() -> str:
    """Return the hash of all that decides the image's content."""
    bundle = machine.CA_BUNDLE.read_text() if machine.CA_BUNDLE.exists() else ""
    parts = [SUITE, *PACKAGES, EPOCH, *images.EXCLUDED, *images.sources(SUITE), machine.pip_conf(settings()), bundle]
    return hashlib.sha256("\0".join([*parts, machine.apt_options()]).encode()).hexdigest()[:16]


def _mmdebstrap(target: Path, log: Path) -> None:
    """Write the tar from the archive.

    :raises Fault: with the end of the log
    """
    write_if_changed(images.APT_CONF, "// How this machine reaches archives.\n" + machine.apt_options())
    command = [
        "mmdebstrap", "--variant=minbase", "--format=tar", f"--include={','.join(PACKAGES)}",
        '--aptopt=Apt::Install-Recommends "false"', f"--aptopt={images.APT_CONF}",
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in images.EXCLUDED),
        f"--customize-hook=upload {WHERE / 'pip.conf'} /etc/pip.conf",
        *([f"--customize-hook=upload {machine.CA_BUNDLE} {machine.CA_BUNDLE}"] if machine.CA_BUNDLE.exists() else []),
        SUITE, str(target), *images.sources(SUITE),
    ]  # fmt: skip
    with log.open("w") as stream:
        environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=environment, check=False
        )
    if done.returncode != 0:
        raise Fault(f"inner: mmdebstrap could not make the base image. The end of {log}:\n{tail(log)}")


def _from_registry(target: Path, log: Path) -> None:
    """Write the tar from a registry's Debian.

    :raises Fault: with the end of the log
    """
    name = "genai-comfyui/inner"
    text = f"FROM debian:{SUITE}\nRUN apt-get update -qq && apt-get install -y -qq {' '.join(PACKAGES)}\n"
    with log.open("w") as stream:
        done = subprocess.run(
            ["docker", "build", "-t", name, "-"], input=text, text=True, stdout=stream, stderr=stream, check=False
        )
    if done.returncode != 0:
        raise Fault(f"inner: docker build of the base image failed. The end of {log}:\n{tail(log)}")
    box = output(["docker", "create", name]).stdout.strip()
    exported = output(["docker", "export", "-o", str(target), box], timeout=300)
    output(["docker", "rm", "-f", box])
    output(["docker", "rmi", name])
    if exported.returncode != 0:
        raise Fault(f"inner: docker export failed: {exported.stderr.strip()}")


def ensure() -> Path:
    """Make the tar where it is absent or made by another recipe; return its directory.

    :raises Fault: it could not be made
    """
    with lock("inner"):
        mark = WHERE / "recipe"
        if (WHERE / TAR).exists() and mark.exists() and mark.read_text() == recipe():
            return WHERE
        WHERE.mkdir(parents=True, exist_ok=True)
        way = images.way()
        say("inner", f"making the base image of the engines inside ({way}); about half a minute")
        conf = machine.pip_conf(settings())
        # An index URL may carry a password.
        write_if_changed(WHERE / "pip.conf", conf, 0o600 if "@" in conf else 0o644)
        part = WHERE / f"part-{TAR}"
        (_mmdebstrap if way == "mmdebstrap" else _from_registry)(part, CACHE / "image-inner.log")
        # In place: running hosts hold the directory, not the file.
        part.replace(WHERE / TAR)
        write_if_changed(mark, recipe())
    return WHERE


def main() -> None:
    """Command line."""
    main_guard()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rebuild", action="store_true", help="make it even where it is up to date")
    if parser.parse_args().rebuild:
        shutil.rmtree(WHERE, ignore_errors=True)
    say("inner", f"{ensure() / TAR}: {recipe()}")


if __name__ == "__main__":
    main()
