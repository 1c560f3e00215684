# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller's plugins need of Ansible itself: the store's settings and the vault secrets of this run."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, TypeVar

from ansible import constants
from ansible.errors import AnsibleError

from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import (
    Store,
    StoreContext,
    StoreError,
    open_store,
)

STORE_VARIABLE = "comfyui_credential_store"

Wanted = TypeVar("Wanted")


def store_spec(option: Any, variables: Mapping[str, Any], templar: Any) -> Any:
    """Return the store's description: the option, else the variable, templated; None where neither is set.

    Not by the option's own ``vars:``, because ansible-core 2.18 hands those over before templating.
    """
    if option is not None:
        return option
    if STORE_VARIABLE not in variables:
        return None
    return templar.template(variables[STORE_VARIABLE])


def host_variables(hostvars: Mapping[str, Any], host: str) -> Mapping[str, Any]:
    """Return all variables of a host, none of one that the inventory does not know: hostvars' ``get()`` makes those up.

    Each look into *hostvars* puts all of a host's variables together anew; one look a host is enough.
    """
    if host not in hostvars:
        return {}
    variables: Mapping[str, Any] = hostvars[host]
    return variables


def unexpected(error: Exception) -> str:
    """Return a message for an error nobody foresaw: its kind and place, but not its text, which may hold a value."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"unexpected {type(error).__name__}{place}; its text is withheld, as it may hold a secret. Please report it"


def store_context(loader: Any) -> StoreContext:
    """Return what stores need, from Ansible's data loader."""
    vault = getattr(loader, "_vault", None)
    return StoreContext(
        vault_secrets=list(getattr(vault, "secrets", None) or []),
        resolve=lambda path: str(loader.path_dwim(path)),
        encrypt_vault_id=getattr(constants, "DEFAULT_VAULT_ENCRYPT_IDENTITY", None),
    )


def with_store(
    spec: Callable[[], Any],
    loader: Any,
    prepare: Callable[[], Wanted],
    work: Callable[[Store, Wanted], dict[str, Any]],
    refusals: tuple[type[Exception], ...],
) -> dict[str, Any]:
    """Open the store that *spec* gives and return what *work* does with it and with what *prepare* returns.

    A refusal becomes a failed result whose text names the store and holds no secret.

    :raises AnsibleError: from templating the store's variable.
    """
    where = ""
    try:
        described = spec()
        wanted = prepare()
        store = open_store(described, store_context(loader))
        where = f"{store.where}: "
        return work(store, wanted)
    except StoreError as error:
        return {"failed": True, "msg": str(error)}
    except refusals as error:
        return {"failed": True, "msg": f"{where}{error}"}
    except AnsibleError:
        raise
    except Exception as error:
        # Ansible would print the text of what nobody foresaw, and that may quote the document.
        return {"failed": True, "msg": f"{where}{unexpected(error)}"}
