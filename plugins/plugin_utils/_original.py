# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of the hand-made Compose service that this collection replaces: where it keeps copies of its token.

Private to the collection. Pure functions. The service (``comfyui-qwen``) builds ComfyUI in a bind-mounted workspace;
one ``login/PASSWORD`` in it decides who gets in, and a dozen files elsewhere hold what their writers believed it to be.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
import typing as t

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._codecs import get
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.plugin_utils import _hashing

SERVICES = ("docker-configurations/services/comfyui-qwen", "docker-configurations/comfyui-qwen")
TOKEN_KEYS = (
    "COMFYUI_BEARER_TOKEN", "COMFYUI_API_TOKEN", "COMFYUI_AUTH_TOKEN", "COMFYUI_VIDEO_TOKEN", "QWEN_API_USER_TOKEN",
)  # fmt: skip
"""Variables that should hold the hash."""
PASSWORD_KEYS = ("COMFYUI_RAW_TOKEN", "COMFYUI_PASSWORD", "QWEN_API_TOKEN")
"""Variables that should hold the password."""
_RECORD = ".secrets/comfyui_auth_tokens.conf"
_GENERATED = ".secrets/.env.generated"
_DEFAULT_PORT = 8188

Json = dict[str, t.Any]


class OriginalError(ValueError):
    """The layout cannot be adopted; the message names the file and the mend, and holds no secret."""


def original_places(root: str) -> list[str]:
    """Return every path below *root* that may matter, absolute; which of them exist is the host's to say."""
    places = [".env", _RECORD, ".secrets/qwen-api-user.token", ".secrets/forge-api-user.token", _GENERATED]
    places += [".secrets/master.env", "MyIA.AI.Notebooks/GenAI/.env"]
    for service in SERVICES:
        places += [f"{service}/{name}" for name in (".env", ".secrets/qwen-api-user.token", "docker-compose.yml")]
        workspace = f"{service}/workspace/ComfyUI"
        places += [f"{workspace}/login/PASSWORD", f"{workspace}/.secrets/qwen-api-user.token"]
    return [posixpath.join(root, place) for place in places]


def original_files(answers: list[Json]) -> dict[str, str]:
    """Return the texts of the files that exist, by path, from the results of ``slurp`` in a loop.

    :raises OriginalError: a file is there and is not text.
    """
    found = {}
    for one in answers:
        if "content" in one:
            try:
                found[str(one["item"])] = base64.b64decode(one["content"]).decode("utf-8")
            except UnicodeDecodeError:
                raise OriginalError(f"{one['item']}: is not UTF-8 text; move it away or convert it") from None
    return found


def original_workspace(files: t.Mapping[str, str]) -> list[str]:
    """Return further paths: PASSWORD in the workspace that the service's own ``.env`` names, if it names one."""
    more = []
    for path, text in files.items():
        if posixpath.basename(path) == ".env" and posixpath.dirname(path).endswith(SERVICES):
            named = _value(text, "COMFYUI_WORKSPACE_PATH")
            if named and named not in ("./workspace", "workspace"):
                base = posixpath.normpath(posixpath.join(posixpath.dirname(path), named))
                more += [f"{base}/ComfyUI/login/PASSWORD", f"{base}/ComfyUI/.secrets/qwen-api-user.token"]
    return more


def original_secret(files: t.Mapping[str, str]) -> Json:
    """Return what decides today: ``path`` of the PASSWORD, its ``token``, ``username`` and, where known, ``password``.

    The password is the first of those lying about that belongs to the hash; None when none does.

    :raises OriginalError: there is no PASSWORD, or several that differ, or one that no server should run with.
    """
    deciding = {path: text for path, text in files.items() if posixpath.basename(path) == "PASSWORD"}
    if not deciding:
        raise OriginalError(
            "no login/PASSWORD was found, so nothing says which token the server accepts; "
            "set comfyui_adopt_workspace to the directory that holds ComfyUI/login"
        )
    found = {}
    for path, text in sorted(deciding.items()):
        lines = text.split("\n")
        if not is_token(lines[0]):
            raise OriginalError(
                f"{path}: line 1 is not a bcrypt hash, so the server lets in nobody or everybody; mend it"
            )
        found[path] = (lines[0], lines[1].strip() if len(lines) > 1 else "")
    if len({token for token, _name in found.values()}) > 1:
        raise OriginalError(f"{' and '.join(found)} hold different tokens; move away the one that no server reads")
    path, (token, username) = next(iter(found.items()))
    for candidate in _passwords(files):
        try:
            belongs = _hashing.verify(candidate, token)
        except (ValueError, _hashing.HashingError):
            continue
        if belongs:
            return {"path": path, "token": token, "username": username or "admin", "password": candidate}
    return {"path": path, "token": token, "username": username or "admin", "password": None}


def original_complaint(files: t.Mapping[str, str]) -> str:
    """Return why :func:`original_secret` refuses; empty when it does not. This may be shown, unlike its result."""
    try:
        original_secret(files)
    except OriginalError as error:
        return str(error)
    return ""


def original_consumers(files: t.Mapping[str, str], credential: str = "main", password: bool = True) -> list[Json]:
    """Return every place that holds a copy, as consumers for ``genai.comfyui.sync`` in check mode.

    :param password: whether the truth will know the password, so that copies of it can be compared.
    """
    consumers: list[Json] = []

    def add(path: str, codec: str, key: str | None, field: str) -> None:
        if field == "password" and not password:
            return
        one = {"id": f"{path}{f' {key}' if key else ''}", "path": path, "codec": codec, "field": field}
        consumers.append({**one, "credential": credential, **({"key": key} if key else {})})

    for path, text in sorted(files.items()):
        name = posixpath.basename(path)
        if name == "PASSWORD":
            add(path, "login_password", None, "token")
        elif name.endswith(".token"):
            add(path, "raw", None, "token")
        elif name == posixpath.basename(_RECORD):
            add(path, "json", "/bcrypt_hash", "token")
            add(path, "json", "/raw_token", "password")
        elif name.endswith(".env") or name == posixpath.basename(_GENERATED):
            # The service's own .env is read by Compose, which replaces variables in it; the others by python-dotenv.
            codec = "compose_env" if posixpath.dirname(path).endswith(SERVICES) else "dotenv"
            for key in (*TOKEN_KEYS, *PASSWORD_KEYS):
                if _has(text, key):
                    generated = path.endswith(_GENERATED) or key in PASSWORD_KEYS
                    add(path, codec, key, "password" if generated else "token")
    return consumers


def original_inventory(files: t.Mapping[str, str]) -> Json:
    """Return what the inventory should say to serve the same data on the same port."""
    said: Json = {}
    for path, text in sorted(files.items()):
        service = posixpath.dirname(path)
        if not service.endswith(SERVICES):
            continue
        if posixpath.basename(path) == ".env":
            port = _value(text, "COMFYUI_PORT") or str(_DEFAULT_PORT)
            gpu = _value(text, "GPU_DEVICE_ID")
            instance: Json = {"name": "default", "port": int(port) if port.isdigit() else _DEFAULT_PORT}
            instance.update({"credential": "main", **({"gpus": gpu} if gpu else {})})
            said["comfyui_instances"] = [instance]
        elif posixpath.basename(path) == "docker-compose.yml":
            for variable, part in (("comfyui_models_dir", "models"), ("comfyui_cache_dir", "cache")):
                source = re.search(rf"^\s*-\s*[\"']?([^\s:]+/{part})/?:", text, re.MULTILINE)
                if source and "$" not in source[1]:
                    said[variable] = posixpath.normpath(posixpath.join(service, source[1]))
    return said


def adoption_lines(consumers: list[Json]) -> list[str]:
    """Say of every copy how it stands: which agree, and which are stale, damaged or belong to nobody.

    :param consumers: records of ``genai.comfyui.sync`` in check mode.
    """
    order = {"in_sync": 1}
    rows = sorted(consumers, key=lambda one: (order.get(one["status"], 0), one["id"]))
    return [
        f"{one['id']}: {one['status']}"
        + (f" ({one['detail']})" if one.get("detail") and one["status"] != "in_sync" else "")
        for one in rows
    ]


def _has(text: str, key: str) -> bool:
    return re.search(rf"^\s*(?:export\s+)?{key}\s*=", text, re.MULTILINE) is not None


def _value(text: str, key: str) -> str | None:
    """Return a variable's value in a dotenv file; None when it is not there or cannot be read."""
    try:
        return get("dotenv").decode(text, key) if _has(text, key) else None
    except CodecError:
        return None


def _passwords(files: t.Mapping[str, str]) -> list[str]:
    found: list[str] = []
    for path, text in sorted(files.items()):
        if path.endswith(_RECORD):
            try:
                found.append(str(json.loads(text)["raw_token"]))
            except (ValueError, KeyError, TypeError):
                continue
        elif posixpath.basename(path).startswith(".env") or path.endswith(".env"):
            keys = (*PASSWORD_KEYS, "QWEN_API_USER_TOKEN") if path.endswith(_GENERATED) else PASSWORD_KEYS
            found += [value for value in (_value(text, key) for key in keys) if value]
    return list(dict.fromkeys(found))
