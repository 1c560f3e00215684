# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of what every module says that sends requests to one ComfyUI server."""

from __future__ import annotations


class ModuleDocFragment:
    """How to get through to the server."""

    DOCUMENTATION = r"""
options:
  origin:
    description: The Origin to send, where the server allows only one (C(--enable-cors-header)).
    type: str
  ca_path:
    description: Certificate authorities to trust, a PEM file or a directory.
    type: path
  validate_certs:
    description: Whether the certificate must be right.
    type: bool
    default: true
"""
