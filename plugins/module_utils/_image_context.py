# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is made of: the hash of a build context, and the context as a tar that is the same each time.

Private to the collection. Standard library only. Knows no engine.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

EPOCH = 1767225600
"""Seconds. One modification time for all files: checkouts and copies have another one on every host."""
SKIPPED = frozenset({".git", "__pycache__"})
SECRETS = frozenset({"PASSWORD", "ACCEPT.json", "GUEST_MODE", ".secret-key.txt", ".env"})
"""Names of files that hold a secret or open a door: a layer that has one keeps it for ever."""
_SECRET_TEXT = re.compile(r"\$\$?2[abxy]?\$\$?\d\d\$\$?[./A-Za-z0-9]{20,}|://[^/\s:@]+:[^/\s@]+@")


class ContextError(Exception):
    """The context cannot become an image; the message says why and what helps."""


@dataclass(frozen=True)
class Entry:
    """One file of a context: its path below the context, and ``file``, ``program`` or ``link``."""

    path: str
    kind: str
    content: str
    """A file's sha256, a link's target."""


def entries(context: str) -> list[Entry]:
    """Return a context's files in the order of their paths, without what git and Python keep beside them.

    :raises ContextError: the context has no Dockerfile, or a file that holds a secret
    :raises OSError: a file cannot be read
    """
    found = [_entry(context, path) for path in _paths(context)]
    if not any(one.path == "Dockerfile" for one in found):
        raise ContextError(f"{context} has no Dockerfile")
    closed = [one.path for one in found if os.path.basename(one.path) in SECRETS]
    if closed:
        raise ContextError(f"{os.path.join(context, closed[0])} must not be in an image; move it out of the context")
    return sorted(found, key=lambda one: one.path)


def _paths(context: str) -> Iterator[str]:
    for folder, folders, names in os.walk(context):
        # A link to a folder is an entry of its own and not walked into.
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = sorted(name for name in folders if name not in SKIPPED and name not in links)
        for name in names + links:
            if name not in SKIPPED and not name.endswith(".pyc"):
                yield os.path.relpath(os.path.join(folder, name), context)


def _entry(context: str, path: str) -> Entry:
    whole = os.path.join(context, path)
    if os.path.islink(whole):
        return Entry(path, "link", os.readlink(whole))
    if not os.path.isfile(whole):
        raise ContextError(f"{whole} is neither a file nor a link; move it out of the context")
    digest = hashlib.sha256()
    with open(whole, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return Entry(path, "program" if os.stat(whole).st_mode & 0o111 else "file", digest.hexdigest())


def inputs(found: list[Entry], base: str, labels: Mapping[str, str], build_args: Mapping[str, str], more: str) -> str:
    """Return the hash of all that decides an image, 64 hex digits.

    :param base: the base image's id
    :param more: any other text that counts
    """
    parts = [[one.path, one.kind, one.content] for one in found]
    document = [1, parts, base, sorted(labels.items()), sorted(build_args.items()), more]
    return hashlib.sha256(json.dumps(document, separators=(",", ":")).encode()).hexdigest()


def refuse_secrets(what: str, given: Mapping[str, str]) -> None:
    """Refuse values that look like a token or hold a password in an address.

    :param what: the option they came by
    :raises ContextError: one does; its name is in the message
    """
    for name, value in sorted(given.items()):
        if _SECRET_TEXT.search(value):
            raise ContextError(
                f"{what}: {name} looks like a secret, and everybody who has the image could read it in its history; "
                "leave it out"
            )


def pack(context: str, found: list[Entry], target: str) -> None:
    """Write the context as a tar that depends on names, contents and executable bits only.

    :raises OSError: the disk is full, or a file changed away
    """
    folders = {os.path.dirname(one.path) for one in found}
    for folder in list(folders):
        while os.path.dirname(folder):
            folder = os.path.dirname(folder)
            folders.add(folder)
    kinds = {**{folder: "folder" for folder in folders if folder}, **{one.path: one.kind for one in found}}
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(kinds):
            record = tarfile.TarInfo(path)
            record.mtime = EPOCH
            record.mode = 0o755 if kinds[path] in ("folder", "program") else 0o644
            if kinds[path] == "folder":
                record.type = tarfile.DIRTYPE
                tar.addfile(record)
            elif kinds[path] == "link":
                record.type, record.linkname = tarfile.SYMTYPE, os.readlink(os.path.join(context, path))
                tar.addfile(record)
            else:
                with open(os.path.join(context, path), "rb") as stream:
                    record.size = os.fstat(stream.fileno()).st_size
                    tar.addfile(record, stream)
