#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let Docker use GPUs, and keep all else that its daemon.json says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_config
short_description: Let Docker use GPUs, and keep all else that its daemon.json says
version_added: "0.1.0"
author: ["genai.comfyui contributors (@genai)"]
description:
  - Puts the runtime C(nvidia), C(features.cdi) and, only when asked, C(default-runtime) into C(daemon.json).
  - All other keys stay, in their order. A file that says already what is wanted is not touched, whatever its spelling.
  - C(features.cdi) that says V(false) was decided by somebody and stays; RV(refused) tells so.
  - An empty file is fine. One that is no valid JSON, or has a key twice, is refused with its line and stays as it is.
  - Restarts nothing.
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows the file before and after.
  platform:
    platforms: posix
    support: full
    description: Needs a POSIX system.
options:
  path:
    description: The file. Made when it is not there; a symbolic link is followed.
    type: path
    default: /etc/docker/daemon.json
  state:
    description: V(absent) takes out the keys that this module put in, and brings back what it replaced.
    type: str
    choices: [present, absent]
    default: present
  runtime:
    description: Whether the runtime C(nvidia) is wanted.
    type: bool
    default: true
  default_runtime:
    description: Whether it is to be the default for all containers.
    type: bool
    default: false
  cdi:
    description: Whether C(features.cdi) is wanted; Docker 25 to 28.1 need it, newer ones do not mind. A V(false) stays.
    type: bool
    default: false
  record:
    description: File that remembers which keys came by this module.
    type: path
    default: /var/lib/genai-comfyui/nvidia-engine.json
  validate:
    description: Ask C(dockerd --validate) about the new file where that option exists.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Let Docker use GPUs
  genai.comfyui.engine_config:
    cdi: true
  register: engine

- name: Take our keys out again
  genai.comfyui.engine_config:
    state: absent
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
added:
  description: Paths of the keys that came by this module, joined by dots.
  returned: always
  type: list
  elements: str
refused:
  description: Keys that were wanted and stay as they are, because the file says the opposite in so many words.
  returned: always
  type: list
  elements: str
"""

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _daemon_json as engine


def read(path: str) -> str:
    """Return a file's text; empty where there is none. Raises ConfigError for what is no text."""
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise engine.ConfigError("it is no UTF-8 text") from None


def remembered(path: str) -> dict[str, Any]:
    """Return the record of an earlier run; empty without one. Raises ConfigError."""
    text = read(path)
    try:
        record = json.loads(text) if text else {}
    except ValueError:
        raise engine.ConfigError(f"the record {path} is damaged; restore it") from None
    return record if isinstance(record, dict) else {}


def write(path: str, text: str, mode: int | None = None) -> None:
    """Replace a file by rename, with the mode and owner of the old one."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.genai-new"
    with open(temporary, "w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        try:
            old = os.stat(path)
            os.fchmod(stream.fileno(), old.st_mode & 0o7777)
            os.fchown(stream.fileno(), old.st_uid, old.st_gid)
        except FileNotFoundError:
            os.fchmod(stream.fileno(), mode or 0o644)
        os.fsync(stream.fileno())
    os.rename(temporary, path)


def validate(module: AnsibleModule, text: str) -> None:
    """Let Docker judge the new text, if it can. Raises ConfigError."""
    dockerd = module.get_bin_path("dockerd")
    if not dockerd or not module.params["validate"]:
        return
    place = os.path.join(module.tmpdir, "daemon.json")
    with open(place, "w", encoding="utf-8") as stream:
        stream.write(text)
    status, out, err = module.run_command([dockerd, "--validate", "--config-file", place])
    if status != 0 and "unknown flag" not in err:
        raise engine.ConfigError(f"Docker refuses the new content: {(err or out).strip()[-300:]}")


def refused(module: AnsibleModule, before: str) -> list[str]:
    """Return the wanted keys to which the file says no. Raises ConfigError."""
    if module.params["state"] != "present" or not module.params["cdi"]:
        return []
    return ["features.cdi"] if engine.says_no_cdi(engine.parse(before)) else []


def present(module: AnsibleModule, path: str, before: str) -> tuple[str, dict[str, Any]]:
    """Put the keys in; return the new text and the record. Raises ConfigError."""
    params = module.params
    record = remembered(params["record"])
    document = engine.parse(before)
    wanted = engine.wanted_keys(
        params["runtime"], params["default_runtime"], params["cdi"] and not engine.says_no_cdi(document)
    )
    after, new = engine.put_in(document, wanted, record)
    new.setdefault("created", not os.path.exists(path))
    text = before if after == document else engine.spell(after, before)
    if module.check_mode:
        return text, new
    if text != before:
        validate(module, text)
    # The record first: after a crash in between it names keys that are not there, which does no harm.
    if new != record and (new["added"] or new["replaced"] or record):
        write(params["record"], json.dumps(new, indent=2, sort_keys=True) + "\n")
    if text != before:
        write(path, text)
    return text, new


def absent(module: AnsibleModule, path: str, before: str) -> str:
    """Take our keys out; return the new text. Raises ConfigError."""
    record = remembered(module.params["record"])
    if not record:
        return before
    document = engine.parse(before)
    after = engine.take_out(document, record)
    text = before if after == document else engine.spell(after, before)
    if after == {} and record.get("created"):
        text = ""
    if not module.check_mode:
        if text == "" and before:
            os.unlink(path)
        elif text != before:
            validate(module, text)
            write(path, text)
        os.unlink(module.params["record"])
    return text


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "runtime": {"type": "bool", "default": True},
            "default_runtime": {"type": "bool", "default": False},
            "cdi": {"type": "bool", "default": False},
            "record": {"type": "path", "default": "/var/lib/genai-comfyui/nvidia-engine.json"},
            "validate": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    path = os.path.realpath(params["path"])
    try:
        before = read(path)
        record: dict[str, Any] = {}
        no = refused(module, before)
        if params["state"] == "present":
            after, record = present(module, path, before)
        else:
            after = absent(module, path, before)
    except engine.ConfigError as error:
        module.fail_json(msg=f"{path}: {error}. Nothing was changed.", path=path, added=[], refused=[])
    except OSError as error:
        module.fail_json(msg=f"{error.filename or path}: {error.strerror}", path=path, added=[], refused=[])
    ours = [".".join(one) for one in record.get("added", [])]
    result: dict[str, Any] = {"changed": after != before, "path": path, "added": ours, "refused": no}
    if after != before:
        result["diff"] = {"before_header": path, "after_header": path, "before": before, "after": after}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
