# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch arguments, systemd command lines and requirement lists as text.

Private to the collection. Pure functions.
"""

from __future__ import annotations

import difflib
import re

# A long option at the start of a word; argparse prints every one of them in its usage block.
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z0-9_-]*")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_@:,./=+-]+")


def known_flags(help_text: str) -> set[str]:
    """Return all flags that a help text lists. Raises ValueError when it is not the help of ComfyUI."""
    known = set(_FLAG.findall(help_text))
    if "--listen" not in known:
        raise ValueError("The text is not the help of ComfyUI: it does not list --listen.")
    return known


def exclusive_flags(help_text: str) -> list[set[str]]:
    """Return the groups of which argparse takes one at most: ``[--a | --b [N] | --c]`` in the usage."""
    usage = help_text.split("\n\n", 1)[0]
    groups: list[set[str]] = []
    depth, start = 0, 0
    for place, char in enumerate(usage):
        if char == "[":
            start = place if depth == 0 else start
            depth += 1
        elif char == "]" and depth:
            depth -= 1
            if depth == 0 and "|" in usage[start:place]:
                groups.append(set(_FLAG.findall(usage[start:place])))
    return groups


def unknown_launch_args(args: list[str], help_text: str) -> list[str]:
    """Name the flags that this checkout's own ``--help`` does not list.

    :param args: launch arguments as words.
    :param help_text: what ``main.py --help`` of the deployed checkout printed.
    :returns: one sentence an unknown flag, with the nearest known one; empty when all are known.
    :raises ValueError: the text lists no flag at all, so it is not the help of ComfyUI.
    """
    known = known_flags(help_text)
    complaints = []
    for arg in args:
        if not arg.startswith("--"):
            continue
        flag = arg.split("=", 1)[0]
        if flag in known:
            continue
        near = difflib.get_close_matches(flag, sorted(known), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        complaints.append(f"{flag} is not known to the deployed ComfyUI{hint}")
    return complaints


def systemd_exec(words: list[str]) -> str:
    """Write words as one ``Exec*=`` command line that systemd splits back into exactly these words.

    ``%`` and ``$`` are doubled (specifiers and variables), everything unusual is double-quoted.

    :raises ValueError: a word holds a NUL, a newline or another control character.
    """
    written = []
    for word in words:
        if any(ord(char) < 32 or ord(char) == 127 for char in word):
            raise ValueError("A launch argument holds a control character, which a unit file cannot carry.")
        safe = word.replace("%", "%%").replace("$", "$$")
        if not safe or not _PLAIN_WORD.fullmatch(safe):
            safe = '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'
        written.append(safe)
    return " ".join(written)


def systemd_environment(variables: dict[str, str]) -> list[str]:
    """Write variables as ``Environment=`` lines; ``$`` is literal there, ``%`` is doubled."""
    lines = []
    for name, value in sorted(variables.items()):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{name!r} is not a name of an environment variable.")
        if any(ord(char) < 32 or ord(char) == 127 for char in value):
            raise ValueError(f"The environment variable {name} holds a control character.")
        escaped = value.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'Environment="{name}={escaped}"')
    return lines


def requirements_without(text: str, packages: list[str]) -> str:
    """Return a requirements file without the lines of some packages; comments, options and order stay."""
    dropped = {re.sub(r"[-_.]+", "-", name).lower() for name in packages}

    def keeps(line: str) -> bool:
        name = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", line)
        return not name or re.sub(r"[-_.]+", "-", name[1]).lower() not in dropped

    return "".join(line for line in text.splitlines(keepends=True) if keeps(line))
