# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Model search paths from `extra_model_paths.yaml`."""

from __future__ import annotations

import logging
import os

import folder_paths


def load_extra_path_config(path: str) -> None:
    """Add the folders of one file: each top key may hold `base_path`, `is_default` and `<folder>: paths`."""
    # Imported here: the server runs without it as long as nobody uses the file.
    import yaml

    with open(path, encoding="utf-8") as stream:
        config = yaml.safe_load(stream)
    home = os.path.dirname(os.path.abspath(path))
    for section in config.values():
        if section is None:
            continue
        base = section.pop("base_path", None)
        base = os.path.join(home, os.path.expandvars(os.path.expanduser(base))) if base else home
        is_default = section.pop("is_default", False)
        for name, lines in section.items():
            for line in filter(None, lines.split("\n")):
                full = os.path.normpath(os.path.join(base, line))
                logging.info("Adding extra search path %s %s", name, full)
                folder_paths.add_model_folder_path(name, full, is_default)
