# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the containers that stand for hosts: which are absent or outdated, and what they inherit from this machine.

Called by tests/hosts/create.yml; asking the engine once for all hosts keeps a second run fast.
Standard library only. Run as ``python -m tools.hosts '{"project": ..., "hosts": {name: image}}'`` from the root.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from typing import Any

from tools import engine, images, inner, machine, repos
from tools._common import ROOT, Fault, main_guard, output

PROJECT_LABEL = "genai.comfyui.project"
SPEC_LABEL = "genai.comfyui.spec"


def existing(project: str) -> dict[str, tuple[str, bool]]:
    """Return the specification hash of each container of a project and whether it runs, by container name.

    :raises Fault: the engine did not answer
    """
    form = '{{.Names}} {{.Label "' + SPEC_LABEL + '"}} {{.State}}'
    done = output(["docker", "ps", "--all", "--filter", f"label={PROJECT_LABEL}={project}", "--format", form])
    if done.returncode != 0:
        raise Fault(f"hosts: the container engine does not answer; run 'make engine' ({done.stderr.strip()}).")
    lines = [line.split() for line in done.stdout.splitlines()]
    return {words[0]: (words[1], words[2] == "running") for words in lines if len(words) == 3}


def image_ids(images: set[str]) -> dict[str, str]:
    """Return the id of each image.

    :raises Fault: an image is absent
    """
    names = sorted(images)
    done = output(["docker", "image", "inspect", "--format", "{{.Id}}", *names])
    if done.returncode != 0:
        raise Fault(
            f"hosts: {done.stderr.strip()}; 'make images' builds genai-comfyui/bookworm and genai-comfyui/trixie."
        )
    return dict(zip(names, done.stdout.split()))


# The engine makes networks, and enters containers of other users, as health checks do.
ENGINE_CAPABILITIES = ("NET_ADMIN", "SYS_PTRACE")


def engine_volumes(image: str) -> list[str]:
    """Return what a host with an engine inside needs: overlays do not lie on overlays, and no registry is asked.

    The volume has no name, so that it goes with its container. The base image for the host's own builds is made first.
    """
    if not images.has_engine(image):
        return []
    return ["/var/lib/docker", f"{inner.ensure()}:{inner.SEEN_AT}:ro"]


def plan(project: str, hosts: dict[str, str]) -> dict[str, Any]:
    """Compare what should run with what runs.

    :param project: prefix of the containers' names, and the name of their network
    :param hosts: image name by inventory host name
    :returns: network; endpoint of the engine; volumes; specs: what all of them should be, by host name; create:
        hosts to start, as records of name, hostname, image, spec, volumes of its own, capabilities, and fresh, which is
        false for one that was only stopped and keeps its files
    """
    # So that a scenario run on its own, without "make", installs what stands in the tree now.
    repos.ensure(quiet=True)
    # Few hosts have an engine inside, so what they need is made when the first of them is asked for.
    wanted = [name for name in images.ENGINES if images.image(name) in hosts.values()]
    if wanted:
        images.ensure(wanted)
    own = {image: engine_volumes(image) for image in set(hosts.values())}
    ids = image_ids(set(hosts.values()))
    volumes = machine.host_volumes(repos.GIT)
    mounted = [machine.identity(directory) for directory in (repos.GIT, machine.HOST_FILES)]
    recipe = (ROOT / "tests" / "hosts" / "create.yml").read_text()
    have = existing(project)
    create, specs = [], {}
    for hostname, image in sorted(hosts.items()):
        more = [*own[image], *ENGINE_CAPABILITIES] if own[image] else []
        parts = json.dumps([ids[image], hostname, project, volumes + more, mounted, recipe])
        spec = hashlib.sha256(parts.encode()).hexdigest()[:16]
        specs[hostname] = spec
        name = f"{project}-{hostname}"
        found, runs = have.get(name, ("", False))
        if found != spec or not runs:
            record = {"name": name, "hostname": hostname, "image": image, "spec": spec, "volumes": own[image]}
            record["capabilities"] = ["SYS_ADMIN", *(ENGINE_CAPABILITIES if own[image] else ())]
            create.append({**record, "fresh": found != spec})
    return {"network": project, "endpoint": engine.endpoint(), "volumes": volumes, "create": create, "specs": specs}


def main() -> None:
    """Command line: one JSON argument in, one JSON document out."""
    main_guard()
    if len(sys.argv) != 2 or not sys.argv[1].startswith("{"):
        raise Fault(str(__doc__))
    wanted = json.loads(sys.argv[1])
    with contextlib.redirect_stdout(sys.stderr):
        planned = plan(wanted["project"], wanted["hosts"])
    print(json.dumps(planned))


if __name__ == "__main__":
    main()
