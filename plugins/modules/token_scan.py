#!/usr/bin/python
# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: find copies of tokens and passwords that no consumer declares."""

from __future__ import annotations

DOCUMENTATION = r"""
module: token_scan
author: ["genai.comfyui contributors (@genai)"]
version_added: "0.1.0"
short_description: Find undeclared copies of tokens and passwords on a host
description:
  - Searches files, shell histories, the environment and arguments of processes, container settings, the journal and git
    history for copies of known tokens and passwords, so that no rotation is surprised by one.
  - A token is found by its form and known by its fingerprint. So retired versions, of which the truth keeps nothing
    else, are found like the others. Found are also tokens with doubled dollar signs or backslashes, percent-encoded,
    escaped as in JSON or HTML, in base64, in UTF-16, and the remains of one whose beginning a reader took for
    variables.
  - A password is looked for when it is long enough to be told from other text, at least 8 characters and not only
    digits or small letters below 12. Others are listed in RV(not_searched).
  - It reads only, and shows places, versions and fingerprints, never a value. What it did not look at is listed with
    the reason.
options:
  roots:
    description: Directories and files to search, absolute. A symbolic link given here is followed, others never are.
    type: list
    elements: path
    default: [/etc, /home, /opt, /root, /srv, /tmp, /usr/local, /var]
  exclude:
    description: Patterns of absolute paths to leave out, such as V(/srv/backup/*). V(*) also stands for slashes.
    type: list
    elements: str
    default: []
  sources:
    description:
      - Where to search. V(files) are those below O(roots), V(git) the history of the repositories found there, and
        V(histories) those of all users' shells, interpreters and editors.
      - Without root's rights only what the user may read is searched; the rest is listed as skipped.
      - A repository is read as its owner, because its configuration may name programs for git to run.
    type: list
    elements: str
    choices: [files, histories, processes, containers, journal, git]
    default: [files, histories, processes, containers, journal, git]
  credentials:
    description: The credentials by name, as the lookup P(genai.comfyui.credential#lookup) returns them.
    type: dict
    required: true
  declared:
    description:
      - The consumers of this host, as M(genai.comfyui.sync) takes them. What they hold is returned in RV(declared).
        Only the lines of the consumer's value are; a second copy in the same file is undeclared.
      - An entry without C(codec) and C(preset) owns the whole file.
      - A variable in the environment of a process or container counts as declared, if a consumer of the same credential
        has it as its key.
    type: list
    elements: dict
    default: []
  max_size:
    description: Files and git objects larger than this many MiB are skipped.
    type: int
    default: 32
  max_depth:
    description: Directories deeper than this below a root are skipped.
    type: int
    default: 40
  max_findings:
    description: No more findings than this are returned.
    type: int
    default: 1000
  timeout:
    description: Seconds after which the scan ends with what it has. RV(complete) is V(false) then.
    type: int
    default: 600
  one_file_system:
    description: Whether to stay on the file system of each root. Other file systems are listed as skipped.
    type: bool
    default: true
  journal_days:
    description: How many days of the journal are searched; V(0) is all of it.
    type: int
    default: 30
attributes:
  check_mode:
    description: Can run in check mode. It changes nothing in any mode.
    support: full
  diff_mode:
    description: Returns details on what has changed. Nothing changes.
    support: none
notes:
  - Never reports V(changed), and does not fail because of what it finds.
  - Fast where GNU grep is installed, about as fast as one C(grep -r); otherwise Python reads the files.
  - Not found are copies in compressed or encrypted files, pictures and models, tokens cut into several lines, and
    secrets in the memory of processes.
seealso:
  - module: genai.comfyui.sync
  - module: genai.comfyui.report
"""

EXAMPLES = r"""
- name: Look for copies that nobody declared
  genai.comfyui.token_scan:
    roots: [/etc, /home, /srv]
    credentials: "{{ lookup('genai.comfyui.credential', as_dict=true) }}"
    declared: "{{ comfyui_consumers }}"
    timeout: 120
  register: scanned

- name: Only what is quick
  genai.comfyui.token_scan:
    sources: [processes, histories]
    credentials: "{{ lookup('genai.comfyui.credential', as_dict=true) }}"
"""

RETURN = r"""
findings:
  description: Copies that no consumer declares, one record for each place, version and spelling.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: One of V(file), V(name) (of a file), V(history), V(process), V(container), V(journal), V(git).
      type: str
      sample: file
    path:
      description: The file, the place below C(/proc), the repository, or the name of a container or journal.
      type: str
      sample: /home/ann/old.env
    line:
      description: The first line, from 1; null where there are none.
      type: int
      sample: 3
    count:
      description: How often it is there.
      type: int
      sample: 1
    credential:
      description: Name of the credential.
      type: str
      sample: main
    version:
      description: The version that was found.
      type: str
      sample: v7
    label:
      description: What that version is now, V(current), V(pending), V(previous) or V(retired).
      type: str
      sample: current
    field:
      description: V(token) or V(password).
      type: str
      sample: token
    fingerprint:
      description: Fingerprint of the token; null for a password.
      type: str
      sample: 9dd7d353a709
    spelling:
      description: How it is spelled there.
      type: str
      sample: base64
    detail:
      description: More about the place, such as the variable of a process, or the file and commit in git.
      type: str
    declared:
      description: Always null here.
      type: str
declared:
  description: The same for places that are consumers; C(declared) is the consumer's id.
  returned: success
  type: list
  elements: dict
left_out:
  description: What was not looked at, as C(reason), C(count) and a few C(examples).
  returned: success
  type: list
  elements: dict
not_searched:
  description: Secrets that were not looked for, and why.
  returned: success
  type: list
  elements: str
counts:
  description: How much was looked at, such as C(files), C(bytes), C(processes), C(containers), C(repositories).
  returned: success
  type: dict
complete:
  description: Whether neither the time nor the number of findings ended the scan early.
  returned: success
  type: bool
engine:
  description: V(grep) or V(python).
  returned: success
  type: str
elapsed:
  description: Seconds that the scan took.
  returned: success
  type: float
"""

import os
from typing import Any
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.genai.comfyui.plugins.module_utils._scan import scan
from ansible_collections.genai.comfyui.plugins.module_utils._scan_base import Options

_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
_SOURCES = ["files", "histories", "processes", "containers", "journal", "git"]
_ROOTS = ["/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/usr/local", "/var"]  # noqa: S108 - read, not written


def _secrets(credentials: Any) -> set[str]:
    """Return every token and password in *credentials*, which may have any form."""
    if isinstance(credentials, dict):
        own = {str(credentials[name]) for name in ("token", "password") if isinstance(credentials.get(name), str)}
        found = {form for value in own if value for form in (value, quote(value, safe=""))}
        return found.union(*(_secrets(one) for one in credentials.values()))
    return set().union(*(_secrets(one) for one in credentials)) if isinstance(credentials, list) else set()


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "roots": {"type": "list", "elements": "path", "default": _ROOTS},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "sources": {"type": "list", "elements": "str", "choices": _SOURCES, "default": _SOURCES},
            "credentials": {"type": "dict", "no_log": True, "required": True},
            "declared": {"type": "list", "elements": "dict", "default": []},
            "max_size": {"type": "int", "default": 32},
            "max_depth": {"type": "int", "default": 40},
            "max_findings": {"type": "int", "default": 1000},
            "timeout": {"type": "int", "default": 600},
            "one_file_system": {"type": "bool", "default": True},
            "journal_days": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    given = module.params
    # no_log on a dictionary hides every string in it, user names and version names too, wherever they appear.
    module.no_log_values = _secrets(given["credentials"])
    bad = [path for path in given["roots"] if not os.path.isabs(path)]
    if bad:
        module.fail_json(msg=f"roots: {', '.join(bad)}: give absolute paths")
    for name in ("max_size", "max_depth", "max_findings", "timeout"):
        if given[name] < 1:
            module.fail_json(msg=f"{name} must be at least 1")
    if given["journal_days"] < 0:
        module.fail_json(msg="journal_days must be at least 0, which is all of the journal")
    options = Options(
        roots=given["roots"],
        exclude=given["exclude"],
        sources=given["sources"],
        max_size=given["max_size"] * 1024 * 1024,
        max_depth=given["max_depth"],
        max_findings=given["max_findings"],
        timeout=float(given["timeout"]),
        one_file_system=given["one_file_system"],
        journal_days=given["journal_days"],
    )
    result = scan(options, given["credentials"], given["declared"])
    module.exit_json(changed=False, invocation={"module_args": {**given, "credentials": _HIDDEN}}, **result)


if __name__ == "__main__":
    main()
