# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests of the truth under every ansible-core that is supported, each with another way to hash.

The environments are made in .cache/matrix and kept; only what their requirements name is in them, so a plugin that
leans on more than ansible-core fails here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.venv import find_python, link_collection

CACHE = ROOT / ".cache" / "matrix"
TEST_TOOLS = ("pytest==9.2.0", "pytest-xdist==3.8.0", "hypothesis==6.170.15", "hvac==2.4.0", "cryptography")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Combination:
    """An ansible-core with the packages around it, and what must do the hashing then."""

    core: str
    python: str
    packages: tuple[str, ...]
    provider: str


COMBINATIONS = (
    Combination("2.18", "3.11", ("bcrypt==4.3.0",), "the Python package bcrypt"),
    Combination("2.19", "3.11", ("libpass==1.9.4", "bcrypt==5.0.0"), "the Python package bcrypt"),
    # Ansible's own password_hash fails for any password with these two.
    Combination("2.20", "3.12", ("passlib==1.7.4", "bcrypt==5.0.0"), "the Python package bcrypt"),
    Combination("2.21", "3.12", (), "libxcrypt"),
)


def environment_of(combination: Combination) -> Path:
    """Return the environment's interpreter; make the environment where it is missing or old."""
    try:
        python, _version = find_python(combination.python)
    except SystemExit as error:
        pytest.skip(str(error))
    requirements = [f"ansible-core=={combination.core}.*", *combination.packages, *TEST_TOOLS]
    digest = hashlib.sha256("\n".join([python, *requirements]).encode()).hexdigest()
    CACHE.mkdir(parents=True, exist_ok=True)
    venv = CACHE / f"core-{combination.core}"
    inner = venv / "bin" / "python"
    with (CACHE / f"core-{combination.core}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = venv / ".digest"
        if not stamp.exists() or stamp.read_text() != digest:
            run(python, "-m", "venv", "--clear", "--without-pip", str(venv))
            uv = Path(sys.executable).with_name("uv")
            run(str(uv), "pip", "install", "-q", "-p", str(inner), *requirements)
            stamp.write_text(digest)
        link_collection(inner)
    return inner


def run(*command: str) -> str:
    """Run a command without this process's Python, Ansible and pytest settings; return what it wrote."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "ANSIBLE_", "PYTEST_", "VIRTUAL_ENV"))}
    done = subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda c: f"core-{c.core}")
def test_the_truth_holds(combination: Combination) -> None:
    python = environment_of(combination)
    facts = run(
        str(python),
        "-c",
        "from ansible.release import __version__ as v\n"
        "from ansible_collections.genai.comfyui.plugins.plugin_utils import _hashing as h\n"
        "print(v, '|', h.provider()[0])",
    )
    version, provider = facts.strip().split(" | ")
    assert version.startswith(combination.core + ".")
    assert provider == combination.provider
    out = run(str(python), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "tests/unit/truth")
    assert re.search(r"^\d{3} passed", out.splitlines()[-1]), out


WRITE = """
import sys
sys.path.insert(0, "tests/unit/truth")
import conftest as c
from ansible_collections.genai.comfyui.plugins.plugin_utils import _hashing, _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import StoreContext, change, open_store
spec = {"type": "vault_file", "path": sys.argv[1]}
name = sys.argv[2]
token = _hashing.make_token(c.PASSWORD, cost=4)
before, after = change(
    open_store(spec, StoreContext(c.vault_secrets(), str)),
    lambda d: _truth.add_generated(d, name, token=token, password=c.PASSWORD, now=c.NOW),
    create=True,
)
for item in after["credentials"].values():
    assert _hashing.verify(c.PASSWORD, _truth.current_token(item))
for known, item in before["credentials"].items():
    assert after["credentials"][known] == item
print(after["serial"], *after["credentials"])
"""


def test_one_document_serves_them_all_up_and_down(tmp_path: Path) -> None:
    """An upgrade of ansible-core, and its downgrade, neither change a token nor lose a document."""
    order = [*COMBINATIONS, *COMBINATIONS[::-1]]
    names = []
    for number, combination in enumerate(order):
        python = environment_of(combination)
        names.append(f"n{number}")
        out = run(str(python), "-c", WRITE, str(tmp_path / "truth.yml"), names[-1])
        assert out.split() == [str(number + 1), *names]
