# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The consumers' own parsers, asked about a finished file before it takes its place.

A checker is used by default only where it can judge the one file that is written: its verdict must not depend on files
that are not there yet, and it must not run what is in the file. Where a parser reads such a file only from within its
own configuration (a map that nginx includes), a configuration around it is made in a private directory. ``compose``
also compares the value that comes out. A parser that is not on the host is reported, and is no failure.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.genai.comfyui.plugins.module_utils._execute import (
    ExecuteError,
    Ran,
    execute,
    search_path,
    which,
)

Expected = Sequence["tuple[str | None, str]"]
"""Pairs of (codec key, value) that were written."""


class Refused(Exception):
    """A parser does not take the file. ``str()`` is its message, with whatever it quotes."""


class NotAsked(Exception):
    """A parser could not judge. ``str()`` says why, and holds nothing of the file."""


@dataclass(frozen=True)
class Candidate:
    """A finished file under a temporary name. ``link`` leads to it and has the name of the file it will be."""

    path: str
    link: str
    folder: str
    """Private and empty but for the link; for whatever a checker needs."""
    expected: Expected


Checker = Callable[[Candidate], None]


def argv(words: Sequence[str]) -> Checker:
    """Return a checker that runs the user's own command, with the file in place of ``%s``."""

    def check(candidate: Candidate) -> None:
        _pass(_ran([word.replace("%s", candidate.path) for word in words], environment=None))

    return check


def _ran(words: Sequence[str], environment: Mapping[str, str] | None, directory: str = "/") -> Ran:
    try:
        return execute(words, environment=environment, directory=directory)
    except ExecuteError as error:
        raise NotAsked(str(error)) from None


def _pass(ran: Ran) -> None:
    if ran.status != 0:
        raise Refused(ran.said or f"it ended with status {ran.status}")


def _clean(candidate: Candidate, home: str | None = None) -> dict[str, str]:
    # BASH_ENV, ENV and a user's configuration would be run.
    return {"PATH": search_path(), "HOME": home or candidate.folder, "LC_ALL": "C.UTF-8", "TMPDIR": candidate.folder}


def _put(candidate: Candidate, name: str, text: str) -> str:
    path = os.path.join(candidate.folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _shell_of(candidate: Candidate) -> list[str]:
    """Return the shell that a script is for: by its name, by its first line, or bash and sh, which read all alike."""
    with open(candidate.path, encoding="utf-8", errors="replace") as file:
        first = file.readline(200)
    name = os.path.basename(candidate.link)
    said = re.match(r"#!.*?\b(zsh|ksh|dash|bash|sh)\b", first)
    by_name = re.search(r"(?:\A\.|\.)(zsh|ksh|bash)", name) or re.match(r"\.(z|k|ba)(?:sh)?(?:rc|env|profile)", name)
    if said or by_name:
        wanted = said.group(1) if said else by_name.group(1) if by_name else "sh"
        wanted = {"z": "zsh", "k": "ksh", "ba": "bash"}.get(wanted, wanted)
        return [wanted]
    return ["bash", "sh"]


def _shell(candidate: Candidate) -> None:
    wanted = _shell_of(candidate)
    found = next((name for name in wanted if which(name)), None)
    if found is None:
        raise NotAsked(f"there is no {wanted[0]} on this host")
    options = {"zsh": ["-f"], "bash": ["--norc", "--noprofile"]}.get(found, [])
    _pass(_ran([found, *options, "-n", candidate.link], _clean(candidate)))


def _fish(candidate: Candidate) -> None:
    # Were its home a folder above the file, it would name the file relative to that.
    own = {f"XDG_{kind}_HOME": candidate.folder for kind in ("CONFIG", "DATA", "CACHE")}
    _pass(_ran(["fish", "-n", candidate.link], {**_clean(candidate, "/nonexistent"), **own}))


def _nginx_map(candidate: Candidate) -> None:
    # The hash's size is a setting of the real configuration and does not tell anything about this file.
    text = (
        "pid {0}/pid; events {{}} http {{ access_log off; map_hash_bucket_size 512; map_hash_max_size 65536; "
        'map $http_authorization $found {{ default ""; include {0}/{1}; }} }}'
    )
    os.symlink(candidate.path, os.path.join(candidate.folder, "included.map"))
    configuration = _put(candidate, "nginx.conf", text.format(candidate.folder, "included.map"))
    words = ["nginx", "-t", "-q", "-p", candidate.folder, "-g", "error_log stderr;", "-c", configuration]
    _pass(_ran(words, _clean(candidate)))


def _haproxy_map(candidate: Candidate) -> None:
    text = (
        "defaults\n  mode http\n  timeout client 1s\n  timeout server 1s\n  timeout connect 1s\n"
        "frontend check\n  bind unix@{0}/socket\n"
        "  http-request set-var(txn.found) req.hdr(authorization),map_str({0}/included.map)\n"
        "  http-request return status 200\n"
    )
    os.symlink(candidate.path, os.path.join(candidate.folder, "included.map"))
    configuration = _put(candidate, "haproxy.cfg", text.format(candidate.folder))
    _pass(_ran(["haproxy", "-c", "-q", "-f", configuration], _clean(candidate)))


def compose_words() -> list[str]:
    """Return how Compose 2 or newer is called here. Raises :class:`NotAsked`."""
    environment = {**os.environ, "PATH": search_path()}
    for words in (["docker", "compose"], ["docker-compose"]):
        if which(words[0]):
            ran = _ran([*words, "version", "--short"], environment)
            if ran.status == 0 and re.match(r"v?[2-9]", ran.out.strip()):
                return words
    raise NotAsked("there is no Docker Compose 2 or newer on this host")


def _compose(candidate: Candidate, *options: str) -> dict[str, Any] | None:
    """Return what Compose makes of a Compose file; None where its text is right and its variables are missing."""
    home = os.environ.get("HOME", "/")
    words = [*compose_words(), *options, "-p", "check", "config", "--no-consistency", "--no-env-resolution"]
    if "--env-file" in options:
        words.pop()
    environment = {**_clean(candidate, home), "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "0"}
    ran = _ran([*words, "--format", "json"], environment)
    if ran.status and "is missing a value" in ran.said:
        # An environment that only the real call has, which is no fault of the file.
        ran = _ran([*words, "--no-interpolate", "--quiet"], environment)
        _pass(ran)
        return None
    # The wrapper around an env_file is ours: if it is not understood, that is not the file's fault.
    foreign = "unknown flag" if "--env-file" not in options else r"unknown flag|dditional propert"
    if ran.status and re.search(foreign, ran.said):
        raise NotAsked("this Docker Compose is too old to be asked")
    _pass(ran)
    try:
        found = json.loads(ran.out)
    except ValueError:
        raise NotAsked("Docker Compose did not answer in JSON") from None
    return found if isinstance(found, dict) else None


def _compose_yaml(candidate: Candidate) -> None:
    directory = os.path.dirname(candidate.path)
    found = _compose(candidate, "-f", candidate.link, "--project-directory", directory)
    for key, value in candidate.expected:
        words = (key or "").split("/")
        if found is None or len(words) != 5 or words[1] != "services" or words[3] != "environment":
            continue
        service = found.get("services", {}).get(words[2], {})
        _same((service.get("environment") or {}).get(words[4].replace("~1", "/").replace("~0", "~")), value, key)


def _env_file(candidate: Candidate, form: str | None) -> None:
    """Ask Compose what a service gets from the file, and for its own dialect also what ``${NAME}`` becomes."""
    names = [str(key) for key, _value in candidate.expected]
    entry: Any = candidate.link.replace("$", "$$")
    service: dict[str, Any] = {"image": "check", "env_file": [{"path": entry, "format": form} if form else entry]}
    if form is None:
        service["environment"] = {f"CHECK_{name}": f"${{{name}}}" for name in names}
    empty = _put(candidate, "empty.env", "")
    wrapper = _put(candidate, "compose.yaml", json.dumps({"services": {"check": service}}))
    found = _compose(candidate, "-f", wrapper, "--env-file", candidate.link if form is None else empty) or {}
    environment = found.get("services", {}).get("check", {}).get("environment") or {}
    for key, value in candidate.expected:
        _same(environment.get(key), value, key)
        if form is None:
            _same(environment.get(f"CHECK_{key}"), value, key)


def _same(found: Any, value: str, key: str | None) -> None:
    # The output of "config" could be read by Compose again, so it doubles each dollar sign.
    if str(found).replace("$$", "$") != value:
        raise Refused(f"Docker Compose reads another value at {key} than what was written")


def _compose_env(candidate: Candidate) -> None:
    _env_file(candidate, None)


def _compose_raw_env(candidate: Candidate) -> None:
    _env_file(candidate, "raw")


def _systemd_unit(candidate: Candidate) -> None:
    """Ask about a unit or a drop-in; systemd says "ignoring" and ends well, so its words count."""
    name = os.path.basename(candidate.link)
    parent = os.path.basename(os.path.dirname(candidate.path))
    units = os.path.join(candidate.folder, "units")
    os.mkdir(units, 0o700)
    unit, place = name, os.path.join(units, name)
    if parent.endswith(".d"):
        unit = parent[:-2]
        os.mkdir(os.path.join(units, parent), 0o700)
        place = os.path.join(units, parent, name)
    os.symlink(candidate.path, place)
    words = ["systemd-analyze", "verify", "--man=no", unit if unit != name else place]
    # The unit that a drop-in belongs to may lie beside it; of two drop-ins of one name the first folder's counts.
    beside = os.path.dirname(os.path.dirname(candidate.path)) if unit != name else ""
    folders = ":".join(filter(None, [units, beside])) + ":"
    ran = _ran(words, {**_clean(candidate), "SYSTEMD_UNIT_PATH": folders})
    said = [line.replace(place, candidate.link) for line in ran.said.splitlines() if place in line]
    if said:
        raise Refused("\n".join(said))
    if ran.status:
        raise NotAsked(f"systemd-analyze could not load {unit}")


CHECKERS: Mapping[str, Checker] = {
    "compose": _compose_yaml,
    "compose_env": _compose_env,
    "compose_raw_env": _compose_raw_env,
    "fish": _fish,
    "haproxy_map": _haproxy_map,
    "nginx_map": _nginx_map,
    "shell": _shell,
    "systemd_unit": _systemd_unit,
}


def ask(name: str, words: Sequence[str] | None, temporary: str, target: str, expected: Expected) -> None:
    """Let the checker *name*, or the user's own command *words*, judge *temporary*, which is to become *target*.

    Raises :class:`Refused`, whose text names *target* where the parser named a temporary place, or :class:`NotAsked`.
    """
    checker = argv(words) if words else CHECKERS[name]
    folder = tempfile.mkdtemp(prefix="genai-check-")
    try:
        link = os.path.join(folder, "link")
        os.mkdir(link, 0o700)
        link = os.path.join(link, os.path.basename(target))
        os.symlink(temporary, link)
        checker(Candidate(temporary, link, folder, expected))
    except Refused as error:
        text = str(error)
        for name in (link, temporary, os.path.join(folder, "included.map"), os.path.basename(temporary)):
            text = text.replace(name, target)
        text = text.replace(folder, "...")
        raise Refused(text) from None
    except OSError as error:
        raise NotAsked(f"no private directory could be used ({error.strerror})") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
