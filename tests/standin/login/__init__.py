# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-in for ComfyUI-Login: the same contract and the same faults, written anew."""

from __future__ import annotations

# The image node comes first, as in the imitated package: what breaks it leaves ComfyUI without a login.
from .load_image_incognito import LoadImageIncognito  # isort: skip
from . import password  # isort: skip


NODE_CLASS_MAPPINGS = {"LoadImageIncognito": LoadImageIncognito}
NODE_DISPLAY_NAME_MAPPINGS = {"LoadImageIncognito": "Load Image Incognito"}
WEB_DIRECTORY = "./js"

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY", "password"]
