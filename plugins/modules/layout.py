#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay down many directories, files and links in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: layout
short_description: Lay down many directories, files and links in one call
version_added: "0.1.0"
author: ["genai.comfyui contributors (@genai)"]
description:
  - Brings a list of paths into the wanted state in one round trip, where a loop over M(ansible.builtin.file),
    M(ansible.builtin.copy) and M(ansible.builtin.template) takes one round trip a path.
  - All entries are looked at, and all new contents are validated, before the first change. When any entry is
    refused, nothing is changed.
  - Files are written beside their final place and renamed over it, so that a reader sees the old or the new content.
  - Not for secrets. Contents show in C(--diff). What holds a token or a password belongs to M(genai.comfyui.sync).
attributes:
  check_mode:
    support: full
    description: Says what would change. A missing parent, owner or group then counts as something that an earlier task
      would have made, so that the first run in check mode works on a bare host. Validators do not run.
  diff_mode:
    support: full
    description: Shows contents, link targets, owner, group and mode before and after.
  platform:
    platforms: posix
    support: full
    description: Needs a POSIX system.
options:
  entries:
    description:
      - The wanted paths, handled in the order given.
      - A path may stand in the list twice only when both entries are equal.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Absolute path without V(..).
          - Its parent must exist or be listed before it. A symbolic link among its parents is followed only when it
            belongs to root or to the user that the module runs as.
        type: path
        required: true
      state:
        description:
          - V(directory) and V(file) make the path if needed. A symbolic link or anything of another kind there is
            refused.
          - V(link) makes a symbolic link to O(entries[].src), or points an existing link to it. Anything but a link
            there is refused.
          - V(absent) removes a file or a link; a directory only with O(entries[].recursive).
        type: str
        choices: [directory, file, link, absent]
        required: true
      content:
        description:
          - Text of the file, written as UTF-8 without any change to it.
          - Without it an existing file keeps its content, and a new one is empty.
        type: str
      src:
        description: Path that the link points to, absolute or relative to the link. It need not exist.
        type: str
      owner:
        description: User name or number. Without it, an existing path keeps its owner.
        type: str
      group:
        description: Group name or number. Without it, an existing path keeps its group.
        type: str
      mode:
        description:
          - Permissions in octal, in quotes, for example V("0640").
          - Without it an existing path keeps its mode, a new directory gets C(0755) and a new file C(0644).
        type: raw
      recursive:
        description:
          - With O(entries[].state=absent), remove a directory with all that it holds. Symbolic links in it are
            removed, not followed.
          - A tree that holds a mount point, and the directories of the system itself, are refused.
        type: bool
        default: false
      validate:
        description:
          - Command that judges the new content before anything is changed, for example C(systemd-analyze verify %s).
          - V(%s) stands for a copy that has the file's own name, in a directory of its own. There is no shell.
          - Text is split into words as a shell would; a list is taken word by word.
        type: raw
seealso:
  - module: genai.comfyui.sync
"""

EXAMPLES = r"""
- name: Lay down what an instance needs
  genai.comfyui.layout:
    entries:
      - {path: /srv/comfyui, state: directory, owner: root, group: comfyui, mode: "0750"}
      - {path: /srv/comfyui/models, state: directory, owner: comfyui, group: comfyui, mode: "2775"}
      - {path: /srv/comfyui/workspace, state: link, src: /mnt/big/workspace}
      - path: /etc/systemd/system/comfyui@.service
        state: file
        content: "{{ lookup('ansible.builtin.template', 'comfyui@.service.j2') }}"
        mode: "0644"
        validate: systemd-analyze verify %s
      - {path: /etc/systemd/system/old-comfyui.service, state: absent}
  register: layout

- name: Say which files were written
  ansible.builtin.debug:
    var: layout.changed_paths
"""

RETURN = r"""
changed_paths:
  description: The paths that were changed, or would be in check mode, in order.
  type: list
  elements: str
  returned: always
  sample: [/srv/comfyui/models]
entries:
  description: One record an entry, in the order given.
  type: list
  elements: dict
  returned: success
  contains:
    path:
      description: The path.
      type: str
    state:
      description: The wanted state.
      type: str
    changed:
      description: Whether the path was changed.
      type: bool
    changes:
      description: What differed, any of V(state), V(content), V(target), V(owner), V(group), V(mode).
      type: list
      elements: str
"""

import os
import shlex
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils._layout import (
    Entry,
    LayoutError,
    Step,
    describe_error,
    parse,
    plan,
    run_validators,
)
from ansible_collections.genai.comfyui.plugins.module_utils._layout_apply import apply

ENTRY_SPEC = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["directory", "file", "link", "absent"], "required": True},
    "content": {"type": "str"},
    "src": {"type": "str"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "mode": {"type": "raw"},
    "recursive": {"type": "bool", "default": False},
    "validate": {"type": "raw"},
}


def words(value: object, path: str) -> list[str]:
    """Return the words of a ``validate`` command; raise LayoutError for something else."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError as error:
            raise LayoutError(f"{path}: 'validate' cannot be split into words ({error}); mend its quotes") from None
    if isinstance(value, (list, tuple)):
        return [str(word) for word in value]
    raise LayoutError(f"{path}: 'validate' must be a command as text or as a list of words")


def read_entries(raw: list[dict[str, Any]]) -> list[Entry]:
    """Return the entries; raise one LayoutError that names all wrong ones."""
    entries, wrong = [], []
    for item in raw:
        try:
            entries.append(parse({**item, "validate": words(item.get("validate"), str(item.get("path")))}))
        except LayoutError as error:
            wrong.append(str(error))
    if wrong:
        raise LayoutError("; ".join(wrong))
    return entries


def diff(steps: list[Step]) -> list[dict[str, str]]:
    """Return Ansible's diff records for *steps*: one for a content, one for all else that differs on a path."""
    records = []
    for step in steps:
        path = step.entry.path
        others = [change for change in step.changes if change != "content"]
        if others:
            before, after = ("".join(f"{c}: {texts[c]}\n" for c in others) for texts in (step.before, step.after))
            records.append({"before_header": path, "after_header": path, "before": before, "after": after})
        if "content" in step.changes:
            texts = {"before": step.before["content"], "after": step.after["content"]}
            records.append({"before_header": f"{path} (content)", "after_header": f"{path} (content)", **texts})
    return records


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "entries": {"type": "list", "elements": "dict", "required": True, "options": ENTRY_SPEC},
        },
        supports_check_mode=True,
    )

    def run(command: list[str]) -> tuple[int, str]:
        status, out, err = module.run_command(command, handle_exceptions=False)
        return status, f"{out}\n{err}"

    try:
        steps = plan(read_entries(module.params["entries"]), check=module.check_mode)
        if not module.check_mode:
            place = os.path.join(module.tmpdir, f"layout-{os.getpid()}")
            os.mkdir(place, 0o700)
            run_validators(steps, place, run)
    except LayoutError as error:
        module.fail_json(msg=f"{error}. Nothing was changed.", changed=False, changed_paths=[])
    except OSError as error:
        module.fail_json(
            msg=f"A validator cannot run: {error.filename or ''} {error.strerror}. Nothing was changed.",
            changed=False,
            changed_paths=[],
        )

    done: list[str] = []
    for step in steps:
        try:
            if not module.check_mode:
                apply(step)
        except OSError as error:
            module.fail_json(msg=describe_error(step, error), changed=bool(done), changed_paths=done)
        if step.changed and step.entry.path not in done:
            done.append(step.entry.path)

    result: dict[str, Any] = {
        "changed": bool(done),
        "changed_paths": done,
        "entries": [
            {"path": s.entry.path, "state": s.entry.state, "changed": s.changed, "changes": s.changes} for s in steps
        ],
    }
    if module._diff:
        result["diff"] = diff(steps)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
