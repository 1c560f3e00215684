# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The house rules that no ready-made tool knows: headers, file sizes, argument specs, the action group, words."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from quality_tools import ROOT, files_below, no_complaints, project_files, roles, run

HEADER = (ROOT / "tests/quality/quality_tools.py").read_text().splitlines()[:3]
MAX_LINES = 400
TYPES = {
    "bool",
    "bytes",
    "bits",
    "dict",
    "float",
    "int",
    "json",
    "jsonarg",
    "list",
    "path",
    "raw",
    "sid",
    "str",
}
GROUP = "comfyui"


def load(path: Path) -> Any:
    """Return the YAML document at *path* (relative to the root); Ansible's own tags become plain text."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))
    return yaml.load((ROOT / path).read_text(encoding="utf-8"), Loader)


def test_headers() -> None:
    """Python and YAML files begin with copyright, licence and SPDX line."""
    complaints = []
    folders = ("inventories", "meta", "molecule", "playbooks", "plugins", "roles", "tests", "tools")
    for path in files_below(*folders, suffixes=[".py", ".yml", ".yaml"]):
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        if lines[:1] and lines[0].startswith("$ANSIBLE_VAULT"):
            continue
        start = 1 if lines[:1] and lines[0].startswith("#!") else 0
        if lines[start : start + 3] != HEADER:
            complaints.append(f"{path}:{start + 1}: the three-line header is missing")
        elif path.suffix != ".py" and lines[start + 3 : start + 4] != ["---"]:
            complaints.append(f"{path}:{start + 4}: '---' is expected after the header")
    no_complaints(complaints)


def test_file_sizes() -> None:
    """No file grows beyond what one can read at a sitting."""
    kinds = [".py", ".yml", ".yaml", ".j2", ".sh"]
    counted = [
        (len((ROOT / path).read_text(encoding="utf-8").splitlines()), path)
        for path in files_below("plugins", "roles", "tools", "playbooks", "molecule", "tests", suffixes=kinds)
    ]
    no_complaints([f"{path}: {lines} lines; {MAX_LINES} are the limit" for lines, path in counted if lines > MAX_LINES])


def test_typed_annotations_are_lazy() -> None:
    """``from __future__ import annotations`` stands in each Python file, as managed hosts may run Python 3.9."""
    complaints = []
    for path in files_below(suffixes=[".py"]):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        annotated = any(isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AnnAssign)) for node in tree.body)
        found = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
        if annotated and not found:
            complaints.append(f"{path}: 'from __future__ import annotations' is missing")
    no_complaints(complaints)


def managed_host_imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and name of what *path* imports besides the standard library and our own utilities."""
    allowed = {*sys.stdlib_module_names, "__future__"}
    ours = "ansible_collections.genai.comfyui.plugins.module_utils"
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "."]
        else:
            continue
        for name in names:
            ansible = path.parts[1] == "modules" and name == "ansible.module_utils.basic"
            if name.split(".")[0] not in allowed and not name.startswith(ours) and not ansible:
                yield node.lineno, name


def test_managed_hosts_need_the_standard_library_only() -> None:
    """Modules and module_utils import nothing that a managed host may lack."""
    places = [p for p in files_below("plugins", suffixes=[".py"]) if p.parts[1] in ("modules", "module_utils")]
    no_complaints(
        [f"{path}:{line}: imports {name}" for path in places for line, name in sorted(managed_host_imports(path))]
    )


def option_complaints(where: str, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the options of an argument spec, suboptions included."""
    for name, option in options.items():
        kind = option.get("type", "str")
        if kind not in TYPES:
            yield f"{where}: {name}: type {kind!r} is unknown"
        if kind == "list" and option.get("elements") not in TYPES:
            yield f"{where}: {name}: a list names the type of its elements"
        if not option.get("description"):
            yield f"{where}: {name}: a description is missing"
        if option.get("required") and "default" in option:
            yield f"{where}: {name}: required and a default exclude each other"
        yield from option_complaints(f"{where}: {name}", option.get("options") or {})


def type_fits(value: Any, kind: str) -> bool:
    """Say whether a default has the type it is documented with. A template may become anything."""
    if value is None or (isinstance(value, str) and "{{" in value):
        return True
    expected: dict[str, type | tuple[type, ...]] = {
        "bool": bool,
        "dict": dict,
        "float": (float, int),
        "int": int,
        "list": list,
        "path": str,
        "str": str,
    }
    if kind == "int" and isinstance(value, bool):
        return False
    return kind not in expected or isinstance(value, expected[kind])


def told_in_words(option: Mapping[str, Any], default: Any) -> bool:
    """Say whether the description explains a default that is made of other variables."""
    description = option.get("description") or ""
    text = description if isinstance(description, str) else " ".join(description)
    return isinstance(default, str) and "{{" in default and "Defaults to" in text


@pytest.mark.parametrize("role", roles())
def test_argument_specs(role: str) -> None:
    """What a role's argument spec documents is what its defaults say, and the other way round."""
    spec_file = next((p for p in project_files() if p.match(f"roles/{role}/meta/argument_specs.y*ml")), None)
    if spec_file is None:
        pytest.fail(f"roles/{role}/meta/argument_specs.yml is missing", pytrace=False)
    entries: dict[str, Any] = load(spec_file)["argument_specs"]
    defaults: dict[str, Any] = {}
    for path in project_files():
        if path.match(f"roles/{role}/defaults/*.yml") or path.match(f"roles/{role}/defaults/main/*.yml"):
            defaults.update(load(path) or {})
    complaints: list[str] = []
    documented: dict[str, Any] = {}
    for entry, spec in entries.items():
        where = f"{spec_file}: {entry}"
        if not (ROOT / f"roles/{role}/tasks/{entry}.yml").exists():
            complaints.append(f"{where}: roles/{role}/tasks/{entry}.yml does not exist")
        options = spec.get("options") or {}
        complaints += option_complaints(where, options)
        documented.update(options)
        for name, option in options.items():
            if "default" in option and name not in defaults:
                complaints.append(f"{where}: {name}: the documented default is in no defaults file")
            elif "default" in option and option["default"] != defaults[name]:
                complaints.append(f"{where}: {name}: documented {option['default']!r}, is {defaults[name]!r}")
            elif (
                "default" not in option and defaults.get(name) is not None and not told_in_words(option, defaults[name])
            ):
                complaints.append(f"{where}: {name}: has a default that is not documented: {defaults[name]!r}")
    for name, value in defaults.items():
        if name not in documented:
            complaints.append(f"roles/{role}/defaults: {name} is not in the argument spec")
        elif not type_fits(value, documented[name].get("type", "str")):
            complaints.append(f"roles/{role}/defaults: {name}: {value!r} is no {documented[name].get('type', 'str')}")
    no_complaints(complaints)


def module_docs() -> dict[str, Any]:
    """Return the documentation of each module by name."""
    docs = {}
    for path in files_below("plugins", suffixes=[".py"]):
        if path.parts[1] == "modules":
            for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DOCUMENTATION":
                    docs[path.stem] = yaml.safe_load(ast.literal_eval(node.value))
    return docs


def test_action_group() -> None:
    """The action group lists exactly the modules; one that stays out says so in its attributes."""
    listed = list((load(Path("meta/runtime.yml")).get("action_groups") or {}).get(GROUP, []))
    docs = module_docs()
    outside = {
        name
        for name, doc in docs.items()
        if ((doc.get("attributes") or {}).get("action_group") or {}).get("support") == "none"
    }
    complaints = [f"meta/runtime.yml: {name} is not a module" for name in listed if name not in docs]
    complaints += [
        f"meta/runtime.yml: {name} is missing in the group" for name in sorted({*docs} - outside - {*listed})
    ]
    complaints += [f"meta/runtime.yml: {name} says it takes no part" for name in listed if name in outside]
    if listed != sorted(set(listed)):
        complaints.append("meta/runtime.yml: the group is sorted, and names nothing twice")
    no_complaints(complaints)


def configured_hosts() -> set[str]:
    """Return the hosts of package registries that this machine is configured for, and pip's own defaults.

    They are read, not written down: a name in this file would be the very thing that is looked for.
    """
    text = ""
    for command in (
        ["pip", "config", "list"],
        ["apt-get", "indextargets", "--format", "$(SITE)"],
        ["npm", "config", "ls", "-l"],
    ):
        try:
            text += run(*command, timeout=60).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue
    hosts = {urlsplit(word.strip("'\"")).hostname or "" for word in re.findall(r"https?://\S+", text)}
    code = "from pip._internal.models.index import PyPI as p; print(p.netloc, p.file_storage_domain)"
    hosts |= set(run("python", "-c", code).stdout.split())
    return {host for host in hosts if "." in host and host != "127.0.0.1"}


def own_paths() -> set[str]:
    """Return paths of this very machine that must not leak into the project."""
    paths = {str(Path.home() / ".pyenv")}
    # A checkout at a path that the roles use themselves would accuse the innocent.
    return paths if ROOT.parts[1] in ("opt", "srv", "usr", "var") else paths | {str(ROOT)}


def test_forbidden_words() -> None:
    """No package registry's host and no path of somebody's machine is named anywhere."""
    words = configured_hosts() | own_paths()
    assert len(words) > 2, "the machine's configuration could not be read"
    pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(word)}(?![\w-])" for word in sorted(words)))
    complaints = []
    for path in project_files():
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), 1):
            complaints += [f"{path}:{number}: names {found}" for found in pattern.findall(line)]
    no_complaints(complaints)
