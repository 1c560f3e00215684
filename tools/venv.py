# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the tools' virtual environment and let Ansible find the working tree as the collection.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import argparse
import glob
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"


def python_version(python: str) -> tuple[int, int] | None:
    """Return (major, minor) of an interpreter, or None when it does not run."""
    code = "import sys, venv, ensurepip; print(sys.version_info[0], sys.version_info[1])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return None
    if done.returncode != 0:
        return None
    major, minor = done.stdout.split()
    return int(major), int(minor)


def candidates(wanted: str | None) -> list[str]:
    """Interpreters to try, best first: ansible-core 2.21 needs Python 3.12, older ones get 2.19."""
    names = [wanted] if wanted else ["3.13", "3.12", "3.11"]
    # pyenv's shims answer 127 for versions that are not selected, hence the full paths.
    found: list[str] = []
    for name in sorted(names, key=lambda n: n != "3.12"):
        found.append(f"/usr/bin/python{name}")
        found += sorted(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{name}*/bin/python{name}")), reverse=True)
        found.append(f"python{name}")
    return found


def find_python(wanted: str | None) -> tuple[str, tuple[int, int]]:
    """Return the first interpreter that works, with its version.

    :raises SystemExit: none was found; the message says what to install.
    """
    for python in candidates(wanted):
        version = python_version(python)
        if version and version >= (3, 11):
            return python, version
    raise SystemExit(
        f"No usable Python {wanted or '3.11 or newer'} with venv and pip found. "
        "On Debian: apt-get install python3 python3-venv; or set PYTHON=/path/to/python3.12."
    )


def link_collection(python: Path) -> None:
    """Make the working tree importable as ansible_collections.genai.comfyui, without any environment variable."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    namespace = site / "ansible_collections" / "genai"
    namespace.mkdir(parents=True, exist_ok=True)
    link = namespace / "comfyui"
    if not link.is_symlink() or Path(os.readlink(link)) != ROOT:
        if link.is_symlink():
            link.unlink()
        link.symlink_to(ROOT)


def main() -> None:
    """Create or refresh the environment; a second run with the same requirements does nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=os.environ.get("PYTHON"), help="version such as 3.12, or a path")
    parser.add_argument("--venv", default=str(ROOT / ".venv"), type=Path)
    options = parser.parse_args()
    wanted: str | None = options.python
    if wanted and os.sep in wanted:
        version = python_version(wanted)
        if version is None:
            raise SystemExit(f"PYTHON={wanted} does not run or has no venv module.")
        python = wanted
    else:
        python, version = find_python(wanted)
    name = "dev.txt" if version >= (3, 12) else "dev-py311.txt"
    wanted_files = [REQUIREMENTS / name, REQUIREMENTS / "common.txt"]
    digest = hashlib.sha256(python.encode() + b"".join(f.read_bytes() for f in wanted_files)).hexdigest()
    venv: Path = options.venv
    stamp = venv / ".requirements.sha256"
    inner = venv / "bin" / "python"
    if not (stamp.exists() and stamp.read_text() == digest):
        print(f"tools: {venv.name} with {python} ({name}); first time takes about a minute", file=sys.stderr)
        # Cleared only for another Python: whoever works in it meanwhile keeps it through a change of requirements.
        clear = ["--clear"] if python_version(str(inner)) != version else []
        subprocess.run([python, "-m", "venv", *clear, str(venv)], check=True)
        subprocess.run([str(inner), "-m", "pip", "install", "-q", "uv"], check=True)
        install = [str(venv / "bin" / "uv"), "pip", "install", "-q", "-p", str(inner), "-r", str(REQUIREMENTS / name)]
        if subprocess.run(install, check=False).returncode != 0:
            # uv does not read pip's own configuration (mirrors, certificates); pip is slower but does.
            print("tools: uv could not, pip tries", file=sys.stderr)
            subprocess.run([str(inner), "-m", "pip", "install", "-q", "-r", str(REQUIREMENTS / name)], check=True)
        stamp.write_text(digest)
    link_collection(inner)


if __name__ == "__main__":
    main()
