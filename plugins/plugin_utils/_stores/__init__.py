# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back ends of the truth: each is one file here, and one line in the registry below.

A back end may import what the controller does not have; it is therefore imported only when its type is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from ansible_collections.genai.comfyui.plugins.plugin_utils._stores._interface import (
    Conflict,
    Store,
    StoreContext,
    StoreError,
    StoreMissing,
    change,
    read_or_new,
)

__all__ = [
    "TYPES",
    "Conflict",
    "Store",
    "StoreContext",
    "StoreError",
    "StoreMissing",
    "change",
    "open_store",
    "read_or_new",
]

TYPES: dict[str, str] = {
    "vault_file": "ansible_collections.genai.comfyui.plugins.plugin_utils._stores._vault_file",
    "vault_kv2": "ansible_collections.genai.comfyui.plugins.plugin_utils._stores._vault_kv2",
}
"""Type -> module with ``open_store(spec, context) -> Store``."""


def open_store(spec: object, context: StoreContext) -> Store:
    """Return the store that ``comfyui_credential_store`` (or the option ``store``) describes. Reads nothing yet.

    :param spec: such as ``{type: vault_file, path: ...}``; the other keys are the type's own.
    :raises StoreError: not a mapping, an unknown type, or what the type refuses.
    """
    example = "{type: vault_file, path: ...}"
    if spec is None:
        raise StoreError(f"no credential store is set; set comfyui_credential_store to {example}")
    if not isinstance(spec, Mapping):
        raise StoreError(f"the credential store must be a mapping such as {example}")
    kind = spec.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise StoreError(f"the credential store has the unknown type {kind!r}; known: {', '.join(sorted(TYPES))}")
    store: Store = importlib.import_module(TYPES[kind]).open_store(spec, context)
    return store
