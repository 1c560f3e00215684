# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of a package repository, accepted by its fingerprint alone, for apt and for dnf.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import typing as t

from ansible_collections.genai.comfyui.plugins.module_utils._openpgp import KeyFileError, armor, dearmor, read_keys


class KeyRefusedError(ValueError):
    """The key cannot be had, is none, or is another one than expected."""


def accepted(repository: t.Mapping[str, t.Any], fetch: t.Callable[[str], bytes]) -> str:
    """Return a repository's key file as armored text, once its fingerprints are the expected ones.

    :param repository: ``name``, ``fingerprints``, and ``key`` (text) or ``key_url``
    :param fetch: brings what an address holds, other than one that begins with ``file:``
    :raises KeyRefusedError: it cannot be read, is no key, or is another one
    """
    name, url = repository["name"], repository.get("key_url") or ""
    data = str(repository.get("key") or "").encode()
    if not data and url.startswith("file:"):
        try:
            with open(url[5:].replace("//", "/", 1) if url.startswith("file://") else url[5:], "rb") as stream:
                data = stream.read()
        except OSError as error:
            raise KeyRefusedError(f"repository {name}: its key {url} cannot be read ({error.strerror})") from None
    elif not data and url:
        data = fetch(url)
    where = url or "(given as text)"
    try:
        packets = dearmor(data)
        found = [key.fingerprint for key in read_keys(packets)]
    except KeyFileError as error:
        raise KeyRefusedError(f"repository {name}: the key {where} cannot be used: {error}") from None
    wanted = {str(one).replace(" ", "").upper() for one in repository["fingerprints"]}
    if not set(found) <= wanted:
        raise KeyRefusedError(
            f"repository {name}: the key {where} has the fingerprint {', '.join(found)}, but "
            f"{' or '.join(sorted(wanted))} is expected. Somebody replaced it, or the vendor did: ask the vendor "
            "before you change the expected fingerprint"
        )
    return armor(packets)
