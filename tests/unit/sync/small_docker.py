# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A docker with one Compose service, kept in $SMALL_DOCKER: ``created`` is there while its container is."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timezone
from pathlib import Path

HOME = Path(os.environ["SMALL_DOCKER"])


def main(words: list[str]) -> int:
    """Do what *words* say, and note what changes something in the file ``calls``."""
    created = HOME / "created"
    if words[:2] == ["compose", "version"]:
        print("5.6.1")
    elif words[0] == "inspect":
        print(created.read_text())
    elif "ps" in words:
        print("0123abcd" if created.exists() else "")
    else:
        with (HOME / "calls").open("a") as calls:
            calls.write(f"{os.getcwd()}: {' '.join(words)}\n")
        # As the engine writes it, with nanoseconds.
        created.write_text(datetime.now(tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
