# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a server that is being stopped stops taking connections: what its clients see, and not when it was told to.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

_PAUSE = 0.02


class Door:
    """Knocks until nobody opens, or :meth:`leave`. ``shut`` is that moment by the monotonic clock; None before."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        self._end = threading.Event()
        self.shut: float | None = None
        self._thread = threading.Thread(target=self._knock, daemon=True)
        self._thread.start()

    def _knock(self) -> None:
        while not self._end.is_set():
            knocked = time.monotonic()
            try:
                with suppress(socket.timeout), socket.create_connection(self._place, timeout=1):
                    pass
            except OSError:
                self.shut = knocked
                return
            self._end.wait(_PAUSE)

    def leave(self) -> None:
        """Knock no more."""
        self._end.set()
        self._thread.join(5)
