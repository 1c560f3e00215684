# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server and one client that the tests of this directory may break and mend."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from compose_field import ComposeField, compose_hosts
from field_hosts import CACHE, ROOT, Field, Knocker


@pytest.fixture(scope="session")
def field() -> Iterator[Field]:
    """Bring the hosts up and converge them once; remove them at the end unless FIELD_KEEP is set."""
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    field = Field()
    field.password_file.touch(0o600)
    field.password_file.write_text("field tests only\n")
    for words in (["tools.engine", "ensure"], ["tools.images"], ["tools.repos"]):
        subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    for playbook in ("tests/hosts/destroy.yml", "tests/hosts/create.yml", "tests/hosts/seed.yml"):
        done = field.play(playbook)
        assert done.returncode == 0, done.stdout + done.stderr
    yield field
    if not os.environ.get("FIELD_KEEP"):
        field.play("tests/hosts/destroy.yml")


@pytest.fixture(scope="session")
def first_run(field: Field) -> str:
    """Converge bare hosts while somebody knocks, and return everything that Ansible said."""
    with Knocker(field.address("srv-1")) as knocker:
        done = field.site()
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert knocker.answers > 0, "the knocking never reached the server"
    assert knocker.let_in == []
    return done.stdout + done.stderr


@pytest.fixture
def converged(field: Field, first_run: str) -> Field:
    """Return the hosts, in order."""
    assert first_run
    if field.state() != "active":
        done = field.site()
        assert done.returncode == 0, done.stdout[-6000:]
    return field


@pytest.fixture(scope="session")
def compose() -> Iterator[ComposeField]:
    """Bring up the host with an engine inside, and its client; see compose_hosts."""
    with compose_hosts() as field:
        yield field
