# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers that image nodes of others import."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from comfy.cli_args import args


def hasher() -> Callable[..., Any]:
    """The hash function chosen on the command line."""
    chosen: Callable[..., Any] = getattr(hashlib, args.default_hashing_function)
    return chosen


def pillow(function: Callable[[Any], Any], argument: Any) -> Any:
    """Call a function of Pillow. (ComfyUI repeats the call for some broken files.)"""
    return function(argument)
