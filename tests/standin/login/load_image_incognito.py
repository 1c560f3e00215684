# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image node that ships with the login node; only its name and its directory matter here."""

from __future__ import annotations

import os
from typing import Any

import folder_paths
from nodes import LoadImage


class LoadImageIncognito(LoadImage):
    """LoadImage on `input/incognito`, which is made when somebody asks for `/object_info`."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        folder = os.path.join(folder_paths.get_input_directory(), "incognito")
        os.makedirs(folder, exist_ok=True)
        files = sorted(f"incognito/{file}" for file in os.listdir(folder))
        return {"required": {"image": (files, {"image_upload": True})}}
