# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the stand-in, in the order in which ComfyUI 0.3.64 starts."""

from __future__ import annotations

import comfy.options

comfy.options.enable_args_parsing()

# The order of these lines is the contract: nothing below may be imported before the arguments are known and
# every prestartup script has run.
import importlib.util
import itertools
import logging
import os
import sys
import time

import folder_paths
from app.logger import setup_logger
from comfy.cli_args import args

setup_logger(args.verbose, args.log_stdout)


def apply_custom_paths() -> None:
    """Directories and model search paths from the command line and `extra_model_paths.yaml`."""
    from utils.extra_config import load_extra_path_config

    beside = os.path.join(os.path.dirname(os.path.realpath(__file__)), "extra_model_paths.yaml")
    if os.path.isfile(beside):
        load_extra_path_config(beside)
    for path in itertools.chain(*(args.extra_model_paths_config or [])):
        load_extra_path_config(path)
    if args.output_directory:
        folder_paths.set_output_directory(os.path.abspath(args.output_directory))
    for name in ("checkpoints", "clip", "vae", "diffusion_models", "loras"):
        folder_paths.add_model_folder_path(name, os.path.join(folder_paths.get_output_directory(), name))
    if args.input_directory:
        folder_paths.set_input_directory(os.path.abspath(args.input_directory))
    if args.user_directory:
        folder_paths.set_user_directory(os.path.abspath(args.user_directory))


def run_prestartup_script(path: str) -> bool:
    """Execute one script; False, and nothing raised, when it fails. SystemExit is let through."""
    try:
        spec = importlib.util.spec_from_file_location(os.path.splitext(path)[0], path)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        return True
    except Exception as error:
        logging.error("Failed to execute startup-script: %s / %s", path, error)
        return False


def execute_prestartup_scripts() -> None:
    """Run `prestartup_script.py` of each custom node, in directory order."""
    if args.disable_all_custom_nodes and not args.whitelist_custom_nodes:
        return
    times = []
    for folder in folder_paths.get_folder_paths("custom_nodes"):
        for name in os.listdir(folder):
            node = os.path.join(folder, name)
            script = os.path.join(node, "prestartup_script.py")
            if name.endswith(".disabled") or not os.path.exists(script):
                continue
            if args.disable_all_custom_nodes and name not in args.whitelist_custom_nodes:
                message = "Prestartup Skipping %s due to disable_all_custom_nodes and whitelist_custom_nodes"
                logging.info(message, name)
                continue
            before = time.perf_counter()
            done = run_prestartup_script(script)
            times.append((time.perf_counter() - before, node, done))
    if times:
        logging.info("\nPrestartup times for custom nodes:")
        for seconds, node, done in sorted(times):
            logging.info("%6.1f seconds%s: %s", seconds, "" if done else " (PRESTARTUP FAILED)", node)
        logging.info("")


apply_custom_paths()
execute_prestartup_scripts()

import asyncio
import shutil
import threading

import execution
import nodes
import server
from comfyui_version import __version__


def cleanup_temp() -> None:
    shutil.rmtree(folder_paths.get_temp_directory(), ignore_errors=True)


async def start_all(prompt_server: server.PromptServer) -> None:
    addresses = [(address, args.port) for address in args.listen.split(",")]
    await asyncio.gather(
        prompt_server.start_multi_address(addresses, not args.dont_print_server), prompt_server.publish_loop()
    )


def main() -> None:
    """Load everything, listen, serve until SIGINT or SIGTERM."""
    logging.info("Python version: %s", sys.version)
    logging.info("ComfyUI version: %s", __version__)
    if args.temp_directory:
        folder_paths.set_temp_directory(os.path.join(os.path.abspath(args.temp_directory), "temp"))
    cleanup_temp()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    prompt_server = server.PromptServer(loop)
    loop.run_until_complete(nodes.init_extra_nodes())
    prompt_server.add_routes()
    worker = (prompt_server.prompt_queue, prompt_server)
    threading.Thread(target=execution.prompt_worker, daemon=True, args=worker).start()
    if args.quick_test_for_ci:
        sys.exit(0)
    os.makedirs(folder_paths.get_temp_directory(), exist_ok=True)
    try:
        loop.run_until_complete(start_all(prompt_server))
    except KeyboardInterrupt:
        logging.info("\nStopped server")
    cleanup_temp()


if __name__ == "__main__":
    main()
