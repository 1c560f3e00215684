# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard node: its files, its settings, and what stays open without it.

Private to the collection. The settings are judged by the guard's own file, so that role and guard never disagree.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import typing as t
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "roles/comfyui_login/files/guard"
_VARIABLES = "comfyui_login_"

OPEN_WITHOUT = (
    "a login node that fails to import while ComfyUI runs on by hand serves everything to everybody"
    " (the unit's start programs notice, nothing else does)",
    "any path that ends in .js, .css, .css.map or .ico passes unchecked: strangers write, read, move and delete user files"
    " and see generated pictures",
    "POST /login of a stranger claims the server when login/PASSWORD goes missing, and empties a PASSWORD without user name",
    "an empty ?token= passes while the node holds no token",
    "malformed Authorization headers, cookies and forms end in server errors; bodies of strangers may be 100 MiB",
    "guests, where allowed, read the token in /internal/logs",
    "browser sessions never end: not by time, not by logging out, not by a new token",
    "passwords may be guessed without limit or trace, and each guess stops the whole server while bcrypt runs",
    "the token is written to the log at start (the unit's start program takes it out; ComfyUI started by hand does not)",
    "one token only, read at start: every rotation costs a restart and the queue; login/ACCEPT.json is not read",
    "no health route and no counters",
)
"""Sentences for people; docs/threat-model.md says more about each."""


class GuardSettingError(ValueError):
    """A setting of the guard cannot be used; the message names the variable and what it may be."""


def guard_files() -> dict[str, str]:
    """Return the guard node's files, name to text, read from this collection."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.py"))}


@functools.cache
def _judge() -> t.Any:
    # By path: what roles install is no package of the collection.
    name = "genai_comfyui_guard_settings"
    spec = importlib.util.spec_from_file_location(name, FOLDER / "settings.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{FOLDER}/settings.py cannot be loaded")
    # Dataclasses look their module up by name.
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def guard_settings(values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return all settings of the guard as plain data, checked.

    :param values: settings by name; what is not there has the guard's default.
    :raises GuardSettingError: see there.
    """
    plain = {
        str(name): [str(one) for one in value] if isinstance(value, list) else value for name, value in values.items()
    }
    try:
        return dict(_judge().complete(plain))
    except ValueError as error:
        raise GuardSettingError(f"{_VARIABLES}{error}") from None


def open_without_guard(instances: t.Iterable[t.Mapping[str, t.Any]]) -> list[str]:
    """Return what to warn of when the guard is not wanted: which instances, then one sentence for each thing left open."""
    names = ", ".join(str(one["name"]) for one in instances)
    return [f"comfyui_login_guard is false. On {names} this stays open:", *OPEN_WITHOUT]
