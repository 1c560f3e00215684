# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root logging as ComfyUI sets it up: bare messages, and the last 300 writes kept for `/internal/logs`."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections import deque
from datetime import datetime
from typing import Any

CAPACITY = 300
entries: deque[dict[str, str]] = deque(maxlen=CAPACITY)
_ready = False


class RecordingStream(io.TextIOWrapper):
    """A text stream that also remembers what is written to it."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream.buffer, encoding=stream.encoding, line_buffering=stream.line_buffering)
        self._guard = threading.Lock()

    def write(self, text: str) -> int:
        with self._guard:
            # A progress bar overwrites its own unfinished line.
            if text.startswith("\r") and entries and not entries[-1]["m"].endswith("\n"):
                entries.pop()
            entries.append({"t": datetime.now().isoformat(), "m": text})
        return super().write(text)


def setup_logger(level: str, to_stdout: bool) -> None:
    """Record both standard streams and send log records to stderr, or (all but errors) to stdout."""
    global _ready
    if _ready:
        return
    _ready = True
    sys.stdout = RecordingStream(sys.stdout)
    sys.stderr = RecordingStream(sys.stderr)
    root = logging.getLogger()
    root.setLevel(level)
    plain = logging.Formatter("%(message)s")
    errors = logging.StreamHandler()
    errors.setFormatter(plain)
    if to_stdout:
        errors.addFilter(lambda record: record.levelno >= logging.ERROR)
        others = logging.StreamHandler(sys.stdout)
        others.setFormatter(plain)
        others.addFilter(lambda record: record.levelno < logging.ERROR)
        root.addHandler(others)
    root.addHandler(errors)
