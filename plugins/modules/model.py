#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model
short_description: Lay down model files, verified by sha256
version_added: "0.1.0"
author:
  - genai.comfyui contributors (@genai)
description:
  - Brings model files to a host, all of them in one call, from a hub's repository, an address, or a shared store.
  - Downloads, by C(huggingface_hub) or by HTTP, are resumed after a kill or a broken connection, hashed while they
    stream, and get their final name only when size and sha256 are right.
  - What was verified is remembered by inode, size and time; a second run reads no byte of any file.
  - Run as a task, it says every few seconds how far it is, and no connection has to live as long as a download.
  - Nothing is overwritten or removed that was not laid down by this module.
options:
  files:
    description: The files. Each comes from exactly one of C(repo), C(url) and C(src).
    type: list
    elements: dict
    required: true
    suboptions:
      repo:
        description: Repository at a hub, C(owner/name).
        type: str
      revision:
        description: Commit or tag of O(files[].repo). A branch moves; pin a commit.
        type: str
      path:
        description: Path in O(files[].repo).
        type: str
      url:
        description: Address to download from.
        type: str
      src:
        description: File on this host to link or copy.
        type: path
      sha256:
        description:
          - What the file's sha256 must be.
          - May be left out for O(files[].repo) only, where the hub's own word is taken.
        type: str
      size:
        description: Bytes that the file must have. Without it the free space cannot be checked before the download.
        type: int
      kind:
        description: Folder below O(dir), such as C(diffusion_models), C(text_encoders), C(vae) or C(loras).
        type: str
      name:
        description: File name; the last part of the source when not given.
        type: str
  dir:
    description: The models directory; it must exist.
    type: path
    required: true
  state:
    description:
      - V(absent) removes the files that this module laid down and nobody changed since, and what is left of their
        downloads. A changed file is read, to tell by its content.
      - V(progress) only tells how far a run is that goes on now.
    type: str
    choices: [present, absent, progress]
    default: present
  endpoints:
    description:
      - Hubs to take O(files[].repo) from; the ones after the first are mirrors.
      - When none is given, the one that the task's environment names as E(HF_ENDPOINT), else V(https://huggingface.co).
    type: list
    elements: str
    default: []
  downloader:
    description:
      - What fetches O(files[].repo). V(hub) is C(huggingface_hub) in the environment of O(hub_python), V(http) this
        module's own ranged HTTP, V(auto) the first where it is to be had and the second elsewhere.
      - Either way this module checks size and sha256, resumes what an earlier run left, and gives the final name.
      - O(files[].url) always comes by HTTP.
    type: str
    choices: [auto, hub, http]
    default: auto
  xet:
    description:
      - Whether C(huggingface_hub) may use C(hf-xet), where its environment has it and the file is kept so.
      - It fetches large pieces ahead, several at a time; a kill then costs more than one chunk. Hence not the default.
    type: bool
    default: false
  hub_python:
    description: The Python interpreter of the environment that has C(huggingface_hub), as ComfyUI's own has.
    type: path
    default: /opt/comfyui/venv/bin/python
  token:
    description: Token for the hub. It is sent to no other host, also when the hub redirects there.
    type: str
  stores:
    description: Directories with models that this host can read, such as a network share; looked into before a hub.
    type: list
    elements: path
    default: []
  link:
    description: How a file of a store comes to O(dir). V(auto) tries hard, reflink, symlink, copy, in this order.
    type: str
    choices: [auto, hard, reflink, symlink, copy]
    default: auto
  verify:
    description: V(always) reads every file again, however well it is known.
    type: str
    choices: [record, always]
    default: record
  reserve:
    description: Bytes that must stay free on each file system.
    type: int
    default: 1073741824
  parallel:
    description: How many files to fetch at a time.
    type: int
    default: 2
  offline:
    description: Whether to download nothing. What is missing then, and in no store, is an error.
    type: bool
    default: false
  timeout:
    description: Seconds of silence after which a connection counts as broken.
    type: int
    default: 30
  ca_path:
    description: Certificate authorities to trust in place of the host's own, a PEM file or a directory.
    type: path
  owner:
    description: User that owns what is laid down; the one who runs the module when not given.
    type: str
  group:
    description: Group of what is laid down.
    type: str
  mode:
    description: Mode of what is laid down.
    type: str
    default: "0644"
attributes:
  check_mode:
    description: Says what would come from where, and whether it fits; asks no hub.
    support: full
  diff_mode:
    description: The files are listed in RV(files).
    support: none
"""

EXAMPLES = r"""
- name: The text encoder is there, whole
  genai.comfyui.model:
    dir: /srv/comfyui/models
    owner: root
    files:
      - repo: Comfy-Org/Qwen-Image_ComfyUI
        revision: c232bcb51c1523899c62d6dcaa960b2627668de5
        path: split_files/text_encoders/qwen_2.5_vl_7b_fp8_scaled.safetensors
        kind: text_encoders
        size: 9384670680
        sha256: cb5636d852a0ea6a9075ab1bef496c0db7aef13c02350571e388aea959c5c0b4
"""

RETURN = r"""
files:
  description: One record a file.
  returned: always, as far as known
  type: list
  elements: dict
  contains:
    path:
      description: Its place below O(dir).
      type: str
    status:
      description: present, downloaded, linked, would_download, would_link, would_verify, removed, kept, absent, failed
        or not_begun.
      type: str
    verified:
      description: By the record, by a read, or streamed while it came.
      type: str
    sha256:
      description: Its sha256.
      type: str
    bytes:
      description: Its size.
      type: int
    fetched:
      description: Bytes that came over the network in this run.
      type: int
    link:
      description: How it came from a store.
      type: str
    downloader:
      description: What fetched it, V(hub), V(xet) or V(http).
      type: str
downloader:
  description:
    - What fetches files of a repository, as C(name), C(why), and for V(hub) the library's C(version).
    - Also the version of C(xet), if that may be used.
  returned: with O(state=present), outside check mode
  type: dict
  sample: {name: hub, why: its environment has it, version: 2.4.0, xet: null}
progress:
  description: By path, bytes C(done) and C(total), and what the rate is to be reckoned from.
  returned: with O(state=progress)
  type: dict
"""

import grp
import os
import pwd
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils._model_run import (
    Meter,
    ModelsFailed,
    Settings,
    carry_out,
    choose,
    read_progress,
    remove,
)
from ansible_collections.genai.comfyui.plugins.module_utils._models import (
    ModelError,
    Record,
    Step,
    address,
    check_authorities,
    check_space,
    look,
    parse_all,
)


def owner_of(user: str | None, group: str | None) -> tuple[int, int] | None:
    """Return the ids, -1 for one that stays. Raises ModelError for an unknown name."""
    if user is None and group is None:
        return None
    try:
        ids = pwd.getpwnam(user).pw_uid if user else -1
        return ids, grp.getgrnam(group).gr_gid if group else -1
    except KeyError as error:
        raise ModelError(f"owner or group: {error.args[0]!s}") from None


def planned(step: Step) -> dict[str, Any]:
    """Return the record of a step that is not taken, in check mode."""
    status = "present" if step.action == "none" else f"would_{step.action}"
    source = step.store or step.model.src or address(step.model.addresses([""])[0])
    return {"path": step.model.path, "status": status, "bytes": step.model.size, "source": source}


def main() -> None:
    """Module entry point."""
    one = {
        "repo": {"type": "str"},
        "revision": {"type": "str"},
        "path": {"type": "str"},
        "url": {"type": "str"},
        "src": {"type": "path"},
        "sha256": {"type": "str"},
        "size": {"type": "int"},
        "kind": {"type": "str"},
        "name": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": one},
            "dir": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "progress"], "default": "present"},
            "endpoints": {"type": "list", "elements": "str", "default": []},
            "downloader": {"type": "str", "choices": ["auto", "hub", "http"], "default": "auto"},
            "xet": {"type": "bool", "default": False},
            "hub_python": {"type": "path", "default": "/opt/comfyui/venv/bin/python"},
            "token": {"type": "str", "no_log": True},
            "stores": {"type": "list", "elements": "path", "default": []},
            "link": {"type": "str", "choices": ["auto", "hard", "reflink", "symlink", "copy"], "default": "auto"},
            "verify": {"type": "str", "choices": ["record", "always"], "default": "record"},
            "reserve": {"type": "int", "default": 1 << 30},
            "parallel": {"type": "int", "default": 2},
            "offline": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 30},
            "ca_path": {"type": "path"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "mode": {"type": "str", "default": "0644"},
        },
        supports_check_mode=True,
    )
    params = module.params
    endpoints = params["endpoints"] or [os.environ.get("HF_ENDPOINT") or "https://huggingface.co"]
    results: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    if params["state"] == "progress":
        module.exit_json(changed=False, files=[], progress=read_progress(params["dir"]))
    try:
        models = parse_all(params["files"])
        check_authorities(params["ca_path"])
        if not os.path.isdir(params["dir"]):
            if not module.check_mode:
                raise ModelError(f"dir {params['dir']} does not exist; create it, or mount it")
            module.exit_json(
                changed=bool(models), files=[{"path": one.path, "status": "would_download"} for one in models]
            )
        record = Record.read(params["dir"])
        if params["state"] == "absent":
            results = remove([one.path for one in models], record, module.check_mode)
            module.exit_json(changed=any(one["status"] == "removed" for one in results), files=results)
        steps = [look(one, record, params["stores"], params["verify"] == "always") for one in models]
        check_space(steps, params["dir"], params["link"], params["reserve"])
        if module.check_mode:
            changed = any(step.action in ("download", "link") for step in steps)
            module.exit_json(changed=changed, files=[planned(step) for step in steps])
        try:
            mode = int(params["mode"], 8)
        except ValueError:
            raise ModelError(f"mode {params['mode']!r} is not octal, such as 0644") from None
        library, said = choose(params["downloader"], params["hub_python"], steps, params["xet"])
        more["downloader"] = said
        settings = Settings(
            library=library,
            endpoints=endpoints,
            token=params["token"],
            link=params["link"],
            offline=params["offline"],
            parallel=params["parallel"],
            timeout=params["timeout"],
            ca_path=params["ca_path"],
            mode=mode,
            owner=owner_of(params["owner"], params["group"]),
        )
        results = carry_out(steps, record, settings, Meter(params["dir"]))
    except ModelsFailed as error:
        changed = any(one.get("status") in ("downloaded", "linked") for one in error.results)
        module.fail_json(msg=str(error), files=error.results, changed=changed, **more)
    except (ModelError, OSError) as error:
        module.fail_json(msg=str(error), files=results, **more)
    changed = any(one["status"] in ("downloaded", "linked") for one in results)
    module.exit_json(changed=changed, files=results, **more)


if __name__ == "__main__":
    main()
