# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an audit of 200 consumers on one host takes, beside one Python process that only reads those files.

The limit is about two whole processes as Ansible starts them on the host: ``sync`` in check mode, and a module that
opens the same files, takes the same keys out of them with a regular expression or :mod:`json`, and compares. Both
unpack themselves, read the same arguments, and answer in JSON, so their ratio is what the audit adds to the reading.

Shown beside it, without a limit: the same reading in a process without Ansible. Most of that ratio is what any module
costs, so there is also a module that does nothing (``ping``), and ``net_s``, what ``sync`` takes longer than that one.
The processes take turns; compared are the shortest wall times, which the machine's other work disturbs least, and
beside them the processor times.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import yaml

CONSUMERS = 200
TOKEN = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
KEYS = {"dotenv": "T", "shell": "T", "systemd_env": "T", "json": "/t", "yaml": "/t", "raw": None}
# No two alike: "@" stands for a number.
FILES = {
    "dotenv": f"# ours\nA=@\nT='{TOKEN}'\n",
    "systemd_env": f"A=@\nT='{TOKEN}'\n",
    "shell": f"export A=@\nexport T='{TOKEN}'\n",
    "raw": f"{TOKEN}\n",
    "json": json.dumps({"a": "@", "t": TOKEN}, indent=2),
    "yaml": f"a: @\nt: '{TOKEN}'\n",
}
READING = r"""
def read(consumers, token):
    same = []
    for one in consumers:
        with open(one["path"], encoding="utf-8") as file:
            text = file.read()
        if one["codec"] == "json":
            value = json.loads(text)["t"]
        elif one["codec"] == "raw":
            value = text.strip()
        else:
            value = re.search(r"^(?:export )?[Tt](?:=|: )(.*)$", text, re.M).group(1).strip("'")
        same.append({"id": one["id"], "same": value == token})
    return same
"""
MODULE = f"""#!/usr/bin/python
import json
import re

from ansible.module_utils.basic import AnsibleModule

{READING}

module = AnsibleModule(
    argument_spec={{
        "consumers": {{"type": "list", "elements": "dict"}},
        "credentials": {{"type": "dict", "no_log": True}},
    }},
    supports_check_mode=True,
)
credentials = module.params["credentials"]
module.exit_json(consumers=read(module.params["consumers"], credentials["main"]["token"]))
"""
SCRIPT = f"""import json
import re
import sys

{READING}

with open(sys.argv[1], encoding="utf-8") as file:
    given = json.load(file)
print(json.dumps(read(given["consumers"], given["credentials"]["main"]["token"])))
"""
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {name: {"consumers": "{{ consumers }}", "credentials": "{{ credentials }}"}, "check_mode": True}
            for name in ("genai.comfyui.sync", "bench_read")
        ]
        + [{"ansible.builtin.ping": {}}],
    }
]


def audit(where: Path, runs: int, python: str) -> dict[str, t.Any]:
    """Measure below the folder *where*; *python* is the host's interpreter. Times are seconds, the least of *runs*."""
    commands = _prepare(where, python)
    wall: dict[str, list[float]] = {name: [] for name in commands}
    processor: dict[str, list[float]] = {name: [] for name in commands}
    # The first round fills the caches of the file system.
    for number in range(runs + 1):
        for name, words in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            start = time.perf_counter()
            done = subprocess.run(words, capture_output=True, check=False)
            took = time.perf_counter() - start
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode:
                raise SystemExit(f"bench: {name} failed:\n{done.stdout[-2000:]!r}\n{done.stderr[-2000:]!r}")
            if number:
                wall[name].append(took)
                used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                processor[name].append(used)
    least = {f"{name}_s": min(times) for name, times in wall.items()}
    used_least = {f"{name}_processor_s": min(times) for name, times in processor.items()}
    return {
        "consumers": CONSUMERS, **least, **used_least,
        "ratio": least["sync_s"] / least["bench_read_s"],
        "bare_ratio": least["sync_s"] / least["bare_read_s"],
        "net_s": least["sync_s"] - least["ping_s"],
        "processor_ratio": used_least["sync_processor_s"] / used_least["bench_read_processor_s"],
    }  # fmt: skip


def _prepare(where: Path, python: str) -> dict[str, list[str]]:
    """Make the files, and let Ansible make the modules as it would send them."""
    files, library, kept = (where / name for name in ("audited", "library", "kept"))
    files.mkdir()
    library.mkdir()
    consumers = []
    for number in range(CONSUMERS):
        codec = sorted(FILES)[number % len(FILES)]
        path = files / f"{number}.{codec}"
        path.write_text(FILES[codec].replace("@", str(number)), encoding="utf-8")
        path.chmod(0o600)
        consumers.append({"id": str(number), "path": str(path), "codec": codec, "key": KEYS[codec]})
    main = {"username": "admin", "password": None, "token": TOKEN, "version": "v1"}
    given = {"consumers": consumers, "credentials": {"main": main}}
    (where / "given.json").write_text(json.dumps(given), encoding="utf-8")
    (where / "read.py").write_text(SCRIPT, encoding="utf-8")
    (library / "bench_read.py").write_text(MODULE, encoding="utf-8")
    (where / "audit.yml").write_text(yaml.safe_dump(PLAY), encoding="utf-8")
    environment = {
        **os.environ, "ANSIBLE_KEEP_REMOTE_FILES": "1", "ANSIBLE_REMOTE_TEMP": str(kept),
        "ANSIBLE_LIBRARY": str(library), "ANSIBLE_PIPELINING": "0",
    }  # fmt: skip
    words = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "host,", "-c", "local"]
    words += ["-e", f"ansible_python_interpreter={python}", "-e", f"@{where}/given.json", str(where / "audit.yml")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: the audit failed:\n{done.stdout[-3000:]}\n{done.stderr[-2000:]}")
    made = {name: next(iter(kept.glob(f"*/AnsiballZ_{name}.py")), None) for name in ("sync", "bench_read", "ping")}
    if None in made.values():
        raise SystemExit("bench: Ansible kept no modules")
    commands = {name: [python, str(path)] for name, path in made.items()}
    answer = json.loads(subprocess.run(commands["sync"], capture_output=True, check=True).stdout)
    if {record["status"] for record in answer["consumers"]} != {"in_sync"} or len(answer["consumers"]) != CONSUMERS:
        raise SystemExit("bench: the audit saw something else than 200 consumers in sync")
    return {**commands, "bare_read": [python, "-I", str(where / "read.py"), str(where / "given.json")]}


def lines(one: dict[str, t.Any]) -> list[str]:
    """Lay the results out for people."""
    return [
        f"audit of {one['consumers']} consumers: {one['sync_s']:.3f} s (processor {one['sync_processor_s']:.3f} s)",
        f"  a module that only reads them: {one['bench_read_s']:.3f} s, ratio {one['ratio']:.2f}"
        f" (processor {one['processor_ratio']:.2f})",
        f"  a module that does nothing: {one['ping_s']:.3f} s, so the audit itself takes {one['net_s']:.3f} s",
        f"  reading without Ansible: {one['bare_read_s']:.3f} s, ratio {one['bare_ratio']:.1f}",
    ]


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="comfyui-bench-"))
    try:
        python3 = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        print("\n".join(lines(audit(place, 9, python3))))
    finally:
        shutil.rmtree(place)
