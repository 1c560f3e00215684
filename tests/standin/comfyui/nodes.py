# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The executable nodes of the stand-in and the loader of custom nodes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import sys
import time
import traceback
from typing import Any

import folder_paths
from comfy.cli_args import args
from picture import Picture, from_png, to_png

MAX_RESOLUTION = 16384
_interrupted = False


class InterruptProcessingException(Exception):
    """Raised between two nodes after POST /interrupt."""


def interrupt_processing(value: bool = True) -> None:
    """Ask the running prompt to stop before its next node."""
    global _interrupted
    _interrupted = value


def throw_if_interrupted() -> None:
    if _interrupted:
        interrupt_processing(False)
        raise InterruptProcessingException


class EmptyImage:
    """A batch of pictures of one colour."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "generate"
    CATEGORY = "image"

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        side = {"default": 512, "min": 1, "max": MAX_RESOLUTION, "step": 1}
        return {
            "required": {
                "width": ("INT", side),
                "height": ("INT", dict(side)),
                "batch_size": ("INT", {"default": 1, "min": 1, "max": 4096}),
                "color": ("INT", {"default": 0, "min": 0, "max": 0xFFFFFF, "step": 1, "display": "color"}),
            }
        }

    def generate(self, width: int, height: int, batch_size: int = 1, color: int = 0) -> tuple[list[Picture]]:
        return ([Picture(width, height, color.to_bytes(3, "big") * (width * height))] * batch_size,)


class SaveImage:
    """Write a batch to the output directory."""

    RETURN_TYPES = ()
    FUNCTION = "save_images"
    OUTPUT_NODE = True
    CATEGORY = "image"
    DESCRIPTION = "Saves the input images to your ComfyUI output directory."

    def __init__(self) -> None:
        self.output_dir = folder_paths.get_output_directory()
        self.type = "output"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "The images to save."}),
                "filename_prefix": ("STRING", {"default": "ComfyUI", "tooltip": "The prefix for the file to save."}),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def save_images(
        self,
        images: list[Picture],
        filename_prefix: str = "ComfyUI",
        prompt: Any = None,
        extra_pnginfo: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        folder, stem, counter, subfolder, _prefix = folder_paths.get_save_image_path(
            filename_prefix, self.output_dir, images[0].width, images[0].height
        )
        texts: dict[str, str] = {}
        if not args.disable_metadata:
            if prompt is not None:
                texts["prompt"] = json.dumps(prompt)
            texts.update({key: json.dumps(value) for key, value in (extra_pnginfo or {}).items()})
        saved = []
        for number, picture in enumerate(images):
            file = f"{stem.replace('%batch_num%', str(number))}_{counter + number:05}_.png"
            with open(os.path.join(folder, file), "wb") as stream:
                stream.write(to_png(picture, texts))
            saved.append({"filename": file, "subfolder": subfolder, "type": self.type})
        return {"ui": {"images": saved}}


class LoadImage:
    """Read one PNG of the input directory. Custom nodes derive from this class."""

    RETURN_TYPES = ("IMAGE", "MASK")
    FUNCTION = "load_image"
    CATEGORY = "image"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        folder = folder_paths.get_input_directory()
        files = [file for file in os.listdir(folder) if os.path.isfile(os.path.join(folder, file))]
        images = folder_paths.filter_files_content_types(files, ["image"])
        return {"required": {"image": (sorted(images), {"image_upload": True})}}

    def load_image(self, image: str) -> tuple[list[Picture], None]:
        with open(folder_paths.get_annotated_filepath(image), "rb") as stream:
            return ([from_png(stream.read())], None)

    @classmethod
    def IS_CHANGED(cls, image: str) -> str:
        with open(folder_paths.get_annotated_filepath(image), "rb") as stream:
            return hashlib.sha256(stream.read()).hexdigest()

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        return folder_paths.exists_annotated_filepath(image) or f"Invalid image file: {image}"


NODE_CLASS_MAPPINGS: dict[str, Any] = {"EmptyImage": EmptyImage, "SaveImage": SaveImage, "LoadImage": LoadImage}
NODE_DISPLAY_NAME_MAPPINGS: dict[str, str] = {"SaveImage": "Save Image", "LoadImage": "Load Image"}
EXTENSION_WEB_DIRS: dict[str, str] = {}
LOADED_MODULE_DIRS: dict[str, str] = {}


def _import_module(path: str) -> tuple[str, str, Any]:
    """Execute one custom node; returns its short name, its directory and the module."""
    name = os.path.basename(path)
    if os.path.isfile(path):
        name = key = os.path.splitext(path)[0]
        directory, file = os.path.dirname(path), path
    else:
        key = path.replace(".", "_x_")
        directory, file = path, os.path.join(path, "__init__.py")
    spec = importlib.util.spec_from_file_location(key, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    spec.loader.exec_module(module)
    return name, os.path.abspath(directory), module


async def load_custom_node(path: str, ignore: frozenset[str] = frozenset(), parent: str = "custom_nodes") -> bool:
    """Load one custom node; False, and nothing raised, when its import fails. SystemExit is let through."""
    try:
        name, directory, module = _import_module(path)
        LOADED_MODULE_DIRS[name] = directory
        web = getattr(module, "WEB_DIRECTORY", None)
        if web is not None and os.path.isdir(os.path.join(directory, web)):
            EXTENSION_WEB_DIRS[name] = os.path.abspath(os.path.join(directory, web))
        classes = getattr(module, "NODE_CLASS_MAPPINGS", None)
        if classes is None:
            logging.warning(
                "Skip %s module for custom nodes due to the lack of NODE_CLASS_MAPPINGS or NODES_LIST (need one).", path
            )
            return False
        for label, node in classes.items():
            if label not in ignore:
                NODE_CLASS_MAPPINGS[label] = node
                node.RELATIVE_PYTHON_MODULE = f"{parent}.{os.path.basename(path).removesuffix('.py')}"
        NODE_DISPLAY_NAME_MAPPINGS.update(getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {})
        return True
    except Exception as error:
        logging.warning(traceback.format_exc())
        logging.warning("Cannot import %s module for custom nodes: %s", path, error)
        return False


def skipped_by_flag(name: str) -> bool:
    """Whether the command line keeps this custom node out."""
    return args.disable_all_custom_nodes and name not in args.whitelist_custom_nodes


async def init_extra_nodes() -> None:
    """Load all custom nodes in directory order and log how long each took."""
    if args.disable_all_custom_nodes and not args.whitelist_custom_nodes:
        logging.info("Skipping loading of custom nodes")
        return
    builtin = frozenset(NODE_CLASS_MAPPINGS)
    times = []
    for folder in folder_paths.get_folder_paths("custom_nodes"):
        for name in os.listdir(os.path.realpath(folder)):
            path = os.path.join(folder, name)
            if name == "__pycache__" or name.endswith(".disabled"):
                continue
            if os.path.isfile(path) and not name.endswith(".py"):
                continue
            if skipped_by_flag(name):
                logging.info("Skipping %s due to disable_all_custom_nodes and whitelist_custom_nodes", name)
                continue
            before = time.perf_counter()
            loaded = await load_custom_node(path, builtin)
            times.append((time.perf_counter() - before, path, loaded))
    if times:
        logging.info("\nImport times for custom nodes:")
        for seconds, path, loaded in sorted(times):
            logging.info("%6.1f seconds%s: %s", seconds, "" if loaded else " (IMPORT FAILED)", path)
        logging.info("")
