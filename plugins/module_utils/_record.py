# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was installed by us, so that exactly that can be removed again.

Private to the collection. Standard library only. Holds no secret.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

DIRECTORY = "/var/lib/genai-comfyui"


class Record:
    """The record of one set, a JSON file. Its lists are sorted; a file that cannot be read is an error.

    :raises ValueError: the file is damaged
    """

    def __init__(self, path: str) -> None:
        self.path = path
        data: dict[str, t.Any] = {}
        try:
            with open(path, encoding="utf-8") as stream:
                data = json.load(stream)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path}, the record of what was installed, cannot be read ({error}); restore it"
            ) from None
        self.packages: list[str] = data.get("packages", [])
        self.files: list[str] = data.get("files", [])
        self.holds: list[str] = data.get("holds", [])
        self.sources: dict[str, list[str]] = data.get("sources", {})
        self.manager: str = data.get("manager", "apt")
        self.streams: dict[str, str] = data.get("streams", {})

    @property
    def exists(self) -> bool:
        """Whether anything is on record."""
        return os.path.exists(self.path)

    def fingerprints(self, name: str) -> list[str]:
        """Return the fingerprints with which a repository was accepted."""
        return self.sources.get(name, [])

    def save(self) -> None:
        """Write the record, whole or not at all."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        data: dict[str, t.Any] = {"packages": self.packages, "files": self.files, "holds": self.holds}
        data["sources"] = self.sources
        if self.manager != "apt":
            data.update(manager=self.manager, streams=self.streams)
        temporary = f"{self.path}.new"
        with open(temporary, "w", encoding="utf-8") as stream:
            json.dump({"version": 1, **data}, stream, indent=2, sort_keys=True)
            stream.write("\n")
            os.fchmod(stream.fileno(), 0o644)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, self.path)

    def drop(self) -> None:
        """Forget everything."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
