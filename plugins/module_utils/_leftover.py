# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances that are still on a host though nobody lists them any more.

Such a server runs on with the token it had, and no rotation, proof or audit looks at it. Private to the collection.
Standard library only.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _systemd

UNITS = "comfyui@*.service"
_NAME = re.compile(r"comfyui@(.+)\.service(?:\.d)?")


class LeftoverError(Exception):
    """Something that was to be removed is still there; the message names it."""


def _names_in(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []


def _units() -> set[str]:
    """Return the instances that systemd has loaded or starts with the host."""
    found = set()
    for what in (["list-units", "--all"], ["list-unit-files"]):
        done = _systemd.run("systemctl", *what, "--plain", "--no-legend", "--no-pager", "--full", UNITS)
        if done.returncode != 0 and done.stderr.strip():
            raise _systemd.SystemdError(f"systemctl {what[0]}: {done.stderr.strip()}")
        words = (line.split() for line in done.stdout.splitlines())
        found |= {match[1] for match in (_NAME.fullmatch(word) for line in words for word in line[:2]) if match}
    return found


def find(home: str, unit_dir: str, listed: set[str]) -> list[dict[str, Any]]:
    """Return a record of each instance on this host that is not among *listed*, in the order of their names.

    :param home: the servers' directory; each instance's code is in ``instances/NAME`` below it.
    :param unit_dir: where units and their drop-ins are.
    :returns: records with ``name``, ``unit``, ``active``, ``enabled``, ``paths``.
    :raises SystemdError: systemd cannot be asked. :raises OSError: a directory cannot be read.
    """
    code = set(_names_in(f"{home}/instances"))
    drop_ins = {match[1] for match in map(_NAME.fullmatch, _names_in(unit_dir)) if match and match[0].endswith(".d")}
    names = sorted((code | drop_ins | _units()) - listed)
    if not names:
        return []
    units = _systemd.show([f"comfyui@{name}.service" for name in names])
    records = []
    for name in names:
        unit = units[f"comfyui@{name}.service"]
        paths = [path for path in (f"{unit_dir}/{unit.name}.d", f"{home}/instances/{name}") if os.path.lexists(path)]
        if paths or unit.running or unit.enabled:
            records.append(
                {"name": name, "unit": unit.name, "active": unit.running, "enabled": unit.enabled, "paths": paths}
            )
    return records


def remove(records: list[dict[str, Any]], timeout: float) -> None:
    """Stop these instances, keep them from starting, and delete their ``paths``.

    :raises LeftoverError: one still runs, or a path could not be deleted.
    """
    for one in records:
        said = _systemd.systemctl("disable", "--now", one["unit"], timeout=timeout)
        if _systemd.settled([one["unit"]], timeout)[one["unit"]].running:
            raise LeftoverError(f"{one['unit']} does not stop: {said or 'no reason given'}; nothing of it was deleted")
        for path in one["paths"]:
            try:
                if os.path.islink(path) or not os.path.isdir(path):
                    os.unlink(path)
                else:
                    shutil.rmtree(path)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise LeftoverError(f"{path} cannot be deleted: {error.strerror}") from None
    _systemd.systemctl("daemon-reload")
    _systemd.systemctl("reset-failed", *[one["unit"] for one in records])
