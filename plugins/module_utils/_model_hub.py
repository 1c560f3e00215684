# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing one file of a hub by ``huggingface_hub``, which runs as a child in ComfyUI's own environment.

The library has the connection, this side has the file: it holds the lock, decides where to go on, hashes every byte
and gives the final name. Nothing of the library's cache comes into being. The token goes to the child by its standard
input; what the library logs is thrown away, for addresses in it may be signed.
"""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pwd
import selectors
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _hub_program, _model_hash
from ansible_collections.genai.comfyui.plugins.module_utils._model_hash import Hasher
from ansible_collections.genai.comfyui.plugins.module_utils._model_http import (
    AUTHORITY,
    FetchError,
    Interrupted,
    Progress,
    Remote,
    digest_in,
    refused,
    unwritten,
)
from ansible_collections.genai.comfyui.plugins.module_utils._models import address

_BOOT = "import sys;n=int(sys.stdin.buffer.readline());exec(compile(sys.stdin.buffer.read(n),'hub','exec'))"
# Where nobody can make a directory: the library shall keep nothing.
_NOWHERE = "/dev/null/genai-comfyui"
# The library keeps this much to itself before it writes.
_CHUNK = 1 << 20
_PROBE_LIMIT = 60.0
_PATIENCE = 1.0
# The library waits by itself where the server tells it to.
_SILENCE = 600.0


@dataclass(frozen=True)
class Library:
    """The library of an environment: what to call, and its version."""

    python: str
    version: str
    xet: str | None = None
    """The version of hf-xet, where it is there and shall be used."""


def _environment(ca_path: str | None) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("HF_", "HUGGING", "PYTHON"))}
    kept.update(
        {"HF_HOME": _NOWHERE, "HOME": _NOWHERE, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
    )
    kept.update({"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_XET": "1"})
    if ca_path is not None:
        for name in ("SSL_CERT_DIR", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
            # A file that the machine names would come before a directory that the task names.
            kept.pop(name, None)
        kept["SSL_CERT_DIR" if os.path.isdir(ca_path) else "SSL_CERT_FILE"] = ca_path
        kept["REQUESTS_CA_BUNDLE"] = ca_path
    return kept


def _program() -> bytes:
    found = importlib.util.find_spec(_hub_program.__name__)
    text = found.loader.get_source(found.name) if found is not None and found.loader is not None else None  # type: ignore[attr-defined]
    return str(text).encode()


class _Child:
    """The library's process. Close it: it ends by itself, or is killed."""

    def __init__(self, python: str, asked: Mapping[str, Any], ca_path: str | None = None) -> None:
        given: dict[str, Any] = {"pass_fds": [asked["descriptor"]] if "descriptor" in asked else []}
        owner = os.stat(os.path.dirname(python)).st_uid
        if os.geteuid() == 0 and owner != 0:
            # Root runs nothing that somebody else may change.
            known = pwd.getpwuid(owner)
            given.update({"user": owner, "group": known.pw_gid, "extra_groups": []})
        # pylint: disable-next=ansible-bad-function,consider-using-with  # run_command tells nothing before the end
        self._process = subprocess.Popen(  # noqa: S603 - a list of words, no shell
            [python, "-I", "-B", "-c", _BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, cwd="/", env=_environment(ca_path), **given,
        )  # fmt: skip
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._out(), selectors.EVENT_READ)
        program = _program()
        self.send(b"%d\n" % len(program) + program + json.dumps(asked).encode() + b"\n")

    def _in(self) -> Any:
        return self._process.stdin

    def _out(self) -> Any:
        return self._process.stdout

    def send(self, data: bytes) -> None:
        """Write to it; one that has ended says so by what can be read of it."""
        with suppress(BrokenPipeError):
            self._in().write(data)
            self._in().flush()

    def read(self, limit: float) -> dict[str, Any]:
        """Return what it says next, {} at its end. Raises TimeoutError after *limit* seconds of silence."""
        until = time.monotonic() + limit
        while b"\n" not in self._rest:
            if not self._selector.select(max(0.0, until - time.monotonic())):
                raise TimeoutError
            data = os.read(self._out().fileno(), 65536)
            if not data:
                return {}
            self._rest += data
        line, _newline, self._rest = self._rest.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self._in().close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        self._out().close()


def find_library(python: str) -> tuple[Library | None, str]:
    """Return the library of the environment that *python* belongs to, and in words why there is none."""
    if not os.access(python, os.X_OK):
        return None, f"there is no {python}"
    try:
        child = _Child(python, {"probe": True})
    except (OSError, KeyError) as error:
        return None, f"{python} cannot be run ({error})"
    try:
        said = child.read(_PROBE_LIMIT)
    except (TimeoutError, ValueError):
        return None, f"{python} does not answer"
    finally:
        child.close()
    if "probe" in said:
        return Library(python, said["probe"]["version"], said["probe"]["xet"]), ""
    names = said.get("error", {}).get("names") or []
    if "ModuleNotFoundError" in names:
        return None, f"the environment of {python} has no huggingface_hub"
    return None, f"the huggingface_hub of {python} cannot be used ({names[0] if names else 'it ended'})"


@dataclass
class HubSource:
    """A file of a hub. *token* goes to the host of *url* only; *timeout* is seconds of silence."""

    url: str
    library: Library
    token: str | None = field(default=None, repr=False)
    ca_path: str | None = None
    timeout: float = 30.0
    by: str = field(default="hub", init=False)
    """By which of the library's transports it came: ``hub`` or ``xet``."""
    _child: _Child | None = field(default=None, init=False, repr=False)

    @property
    def shown(self) -> str:
        """The address without anything secret."""
        return address(self.url)

    def ask(self, stream: io.FileIO) -> Remote:
        """Return what the hub says of the file; see _model_fetch.Source."""
        self.close()
        asked = {"url": self.url, "token": self.token, "timeout": self.timeout, "descriptor": stream.fileno()}
        self._child = _Child(
            self.library.python,
            {**asked, "chunk": min(_CHUNK, _model_hash.CHUNK), "xet": self.library.xet is not None},
            self.ca_path,
        )
        said = self._read(self._child)
        if "asked" not in said:
            raise self._failure(said, "", 0)
        size, mark = said["asked"]["size"], said["asked"]["etag"]
        self.by = "xet" if said["asked"]["xet"] else "hub"
        return Remote(size, mark, digest_in(mark))

    def receive(self, stream: io.FileIO, part: str, total: int, progress: Progress, hasher: Hasher) -> int:
        """Let the library append to *stream* what it lacks; see _model_fetch.Source."""
        child, start = self._child, stream.tell()
        if child is None:
            raise RuntimeError("ask comes first")
        came, have, hashed = 0, start, start
        child.send(json.dumps({"have": start, "total": total}).encode() + b"\n")
        try:
            while True:
                said = self._read(child)
                if "done" not in said:
                    break
                if said.get("restarted"):
                    hasher.restart()
                    have = hashed = said["done"]
                    continue
                came, have = came + said["done"] - have, said["done"]
                hashed = hasher.take_file(stream.fileno(), hashed, have)
                progress(have)
        finally:
            self.close()
        if said.get("end") == total:
            return came
        raise self._failure(said, part, came)

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _read(self, child: _Child) -> dict[str, Any]:
        try:
            return child.read(self.timeout + _SILENCE)
        except (TimeoutError, ValueError) as error:
            return {"error": {"kind": "other", "name": type(error).__name__}}

    def _failure(self, said: Mapping[str, Any], part: str, came: int) -> Exception:
        error = said.get("error") or {"kind": "other", "name": "its process ended"}
        kind = error["kind"]
        if kind == "status":
            found = refused(self, error["status"], error["headers"])
            if isinstance(found, Interrupted):
                found.came = came
            return found
        if kind == "write":
            return unwritten(part, error["errno"])
        if kind == "page":
            return FetchError("page", f"{self.shown} is a web page, not a file; a login or error page")
        if kind == "strange":
            return FetchError("page", f"{self.shown} does not answer as a hub does; is the endpoint right?")
        if kind == "more":
            return FetchError("size", f"{self.shown}: the server sends more bytes than it said")
        if kind == "certificate":
            return FetchError("network", f"{self.shown}: the certificate is not trusted; {AUTHORITY}")
        return Interrupted(f"huggingface_hub gave up ({error['name']})", came=came)
