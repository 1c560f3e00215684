# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder for PATH in which the unpacked programs start with their own libraries, as installed ones would."""

from __future__ import annotations

import shlex
from pathlib import Path

from golden_tools import Unavailable, libraries, program, python


def folder_with(where: Path, *names: str) -> Path:
    """Make *where* hold the programs *names*. Raises :class:`Unavailable`."""
    where.mkdir(exist_ok=True)
    for name in names:
        if name == "docker-compose":
            target, environment = str(python().with_name("docker-compose")), ""
            if not Path(target).exists():
                raise Unavailable("there is no docker-compose")
        else:
            target = program(name)
            own = target.startswith(str(Path(__file__).resolve().parents[2]))
            environment = f"LD_LIBRARY_PATH={libraries()['LD_LIBRARY_PATH']} " if own else ""
        link = where / name
        link.write_text(f'#!/bin/sh\n{environment}exec {shlex.quote(target)} "$@"\n', encoding="utf-8")
        link.chmod(0o755)
    return where
