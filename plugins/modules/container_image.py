#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container image, built on the host from a directory, and only when something of it changed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_image
short_description: One container image, built on the host, and only when something of it changed
version_added: "0.1.0"
author: ["genai.comfyui contributors (@genai)"]
description:
  - Builds a directory with a C(Dockerfile) with the host's Docker engine and names the image by the hash of all that
    went into it. As long as an image of that name and hash is there, nothing is built.
  - The hash counts the context's files (names, contents, executable bits), the id of the base image, labels, build
    arguments and O(inputs). Folders C(.git) and C(__pycache__) neither count nor reach the builder.
    Files reach it with one fixed modification time, so layers that only copy files come out the same everywhere.
  - The C(Dockerfile) gets the base image as build argument E(BASE); begin it with C(ARG BASE) and C(FROM ${BASE}).
  - The same inputs give the same layers as far as the C(Dockerfile) lets them. What C(COPY) brings is the same to the
    byte, but for folders that it makes or adds to, which get the time of the build; copy whole trees from a first stage
    (C(COPY --from=files /tree/ /)), whose folders have been set back.
    What C(RUN) writes carries the time of the build, unless the command sets the times of its files back, as in
    C(find / -xdev -newermt @1767225600 -exec touch -h -d @1767225600 {} +), and leaves no bytecode that holds times
    (E(PYTHONDONTWRITEBYTECODE), C(pip install --no-compile), then
    C(python -m compileall --invalidation-mode unchecked-hash)). With that BuildKit gives the same image id, too; the
    classic builder writes the time of the build into the image's settings, and only the layers are the same.
  - Whatever fails, the former images and all containers stay as they are.
attributes:
  check_mode:
    support: full
    description: Says whether it would build, and why. A base image that would have to be pulled is not.
  diff_mode:
    support: full
    description: Shows the names of the images before and after.
  platform:
    platforms: linux
    support: full
    description: Needs the C(docker) command and an engine that answers it; C(docker buildx) where it is there.
options:
  name:
    description: Name of the image, without a tag.
    type: str
    required: true
  context:
    description: Directory with the C(Dockerfile) and all that it copies.
    type: path
    required: true
  base:
    description:
      - The base image. With a digest (C(name@sha256:...)) it is pulled where it is absent.
      - A tag or an id must be on the host already, such as one that came by C(docker load) or C(docker import).
    type: str
    required: true
  labels:
    description: Labels of the image. C(genai.comfyui.inputs) and C(genai.comfyui.base) are set by this module.
    type: dict
    default: {}
  build_args:
    description: Build arguments. Who has the image can read them, so values that look like a secret are refused.
    type: dict
    default: {}
  inputs:
    description: More text that counts into the hash.
    type: str
    default: ""
  keep:
    description: How many former images stay when others are pruned.
    type: int
    default: 1
  prune:
    description:
      - Whether to remove older images of this name.
      - One that a container is made of, running or not, always stays.
    type: bool
    default: false
  timeout:
    description: Seconds that a pull, or a build, may take.
    type: int
    default: 3600
"""

EXAMPLES = r"""
- name: Build ComfyUI's image
  genai.comfyui.container_image:
    name: genai-comfyui
    context: /opt/comfyui/image
    base: python@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    labels:
      org.opencontainers.image.revision: 0c1d2e4b0c1d2e4b0c1d2e4b0c1d2e4b0c1d2e4b
  register: image

- name: Remove all but the current image and one former
  genai.comfyui.container_image:
    name: genai-comfyui
    context: /opt/comfyui/image
    base: local/debian-python:13
    prune: true
"""

RETURN = r"""
image:
  description: Name and tag. Empty in check mode where the context or the base image is not there yet.
  returned: success
  type: str
id:
  description: The image's id; empty where check mode has not built it.
  returned: success
  type: str
inputs:
  description: Hash of all that decides the image, 64 hex digits; empty where RV(image) is.
  returned: success
  type: str
built:
  description: Whether an image was built, or would be in check mode.
  returned: success
  type: bool
reason:
  description: Why an image was or would be built; empty otherwise.
  returned: success
  type: str
pruned:
  description: Names of the images that were removed, or would be in check mode.
  returned: success
  type: list
  elements: str
former:
  description: Names of the other images of this name that stay, the newest first.
  returned: success
  type: list
  elements: str
versions:
  description: Versions of C(engine) and C(builder).
  returned: success
  type: dict
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _image_build as build
from ansible_collections.genai.comfyui.plugins.module_utils import _image_context as context


def base_of(engine: build.Engine, module: AnsibleModule) -> str:
    """Return the base image's id, pulling it where that is allowed; empty where check mode may not.

    :raises ImageError: it is not to be had
    """
    base = module.params["base"]
    known = engine.inspect(base)
    if known is None and not build.pinned(base):
        raise build.base_fault(base)
    if known is None and module.check_mode:
        return ""
    if known is None:
        engine.pull(base)
        known = engine.inspect(base)
    if known is None:
        raise build.ImageError(f"the base image {base} was pulled, and still the engine does not know it")
    return str(known["Id"])


def make(
    engine: build.Engine, module: AnsibleModule, files: list[context.Entry], base: str, tag: str, all_of: str
) -> str:
    """Build the image; return its id. Raises ImageError, OSError."""
    params = module.params
    labels = {**params["labels"], build.INPUTS: all_of, build.BASE: base}
    name = params["base"]
    if build.is_id(name):
        # BuildKit takes an id for the name of an image at a registry.
        name = f"{params['name']}-base:{base.split(':')[-1][:16]}"
        engine.ask("tag", base, name)
    tar = os.path.join(module.tmpdir, "context.tar")
    context.pack(params["context"], files, tar)
    engine.build(tar, tag, labels, {**params["build_args"], "BASE": name})
    known = engine.inspect(tag)
    if known is None:
        raise build.ImageError(f"the engine built {tag}, and does not know it now; is another program pruning images?")
    return str(known["Id"])


def ensure(module: AnsibleModule) -> dict[str, Any]:
    """Bring the image about; return the result. Raises ImageError, ContextError, OSError."""
    params = module.params
    for option in ("labels", "build_args"):
        params[option] = {str(name): str(value) for name, value in params[option].items()}
        context.refuse_secrets(option, params[option])
    engine = build.Engine(runner(module), params["timeout"])
    engine.look()
    result: dict[str, Any] = {"image": "", "id": "", "inputs": "", "pruned": [], "versions": engine.versions}
    before = engine.images(params["name"])
    result["former"] = [one.tag for one in before]
    if module.check_mode and not os.path.isdir(params["context"]):
        return {**result, "built": True, "reason": f"{params['context']} is not there yet"}
    files = context.entries(params["context"])
    base = base_of(engine, module)
    if not base:
        return {**result, "built": True, "reason": f"the base image {params['base']} has to be pulled"}
    all_of = context.inputs(files, base, params["labels"], params["build_args"], params["inputs"])
    tag = f"{params['name']}:{all_of[:16]}"
    found = next((one for one in before if one.tag == tag and one.inputs == all_of), None)
    result.update(image=tag, inputs=all_of, built=found is None, id=found.id if found else "", reason="")
    if found is None:
        result["reason"] = "its inputs changed" if before else "there is no image of this name yet"
        if not module.check_mode:
            result["id"] = make(engine, module, files, base, tag, all_of)
    old = build.prunable(before, tag, params["keep"], engine.used()) if params["prune"] else []
    for one in old:
        if module.check_mode or engine.remove(one.tag):
            result["pruned"].append(one.tag)
    result["former"] = [one.tag for one in before if one.tag != tag and one.tag not in result["pruned"]]
    return result


def runner(module: AnsibleModule) -> build.Run:
    """Return the way to run a command on this host; what is given as environment comes on top of the host's own."""

    def run(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
        status, out, err = module.run_command(list(argv), environ_update=dict(environment))
        return status, out, err

    return run


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "context": {"type": "path", "required": True},
            "base": {"type": "str", "required": True},
            "labels": {"type": "dict", "default": {}},
            "build_args": {"type": "dict", "default": {}},
            "inputs": {"type": "str", "default": ""},
            "keep": {"type": "int", "default": 1},
            "prune": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    try:
        result = ensure(module)
    except (build.ImageError, context.ContextError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or module.params['context']}: {error.strerror}. {build.UNTOUCHED}")
    changed = bool(result["built"] or result["pruned"])
    if changed:
        gone = set(result["pruned"])
        after = sorted({*result["former"], *([result["image"]] if result["image"] else [])} - gone)
        result["diff"] = {
            "before": "".join(f"{tag}\n" for tag in sorted({*result["former"], *gone})),
            "after": "".join(f"{tag}\n" for tag in after),
        }
    module.exit_json(changed=changed, **result)


if __name__ == "__main__":
    main()
