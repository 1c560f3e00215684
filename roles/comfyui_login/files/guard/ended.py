# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sessions that were logged out, kept for as long as their cookies would have been good. Standard library only.

What is kept are the sessions' numbers, which are worth nothing without the key that encrypts cookies: no secret.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .accept import Unusable, read_private

MOST = 1000
"""Beyond, the oldest are forgotten one by one, and every session that began before them ends too."""


class Ended:
    """Who was logged out. In doubt, everybody: without a sound file the sessions of before this start do not count.

    Times are seconds since 1970, with fractions.
    """

    def __init__(self, path: Path, say: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._path, self._say, self._clock = path, say, clock
        self._ended: dict[str, tuple[float, float]] = {}
        self.floor = 0.0
        try:
            self.floor, self._ended = _parse(read_private(path, 0o077)[0])
        except Unusable as fault:
            self.floor = clock()
            if os.path.lexists(path):
                say(f"{fault}; everybody has to log in again")
            self.keep()

    def has(self, number: str, born: float) -> bool:
        """Whether the session of this number, begun then, was ended."""
        return born <= self.floor or number in self._ended

    def end(self, number: str, born: float, until: float) -> None:
        """End a session whose cookie is good until then. Takes effect at once; `keep` makes it last."""
        now = self._clock()
        self._ended[number] = (born, until)
        self._ended = {name: times for name, times in self._ended.items() if times[1] > now}
        while len(self._ended) > MOST:
            oldest = min(self._ended, key=lambda name: self._ended[name][0])
            self.floor = max(self.floor, self._ended.pop(oldest)[0])

    def keep(self) -> None:
        """Write the file, by rename. A disk that refuses is reported; the next start then ends all sessions."""
        ended = dict(self._ended)
        content = json.dumps({"schema": 1, "floor": self.floor, "ended": ended}).encode("ascii")
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            new.unlink(missing_ok=True)
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(new, self._path)
        except OSError as error:
            self._say(
                f"{self._path}: {error.strerror}; who logged out is forgotten at the next start, so all sessions end"
            )
            # A file of before would bring back whom it does not name.
            for path in (new, self._path):
                try:
                    path.unlink(missing_ok=True)
                except OSError:
                    continue


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1 << 40:
        raise ValueError
    return float(value)


def _parse(data: bytes) -> tuple[float, dict[str, tuple[float, float]]]:
    try:
        whole = json.loads(data.decode("utf-8"))
        if set(whole) != {"schema", "floor", "ended"} or whole["schema"] != 1:
            raise ValueError
        ended = {str(name): (_number(born), _number(until)) for name, (born, until) in whole["ended"].items()}
        return _number(whole["floor"]), ended
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Unusable("the list of ended sessions cannot be read") from None
