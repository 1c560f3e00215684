# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and their files: `/users` and the `/userdata` family."""

from __future__ import annotations

import glob
import json
import logging
import os
import re
import shutil
import uuid
from typing import Any
from urllib.parse import unquote

import folder_paths
from aiohttp import web
from app.app_settings import AppSettings
from comfy.cli_args import args


def _file_info(path: str, relative_to: str) -> dict[str, Any]:
    stat = os.stat(path)
    info = {"path": os.path.relpath(path, relative_to), "size": stat.st_size}
    return {**info, "modified": stat.st_mtime, "created": stat.st_ctime}


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() == "true"


class UserManager:
    """Without --multi-user there is one user, `default`."""

    def __init__(self) -> None:
        self.settings = AppSettings(self)
        os.makedirs(folder_paths.get_user_directory(), exist_ok=True)
        self.users: dict[str, str] = {} if args.multi_user else {"default": "default"}
        if args.multi_user and os.path.isfile(self._users_file()):
            with open(self._users_file(), encoding="utf-8") as stream:
                self.users = json.load(stream)

    def _users_file(self) -> str:
        return os.path.join(folder_paths.get_user_directory(), "users.json")

    def get_request_user_id(self, request: web.Request) -> str:
        user = request.headers.get("comfy-user", "default") if args.multi_user else "default"
        if user not in self.users:
            raise KeyError("Unknown user: " + user)
        return user

    def get_request_user_filepath(self, request: web.Request, file: str | None, create_dir: bool = True) -> str | None:
        """Absolute path of a user's file, None when it would leave the user's folder; makes its parent."""
        root = folder_paths.get_user_directory()
        user_root = path = os.path.abspath(os.path.join(root, self.get_request_user_id(request)))
        if os.path.commonpath((root, user_root)) != root:
            return None
        if file is not None:
            path = os.path.abspath(os.path.join(user_root, unquote(file) if "%" in file else file))
            if os.path.commonpath((user_root, path)) != user_root:
                return None
        if create_dir:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def _add_user(self, name: str) -> str:
        name = name.strip()
        if not name:
            raise ValueError("username not provided")
        user_id = re.sub("[^a-zA-Z0-9-_]+", "-", name) + "_" + str(uuid.uuid4())
        self.users[user_id] = name
        with open(self._users_file(), "w", encoding="utf-8") as stream:
            json.dump(self.users, stream)
        return user_id

    def _named(self, request: web.Request, part: str = "file", must_exist: bool = False) -> str | web.Response:
        """The path a route names, or the refusal."""
        path = self.get_request_user_filepath(request, request.match_info[part])
        if not path:
            return web.Response(status=403)
        if must_exist and not os.path.exists(path):
            return web.Response(status=404)
        return path

    def _described(self, request: web.Request, path: str) -> web.Response:
        root = self.get_request_user_filepath(request, None) or ""
        if _flag(request, "full_info"):
            return web.json_response(_file_info(path, root))
        return web.json_response(os.path.relpath(path, root))

    def add_routes(self, routes: web.RouteTableDef) -> None:
        self.settings.add_routes(routes)
        self._add_user_routes(routes)
        self._add_listing_routes(routes)
        self._add_file_routes(routes)

    def _add_user_routes(self, routes: web.RouteTableDef) -> None:
        @routes.get("/users")
        async def get_users(request: web.Request) -> web.Response:
            if args.multi_user:
                return web.json_response({"storage": "server", "users": self.users})
            folder = self.get_request_user_filepath(request, None, create_dir=False)
            return web.json_response({"storage": "server", "migrated": os.path.exists(folder or "")})

        @routes.post("/users")
        async def post_users(request: web.Request) -> web.Response:
            name = (await request.json())["username"]
            if name in self.users.values():
                return web.json_response({"error": "Duplicate username."}, status=400)
            return web.json_response(self._add_user(name))

    def _add_listing_routes(self, routes: web.RouteTableDef) -> None:
        @routes.get("/userdata")
        async def list_userdata(request: web.Request) -> web.Response:
            folder = request.query.get("dir", "")
            if not folder:
                return web.Response(status=400, text="Directory not provided")
            path = self.get_request_user_filepath(request, folder)
            if not path:
                return web.Response(status=403, text="Invalid directory")
            if not os.path.exists(path):
                return web.Response(status=404, text="Directory not found")
            deep = _flag(request, "recurse")
            pattern = os.path.join(glob.escape(path), *(["**"] if deep else []), "*")
            files = [file for file in glob.glob(pattern, recursive=deep) if os.path.isfile(file)]
            if _flag(request, "full_info"):
                return web.json_response([_file_info(file, path) for file in files])
            names = [os.path.relpath(file, path) for file in files]
            if _flag(request, "split"):
                return web.json_response([[name, *name.split("/")] for name in names])
            return web.json_response(names)

        @routes.get("/v2/userdata")
        async def list_userdata_v2(request: web.Request) -> web.Response:
            wanted = unquote(request.query.get("path", ""))
            root = self.get_request_user_filepath(request, None, create_dir=False) or ""
            path = self.get_request_user_filepath(request, wanted or None, create_dir=False)
            if not path:
                return web.Response(status=400, text="Invalid path requested")
            if not os.path.exists(path):
                if path == root:
                    return web.json_response([])
                return web.Response(status=404, text="Requested path not found")
            if not os.path.isdir(path):
                return web.Response(status=400, text="Requested path is not a directory")
            found: list[dict[str, Any]] = []
            for where, folders, files in os.walk(path):
                for kind, names in (("directory", folders), ("file", files)):
                    for name in names:
                        full = os.path.join(where, name)
                        entry: dict[str, Any] = {"name": name, "path": os.path.relpath(full, root), "type": kind}
                        if kind == "file":
                            entry.update(size=os.path.getsize(full), modified=os.path.getmtime(full))
                        found.append(entry)
            found.sort(key=lambda entry: (entry["type"] != "directory", entry["name"].lower()))
            return web.json_response(found)

    def _add_file_routes(self, routes: web.RouteTableDef) -> None:
        @routes.get("/userdata/{file}")
        async def get_file(request: web.Request) -> web.StreamResponse:
            path = self._named(request, must_exist=True)
            return web.FileResponse(path) if isinstance(path, str) else path

        @routes.post("/userdata/{file}")
        async def post_file(request: web.Request) -> web.Response:
            path = self._named(request)
            if not isinstance(path, str):
                return path
            if request.query.get("overwrite") == "false" and os.path.exists(path):
                return web.Response(status=409, text="File already exists")
            try:
                body = await request.read()
                with open(path, "wb") as stream:
                    stream.write(body)
            except OSError as error:
                logging.warning("Error saving file '%s': %s", path, error)
                return web.Response(status=400, reason="Invalid filename.")
            return self._described(request, path)

        @routes.delete("/userdata/{file}")
        async def delete_file(request: web.Request) -> web.Response:
            path = self._named(request, must_exist=True)
            if not isinstance(path, str):
                return path
            os.remove(path)
            return web.Response(status=204)

        @routes.post("/userdata/{file}/move/{dest}")
        async def move_file(request: web.Request) -> web.Response:
            source = self._named(request, must_exist=True)
            if not isinstance(source, str):
                return source
            target = self._named(request, part="dest")
            if not isinstance(target, str):
                return target
            if request.query.get("overwrite") == "false" and os.path.exists(target):
                return web.Response(status=409, text="File already exists")
            logging.info("moving '%s' -> '%s'", source, target)
            shutil.move(source, target)
            return self._described(request, target)
