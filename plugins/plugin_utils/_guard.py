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
    "a login node that fails to import: ComfyUI serves everything to everybody (only the unit's start programs notice)",
    "any path that ends in .js, .css, .css.map or .ico: strangers write, read, move, delete user files, see pictures",
    "POST /login: a stranger claims the server while login/PASSWORD is missing, and empties one without a user name",
    "an empty ?token=: it passes while the node holds no token",
    "malformed Authorization headers, cookies and forms: server errors; bodies of strangers may be 100 MiB",
    "guests, where allowed: they read the token in /internal/logs",
    "browser sessions: they never end, not by time, not by logging out, not by a new token",
    "passwords: guessed without limit or trace, and each guess stops the whole server while bcrypt runs",
    "the log: it holds the token, unless the unit's start program runs ComfyUI",
    "rotation: one token, read at start; each change costs a restart and the queue, and login/ACCEPT.json is not read",
    "monitoring: no health route, no counters",
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
    """Return what to warn of without the guard: which instances, then one sentence for each thing that stays open."""
    names = ", ".join(str(one["name"]) for one in instances)
    return [f"comfyui_login_guard is false. On {names} this stays open:", *OPEN_WITHOUT]
