# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where models, inputs, outputs and user files lie. Custom nodes find ComfyUI's code by this module's file."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable

from comfy.cli_args import args

MODEL_SUFFIXES = {".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"}
MODEL_FOLDERS = (
    "checkpoints",
    "configs",
    "loras",
    "vae",
    "text_encoders",
    "diffusion_models",
    "clip_vision",
    "style_models",
    "embeddings",
    "diffusers",
    "vae_approx",
    "controlnet",
    "gligen",
    "upscale_models",
    "custom_nodes",
    "hypernetworks",
    "photomaker",
    "classifiers",
    "model_patches",
    "audio_encoders",
)
LEGACY_NAMES = {"unet": "diffusion_models", "clip": "text_encoders"}

base_path = os.path.abspath(args.base_directory) if args.base_directory else os.path.dirname(os.path.realpath(__file__))
models_dir = os.path.join(base_path, "models")


def _model_folders() -> dict[str, tuple[list[str], set[str]]]:
    several = {
        "text_encoders": ["text_encoders", "clip"],
        "diffusion_models": ["unet", "diffusion_models"],
        "controlnet": ["controlnet", "t2i_adapter"],
    }
    suffixes = {"configs": {".yaml"}, "diffusers": {"folder"}, "classifiers": {""}, "custom_nodes": set()}
    folders = {
        name: (
            [os.path.join(models_dir, part) for part in several.get(name, [name])],
            suffixes.get(name, MODEL_SUFFIXES),
        )
        for name in MODEL_FOLDERS
    }
    folders["custom_nodes"] = ([os.path.join(base_path, "custom_nodes")], set())
    return folders


folder_names_and_paths = _model_folders()
output_directory = os.path.join(base_path, "output")
temp_directory = os.path.join(base_path, "temp")
input_directory = os.path.join(base_path, "input")
user_directory = os.path.join(base_path, "user")

if not os.path.exists(input_directory):
    try:
        os.makedirs(input_directory)
    except OSError:
        logging.error("Failed to create input directory")


def set_output_directory(path: str) -> None:
    global output_directory
    output_directory = path


def set_temp_directory(path: str) -> None:
    global temp_directory
    temp_directory = path


def set_input_directory(path: str) -> None:
    global input_directory
    input_directory = path


def set_user_directory(path: str) -> None:
    global user_directory
    user_directory = path


def get_output_directory() -> str:
    return output_directory


def get_temp_directory() -> str:
    return temp_directory


def get_input_directory() -> str:
    return input_directory


def get_user_directory() -> str:
    return user_directory


def get_directory_by_type(kind: str) -> str | None:
    """The directory served as `output`, `temp` or `input`; None for any other word."""
    return {"output": output_directory, "temp": temp_directory, "input": input_directory}.get(kind)


def annotated_filepath(name: str) -> tuple[str, str | None]:
    """Split `file.png [output]` into the name and its directory (None without an annotation)."""
    for kind in ("output", "input", "temp"):
        mark = f"[{kind}]"
        if name.endswith(mark):
            # ComfyUI drops the blank before the mark by counting one more character.
            return name[: -len(mark) - 1], get_directory_by_type(kind)
    return name, None


def get_annotated_filepath(name: str, default_dir: str | None = None) -> str:
    """The path of an annotated name, below `default_dir` (the input directory) without an annotation."""
    bare, directory = annotated_filepath(name)
    return os.path.join(directory or default_dir or input_directory, bare)


def exists_annotated_filepath(name: str) -> bool:
    return os.path.exists(get_annotated_filepath(name))


def map_legacy(name: str) -> str:
    return LEGACY_NAMES.get(name, name)


def add_model_folder_path(name: str, path: str, is_default: bool = False) -> None:
    """Search `path` for models of this folder name, first when it is the default."""
    paths = folder_names_and_paths.setdefault(map_legacy(name), ([], set()))[0]
    if path in paths:
        if not is_default:
            return
        paths.remove(path)
    paths.insert(0 if is_default else len(paths), path)


def get_folder_paths(name: str) -> list[str]:
    return list(folder_names_and_paths[map_legacy(name)][0])


def _files_below(directory: str) -> Iterable[str]:
    for where, folders, files in os.walk(directory, followlinks=True):
        folders[:] = [folder for folder in folders if folder != ".git"]
        for file in files:
            yield os.path.relpath(os.path.join(where, file), directory)


def get_filename_list(name: str) -> list[str]:
    """Sorted relative names of the model files of one folder name, from all its paths."""
    paths, suffixes = folder_names_and_paths[map_legacy(name)]
    return sorted(
        {
            file
            for path in paths
            for file in _files_below(path)
            if not suffixes or os.path.splitext(file)[1].lower() in suffixes
        }
    )


def get_full_path(name: str, filename: str) -> str | None:
    """The first existing file of that name; `..` cannot leave the folder."""
    inside = os.path.relpath(os.path.join("/", filename), "/")
    for path in folder_names_and_paths.get(map_legacy(name), ([], set()))[0]:
        full = os.path.join(path, inside)
        if os.path.isfile(full):
            return full
    return None


def filter_files_content_types(files: Iterable[str], content_types: Iterable[str]) -> list[str]:
    """The files whose guessed media type starts with one of `content_types` (image, video, audio)."""
    import mimetypes

    wanted = set(content_types)
    kinds = {file: (mimetypes.guess_type(file, strict=False)[0] or "").split("/")[0] for file in files}
    return [file for file, kind in kinds.items() if kind in wanted]


def get_save_image_path(
    prefix: str, output_dir: str, width: int = 0, height: int = 0
) -> tuple[str, str, int, str, str]:
    """Directory, file stem, next free counter, subfolder and expanded prefix for an image to save."""
    values = {"%width%": str(width), "%height%": str(height)}
    for word, code in zip(("year", "month", "day", "hour", "minute", "second"), "YmdHMS"):
        values[f"%{word}%"] = time.strftime(f"%{code}")
    for word, value in values.items():
        prefix = prefix.replace(word, value)
    subfolder, stem = os.path.split(os.path.normpath(prefix))
    folder = os.path.join(output_dir, subfolder)
    if os.path.commonpath((output_dir, os.path.abspath(folder))) != output_dir:
        raise RuntimeError("**** ERROR: Saving image outside the output folder is not allowed.")
    os.makedirs(folder, exist_ok=True)
    counters = [0]
    for file in os.listdir(folder):
        if file.startswith(stem + "_"):
            digits = file[len(stem) + 1 :].split("_")[0]
            counters.append(int(digits) if digits.isdigit() else 0)
    return folder, stem, max(counters) + 1, subfolder, prefix
