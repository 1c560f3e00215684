# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the unit of a container does besides starting it. Runs on the host; talks to the engine through its client.

    python container.py create --file COMPOSE --name INSTANCE    # before the start: make it, anew where it changed
    python container.py ended --name INSTANCE                    # after the end: leave nothing running, say why
    python container.py help --image IMAGE --cache DIR           # what ComfyUI in the image says to --help
    python container.py rehearse --image IMAGE --cache DIR --user UID:GID --seconds N < files.json
        # before anything that serves is replaced: start the image where nothing depends on it, until proven locked

Ends with 0, or with 1 and one line on stderr that names the mend. Gives no variable of its own to anybody, so neither
COMPOSE_*, DOCKER_* nor somebody's client configuration changes what is made.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

PROJECT = "comfyui"
APP, LIB, PYTHON = "/opt/comfyui/app", "/opt/comfyui/lib", "/opt/comfyui/venv/bin/python"
# No instance can have a name with a dot.
REHEARSAL = f"{PROJECT}.rehearsal"
_GUARD = "/guard/"
_CAUSES = ("comfyui-login-guard: ended ComfyUI before it listened: ", "comfyui-start: refused: ")
_TMP = "/tmp"  # noqa: S108 - a container's own, in memory, and nobody else is in it
# Nothing but memory, nobody to talk to, no rights.
_BOX = ["--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--tmpfs", f"{_TMP}:mode=1777,exec", "--pull", "never"]  # fmt: skip
_MEND = "run the playbook for this host again"
# How the engine says it, and how people are told.
_TOLD = (
    (r"Cannot connect to the Docker daemon|connection refused|no such file or directory.*docker\.sock",
     "the container engine does not answer; see: systemctl status docker"),
    (r"bind source path does not exist: (\S+)", "{0} is missing and nothing is made up in its place; " + _MEND),
    (r"No such image: (\S+)", "the image {0} is not there; " + _MEND),
    (r"(?:listen \w+ |Bind for )(\S+?):? (?:bind: address already in use|failed: port is already allocated)",
     "{0} is taken by something else; free it or choose another port in comfyui_instances"),
    (r"cannot assign requested address", "this host has no such address; mend comfyui_listen"),
    (r"unresolvable CDI devices? (.+)", "the engine knows no GPU {0}; " + _MEND),
    (r'could not select device driver "(\S+)"', "the engine has no way to GPUs ({0}); run role nvidia_gpu first"),
    (r"error setting rlimit", "the engine may not raise the limit of open files so far; lower comfyui_nofile_limit"),
    (r"no space left on device", "the disk of the engine is full; free some of it (docker system df)"),
)  # fmt: skip


class ContainerError(Exception):
    """What does not work, and the mend, in one sentence."""


def told(said: str) -> str:
    """Return what the engine said, in one line and in our words where they are known."""
    line = " ".join(said.split())
    for pattern, words in _TOLD:
        match = re.search(pattern, line, re.IGNORECASE)
        if match:
            return words.format(*match.groups())
    return line[-400:] or "the container engine's client failed and said nothing"


def client(*words: str, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run the engine's client to its end. Raises ContainerError where it has none."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    try:
        return subprocess.run(  # noqa: S603 - a list of words, no shell
            [shutil.which("docker") or "docker", *words], capture_output=True, text=True, errors="replace",
            check=False, timeout=timeout, stdin=subprocess.DEVNULL, env={**kept, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError:
        raise ContainerError(f"there is no docker command on this host; {_MEND}") from None
    except subprocess.TimeoutExpired:
        raise ContainerError(
            f"docker {words[0]} did not end within {timeout:g} s; see: systemctl status docker"
        ) from None


def docker(*words: str) -> str:
    """Run the engine's client and return its output. Raises ContainerError."""
    done = client(*words)
    if done.returncode != 0:
        raise ContainerError(told(done.stderr or done.stdout))
    return done.stdout


def create(file: Path, name: str) -> None:
    """Make the container of one instance, anew only when its definition changed. Raises ContainerError."""
    # Two at once would both make the network.
    with (file.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        project = ["--env-file", "/dev/null", "--project-name", PROJECT, "--file", str(file)]
        docker("compose", *project, "create", "--no-build", name)
    # The engine checks a container that is there already only when it starts, and keeps no record of what it said.
    for mount in (
        json.loads(docker("container", "inspect", "--format", "{{json .HostConfig.Mounts}}", f"{PROJECT}-{name}")) or []
    ):
        if mount["Type"] == "bind" and not os.path.exists(mount["Source"]):
            raise ContainerError(told(f"bind source path does not exist: {mount['Source']}"))


def ended(name: str) -> None:
    """Stop a container whose client was killed, and say why the engine could not start it. Raises ContainerError."""
    container = f"{PROJECT}-{name}"
    failed = os.environ.get("SERVICE_RESULT", "success") != "success"
    state = docker("container", "inspect", "--format", "{{.State.Running}} {{.State.Error}}", container).strip()
    running, _blank, error = state.partition(" ")
    if running == "true":
        docker("stop", container)
    if failed and error:
        raise ContainerError(told(error))


def help_text(image: str, cache: Path) -> str:
    """Return the help of the ComfyUI in *image*; asked once an image. Raises ContainerError."""
    known = cache / f"help-{hashlib.sha256(image.encode()).hexdigest()[:16]}.txt"
    if known.exists():
        return known.read_text(encoding="utf-8")
    text = docker("run", *_BOX, "--workdir", APP, "--entrypoint", PYTHON, image, "-B", "main.py", "--help")
    for old in cache.glob("help-*.txt"):
        old.unlink()
    part = known.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(known)
    return text


def _lay(place: Path, files: Mapping[str, str], uid: int, gid: int) -> list[str]:
    """Write a login directory, a session key and a guard that are of no use elsewhere; return how to mount them."""
    os.umask(0o022)
    login, guard, key = place / "login", place / "guard", place / "key"
    for folder in (login, guard):
        folder.mkdir(mode=0o755)
    # The form of a bcrypt hash, of no password.
    token = f"$2b$12${secrets.token_hex(10)}u.{secrets.token_hex(15)}e"
    made = f"{base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()},9999-12-31T00:00:00"
    for path, text in ((login / "PASSWORD", f"{token}\nrehearsal\n"), (key, made)):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chown(path, uid, gid)
    for name, text in files.items():
        (guard / name).write_text(text, encoding="utf-8")
    nodes = f"{APP}/custom_nodes"
    mounts = [(login, f"{APP}/login"), (key, f"{nodes}/ComfyUI-Login/.secret-key.txt")]
    mounts += [(guard, f"{nodes}/ComfyUI-Login-Guard")] if files else []
    options = [f"type=bind,readonly,source={source},target={target}" for source, target in mounts]
    return [word for option in options for word in ("--mount", option)]


def _cause(said: str, status: int) -> str:
    """Return why a rehearsal failed: our programs' own words, or else the last ones."""
    lines = [" ".join(line.split()) for line in said.splitlines() if line.strip()]
    ours = [line[len(start) :] for start in _CAUSES for line in lines if line.startswith(start)]
    killed = ["it was killed, as when memory is short"] if status == 137 else []
    return "; ".join([*ours, *killed] or lines[-5:]) or f"it ended with status {status} and said nothing"


def rehearse(image: str, cache: Path, user: str, seconds: float, entries: list[dict[str, str]]) -> None:
    """Start an image in a container of its own until it is proven locked; leave nothing. Raises ContainerError.

    :param entries: the guard's files, with ``path`` (``/guard/NAME``) and ``content``; none: no guard.
    """
    files = {one["path"][len(_GUARD) :]: one["content"] for one in entries if one["path"].startswith(_GUARD)}
    known = set(re.findall(r"(?<![\w-])--[a-z-]+", help_text(image, cache)))
    uid, gid = (int(number) for number in user.split(":"))
    run = f"/run/{PROJECT}"
    words = ["--name", REHEARSAL, "--label", "genai.comfyui.rehearsal=1", "--log-driver", "none", "--init"]
    words += ["--user", user, "--tmpfs", f"{run}:uid={uid},gid={gid},mode=0700", "--entrypoint", PYTHON]
    # What runs has the GPUs; a library that looks for a home finds one that goes.
    for name, value in (("HOME", _TMP), ("PYTHONUNBUFFERED", "1"), ("NVIDIA_VISIBLE_DEVICES", "void")):
        words += ["--env", f"{name}={value}"]
    start = ["-B", f"{LIB}/rehearse.py", f"{seconds:g}", "--app", APP, "--socket", f"{run}/prove.sock"]
    start += [*([] if files else ["--no-guard"]), "--", "--listen", "127.0.0.1"]
    for flag in ("--user-directory", "--input-directory", "--output-directory", "--temp-directory"):
        start += [flag, _TMP]
    start += ["--database-url", "sqlite:////tmp/comfyui.db"] if "--database-url" in known else []
    start += ["--cpu"] if "--cpu" in known else []
    with (cache / ".rehearsal").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Of a run that was killed. What cannot be removed holds a token of nothing, and must not fail this run.
        for old in cache.glob("rehearsal-*"):
            shutil.rmtree(old, ignore_errors=True)
        client("rm", "--force", REHEARSAL)
        place = Path(tempfile.mkdtemp(prefix="rehearsal-", dir=cache))
        try:
            done = client("run", *_BOX, *words, *_lay(place, files, uid, gid), image, *start, timeout=seconds + 60)
        finally:
            client("rm", "--force", REHEARSAL)
            shutil.rmtree(place, ignore_errors=True)
    if done.returncode == 125:
        raise ContainerError(told(done.stderr))
    if done.returncode != 0:
        raise ContainerError(_cause(f"{done.stdout}\n{done.stderr}", done.returncode))


def main(argv: list[str]) -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="container.py", allow_abbrev=False)
    parser.add_argument("do", choices=["create", "ended", "help", "rehearse"])
    parser.add_argument("--file", type=Path, help="Compose file")
    parser.add_argument("--name", help="instance")
    parser.add_argument("--image", help="image whose ComfyUI is asked")
    parser.add_argument("--cache", type=Path, help="directory that keeps the answer, and a rehearsal's files")
    parser.add_argument("--user", help="numbers of user and group that a rehearsal runs as")
    parser.add_argument("--seconds", type=float, help="how long a rehearsal may take")
    options = parser.parse_args(argv)
    try:
        if options.do == "create":
            create(options.file, options.name)
        elif options.do == "ended":
            ended(options.name)
        elif options.do == "rehearse":
            rehearse(options.image, options.cache, options.user, options.seconds, json.load(sys.stdin))
        else:
            print(help_text(options.image, options.cache), end="")
    except ContainerError as error:
        # The prefix by which the instance's module finds the reason in the journal.
        print(f"comfyui-start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
