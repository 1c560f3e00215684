# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One scheduled run of Ansible: take the lock, run the playbook, remember how it ended, write the figures.

Run as ``python -I run.py SETTINGS JOB [more arguments for ansible-playbook]``, by systemd or by hand. Exit codes:

* 0: the playbook succeeded, and no token is too old.
* 20: it succeeded, but a token is older than its policy's ``alarm_after_days``, or by this clock not made yet.
* 21: it succeeded, but the figures could not be written.
* 64: called in a wrong way, or the settings cannot be used. Nothing was run.
* 75: another run holds the lock. Nothing was run; the units take this for a success, because the next wake-up goes on.
* 143: it was told to stop.
* anything else: what ansible-playbook said; 2 means that a host failed, that a rotation waits for a host, or drift.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

TOO_OLD, NO_FIGURES, USAGE, BUSY, STOPPED = 20, 21, 64, 75, 143


class Fault(Exception):
    """The run cannot begin; the text says why and names the mend."""


def settings_of(path: Path) -> dict[str, Any]:
    """Return the role's settings. :raises Fault: unreadable or not JSON."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Fault(f"{path}: cannot be used ({type(error).__name__}); run the role again") from None
    return found


def command(
    settings: Mapping[str, Any], playbook: str, arguments: Sequence[str], credentials: Path | None
) -> list[str]:
    """Return the words that run a playbook.

    Passwords and keys are never among them, only names of files in the directory that systemd puts credentials in. Run
    by hand there is none; whoever runs it then adds ``--ask-vault-pass`` or the like.
    """
    words = [settings["ansible_playbook"], "-i", settings["inventory"], playbook, *arguments]
    if credentials is not None:
        for vault_id in settings["vault_ids"]:
            words += ["--vault-id", f"{vault_id}@{credentials / f'vault-{vault_id}'}"]
        if settings["ssh_key"]:
            words += ["--private-key", str(credentials / "ssh-key")]
    return words


def environment(settings: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of ansible-playbook: the caller's, our programs first, and Ansible's files with us."""
    found = {
        **given,
        "HOME": settings["state_dir"],
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_HOME": f"{settings['state_dir']}/ansible",
        "PYTHONUNBUFFERED": "1",
    }
    found["PATH"] = os.pathsep.join([str(Path(settings["ansible_playbook"]).parent), given.get("PATH", os.defpath)])
    if settings["collections_path"]:
        found["ANSIBLE_COLLECTIONS_PATH"] = settings["collections_path"]
    return found


def lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock until this process ends, however it ends; None if another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def remember(path: Path, job: str, started: float, finished: float, code: int) -> None:
    """Note how the job ended; what is known of the other job, and when this one last succeeded, stays."""
    runs: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8"))
        runs = known if isinstance(known, dict) else {}
    before = runs.get(job) if isinstance(runs.get(job), dict) else {}
    succeeded = finished if code == 0 else (before or {}).get("succeeded")
    runs[job] = {"started": started, "finished": finished, "exit": code, "succeeded": succeeded}
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        temporary.write_text(json.dumps(runs), encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def too_old(figures: Path) -> bool:
    """Say whether the figures just written hold an age alarm."""
    lines = figures.read_text(encoding="utf-8").splitlines()
    return any(line.startswith("comfyui_token_age_alarm{") and line.endswith(" 1") for line in lines)


def _noted(path: Path, job: str, seconds: float, code: int) -> bool:
    finished = time.time()
    try:
        remember(path, job, finished - seconds, finished, code)
    except OSError as error:
        print(f"comfyui-{job}: {path}: cannot be written ({error.strerror})", file=sys.stderr)
        return False
    return True


class Runner:
    """Runs programs one after another, and hands on a request to stop."""

    def __init__(self, settings: Mapping[str, Any], variables: Mapping[str, str]) -> None:
        self._directory = settings["project_dir"]
        self._environment = environment(settings, variables)
        self._running: subprocess.Popen[bytes] | None = None
        self.stopped = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if self._running is not None:
            self._running.send_signal(number)

    def run(self, words: Sequence[str]) -> int:
        """Run a program to its end and return its exit code."""
        if self.stopped:
            return STOPPED
        self._running = subprocess.Popen(list(words), cwd=self._directory, env=self._environment)  # noqa: S603 - the role's words
        try:
            code = self._running.wait()
        finally:
            self._running = None
        return STOPPED if self.stopped else code if code >= 0 else 128 - code


def work(settings: Mapping[str, Any], job: str, more: Sequence[str], variables: Mapping[str, str]) -> int:
    """Do the job; return the exit code. :raises Fault: it cannot begin."""
    if job not in settings["jobs"]:
        raise Fault(f"there is no job {job!r}; there are {', '.join(sorted(settings['jobs']))}")
    state = Path(settings["state_dir"])
    try:
        held = lock(state / "lock")
    except OSError as error:
        raise Fault(f"{state / 'lock'}: cannot be taken ({error.strerror}); run this as the unit's user") from None
    if held is None:
        print(f"comfyui-{job}: another run holds {state / 'lock'}; this one does nothing", file=sys.stderr)
        return BUSY
    given = variables.get("CREDENTIALS_DIRECTORY")
    credentials = Path(given) if given else None
    runner = Runner(settings, variables)
    wanted = settings["jobs"][job]
    begun = time.monotonic()
    code = runner.run(
        command(settings, wanted["playbook"], [*settings["arguments"], *wanted["arguments"], *more], credentials)
    )
    # How long it took is true whatever became of the clock meanwhile.
    noted = _noted(state / "runs.json", job, time.monotonic() - begun, code)
    figures = Path(settings["metrics_path"])
    told = {"comfyui_metrics_runs": str(state / "runs.json"), "comfyui_metrics_path": str(figures)}
    # By hand the same words may be what lets it read the truth, such as --ask-vault-pass.
    known = [*settings["arguments"], *more, "-e", json.dumps(told)]
    written = runner.run(command(settings, settings["metrics_playbook"], known, credentials))
    if runner.stopped:
        return STOPPED
    if code != 0:
        return code
    if written != 0 or not noted or not figures.exists():
        print(f"comfyui-{job}: the figures in {figures} could not be written, see above", file=sys.stderr)
        return NO_FIGURES
    if too_old(figures):
        print(f"comfyui-{job}: a token is older than its policy allows, or of no known age, see above", file=sys.stderr)
        return TOO_OLD
    return 0


def main(arguments: Sequence[str]) -> int:
    """Return the exit code."""
    if len(arguments) < 2:
        print("usage: run.py SETTINGS JOB [arguments for ansible-playbook]", file=sys.stderr)
        return USAGE
    # As in the units, so that a run by hand leaves nothing that others can read.
    os.umask(0o077)
    try:
        return work(settings_of(Path(arguments[0])), arguments[1], arguments[2:], os.environ)
    except Fault as fault:
        print(f"comfyui-{arguments[1]}: {fault}", file=sys.stderr)
        return USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
