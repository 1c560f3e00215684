# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make sure that a container engine answers, and stop the one that this tool started.

Standard library only. Run as ``python -m tools.engine [ensure|stop|status]`` from the repository's root.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tools._common import CACHE, Fault, apt_install, is_debian, is_root, lock, main_guard, output, say, tail

LOG = CACHE / "dockerd.log"
RECORD = CACHE / "dockerd.json"
DEFAULT_ENDPOINT = "unix:///var/run/docker.sock"


class Probe(NamedTuple):
    """What an engine answered: version is empty unless it did; reason is 'client', 'denied' or 'silent'."""

    version: str
    reason: str
    said: str


def probe() -> Probe:
    """Ask the engine that the client's own settings (DOCKER_HOST, context) point at."""
    if shutil.which("docker") is None:
        return Probe("", "client", "no docker command")
    done = output(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20)
    if done.returncode == 0 and done.stdout.strip():
        return Probe(done.stdout.strip(), "", "")
    said = done.stderr.strip()
    return Probe("", "denied" if "permission denied" in said.lower() else "silent", said)


def endpoint() -> str:
    """Return the engine's address, for programs that know DOCKER_HOST but not the client's contexts."""
    if os.environ.get("DOCKER_HOST"):
        return os.environ["DOCKER_HOST"]
    done = output(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"])
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else DEFAULT_ENDPOINT


def user_name() -> str:
    """Return the name of whoever runs this, or the number where the machine knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def missing(found: Probe, debian: bool) -> str:
    """Return the message for a machine where this tool may not install anything itself."""
    user = user_name()
    if found.reason == "denied":
        return (
            f"A container engine runs, but user {user} may not talk to it. As root: usermod -aG docker {user}; "
            "then log in again. (Members of that group are as powerful as root on this machine.)"
        )
    install = "apt-get install docker.io iptables" if debian else "install docker (or podman with podman-docker)"
    return (
        f"No container engine answers and user {user} is not root, so none can be installed. "
        "Do one of these, then repeat:\n"
        f"  - as root: {install}; start it; usermod -aG docker {user}; log in again\n"
        "  - rootless: start dockerd-rootless or 'podman system service', "
        "and set DOCKER_HOST=unix:///run/user/<uid>/<engine>.sock\n"
        "  - run this command as root: on Debian and Ubuntu it installs and starts the engine itself\n"
        "Only the local demo hosts need it; 'make site INVENTORY=...' with your own hosts does without."
    )


def started_ticks(pid: int) -> str | None:
    """Return a process's start time in clock ticks: with the pid it names one process for ever."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def ours() -> int | None:
    """Return the pid of the dockerd that this tool started and that still runs."""
    try:
        record = json.loads(RECORD.read_text())
        pid, ticks = int(record["pid"]), record["ticks"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if started_ticks(pid) == ticks else None


def _drop_stale_pidfile(pidfile: Path = Path("/var/run/docker.pid")) -> None:
    """Remove a pid file left by a dead engine: dockerd refuses to start when any process has that number now."""
    try:
        pid = int(pidfile.read_text())
    except (OSError, ValueError):
        return
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        name = ""
    if name != "dockerd":
        pidfile.unlink(missing_ok=True)


def ensure_systemd_hierarchy(mounts: Path = Path("/proc/mounts")) -> bool:
    """On cgroup v1 without a systemd of its own, mount the hierarchy that systemd in the hosts needs.

    :returns: True when it had to be mounted
    """
    lines = [line.split() for line in mounts.read_text().splitlines()]
    v1 = any(fields[1] == "/sys/fs/cgroup" and fields[2] == "tmpfs" for fields in lines)
    if not v1 or any(fields[2] == "cgroup" and "name=systemd" in fields[3].split(",") for fields in lines):
        return False
    where = Path("/sys/fs/cgroup/systemd")
    where.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "cgroup", "-o", "none,name=systemd", "systemd", str(where)], check=True)
    say("engine", "mounted the systemd control group hierarchy, which this machine had not")
    return True


def _await(process: subprocess.Popen[bytes] | None, seconds: float) -> Probe:
    """Wait until the engine answers, its process ends, or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = probe()
        if found.version or time.monotonic() > deadline or (process is not None and process.poll() is not None):
            return found
        time.sleep(0.1)


def _start() -> str:
    """Start the installed engine and return which way was taken.

    :raises Fault: it does not answer in time; the end of its log is in the message.
    """
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=False)
        found = _await(None, 60)
        if not found.version:
            raise Fault(f"engine: started by systemd, but it does not answer ({found.said}). See: journalctl -u docker")
        return "started by systemd"
    ensure_systemd_hierarchy()
    _drop_stale_pidfile()
    dockerd = shutil.which("dockerd")
    if dockerd is None:
        raise Fault("engine: docker is installed but dockerd is not on the PATH.")
    say("engine", f"starting {dockerd} (log: {LOG.relative_to(CACHE.parent)})")
    CACHE.mkdir(exist_ok=True)
    with LOG.open("wb") as log:
        # Its own session: the engine outlives this command and the terminal, on purpose.
        process = subprocess.Popen(
            [dockerd], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
        )
    RECORD.write_text(json.dumps({"pid": process.pid, "ticks": started_ticks(process.pid)}))
    found = _await(process, 60)
    if not found.version:
        raise Fault(f"engine: dockerd was started but does not answer ({found.said}). The end of {LOG}:\n{tail(LOG)}")
    return "started by this tool; it stays until 'make engine-stop' or a reboot"


def ensure() -> None:
    """Make an engine answer, or say what to do.

    :raises Fault: none answers and none may be installed here.
    """
    found = probe()
    if found.version:
        way = f"DOCKER_HOST={os.environ['DOCKER_HOST']}" if os.environ.get("DOCKER_HOST") else "already running"
        say("engine", f"{found.version} answers ({way})")
        return
    if os.environ.get("DOCKER_HOST"):
        raise Fault(
            f"engine: DOCKER_HOST={os.environ['DOCKER_HOST']} is set, but no engine answers there ({found.said}). "
            "Start it, or unset DOCKER_HOST to use this machine's own engine."
        )
    if not is_root():
        raise Fault(f"engine: {missing(found, is_debian())}")
    with lock("engine"):
        found = probe()
        if not found.version:
            if shutil.which("dockerd") is None or found.reason == "client":
                if not is_debian():
                    raise Fault(
                        "engine: none answers. Install and start docker, then repeat "
                        "(automatic only on Debian and Ubuntu)."
                    )
                apt_install("engine", ["docker.io", "iptables"])
                if shutil.which("docker") is None:
                    # Newer Debian ships the client on its own.
                    apt_install("engine", ["docker-cli"])
            found = probe()
            way = "started by its package" if found.version else _start()
            found = probe()
            say("engine", f"{found.version} answers ({way})")


def stop() -> None:
    """Stop the engine, but only one that this tool started."""
    pid = ours()
    if pid is None:
        say("engine", "none runs that this tool started; nothing stopped")
        RECORD.unlink(missing_ok=True)
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 60
    while ours() is not None and not _zombie(pid):
        if time.monotonic() > deadline:
            raise Fault(f"engine: dockerd (pid {pid}) does not end. The end of {LOG}:\n{tail(LOG)}")
        time.sleep(0.1)
    RECORD.unlink(missing_ok=True)
    say("engine", f"stopped (pid {pid})")


def _zombie(pid: int) -> bool:
    """Tell whether a process has ended and only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def main() -> None:
    """Command line."""
    main_guard()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", nargs="?", default="ensure", choices=["ensure", "stop", "status"])
    action = parser.parse_args().action
    if action == "ensure":
        ensure()
    elif action == "stop":
        stop()
    else:
        found = probe()
        say("engine", f"{found.version or 'none answers: ' + found.said} (started here: {ours() is not None})")


if __name__ == "__main__":
    main()
