# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove a started ComfyUI locked on its real address, with the token in its own login/PASSWORD.

    python prove.py --app DIR --url URL [--origin ORIGIN] [--ca FILE] [--insecure] [--timeout SECONDS]

For ExecStartPost: status 0 when it is locked, else 1 and one line on stderr. Waits until the server answers, at
most --timeout seconds, and no longer than the process $MAINPID lives.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from start import Refusal, read_token

from ansible_collections.genai.comfyui.plugins.module_utils._probe import Target, prove


def process_alive(pid: int) -> Callable[[], bool]:
    """Return a function that says whether process *pid* still runs; one that waits to be reaped does not."""

    def alive() -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return False
        return bool(state) and state[0] not in ("Z", "X")

    return alive


def main(argv: list[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="prove.py", allow_abbrev=False)
    parser.add_argument("--app", type=Path, required=True, help="directory of ComfyUI's main.py")
    parser.add_argument("--url", required=True, help="address that ComfyUI listens on")
    parser.add_argument("--origin", help="the origin given to ComfyUI as --enable-cors-header")
    parser.add_argument("--ca", help="certificates to check an https address with")
    parser.add_argument("--insecure", action="store_true", help="do not check the certificate")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds to wait for an answer")
    options = parser.parse_args(argv)
    pid = os.environ.get("MAINPID", "")
    try:
        token = read_token(Path(os.path.abspath(options.app)))
    except Refusal as refusal:
        print(f"comfyui-prove: {refusal}", file=sys.stderr)
        return 1
    target = Target(options.url, token, origin=options.origin, ca_path=options.ca, verify=not options.insecure)
    seen = prove(target, options.timeout, alive=process_alive(int(pid)) if pid.isdigit() else None)
    if seen.locked:
        return 0
    print(f"comfyui-prove: {options.url}: {seen.state}: {seen.detail}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
