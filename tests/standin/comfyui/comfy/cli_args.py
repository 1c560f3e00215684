# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of ComfyUI 0.3.64, as a table. Most flags are accepted and ignored: there is no model to run."""

from __future__ import annotations

import argparse
import os

import comfy.options

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
HASHES = ("md5", "sha1", "sha256", "sha512")
PREVIEWS = ("none", "auto", "latent2rgb", "taesd")
OPTIMISATIONS = ("fp16_accumulation", "fp8_matrix_mult", "cublas_ops", "autotune")

# Each inner tuple is one mutually exclusive group of switches.
EXCLUSIVE_SWITCHES = (
    ("cuda-malloc", "disable-cuda-malloc"),
    ("force-fp32", "force-fp16"),
    ("fp32-unet", "fp64-unet", "bf16-unet", "fp16-unet", "fp8_e4m3fn-unet", "fp8_e5m2-unet", "fp8_e8m0fnu-unet"),
    ("fp16-vae", "fp32-vae", "bf16-vae"),
    ("fp8_e4m3fn-text-enc", "fp8_e5m2-text-enc", "fp16-text-enc", "fp32-text-enc", "bf16-text-enc"),
    (
        "use-split-cross-attention",
        "use-quad-cross-attention",
        "use-pytorch-cross-attention",
        "use-sage-attention",
        "use-flash-attention",
    ),
    ("force-upcast-attention", "dont-upcast-attention"),
    ("gpu-only", "highvram", "normalvram", "lowvram", "novram", "cpu"),
)

SWITCHES = (
    "auto-launch",
    "disable-auto-launch",
    "cpu-vae",
    "force-channels-last",
    "disable-ipex-optimize",
    "supports-fp8-compute",
    "disable-xformers",
    "async-offload",
    "force-non-blocking",
    "disable-smart-memory",
    "deterministic",
    "mmap-torch-files",
    "disable-mmap",
    "dont-print-server",
    "quick-test-for-ci",
    "windows-standalone-build",
    "disable-metadata",
    "disable-all-custom-nodes",
    "disable-api-nodes",
    "multi-user",
    "log-stdout",
    "enable-compress-response-body",
)


def readable_directory(path: str) -> str:
    """`path` itself, or argparse's error when it is no directory this process may read."""
    if not os.path.exists(path):
        raise argparse.ArgumentTypeError(f"The path '{path}' does not exist.")
    if not os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"'{path}' is not a directory.")
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"You do not have read permissions for '{path}'.")
    return path


def make_parser() -> argparse.ArgumentParser:
    """The parser with every flag of the imitated version."""
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    add("--listen", default="127.0.0.1", metavar="IP", nargs="?", const="0.0.0.0,::", help="Addresses, by comma.")
    add("--port", type=int, default=8188, help="Set the listen port.")
    add("--tls-keyfile", help="TLS key; requires --tls-certfile.")
    add("--tls-certfile", help="TLS certificate; requires --tls-keyfile.")
    add("--enable-cors-header", default=None, metavar="ORIGIN", nargs="?", const="*", help="Enable CORS.")
    add("--max-upload-size", type=float, default=100, help="Largest request body in MB.")
    add("--base-directory", help="Base of models, custom_nodes, input, output, temp and user.")
    add("--extra-model-paths-config", metavar="PATH", nargs="+", action="append", help="More model search paths.")
    add("--output-directory", help="Overrides --base-directory.")
    add("--temp-directory", help="Overrides --base-directory.")
    add("--input-directory", help="Overrides --base-directory.")
    add("--cuda-device", type=int, metavar="DEVICE_ID", help="The one visible CUDA device.")
    add("--default-device", type=int, metavar="DEFAULT_DEVICE_ID", help="The default CUDA device.")
    add("--directml", type=int, nargs="?", metavar="DIRECTML_DEVICE", const=-1, help="Use torch-directml.")
    add("--oneapi-device-selector", metavar="SELECTOR_STRING", help="The oneAPI devices to use.")
    add("--preview-method", choices=PREVIEWS, default="none", help="Default preview method.")
    add("--preview-size", type=int, default=512, help="Largest preview, in pixels.")
    cache = parser.add_mutually_exclusive_group()
    cache.add_argument("--cache-classic", action="store_true", help="Aggressive caching.")
    cache.add_argument("--cache-lru", type=int, default=0, help="Cache at most N results.")
    cache.add_argument("--cache-none", action="store_true", help="Cache nothing.")
    add("--reserve-vram", type=float, default=None, help="GB of VRAM left to others.")
    add("--default-hashing-function", choices=HASHES, default="sha256", help="For duplicate uploads.")
    add("--fast", nargs="*", choices=OPTIMISATIONS, help="Untested optimisations.")
    add("--whitelist-custom-nodes", nargs="+", default=[], help="Load these despite --disable-all-custom-nodes.")
    add("--verbose", default="INFO", const="DEBUG", nargs="?", choices=LEVELS, help="Set the logging level")
    add("--front-end-version", default="comfyanonymous/ComfyUI@latest", help="[owner]/[name]@[version]")
    add("--front-end-root", type=readable_directory, help="Directory of the front end.")
    add("--user-directory", type=readable_directory, help="Overrides --base-directory.")
    add("--comfy-api-base", default="https://api.comfy.org", help="Base URL of the ComfyUI API.")
    database = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "user", "comfyui.db"))
    add("--database-url", default=f"sqlite:///{database}", help="Database URL.")
    for names in EXCLUSIVE_SWITCHES:
        group = parser.add_mutually_exclusive_group()
        for name in names:
            group.add_argument(f"--{name}", action="store_true", help="Accepted and ignored.")
    for name in SWITCHES:
        add(f"--{name}", action="store_true", help="A switch.")
    return parser


parser = make_parser()
args = parser.parse_args(None if comfy.options.args_parsing else [])
