# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each molecule scenario is one test, so that one pytest summary says how everything went."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".cache" / "logs"
LIMIT = 3600
"""Seconds after which a scenario counts as stuck."""
SHOWN = 120
"""Lines of a log that a failure shows."""
STEP = re.compile(r"\[(?:\S+ > )?\S+\]\s+(Executing|Executed:? .*)", re.IGNORECASE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

pytestmark = [pytest.mark.hosts, pytest.mark.slow]


def scenarios() -> list[str]:
    """Return the names of the scenarios, "default" first: it is the widest and shows most."""
    found = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    return sorted(found, key=lambda name: (name != "default", name))


def environment() -> dict[str, str]:
    """Return the environment for molecule: this virtual environment first, no pyenv shims (they answer 127)."""
    parts = [part for part in os.environ.get("PATH", os.defpath).split(os.pathsep) if not part.endswith("pyenv/shims")]
    path = os.pathsep.join([str(Path(sys.executable).parent), *parts])
    return {**os.environ, "PATH": path, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}


Say = Callable[[str], None]


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Say:
    """Return a function that shows a line at once where somebody is looking: on a terminal, with -s, in CI."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    wanted = pytestconfig.getoption("capture") == "no" or bool(os.environ.get("CI")) or os.isatty(1)

    def show(line: str) -> None:
        if wanted and capture is not None:
            with capture.global_and_fixture_disabled():
                sys.stdout.write(f"\n{line}")
                sys.stdout.flush()

    return show


def logged(name: str, command: list[str], say: Say, limit: float = LIMIT) -> str:
    """Run *command*, its output into a log of *name*, its steps to *say*; fail the test with the log's end.

    The whole process group ends with the test, however the test ends.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}.log"
    started = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        stuck = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
        stuck.start()
        try:
            assert process.stdout is not None
            with log.open("w") as stream:
                for line in process.stdout:
                    plain = COLOUR.sub("", line)
                    stream.write(plain)
                    stream.flush()
                    if found := STEP.search(plain):
                        say(f"{time.monotonic() - started:6.0f} s  {plain[found.start() :].strip()}")
            status = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            stuck.cancel()
    text = log.read_text()
    if status != 0:
        why = f"was stopped after {limit:.0f} s" if status == -signal.SIGKILL else f"ended with status {status}"
        end = "\n".join(text.splitlines()[-SHOWN:])
        pytest.fail(f"{' '.join(command)}\n{why}; all of it: {log}\n{end}", pytrace=False)
    return text


@pytest.fixture(scope="session")
def hosts_ready(say: Say) -> None:
    """Make the container engine, the hosts' images and the git repositories, where they are not there yet."""
    for words in (["tools.engine", "ensure"], ["tools.images"], ["tools.repos"]):
        say(f"{words[0]} ...")
        logged(words[0], [sys.executable, "-m", *words], say)


@pytest.mark.parametrize("scenario", scenarios())
@pytest.mark.usefixtures("hosts_ready")
def test_scenario(scenario: str, say: Say) -> None:
    """The scenario's whole sequence passes. MOLECULE_KEEP=1 leaves the hosts there for a look."""
    keep = ["--destroy", "never"] if os.environ.get("MOLECULE_KEEP") else []
    text = logged(f"molecule-{scenario}", ["molecule", "test", "-s", scenario, *keep], say)
    assert re.search(r"\bok=\d+", text), "no playbook ran"
