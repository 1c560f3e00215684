# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each consumer of environment files is asked what it reads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from golden_tools import Unavailable, libraries, node_modules, program, python

Values = Mapping[str, "str | None"]
Reader = Callable[[Path, Sequence[str]], Values]


class Refused(Exception):
    """The consumer does not take the file. Its message may hold values and is left out."""


def output(command: Sequence[str | Path], cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Return what *command* prints. Raises :class:`Refused` when it fails."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=dict(environment or {"PATH": os.environ["PATH"]}),
        capture_output=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise Refused(f"{Path(command[0]).name} ended with {done.returncode}")
    return done.stdout.decode("utf-8", "surrogateescape")


def shell(name: str, path: Path, names: Sequence[str]) -> Values:
    """Source the file, as a script of the same shell would."""
    script = f'. "{path}"; ' + "".join(f'printf "%s\\0" "${{{one}}}"; ' for one in names)
    command = [program("busybox"), "sh"] if name == "busybox" else [program("ksh93" if name == "ksh" else name)]
    found = output([*command, "-c", script], environment=libraries()).split("\0")
    return dict(zip(names, found))


def fish(path: Path, names: Sequence[str]) -> Values:
    """``source`` in fish, without its configuration."""
    script = f'source "{path}"; or exit 1; ' + "".join(f'printf "%s\\0" "${one}"; ' for one in names)
    environment = {**libraries(), "HOME": str(path.parent)}
    found = output([program("fish"), "--no-config", "-c", script], environment=environment).split("\0")
    return dict(zip(names, found))


def powershell(path: Path, names: Sequence[str]) -> Values:
    """Dot-source in PowerShell."""
    pwsh = shutil.which("pwsh")
    if pwsh is None:
        raise Unavailable("there is no pwsh on this machine and none in Debian's archive")
    script = f". '{path}'; " + "; ".join(f"[Console]::Write($env:{one} + [char]0)" for one in names)
    return dict(zip(names, output([pwsh, "-NoProfile", "-Command", script]).split("\0")))


def _python(code: str, path: Path, names: Sequence[str]) -> Values:
    program_text = f"import json, sys\npath, names = sys.argv[1], sys.argv[2:]\n{code}\nprint(json.dumps(found))"
    found = json.loads(output([python(), "-I", "-c", program_text, path, *names]))
    return {str(name): value for name, value in found.items()}


python_dotenv = partial(_python, "import dotenv\nfound = dict(dotenv.dotenv_values(path))")
decouple = partial(
    _python, "import decouple\nread = decouple.RepositoryEnv(path)\nfound = {one: read[one] for one in names}"
)
django_environ = partial(
    _python, "import environ, os\nenviron.Env.read_env(path)\nfound = {one: os.environ.get(one) for one in names}"
)


def _node(code: str, path: Path, names: Sequence[str]) -> Values:
    if not shutil.which("node"):
        raise Unavailable("there is no node")
    script = f"const names = {json.dumps(list(names))}; const path = {json.dumps(str(path))};\n{code}"
    script += "\nconsole.log(JSON.stringify(Object.fromEntries(names.map((n) => [n, found[n] ?? null]))));"
    values: Values = json.loads(output(["node", "-e", script], cwd=node_modules()))
    return values


def node_env_file(path: Path, names: Sequence[str]) -> Values:
    """``node --env-file``."""
    script = f"console.log(JSON.stringify(Object.fromEntries({json.dumps(list(names))}.map("
    script += "(n) => [n, process.env[n] ?? null]))))"
    values: Values = json.loads(output(["node", f"--env-file={path}", "-e", script], cwd=node_modules()))
    return values


node_dotenv = partial(_node, "const found = require('dotenv').parse(require('fs').readFileSync(path));")
dotenv_expand = partial(
    _node,
    "const parsed = require('dotenv').parse(require('fs').readFileSync(path));"
    "const found = require('dotenv-expand').expand({parsed, processEnv: {}}).parsed;",
)


def next_env(path: Path, names: Sequence[str]) -> Values:
    """``@next/env`` looks for ``.env`` in a directory."""
    project = path.parent / f"next-{path.name}"
    project.mkdir(exist_ok=True)
    shutil.copyfile(path, project / ".env")
    code = "const quiet = {info() {}, error() {}};"
    code += "require('@next/env').loadEnvConfig(require('path').dirname(path), true, quiet); const found = process.env;"
    return _node(code, project / ".env", names)


def compose_config(path: Path, document: str) -> Mapping[str, str | None]:
    """Return the environment of service ``s`` as Compose resolves it; its output doubles each ``$`` once more."""
    project = path.parent / f"compose-{path.name}"
    project.mkdir(exist_ok=True)
    (project / "compose.yaml").write_text(document, encoding="utf-8")
    compose = python().with_name("docker-compose")
    command: list[str | Path] = [compose, "-f", project / "compose.yaml", "config", "--format", "json"]
    if "${" in document:
        shutil.copyfile(path, project / ".env")
    found = json.loads(output(command, cwd=project, environment={"HOME": str(path.parent), "PATH": os.environ["PATH"]}))
    environment: dict[str, str | None] = found["services"]["s"].get("environment") or {}
    return {name: value.replace("$$", "$") if value else value for name, value in environment.items()}


def compose_dotenv(path: Path, names: Sequence[str]) -> Values:
    """The project's ``.env``, interpolated."""
    lines = "".join(f"      {one}: ${{{one}}}\n" for one in names)
    return compose_config(path, f"services:\n  s:\n    image: x\n    environment:\n{lines}")


def compose_env_file(path: Path, names: Sequence[str], form: str = "") -> Values:
    """``env_file``; *form* ``raw`` for what ``docker run --env-file`` reads too."""
    format_line = f"\n        format: {form}" if form else ""
    return compose_config(path, f"services:\n  s:\n    image: x\n    env_file:\n      - path: {path}{format_line}\n")


def systemd_host(path: Path, names: Sequence[str]) -> Values:
    """A transient unit of a running systemd, in one of the local hosts."""
    docker = shutil.which("docker")
    try:
        hosts = output([docker or "docker", "ps", "--format", "{{.Names}}"]).split()
    except (Refused, OSError):
        hosts = []
    hosts = [one for one in hosts if one.startswith("genai-comfyui-")]
    if not docker or not hosts:
        raise Unavailable("no local host with systemd is running (make hosts)")
    there = f"/run/golden-{uuid.uuid4().hex}"
    execute = [docker, "exec", "-i", hosts[0]]
    subprocess.run(
        [*execute, "sh", "-c", f"umask 077; cat > {there}"], input=path.read_bytes(), check=True, capture_output=True
    )
    try:
        unit = [*execute, "systemd-run", "--quiet", "--pipe", "--wait", "--collect", "-p", f"EnvironmentFile={there}"]
        pairs = dict(one.partition("=")[::2] for one in output([*unit, "env", "-0"]).split("\0"))
    finally:
        subprocess.run([*execute, "rm", "-f", there], check=False, capture_output=True)
    return {one: pairs.get(one) for one in names}
