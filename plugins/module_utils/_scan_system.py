# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a scan is not in files: running processes, containers and the journal."""

from __future__ import annotations

import json
import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._scan_base import (
    TIME_IS_UP,
    Place,
    Scan,
    ended,
    kill,
    popen,
)
from ansible_collections.genai.comfyui.plugins.module_utils._scan_sieve import Sieve

_ENGINES = ("docker", "podman")
_AT_ONCE = 50
_JOURNAL = "journalctl"
_PATIENCE = 60.0
_LINE = re.compile(rb"(\S+) (\S+) ([^\s\[:]+)(?:\[(\d+)\])?: ")


def processes(scan: Scan, root: str = "/proc") -> None:
    """Search environment and arguments of every process of which the kernel shows them."""
    try:
        numbers = sorted((name for name in os.listdir(root) if name.isdecimal()), key=int)
    except OSError as error:
        scan.skip(root, (error.strerror or "cannot be read").lower())
        return
    for number in numbers:
        if scan.clock.over():
            scan.skip(f"{root}/{number} and later", TIME_IS_UP)
            return
        _process(scan, f"{root}/{number}")


def _process(scan: Scan, path: str) -> None:
    texts = {}
    for name in ("environ", "cmdline"):
        try:
            with open(f"{path}/{name}", "rb") as stream:
                texts[name] = stream.read()
        except (FileNotFoundError, ProcessLookupError):
            # It ended meanwhile.
            return
        except OSError as error:
            scan.skip(f"{path}/{name}", (error.strerror or "cannot be read").lower())
    scan.count("processes")
    if not any(scan.secrets.may_hold(text) for text in texts.values()):
        return
    who = _who(path)
    for entry in texts.get("environ", b"").split(b"\0"):
        name = entry.partition(b"=")[0].decode("utf-8", "backslashreplace")
        place = Place("process", f"{path}/environ", f"environment variable {name} of {who}", line=False, name=name)
        scan.look(place, entry)
    # A replacement of a process's title may have no NUL at all; then it is one argument.
    for position, entry in enumerate(texts.get("cmdline", b"").split(b"\0")):
        scan.look(Place("process", f"{path}/cmdline", f"argument {position} of {who}", line=False), entry)


def _who(path: str) -> str:
    try:
        with open(f"{path}/comm", "rb") as stream:
            name = stream.read().strip().decode("utf-8", "backslashreplace")
        user = os.stat(path).st_uid
        with open(f"{path}/cgroup", "rb") as stream:
            inside = re.search(rb"([0-9a-f]{12})[0-9a-f]{52}", stream.read())
    except OSError:
        return "a process that ended meanwhile"
    try:
        owner = pwd.getpwuid(user).pw_name
    except KeyError:
        owner = str(user)
    return f"{name}, user {owner}" + (f", in container {inside.group(1).decode()}" if inside else "")


def containers(scan: Scan) -> None:
    """Search what container engines were told about each container, running or not."""
    found = False
    for engine in _ENGINES:
        listed = _output(scan, engine, "ps", "-aq", "--no-trunc")
        if listed is None:
            continue
        found = True
        names = listed.decode("ascii", "replace").split()
        for start in range(0, len(names), _AT_ONCE):
            told = _output(scan, engine, "inspect", *names[start : start + _AT_ONCE])
            try:
                described = json.loads(told) if told else []
            except ValueError:
                scan.skip(f"{engine} inspect", "its answer is no JSON")
                continue
            for one in described if isinstance(described, list) else []:
                if isinstance(one, dict):
                    _container(scan, engine, one)
    if not found and not any(one["reason"].startswith("container engine") for one in scan.skipped()):
        scan.skip(" and ".join(_ENGINES), "not installed")


def _container(scan: Scan, engine: str, described: dict[str, Any]) -> None:
    scan.count("containers")
    name = str(described.get("Name") or described.get("Id") or "?").lstrip("/")
    for where, text in _texts(described):
        variable = text.partition("=")[0] if where.endswith("Env") else None
        detail = f"environment variable {variable}" if variable else where
        place = Place("container", f"{engine} container {name}", detail, line=False, name=variable)
        scan.look(place, text.encode("utf-8", "surrogateescape"))


def _texts(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield where, str(key)
            yield from _texts(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, where)
    elif isinstance(value, str):
        yield where, value


def _output(scan: Scan, *words: str) -> bytes | None:
    """Return what a program says, or None where it is not there or fails, which is noted."""
    # Where the engine is not the usual one, its own variable says so; nothing else of the environment is handed on.
    environment = {key: os.environ[key] for key in ("DOCKER_HOST", "HOME", "XDG_RUNTIME_DIR") if key in os.environ}
    try:
        process = popen(
            words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        scan.skip(words[0], f"container engine cannot be run ({error.strerror})")
        return None
    try:
        out, _told = process.communicate(timeout=min(_PATIENCE, max(0.01, scan.clock.left())))
    except subprocess.TimeoutExpired:
        kill(process)
        process.communicate()
        scan.skip(words[0], "container engine did not answer in time")
        return None
    if process.returncode != 0 and not out:
        scan.skip(words[0], "container engine does not answer")
        return None
    return out


def journal(scan: Scan, sieve: Sieve) -> None:
    """Search the messages of the system's journal, as far back as the options say."""
    words = [_JOURNAL, "--no-pager", "--quiet", "--output=short-iso", "--all", "--merge"]
    if scan.options.journal_days:
        words.append(f"--since=-{scan.options.journal_days}d")
        scan.skip(f"entries older than {scan.options.journal_days} days", "older than journal_days")
    try:
        process = popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    except OSError:
        scan.skip(_JOURNAL, "not installed")
        return
    with ended(process, scan.clock):
        if process.stdout is None:
            return
        for line in sieve.lines(process.stdout):
            _entry(scan, line)
        # Whether it ended by itself: grep has read all of it by then.
        status = process.wait(timeout=_PATIENCE) if not scan.clock.over() else -1
    if scan.clock.over():
        scan.skip("the rest of the journal", TIME_IS_UP)
    elif status != 0:
        scan.skip("the journal", f"journalctl failed (exit status {status})")
    else:
        scan.count("journals")


def _entry(scan: Scan, line: bytes) -> None:
    match = _LINE.match(line)
    if match:
        when, program = (match.group(number).decode("utf-8", "backslashreplace") for number in (1, 3))
        place = Place("journal", f"journal of {program}", f"first at {when}", line=False)
        known = next((one for one in scan.findings.values() if one["place"].path == place.path), None)
        scan.look(place if known is None else known["place"], line[match.end() :])
    else:
        scan.look(Place("journal", "journal", "a later line of a message", line=False), line)
