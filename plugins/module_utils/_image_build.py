# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images on a host's engine: which there are, how one is built, what is pruned. Calls the ``docker`` command.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _image_context as context
from ansible_collections.genai.comfyui.plugins.module_utils._mask import masked

INPUTS = "genai.comfyui.inputs"
BASE = "genai.comfyui.base"
Run = Callable[[Sequence[str], Mapping[str, str]], "tuple[int, str, str]"]
"""(argv, environment) -> (status, output, errors)"""
ASK = 60
"""Seconds for a question to the engine."""
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}\Z")
_ID = re.compile(r"(sha256:)?[0-9a-f]{12,64}\Z")
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_USERINFO = re.compile(r"(://)[^/\s@]+@")
_SHOWN = 15
_STEP = re.compile(r"^------\n > .*\n((?:(?!------$).*\n)*)------$", re.MULTILINE)
UNTOUCHED = "The former image and what runs stay as they are."


class ImageError(Exception):
    """No image came out of it; the message says why and what helps."""


@dataclass(frozen=True)
class Image:
    """One image that a tag of ours names."""

    tag: str
    id: str
    inputs: str
    tagged: str
    """When the tag was set, as the engine spells it: later is greater."""


@dataclass
class Engine:
    """The engine that the ``docker`` command talks to.

    :param timeout: seconds that a build or a pull may take
    """

    run: Run
    timeout: int = 3600
    versions: dict[str, str] = field(default_factory=dict)

    def ask(self, *words: str, seconds: int = ASK, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run ``docker`` with these words; return status and what it said, both streams."""
        # Not every run_command knows time limits, and a killed client ends the build as well.
        limit = ["timeout", "-k", "10", str(seconds)]
        status, out, err = self.run([*limit, "docker", *words], environment or {})
        return status, out if status == 0 else f"{out}\n{err}".strip()

    def look(self) -> None:
        """Learn the versions of engine and builder.

        :raises ImageError: no engine answers
        """
        status, said = self.ask("version", "--format", "{{.Server.Version}}")
        if status == 127:
            raise ImageError("there is no docker command; install docker.io, docker-cli and docker-buildx or the like")
        if status != 0:
            raise ImageError(
                f"the container engine does not answer ({last(said, 1)}); start it (systemctl start docker) and repeat"
            )
        self.versions = {"engine": said.strip(), "builder": "classic"}
        status, said = self.ask("buildx", "version")
        found = re.search(r"\d+\.\d+\S*", said) if status == 0 else None
        if found:
            self.versions["builder"] = f"buildx {found[0]}"

    @property
    def buildx(self) -> bool:
        """Whether builds go through BuildKit."""
        return self.versions.get("builder", "").startswith("buildx")

    def inspect(self, name: str) -> dict[str, Any] | None:
        """Return what the engine knows of an image; None where it is absent."""
        status, said = self.ask("image", "inspect", name)
        found = json.loads(said) if status == 0 else []
        return found[0] if found else None

    def images(self, name: str) -> list[Image]:
        """Return the images of a repository that this module built, the newest first."""
        status, said = self.ask(
            "image", "ls", "--filter", f"label={INPUTS}", "--format", "{{.Repository}}:{{.Tag}}", name
        )
        tags = [tag for tag in said.split() if not tag.endswith("<none>")] if status == 0 else []
        found = []
        for tag in tags:
            known = self.inspect(tag)
            if known is not None:
                labels = known["Config"].get("Labels") or {}
                tagged = known.get("Metadata", {}).get("LastTagTime", "")
                found.append(Image(tag, known["Id"], labels.get(INPUTS, ""), tagged))
        return sorted(found, key=lambda one: one.tagged, reverse=True)

    def used(self) -> set[str]:
        """Return the ids of the images that containers were made of, running or not."""
        status, said = self.ask("ps", "--all", "--quiet", "--no-trunc")
        if status != 0 or not said.split():
            return set()
        status, said = self.ask("inspect", "--format", "{{.Image}}", *said.split())
        return set(said.split())

    def pull(self, base: str) -> None:
        """Fetch a base image by its digest.

        :raises ImageError: it cannot be had
        """
        status, said = self.ask("pull", "--quiet", base, seconds=self.timeout)
        if status != 0:
            raise self.fault(
                status, said, f"the base image {base} is not on this host and cannot be pulled",
                "let the host reach the registry, or bring the image there with docker load or docker import",
            )  # fmt: skip

    def build(self, tar: str, tag: str, labels: Mapping[str, str], build_args: Mapping[str, str]) -> None:
        """Build a packed context.

        :raises ImageError: it failed, with the end of what the builder said
        """
        words = ["build", "--tag", tag]
        environment = {"DOCKER_BUILDKIT": "0", "LC_ALL": "C"}
        if self.buildx:
            words += ["--progress", "plain", "--load", "--provenance", "false"]
            build_args = {**build_args, "SOURCE_DATE_EPOCH": str(context.EPOCH)}
            environment["DOCKER_BUILDKIT"] = "1"
        else:
            words.append("--force-rm")
        words += [word for pair in sorted(labels.items()) for word in ("--label", "=".join(pair))]
        words += [word for pair in sorted(build_args.items()) for word in ("--build-arg", "=".join(pair))]
        # The words after the script are its arguments: no name of a file is read by a shell.
        limit = ["timeout", "-k", "10", str(self.timeout)]
        argv = ["sh", "-c", 'tar=$1; shift; exec "$@" < "$tar"', "build", tar, *limit, "docker", *words, "-"]
        status, out, err = self.run(argv, environment)
        if status != 0:
            mend = "mend what it names (packages, requirements, the base image) and repeat"
            raise self.fault(status, f"{out}\n{err}", f"the image {tag} was not built", mend)

    def fault(self, status: int, said: str, what: str, mend: str) -> ImageError:
        """Return the error for a failed pull or build: a full disk and a time limit have words of their own."""
        if status in (124, 137):
            what += f": not done within {self.timeout} s"
            mend = "give it more time (timeout), or see why the host or its network is slow"
        full = _FULL.search(said)
        if full:
            what += f": {self.room()}"
            mend = "free room there (docker image prune, docker builder prune) and repeat"
        return ImageError(f"{what}. The end of what it said:\n{last(said)}\n{mend[0].upper()}{mend[1:]}. {UNTOUCHED}")

    def room(self) -> str:
        """Say how full the engine's file system is."""
        status, said = self.ask("info", "--format", "{{.DockerRootDir}}")
        root = said.strip() if status == 0 else "/var/lib/docker"
        try:
            free = os.statvfs(root)
        except OSError:
            return f"no space is left for {root}"
        mount = root
        while not os.path.ismount(mount):
            mount = os.path.dirname(mount)
        left, whole = (size * free.f_frsize // 2**20 for size in (free.f_bavail, free.f_blocks))
        return f"no space is left; {root} is on the file system at {mount}, where {left} of {whole} MiB are free"

    def remove(self, tag: str) -> bool:
        """Remove an image by its tag; whether it is gone."""
        return self.ask("rmi", tag)[0] == 0


def base_fault(base: str) -> ImageError:
    """Return the error for a base image that is absent and must not be pulled as it is named."""
    if _ID.match(base):
        return ImageError(
            f"the base image {base} is not on this host; bring it there with docker load or docker import"
        )
    return ImageError(
        f"the base image {base} is not on this host, and a tag may name another image tomorrow, so it is not pulled. "
        f"Pin it: 'docker pull {base} && docker image inspect --format \"{{{{index .RepoDigests 0}}}}\" {base}' prints "
        "the name with the digest. Or bring the image there with docker load or docker import"
    )


def pinned(base: str) -> bool:
    """Tell whether a name says by itself which image it means, so that it may be pulled."""
    return bool(_DIGEST.search(base))


def is_id(base: str) -> bool:
    """Tell whether a base image is given by its id, which not every builder understands."""
    return bool(_ID.match(base))


def last(said: str, lines: int = _SHOWN) -> str:
    """Return the last lines that say something, without tokens and without passwords in addresses.

    Of BuildKit's words those of the step that failed; what comes after them repeats the Dockerfile.
    """
    steps = [step for step in _STEP.findall(said) if step.strip()]
    said = steps[-1] if steps else said
    kept = [line.rstrip() for line in said.splitlines() if line.strip()][-lines:]
    return masked(_USERINFO.sub(r"\1<masked>@", "\n".join(kept)), ())


def prunable(found: Sequence[Image], current: str, keep: int, used: set[str]) -> list[Image]:
    """Return the images to remove: neither the current one, nor the newest others, nor what a container is made of.

    :param found: the newest first
    :param current: tag of the image that is wanted now
    :param keep: how many others stay
    """
    now = {one.id for one in found if one.tag == current}
    others = [one for one in found if one.tag != current]
    return [one for one in others[keep:] if one.id not in used and one.id not in now]
