# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in and out, model names, previews and the files of extensions."""

from __future__ import annotations

import glob
import hashlib
import json
import mimetypes
import os
import struct
from typing import Any
from urllib.parse import quote

import folder_paths
import nodes
from aiohttp import web
from comfy.cli_args import args

FORCED_DOWNLOADS = {"text/html", "text/html-sandboxed", "application/xhtml+xml", "text/javascript", "text/css"}


def _digest(data: bytes) -> bytes:
    return hashlib.new(args.default_hashing_function, data).digest()


def _free_name(folder: str, filename: str, data: bytes) -> tuple[str, bool]:
    """A name that overwrites nothing, and whether a file of this content is already there."""
    stem, suffix = os.path.splitext(filename)
    number = 1
    while os.path.exists(path := os.path.join(folder, filename)):
        with open(path, "rb") as stream:
            if _digest(stream.read()) == _digest(data):
                return filename, True
        filename = f"{stem} ({number}){suffix}"
        number += 1
    return filename, False


def _store_upload(post: Any) -> web.Response:
    image = post.get("image")
    if not isinstance(image, web.FileField) or not image.filename:
        return web.Response(status=400)
    kind, subfolder, filename = post.get("type") or "input", post.get("subfolder", ""), image.filename
    base = folder_paths.get_directory_by_type(kind)
    if base is None:
        return web.Response(status=500)
    folder = os.path.join(base, os.path.normpath(subfolder))
    if os.path.commonpath((base, os.path.abspath(os.path.join(folder, filename)))) != base:
        return web.Response(status=400)
    os.makedirs(folder, exist_ok=True)
    data, there = image.file.read(), False
    if post.get("overwrite") not in ("true", "1"):
        filename, there = _free_name(folder, filename, data)
    if not there:
        with open(os.path.join(folder, filename), "wb") as stream:
            stream.write(data)
    return web.json_response({"name": filename, "subfolder": subfolder, "type": kind})


def _view(query: Any) -> web.StreamResponse:
    if "filename" not in query:
        return web.Response(status=404)
    filename, folder = folder_paths.annotated_filepath(query["filename"])
    if not filename or filename[0] == "/" or ".." in filename:
        return web.Response(status=400)
    folder = folder or folder_paths.get_directory_by_type(query.get("type", "output"))
    if folder is None:
        return web.Response(status=400)
    if "subfolder" in query:
        inside = os.path.join(folder, query["subfolder"])
        if os.path.commonpath((os.path.abspath(inside), folder)) != folder:
            return web.Response(status=403)
        folder = inside
    filename = os.path.basename(filename)
    path = os.path.join(folder, filename)
    if not os.path.isfile(path):
        return web.Response(status=404)
    kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
    if kind in FORCED_DOWNLOADS:
        kind = "application/octet-stream"
    return web.FileResponse(path, headers={"Content-Disposition": f'filename="{filename}"', "Content-Type": kind})


def _metadata(folder: str, filename: str) -> Any:
    """`__metadata__` of a safetensors file, None when there is none."""
    path = folder_paths.get_full_path(folder, filename) if filename.endswith(".safetensors") else None
    if path is None:
        return None
    with open(path, "rb") as stream:
        head = stream.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 1 << 30
        return json.loads(stream.read(length)).get("__metadata__") if length <= 1 << 20 else None


def _add_model_routes(routes: web.RouteTableDef) -> None:
    @routes.get("/embeddings")
    async def embeddings(request: web.Request) -> web.Response:
        return web.json_response([os.path.splitext(n)[0] for n in folder_paths.get_filename_list("embeddings")])

    @routes.get("/models")
    async def model_kinds(request: web.Request) -> web.Response:
        return web.json_response(list(folder_paths.folder_names_and_paths))

    @routes.get("/models/{folder}")
    async def models(request: web.Request) -> web.Response:
        folder = request.match_info["folder"]
        if folder not in folder_paths.folder_names_and_paths:
            return web.Response(status=404)
        return web.json_response(folder_paths.get_filename_list(folder))

    @routes.get("/view_metadata/{folder}")
    async def view_metadata(request: web.Request) -> web.Response:
        found = _metadata(request.match_info["folder"], request.query.get("filename", ""))
        return web.Response(status=404) if found is None else web.json_response(found)

    @routes.get("/experiment/models")
    async def model_folders(request: web.Request) -> web.Response:
        names = [name for name in folder_paths.folder_names_and_paths if name not in ("configs", "custom_nodes")]
        return web.json_response([{"name": n, "folders": folder_paths.get_folder_paths(n)} for n in names])

    @routes.get("/experiment/models/{folder}")
    async def model_files(request: web.Request) -> web.Response:
        folder = request.match_info["folder"]
        if folder not in folder_paths.folder_names_and_paths:
            return web.Response(status=404)
        found = []
        for index, path in enumerate(folder_paths.get_folder_paths(folder)):
            for where, _folders, files in os.walk(path):
                for file in sorted(files):
                    full = os.path.join(where, file)
                    stat = os.stat(full)
                    entry = {"name": os.path.relpath(full, path), "pathIndex": index, "size": stat.st_size}
                    found.append({**entry, "modified": stat.st_mtime, "created": stat.st_ctime})
        return web.json_response(found)

    @routes.get("/experiment/models/preview/{folder}/{path_index}/{filename:.*}")
    async def preview(request: web.Request) -> web.Response:
        folder = request.match_info["folder"]
        if folder not in folder_paths.folder_names_and_paths:
            return web.Response(status=404)
        base = folder_paths.folder_names_and_paths[folder][0][int(request.match_info["path_index"])]
        # The imitated version does not keep the name inside the folder.
        stem = os.path.splitext(os.path.join(base, request.match_info["filename"]))[0]
        for path in sorted(glob.glob(stem + "*")):
            if (mimetypes.guess_type(path)[0] or "").startswith("image/") and os.path.isfile(path):
                with open(path, "rb") as stream:
                    return web.Response(body=stream.read(), content_type="image/webp")
        return web.Response(status=404)


def add_file_routes(routes: web.RouteTableDef, web_root: str) -> None:
    """Register `/view`, the uploads, the model lists and `/extensions`."""

    @routes.get("/view")
    async def view(request: web.Request) -> web.StreamResponse:
        return _view(request.rel_url.query)

    @routes.post("/upload/image")
    async def upload_image(request: web.Request) -> web.Response:
        return _store_upload(await request.post())

    @routes.get("/extensions")
    async def extensions(request: web.Request) -> web.Response:
        found = []
        for path in glob.glob(os.path.join(glob.escape(web_root), "extensions/**/*.js"), recursive=True):
            found.append("/" + os.path.relpath(path, web_root))
        for name, folder in nodes.EXTENSION_WEB_DIRS.items():
            for path in glob.glob(os.path.join(glob.escape(folder), "**/*.js"), recursive=True):
                found.append(f"/extensions/{quote(name)}/{os.path.relpath(path, folder)}")
        return web.json_response(found)

    _add_model_routes(routes)
