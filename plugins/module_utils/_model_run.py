# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Laying down models: verify, link or download each file that is wanted, and say how far it is."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._model_fetch import beside, fetch
from ansible_collections.genai.comfyui.plugins.module_utils._model_hash import Changed, digest_of
from ansible_collections.genai.comfyui.plugins.module_utils._model_http import FetchError, Source
from ansible_collections.genai.comfyui.plugins.module_utils._model_hub import HubSource, Library, find_library
from ansible_collections.genai.comfyui.plugins.module_utils._model_link import put
from ansible_collections.genai.comfyui.plugins.module_utils._models import (
    LINKS,
    ModelError,
    Record,
    Step,
    address,
    mount_of,
)

PROGRESS = ".genai-comfyui-progress.json"

# Files that a failure may have taken away again, and bytes that what we write of our own may need.
_FEW, _LITTLE = 8, 1 << 20


@dataclass
class Settings:
    """How files come: hub *endpoints* (mirrors after the first), *token* for them, *link* (one of LINKS, or auto)."""

    endpoints: list[str]
    token: str | None = field(default=None, repr=False)
    link: str = "auto"
    offline: bool = False
    parallel: int = 2
    timeout: float = 30.0
    ca_path: str | None = None
    library: Library | None = None
    """What fetches files of a repository; None: our own HTTP."""
    mode: int = 0o644
    owner: tuple[int, int] | None = None


def choose(downloader: str, python: str, steps: list[Step], xet: bool = False) -> tuple[Library | None, dict[str, Any]]:
    """Return the library to use, None for our own HTTP, and what to say of it: ``name``, ``why``, ``version``, ``xet``.

    :raises ModelError: *downloader* is ``hub``, and *python* has none.
    """
    if not any(step.action == "download" and (step.model.url or "").startswith("/") for step in steps):
        return None, {"name": "http", "why": "nothing is to come from a hub's repository"}
    if downloader == "http":
        return None, {"name": "http", "why": "asked for"}
    library, lack = find_library(python)
    if library is not None:
        why = "asked for" if downloader == "hub" else "its environment has it"
        library = library if xet else replace(library, xet=None)
        return library, {"name": "hub", "why": why, "version": library.version, "xet": library.xet}
    if downloader == "hub":
        raise ModelError(f"downloader is hub, but {lack}; set hub_python, or downloader=http")
    return None, {"name": "http", "why": lack}


class Meter:
    """Bytes there of each file that is on its way; noted in the models directory for whoever shows them."""

    def __init__(self, folder: str) -> None:
        self._path, self._lock = os.path.join(folder, PROGRESS), threading.Lock()
        self._files: dict[str, dict[str, Any]] = {}
        self._next = 0.0

    def start(self, name: str, total: int | None) -> Callable[[int], None]:
        """Return what to tell how many bytes of *name* are there."""
        with self._lock:
            self._files[name] = {"done": 0, "total": total, "first": None, "since": time.time()}
            # Seen from the start; the first bytes are told at once all the same.
            self._write(True)
            self._next = 0.0

        def told(done: int) -> None:
            with self._lock:
                entry = self._files[name]
                entry["done"] = done
                # What an earlier run fetched is no part of the rate.
                if entry["first"] is None:
                    entry.update(first=done, since=time.time())
                self._write(False)

        return told

    def end(self, name: str) -> None:
        """Forget *name*."""
        with self._lock:
            if self._files.pop(name, None) is not None:
                self._write(True)

    def close(self) -> None:
        """Take the note away."""
        for one in (self._path, self._path + ".new"):
            with suppress(OSError):
                os.unlink(one)

    def _write(self, now: bool) -> None:
        if not now and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + 1.0
        temporary = self._path + ".new"
        with suppress(OSError):
            with open(temporary, "w", encoding="utf-8") as stream:
                json.dump({"at": time.time(), "files": self._files}, stream)
            os.replace(temporary, self._path)


def read_progress(folder: str) -> dict[str, Any]:
    """Return what the Meter of a run that goes on last noted, by path: done, total, first (bytes), since, at (time)."""
    try:
        with open(os.path.join(folder, PROGRESS), encoding="utf-8") as stream:
            said = json.load(stream)
        return {name: {**entry, "at": said["at"]} for name, entry in said["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def carry_out(steps: list[Step], record: Record, settings: Settings, meter: Meter) -> list[dict[str, Any]]:
    """Do all *steps*; return one result a step. The record is written after each, so that a kill loses no verification.

    Nothing more is begun after a failure; what is on its way is brought to its end.

    :raises ModelError: the first failure; its results so far are in the error's ``results``.
    """
    lock = threading.Lock()
    results: list[dict[str, Any]] = [{"path": step.model.path} for step in steps]
    failures: list[str] = []

    def one(number: int) -> None:
        if failures:
            results[number]["status"] = "not_begun"
            return
        step = steps[number]
        try:
            done = _do(step, record, settings, meter)
            results[number].update(done)
            with lock:
                if step.action != "none":
                    record.note(step.model.path, done["sha256"], laid=step.action != "verify" or step.replaces)
                    record.write()
        except (FetchError, ModelError, OSError) as error:
            # A file that is there, and only not on record, is verified by the next run.
            results[number].setdefault("status", "failed")
            failures.append(_in_words(step, record, error))
        finally:
            meter.end(step.model.path)

    with ThreadPoolExecutor(max(1, settings.parallel)) as pool:
        list(pool.map(one, range(len(steps))))
    meter.close()
    if failures:
        raise ModelsFailed("; ".join(failures), results)
    return results


class ModelsFailed(ModelError):
    """At least one file could not be laid down; ``results`` has one entry a file."""

    def __init__(self, message: str, results: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.results = results


def _in_words(step: Step, record: Record, error: Exception) -> str:
    target = os.path.join(record.folder, step.model.path)
    plain = isinstance(error, OSError) and not isinstance(error, (FetchError, ModelError))
    full = plain and getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    if full or (isinstance(error, FetchError) and error.kind == "space"):
        mount = mount_of(os.path.dirname(target))
        lacking = _lacking(step, target)
        free = f"free {lacking} more bytes" if lacking else "free some more"
        found = os.statvfs(mount)
        if found.f_files and found.f_favail < _FEW and found.f_bavail * found.f_frsize > lacking + _LITTLE:
            return f"{target}: {mount} is full of files; remove some and run again, what has come so far is kept"
        return f"{target}: {mount} is full; {free} and run again, what has come so far is kept"
    return f"{target}: {getattr(error, 'strerror', error)}" if plain else str(error)


def _lacking(step: Step, target: str) -> int:
    """Return the bytes that are still to come, as far as known."""
    if os.path.exists(target) and not step.replaces:
        return 0
    part = beside(target, "part")
    total = step.model.size or 0
    with suppress(OSError, ValueError, KeyError), open(part + ".json", encoding="utf-8") as known:
        total = total or int(json.load(known)["size"])
    have = os.path.getsize(part) if os.path.exists(part) else 0
    return max(0, total - have)


def _do(step: Step, record: Record, settings: Settings, meter: Meter) -> dict[str, Any]:
    model, target = step.model, os.path.join(record.folder, step.model.path)
    if step.action == "none":
        entry = record.entries[model.path]
        return {
            "status": "present",
            "verified": "record",
            "sha256": entry["sha256"],
            "bytes": entry["size"],
            "fetched": 0,
        }
    if step.action == "verify":
        try:
            digest = digest_of(target)
        except Changed:
            raise ModelError(f"{target} changed while it was read; run again") from None
        if model.sha256 not in (None, digest):
            if step.replaces:
                return _download(step, target, settings, meter)
            raise ModelError(
                f"{target} is there, but its sha256 is {digest}, wanted is {model.sha256}; it is damaged, or another "
                "file: move it away"
            )
        return {
            "status": "present",
            "verified": "read",
            "sha256": digest,
            "bytes": os.path.getsize(target),
            "fetched": 0,
        }
    _make_folder(record.folder, os.path.dirname(model.path), settings)
    if step.action == "link":
        return _link(step, target, settings, meter)
    return _download(step, target, settings, meter)


def _make_folder(base: str, below: str, settings: Settings) -> None:
    place = base
    for name in filter(None, below.split(os.sep)):
        place = os.path.join(place, name)
        with suppress(FileExistsError):
            os.mkdir(place, 0o755)
            if settings.owner is not None:
                os.chown(place, *settings.owner)


def _finisher(settings: Settings) -> Callable[[int], None]:
    def finish(descriptor: int) -> None:
        os.fchmod(descriptor, settings.mode)
        if settings.owner is not None:
            os.fchown(descriptor, *settings.owner)

    return finish


def _link(step: Step, target: str, settings: Settings, meter: Meter) -> dict[str, Any]:
    ways = [settings.link] if settings.link != "auto" else LINKS
    progress, finish = meter.start(step.model.path, step.model.size), _finisher(settings)
    way, digest = put(step.store or "", target, ways=ways, sha256=step.model.sha256, finish=finish, progress=progress)
    size = os.path.getsize(target)
    return {"status": "linked", "link": way, "verified": "read", "sha256": digest, "bytes": size, "fetched": 0}


def _download(step: Step, target: str, settings: Settings, meter: Meter) -> dict[str, Any]:
    model = step.model
    addresses = model.addresses(settings.endpoints)
    if settings.offline:
        raise ModelError(
            f"{target} is missing, no store has it, and offline is set; its source is {address(addresses[0])}"
        )
    hub = model.url is not None and model.url.startswith("/")
    failures = []
    for place in addresses:
        source: Source | HubSource
        if hub and settings.library is not None:
            source = HubSource(place, settings.library, settings.token, settings.ca_path, settings.timeout)
        else:
            source = Source(place, settings.token if hub else None, settings.ca_path, settings.timeout)
        progress, finish = meter.start(model.path, model.size), _finisher(settings)
        try:
            done = fetch(source, target, sha256=model.sha256, size=model.size, progress=progress, finish=finish)
        except FetchError as error:
            # A full disk or another run will not get better at a mirror.
            if error.kind in ("space", "write", "busy"):
                raise
            failures.append(error)
            continue
        by = source.by if isinstance(source, HubSource) else "http"
        return {"status": "downloaded", "verified": "streamed", "source": source.shown, "downloader": by, **done}
    raise FetchError(failures[0].kind, "; ".join(str(failure) for failure in failures))


def remove(paths: list[str], record: Record, check_mode: bool) -> list[dict[str, Any]]:
    """Remove what was laid down here and is unchanged; everything else is kept. Returns one result a path."""
    results = []
    for path in paths:
        target = os.path.join(record.folder, path)
        part = beside(target, "part")
        parts = [one for one in (part, part + ".json", beside(target, "link")) if os.path.lexists(one)]
        if not os.path.lexists(target) and not parts:
            status = "absent"
        elif os.path.lexists(target) and not _untouched(target, path, record):
            status = "kept"
        else:
            status = "removed"
        if status != "kept" and not check_mode:
            for one in [*parts, target]:
                with suppress(FileNotFoundError):
                    os.unlink(one)
            if path in record.entries:
                record.forget(path)
                record.write()
        results.append({"path": path, "status": status})
    return results


def _untouched(target: str, path: str, record: Record) -> bool:
    """Tell whether what is there is what was laid down; reads it where only its content can tell."""
    entry = record.entries.get(path, {})
    if not entry.get("laid"):
        return False
    if os.path.islink(target):
        return entry.get("symlink") == os.readlink(target)
    found = os.stat(target)
    if record.known(path, found) is not None:
        return True
    try:
        return entry.get("size") == found.st_size and entry.get("sha256") == digest_of(target)
    except (Changed, OSError):
        return False
