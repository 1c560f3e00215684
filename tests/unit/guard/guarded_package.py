# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's package, loaded the way ComfyUI loads it: by path, under a name of its own; no server is needed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SOURCE = Path(__file__).resolve().parents[3] / "roles" / "comfyui_login" / "files" / "guard"
NAME = "guard_under_test"


def load(name: str) -> ModuleType:
    """Load one file of the package; its relative imports work, its `__init__` does not run."""
    if NAME not in sys.modules:
        package = ModuleType(NAME)
        package.__path__ = [str(SOURCE)]
        sys.modules[NAME] = package
    full = f"{NAME}.{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, SOURCE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[full]
