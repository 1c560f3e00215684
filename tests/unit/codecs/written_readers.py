# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats' own parsers: the token is read afterwards, and everything else as before."""

from __future__ import annotations

import configparser
import copy
import json
import netrc as netrc_parser
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml as yaml_parser
from env_readers import systemd as systemd_reader
from env_readers import systemd_library

try:
    import tomllib
except ImportError:
    tomllib = None  # type: ignore[assignment]

Check = Callable[[Path, str, str, str, str], None]


class Loader(yaml_parser.SafeLoader):
    """Takes foreign tags for what they stand on."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))


def _put(document: Any, key: str, value: str) -> Any:
    """Return a copy of the document with the value at a JSON Pointer; lists of NAME=value are looked through."""
    result = copy.deepcopy(document)
    at = result
    *names, last = [part.replace("~1", "/").replace("~0", "~") for part in key[1:].split("/")]
    for name in names:
        at = at[int(name)] if isinstance(at, list) else at[name]
    if isinstance(at, list) and not last.isdecimal():
        kept = [one for one in at if not str(one).startswith(f"{last}=")]
        place = next((n for n, one in enumerate(at) if str(one).startswith(f"{last}=")), len(at))
        at[:] = [*kept[:place], f"{last}={value}", *kept[place:]]
    elif isinstance(at, list):
        at[int(last)] = value
    else:
        at[last] = value
    return result


def _yaml(_place: Path, before: str, after: str, key: str, token: str) -> None:
    assert yaml_parser.load(after, Loader) == _put(yaml_parser.load(before, Loader), key, token)


def _compose(place: Path, before: str, after: str, key: str, token: str) -> None:
    _yaml(place, before, after, key, token.replace("$", "$$"))


def _json_document(text: str) -> Any:
    pieces = r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*[\s\S]*?\*/'
    bare = re.sub(pieces, lambda found: found[1] or " ", text)
    bare = re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda found: found[1] or "", bare)
    return json.loads(bare)


def _json(_place: Path, before: str, after: str, key: str, token: str) -> None:
    assert _json_document(after) == _put(_json_document(before), key, token)


def _toml(_place: Path, before: str, after: str, key: str, token: str) -> None:
    if tomllib is not None:
        assert tomllib.loads(after) == _put(tomllib.loads(before), key, token)


def _ini_document(text: str, kind: Any) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=kind, strict=False)
    # Whatever reads files without sections puts one before them.
    parser.read_string("[(none)]\n" + text)
    return {name: dict(parser.items(name, raw=kind is None)) for name in parser.sections()}


def _ini_with(kind: Any) -> Check:
    def check(_place: Path, before: str, after: str, key: str, token: str) -> None:
        *section, name = [part.replace("~1", "/").replace("~0", "~") for part in key[1:].split("/")]
        expected = _ini_document(before, kind)
        expected[section[0] if section else "(none)"][name.lower()] = token
        assert _ini_document(after, kind) == expected

    return check


def _environment(program: str, script: Path) -> dict[str, str]:
    done = subprocess.run(
        [program, "-c", 'set -a; . "$1" >/dev/null 2>&1; env -0', "sh", str(script)],
        capture_output=True, check=False, stdin=subprocess.DEVNULL, cwd=script.parent, timeout=30,
        env={"PATH": os.environ["PATH"], "HOME": str(script.parent)},
    )  # fmt: skip
    found = dict(item.split("=", 1) for item in done.stdout.decode().split("\0") if "=" in item)
    return {name: value for name, value in found.items() if name not in ("_", "SHLVL", "PWD", "OLDPWD")}


def _by_shell(program: str) -> Check:
    def check(place: Path, before: str, after: str, key: str, token: str) -> None:
        script = place / "script"
        script.write_text(before, encoding="utf-8", newline="")
        expected = {**_environment(program, script), key: token}
        script.write_text(after, encoding="utf-8", newline="")
        assert _environment(program, script) == expected

    return check


def _systemd(place: Path, _before: str, after: str, key: str, token: str) -> None:
    if systemd_library() is not None:
        path = place / "environment"
        path.write_text(after, encoding="utf-8", newline="")
        assert systemd_reader(path, key) == token


def _netrc(place: Path, before: str, after: str, key: str, token: str) -> None:
    if "\r" in before:
        # Python's reader makes the carriage return a part of the macro's lines.
        return
    found = []
    for text in (before, after):
        path = place / "netrc"
        # Python's reader wants a login and a password of each machine, and closes macros by an empty line.
        path.write_text(re.sub(r"(gpu-3\S+ login comfy)$", r"\1 password none", text, flags=re.MULTILINE))
        path.chmod(0o600)
        found.append(netrc_parser.netrc(str(path)))
    login, account, _password = found[0].hosts[key]
    assert found[1].hosts == {**found[0].hosts, key: (login, account, token)}
    assert found[1].macros == found[0].macros


READERS: dict[str, Check] = {
    "yaml": _yaml,
    "compose_yaml": _compose,
    "json": _json,
    "toml": _toml,
    "ini": _ini_with(None),
    "ini_extended": _ini_with(configparser.ExtendedInterpolation()),
    "shell": _by_shell("bash"),
    "systemd_env": _systemd,
    "netrc": _netrc,
}
