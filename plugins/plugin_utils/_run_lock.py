# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a controller: a lock that belongs to a process and ends with it, however that ends.

A task runs in a short-lived worker, so the lock cannot be a held file: it is a note of the process that runs the
playbook, and counts as long as that very process lives. The note itself is read and written under flock.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any


class LockedError(Exception):
    """Another run holds the lock; the message says which."""


def place(store: Any) -> Path:
    """Return the lock of the truth that *store* describes: the same file for every playbook of this user."""
    text = json.dumps(store, sort_keys=True, default=str)
    return Path("~/.ansible/genai-comfyui").expanduser() / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.lock"


def started(pid: int) -> str | None:
    """Return what tells this process from a later one with its number; None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return None
    except OSError:
        pass
    else:
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in ("Z", "X") else fields[19]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return "running"


def hold(path: Path, pid: int, what: str = "") -> None:
    """Note process *pid* as the holder; it may be that already.

    :param what: what it does, for whoever is refused; no secret, and no line break.
    :raises LockedError: another process that lives is noted. :raises OSError: the file cannot be used.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            noted = json.loads(file.read() or "{}")
            holder, since, at = int(noted["pid"]), noted["started"], str(noted["at"])
            told = f"{noted['what']}, process" if noted.get("what") else "process"
        except (ValueError, KeyError, TypeError, AttributeError):
            holder, since, at, told = 0, None, "", ""
        if holder not in (0, pid) and since is not None and started(holder) == since:
            raise LockedError(
                f"another run ({told} {holder}, since {at}) is at work on these credentials; nothing was done, "
                "wait for its end and run again"
            )
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        file.seek(0)
        file.truncate()
        json.dump({"pid": pid, "started": started(pid), "at": now, "what": what}, file)
