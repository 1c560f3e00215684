# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The locked start without the last step: ComfyUI is proven locked on its private socket, and ends there.

    python rehearse.py SECONDS OPTIONS OF start.py -- ARGUMENTS OF COMFYUI

Status 0 when it is proven. Else, also when it is not so far within SECONDS, what start.py does: status 78 and one line
on stderr. It never listens on any address.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from typing import Any, NoReturn

import start


def _leave(status: int, line: str) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.write(2, f"comfyui-start: {' '.join(line.split())}\n".encode("utf-8", "replace"))
    # Not sys.exit: threads of custom nodes would keep the process alive.
    os._exit(status)


def refuse(reason: str) -> NoReturn:
    """End as start.py does when it refuses."""
    _leave(start.REFUSED, f"refused: {reason}")


class Rehearsal(start.Gate):
    """Ends the process where the gate would open."""

    async def _admit(self, server: Any) -> None:
        await super()._admit(server)
        _leave(0, "proven locked; nothing else was asked for")


def main(argv: list[str]) -> NoReturn:
    """Start, and end before anything listens."""
    seconds = float(argv[0])
    late = threading.Timer(seconds, refuse, [f"it was not ready within {seconds:g} s"])
    late.daemon = True
    late.start()
    # start.main makes its gate by this name; to mypy a class is nothing to be replaced.
    start.Gate = Rehearsal  # type: ignore[misc]
    try:
        start.main(argv[1:])
    except SystemExit as end:
        refuse(f"ComfyUI ended with status {end.code} before it listened")
    except Exception as error:  # whatever a custom node raises while it is imported is the answer, not a crash of ours
        traceback.print_exc()
        refuse(f"ComfyUI failed before it listened: {type(error).__name__}: {error}")
    refuse("ComfyUI ended before it listened")


if __name__ == "__main__":
    main(sys.argv[1:])
