#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages with their repositories, pins and holds, in one transaction that apt or dnf has judged before."""

from __future__ import annotations

DOCUMENTATION = r"""
module: package_set
short_description: Packages with their repositories, pins and holds, in one transaction
version_added: "0.1.0"
author: ["genai.comfyui contributors (@genai)"]
description:
  - Brings repositories with their keys, pins, packages, holds and the exclusion from unattended upgrades into the
    wanted state on a host with apt; or repositories, a module stream, packages and version locks on one with dnf 4.
  - Before anything of the system changes, apt or dnf itself judges the whole transaction, with the new repositories in
    a scratch directory. A wrong or expired key, a missing version, a conflict or somebody's hold is refused with the
    reason, and nothing has changed then.
  - Whether packages are signed by the key, dnf says only once it has them. What does not bear that signature is
    not installed, and repository and key are taken back.
  - All missing packages come in one transaction. A package that is there in a wanted version stays as it is, also when
    a newer one is on offer.
  - What came by this module is put on record, so that O(state=absent) removes that and nothing else.
attributes:
  check_mode:
    support: full
    description: Asks for the very same judgement, with keys and repositories in a scratch directory. Changes nothing.
  diff_mode:
    support: full
    description: Shows files and packages.
  platform:
    platforms: debian, rhel
    support: full
    description: Needs apt 2.2 or newer, or dnf 4 with curl; for O(hold) with dnf its versionlock plugin.
options:
  name:
    description: Name of the set; part of the names of its files. Letters, digits and C(-).
    type: str
    required: true
  state:
    description: V(absent) removes what is on record for this set. Packages that others need by now stay, and are named.
    type: str
    choices: [present, absent]
    default: present
  manager:
    description: V(auto) is dnf where there is no apt. O(state=absent) takes the one that is on record.
    type: str
    choices: [auto, apt, dnf]
    default: auto
  streams:
    description: Module streams, such as V(nvidia-driver:580-open), that are enabled in the same transaction. dnf only.
    type: list
    elements: str
    default: []
  record:
    description: File that holds the record; by default one below C(/var/lib/genai-comfyui).
    type: path
  repositories:
    description: Repositories, each accepted only with a key of an expected fingerprint.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name; part of file names.
        type: str
        required: true
      uri:
        description: Address.
        type: str
        required: true
      suite:
        description: Suite; V(/) for a flat repository. For apt, as components, architectures and pins are.
        type: str
        default: /
      components:
        description: Components; not for a flat repository.
        type: list
        elements: str
      architectures:
        description: Architectures, in Debian's words.
        type: list
        elements: str
      key:
        description: The key as armored text. It comes before O(repositories[].key_url).
        type: str
      key_url:
        description: Where the host fetches the key when its expected fingerprints are new to it; C(file:) works.
        type: str
      fingerprints:
        description: Fingerprints, 40 hexadecimal digits each, that the keys in the key file may have.
        type: list
        elements: str
        required: true
      replaces:
        description:
          - Names of files in C(/etc/apt/sources.list.d) or C(/etc/yum.repos.d) that name the same repository, and that
            are removed.
        type: list
        elements: str
        default: []
      verify:
        description: What bears the key's signature, for dnf. With apt it is always the lists.
        type: str
        choices: [packages, lists]
        default: packages
  components:
    description:
      - Components to switch on for the distribution's own suites, at the addresses and with the keys that the host's
        sources already use for them. They go into a file of their own.
    type: dict
    suboptions:
      suites:
        description: Suites; the first one must be in use.
        type: list
        elements: str
        required: true
      components:
        description: Components.
        type: list
        elements: str
        required: true
  pins:
    description: Files in C(/etc/apt/preferences.d).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Part of the file's name.
        type: str
        required: true
      entries:
        description: Records; the first one that fits a package and version counts.
        type: list
        elements: dict
        required: true
        suboptions:
          packages:
            description: Names or globs.
            type: list
            elements: str
            required: true
          pin:
            description: What follows C(Pin:), such as V(version 580.*).
            type: str
            required: true
          priority:
            description: Priority.
            type: int
            required: true
  packages:
    description: Packages that are to be there.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name.
        type: str
        required: true
      version:
        description: Glob that the version must match, without its epoch unless the glob names one. Empty for any.
        type: str
        default: ""
  wanted:
    description: Packages that are to be there if a repository offers them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name.
        type: str
        required: true
      otherwise:
        description: Packages to install in its place when nobody offers it.
        type: list
        elements: str
        default: []
  hold:
    description: Globs; what is installed and matches is put on hold, with dnf by a version lock.
    type: list
    elements: str
    default: []
  hold_except:
    description: Globs; what matches is not put on hold.
    type: list
    elements: str
    default: []
  keep_from_unattended:
    description: Beginnings of package names that unattended-upgrades leaves alone.
    type: list
    elements: str
    default: []
  latest:
    description: Also bring packages that are there in a wanted version to the newest one.
    type: bool
    default: false
  allow_downgrade:
    description: Let a package become older.
    type: bool
    default: false
  may_remove:
    description: Globs of packages that may be removed when they are in the way. Others make the module refuse.
    type: list
    elements: str
    default: []
  logs:
    description: Globs of build logs. When the transaction fails, the newest one's error lines are shown.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: A driver of one branch, from a repository whose key is known
  genai.comfyui.package_set:
    name: driver
    repositories:
      - name: cuda
        uri: https://mirror.example.com/cuda/debian13/x86_64/
        key_url: https://mirror.example.com/cuda/debian13/x86_64/8793F200.pub
        fingerprints: [02182E60104FCDC26EAE1B8597A5D4CB8793F200]
    pins:
      - name: driver
        entries:
          - {packages: ["*nvidia*"], pin: "version 590.*", priority: 900}
    packages:
      - {name: nvidia-driver-cuda, version: "590.*"}
      - {name: nvidia-kernel-open-dkms, version: "590.*"}
    hold: ["nvidia-*", "libnvidia-*"]
    logs: [/var/lib/dkms/nvidia/*/build/make.log]

- name: Remove all that came with it
  genai.comfyui.package_set:
    name: driver
    state: absent
"""

RETURN = r"""
packages:
  description: One line a package that came, changed or went, or would in check mode.
  type: list
  elements: str
  returned: always
files:
  description: Files that were written or removed, or would be in check mode.
  type: list
  elements: str
  returned: always
holds:
  description: Packages whose hold was set or taken off, or would be in check mode.
  type: list
  elements: str
  returned: always
kept:
  description: Packages on record that were not removed because others need them.
  type: list
  elements: str
  returned: always
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils import _dnf_remove, _package_remove, _package_set
from ansible_collections.genai.comfyui.plugins.module_utils._apt import Apt
from ansible_collections.genai.comfyui.plugins.module_utils._dnf import Dnf
from ansible_collections.genai.comfyui.plugins.module_utils._dnf_set import DnfSet
from ansible_collections.genai.comfyui.plugins.module_utils._record import DIRECTORY, Record

STRINGS = {"type": "list", "elements": "str", "default": []}
NEEDED = {"type": "list", "elements": "str", "required": True}
NAME = {"type": "str", "required": True}
REPOSITORY = {
    "name": NAME,
    "uri": NAME,
    "suite": {"type": "str", "default": "/"},
    "components": {"type": "list", "elements": "str"},
    "architectures": {"type": "list", "elements": "str"},
    "key": {"type": "str", "no_log": False},
    "key_url": {"type": "str", "no_log": False},
    "fingerprints": NEEDED,
    "replaces": STRINGS,
    "verify": {"type": "str", "choices": ["packages", "lists"], "default": "packages"},
}
PIN_ENTRY = {"packages": NEEDED, "pin": NAME, "priority": {"type": "int", "required": True}}
PIN_ENTRIES = {"type": "list", "elements": "dict", "required": True, "options": PIN_ENTRY}
PACKAGE = {"name": NAME, "version": {"type": "str", "default": ""}}
COMPONENTS = {"suites": NEEDED, "components": NEEDED}
SPEC: dict[str, Any] = {
    "name": NAME,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "record": {"type": "path"},
    "manager": {"type": "str", "choices": ["auto", "apt", "dnf"], "default": "auto"},
    "streams": STRINGS,
    "repositories": {"type": "list", "elements": "dict", "default": [], "options": REPOSITORY},
    "components": {"type": "dict", "options": COMPONENTS},
    "pins": {"type": "list", "elements": "dict", "default": [], "options": {"name": NAME, "entries": PIN_ENTRIES}},
    "packages": {"type": "list", "elements": "dict", "default": [], "options": PACKAGE},
    "wanted": {"type": "list", "elements": "dict", "default": [], "options": {"name": NAME, "otherwise": STRINGS}},
    "hold": STRINGS,
    "hold_except": STRINGS,
    "keep_from_unattended": STRINGS,
    "latest": {"type": "bool", "default": False},
    "allow_downgrade": {"type": "bool", "default": False},
    "may_remove": STRINGS,
    "logs": STRINGS,
}


def uses_dnf(module: AnsibleModule) -> bool:
    """Tell whether the host's packages, or those on record, are dnf's."""
    record = Record(module.params["record"])
    if module.params["state"] == "absent" and record.exists:
        return record.manager == "dnf"
    if module.params["manager"] != "auto":
        return bool(module.params["manager"] == "dnf")
    return module.get_bin_path("apt-get") is None and module.get_bin_path("dnf") is not None


def present(module: AnsibleModule, tool: Apt | Dnf) -> dict[str, Any]:
    """Bring the set in; return the module's result. Raises ValueError."""
    wanted: _package_set.PackageSet | DnfSet
    wanted = DnfSet(tool, module.params) if isinstance(tool, Dnf) else _package_set.PackageSet(tool, module.params)
    work = wanted.plan()
    changed = work.changed or bool(wanted.broken)
    result: dict[str, Any] = {
        "changed": changed,
        "packages": work.simulation.lines(),
        "files": [*work.files, *work.removed_files],
        "holds": [*work.hold, *work.unhold],
        "kept": [],
    }
    if module._diff and changed:
        lines = [*work.simulation.lines(), *(f"{name} on hold" for name in work.hold)]
        diffs = [{"before": "", "after": "".join(f"{line}\n" for line in lines), "after_header": "packages"}]
        for path, text in work.files.items():
            before = _package_set.content(path) or ""
            diffs.append({"before": before, "after": text, "before_header": path, "after_header": path})
        result["diff"] = diffs
    if changed and not module.check_mode:
        wanted.apply(work)
    return result


def absent(module: AnsibleModule, tool: Apt | Dnf) -> dict[str, Any]:
    """Remove what is on record; return the module's result. Raises ValueError."""
    record = Record(module.params["record"])
    if not record.exists:
        return {"changed": False, "packages": [], "files": [], "holds": [], "kept": []}
    work = _dnf_remove.plan(tool, record) if isinstance(tool, Dnf) else _package_remove.plan(tool, record)
    if not module.check_mode:
        if isinstance(tool, Dnf):
            _dnf_remove.apply(tool, record, work)
        else:
            _package_remove.apply(tool, record, work)
    lines = [f"{name} removed" for name in work.names]
    result: dict[str, Any] = {
        "changed": True, "packages": lines, "files": work.files, "holds": work.holds, "kept": work.kept
    }  # fmt: skip
    if module._diff:
        result["diff"] = {"before": "".join(f"{one}\n" for one in [*work.names, *work.files]), "after": ""}
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    nothing: dict[str, Any] = {"packages": [], "files": [], "holds": [], "kept": []}
    name = module.params["name"]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        module.fail_json(msg=f"name {name!r} must be lower-case letters, digits and '-'.", **nothing)
    module.params["record"] = module.params["record"] or f"{DIRECTORY}/{name}.json"

    def run(command: list[str]) -> tuple[int, str, str]:
        environment = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1"}
        status, out, err = module.run_command(command, environ_update=environment)
        return status, out, err

    try:
        with Dnf(run) if uses_dnf(module) else Apt(run) as tool:
            result = present(module, tool) if module.params["state"] == "present" else absent(module, tool)
    except ValueError as error:
        module.fail_json(msg=f"Package set {name}: {error}", **nothing)
    except OSError as error:
        module.fail_json(msg=f"Package set {name}: {error.filename or ''}: {error.strerror}", **nothing)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
