# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server is: `/system_stats`, `/features`, `/object_info` and the small lists of the front end."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Any

import nodes
from aiohttp import web
from comfy.cli_args import args
from comfyui_version import __version__


def features() -> dict[str, Any]:
    """The server's feature flags."""
    return {"supports_preview_metadata": True, "max_upload_size": args.max_upload_size * 1024 * 1024}


def _memory() -> tuple[int, int]:
    """Total and free RAM in bytes."""
    page = os.sysconf("SC_PAGE_SIZE")
    return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")


def system_stats() -> dict[str, Any]:
    """The stand-in always is a CPU server: the memory of its one device equals RAM."""
    total, free = _memory()
    system = {
        "os": os.name,
        "ram_total": total,
        "ram_free": free,
        "comfyui_version": __version__,
        "required_frontend_version": "1.27.10",
        "installed_templates_version": None,
        "required_templates_version": "0.1.95",
        "python_version": sys.version,
        "pytorch_version": "stand-in",
        "embedded_python": False,
        "argv": sys.argv,
    }
    device = {"name": "cpu", "type": "cpu", "index": None, "vram_total": total, "vram_free": free}
    return {"system": system, "devices": [{**device, "torch_vram_total": total, "torch_vram_free": free}]}


def node_info(name: str) -> dict[str, Any]:
    """The description of one node class."""
    node = nodes.NODE_CLASS_MAPPINGS[name]
    kinds, returns = node.INPUT_TYPES(), node.RETURN_TYPES
    info = {
        "input": kinds,
        "input_order": {key: list(value) for key, value in kinds.items()},
        "output": returns,
        "output_is_list": getattr(node, "OUTPUT_IS_LIST", [False] * len(returns)),
        "output_name": getattr(node, "RETURN_NAMES", returns),
        "name": name,
        "display_name": nodes.NODE_DISPLAY_NAME_MAPPINGS.get(name, name),
        "description": getattr(node, "DESCRIPTION", ""),
        "python_module": getattr(node, "RELATIVE_PYTHON_MODULE", "nodes"),
        "category": getattr(node, "CATEGORY", "sd"),
        "output_node": bool(getattr(node, "OUTPUT_NODE", False)),
    }
    if hasattr(node, "OUTPUT_TOOLTIPS"):
        info["output_tooltips"] = node.OUTPUT_TOOLTIPS
    return info


def add_info_routes(routes: web.RouteTableDef) -> None:
    """Register the routes of this module."""

    @routes.get("/system_stats")
    async def get_system_stats(request: web.Request) -> web.Response:
        return web.json_response(system_stats())

    @routes.get("/features")
    async def get_features(request: web.Request) -> web.Response:
        return web.json_response(features())

    @routes.get("/object_info")
    async def object_info(request: web.Request) -> web.Response:
        found = {}
        for name in nodes.NODE_CLASS_MAPPINGS:
            try:
                found[name] = node_info(name)
            except Exception:
                logging.error("[ERROR] An error occurred while retrieving information for the '%s' node.", name)
                logging.error(traceback.format_exc())
        return web.json_response(found)

    @routes.get("/object_info/{name}")
    async def object_info_of(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response({name: node_info(name)} if name in nodes.NODE_CLASS_MAPPINGS else {})

    @routes.get("/workflow_templates")
    async def workflow_templates(request: web.Request) -> web.Response:
        return web.json_response({})

    @routes.get("/i18n")
    async def i18n(request: web.Request) -> web.Response:
        return web.json_response({})
