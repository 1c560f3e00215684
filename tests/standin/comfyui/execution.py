# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompt queue, its history and the executor of prompts."""

from __future__ import annotations

import copy
import heapq
import json
import logging
import sys
import threading
import time
import traceback
from typing import Any

import nodes

MAXIMUM_HISTORY_SIZE = 10000
SENSITIVE_EXTRA_DATA_KEYS = ("auth_token_comfy_org", "api_key_comfy_org")


class PromptQueue:
    """Items are (number, prompt_id, prompt, extra_data, outputs); the lowest number runs first."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.mutex = threading.RLock()
        self.changed = threading.Condition(self.mutex)
        self.task_counter = 0
        self.queue: list[tuple[Any, ...]] = []
        self.currently_running: dict[int, tuple[Any, ...]] = {}
        self.history: dict[str, dict[str, Any]] = {}
        self.flags: dict[str, Any] = {}

    def put(self, item: tuple[Any, ...]) -> None:
        with self.mutex:
            heapq.heappush(self.queue, item)
            self.server.queue_updated()
            self.changed.notify()

    def get(self) -> tuple[tuple[Any, ...], int] | None:
        """The next item and its task number; None when a flag woke the worker."""
        with self.changed:
            while not self.queue and not self.flags:
                self.changed.wait()
            if not self.queue:
                return None
            item = heapq.heappop(self.queue)
            task = self.task_counter
            self.currently_running[task] = copy.deepcopy(item)
            self.task_counter += 1
            self.server.queue_updated()
            return item, task

    def task_done(self, task: int, result: dict[str, Any], status: dict[str, Any]) -> None:
        with self.mutex:
            prompt = self.currently_running.pop(task)
            if len(self.history) > MAXIMUM_HISTORY_SIZE:
                self.history.pop(next(iter(self.history)))
            for key in SENSITIVE_EXTRA_DATA_KEYS:
                prompt[3].pop(key, None)
            self.history[prompt[1]] = {"prompt": prompt, "outputs": {}, "status": copy.deepcopy(status), **result}
            self.server.queue_updated()

    def get_current_queue(self) -> tuple[list[Any], list[Any]]:
        with self.mutex:
            return list(self.currently_running.values()), list(self.queue)

    def get_tasks_remaining(self) -> int:
        with self.mutex:
            return len(self.queue) + len(self.currently_running)

    def wipe_queue(self) -> None:
        with self.mutex:
            self.queue = []
            self.server.queue_updated()

    def delete_queue_item(self, prompt_id: str) -> None:
        with self.mutex:
            self.queue = [item for item in self.queue if item[1] != prompt_id]
            heapq.heapify(self.queue)
            self.server.queue_updated()

    def get_history(
        self, prompt_id: str | None = None, max_items: int | None = None, offset: int = -1
    ) -> dict[str, Any]:
        with self.mutex:
            if prompt_id is not None:
                return {prompt_id: self.history[prompt_id]} if prompt_id in self.history else {}
            if offset < 0:
                offset = 0 if max_items is None else max(0, len(self.history) - max_items)
            end = None if max_items is None else offset + max_items
            return {key: self.history[key] for key in list(self.history)[offset:end]}

    def wipe_history(self) -> None:
        with self.mutex:
            self.history = {}

    def delete_history_item(self, prompt_id: str) -> None:
        with self.mutex:
            self.history.pop(prompt_id, None)

    def set_flag(self, name: str, value: Any) -> None:
        with self.mutex:
            self.flags[name] = value
            self.changed.notify()

    def take_flags(self) -> dict[str, Any]:
        with self.mutex:
            flags, self.flags = self.flags, {}
            return flags


class PromptExecutor:
    """Runs one prompt at a time and keeps the results of the last one, as ComfyUI's classic cache does."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.reset()

    def reset(self) -> None:
        """Forget all cached results."""
        self.cache: dict[str, tuple[Any, Any]] = {}
        self.success = True
        self.status_messages: list[tuple[str, dict[str, Any]]] = []
        self.history_result: dict[str, Any] = {}

    def _say(self, event: str, data: dict[str, Any], broadcast: bool = False) -> None:
        data = {**data, "timestamp": int(time.time() * 1000)}
        self.status_messages.append((event, data))
        if self.server.client_id is not None or broadcast:
            self.server.send_sync(event, data, self.server.client_id)

    def _signature(self, prompt: dict[str, Any], node_id: str) -> str:
        node = prompt[node_id]
        inputs = {
            name: [self._signature(prompt, value[0]), value[1]] if isinstance(value, list) else value
            for name, value in node["inputs"].items()
        }
        changed = getattr(nodes.NODE_CLASS_MAPPINGS[node["class_type"]], "IS_CHANGED", None)
        mark = changed(**inputs) if changed else None
        return json.dumps([node["class_type"], inputs, mark], sort_keys=True)

    def _inputs(self, prompt: dict[str, Any], node_id: str, extra: dict[str, Any], done: dict[str, Any]) -> Any:
        node = prompt[node_id]
        kinds = nodes.NODE_CLASS_MAPPINGS[node["class_type"]].INPUT_TYPES()
        known = {**kinds.get("required", {}), **kinds.get("optional", {})}
        values = {
            name: done[value[0]][0][value[1]] if isinstance(value, list) else value
            for name, value in node["inputs"].items()
            if name in known
        }
        sources = {"PROMPT": prompt, "EXTRA_PNGINFO": extra.get("extra_pnginfo"), "UNIQUE_ID": node_id}
        values.update({name: sources.get(kind) for name, kind in kinds.get("hidden", {}).items()})
        return values

    def _order(self, prompt: dict[str, Any], targets: list[str], known: frozenset[str]) -> list[str]:
        """The targets and the nodes they need that are not `known`, each after what it needs itself."""
        order: list[str] = []

        def visit(node_id: str) -> None:
            needs = [] if node_id in known else prompt[node_id]["inputs"].values()
            for value in needs:
                if isinstance(value, list) and value[0] not in known:
                    visit(value[0])
            if node_id not in order:
                order.append(node_id)

        for target in targets:
            visit(target)
        return order

    def _run_node(self, prompt_id: str, prompt: dict[str, Any], node_id: str, values: Any) -> tuple[Any, Any]:
        if self.server.client_id is not None:
            self.server.last_node_id = node_id
            where = {"node": node_id, "display_node": node_id, "prompt_id": prompt_id}
            self.server.send_sync("executing", where, self.server.client_id)
        nodes.throw_if_interrupted()
        node_class = nodes.NODE_CLASS_MAPPINGS[prompt[node_id]["class_type"]]
        result = getattr(node_class(), node_class.FUNCTION)(**values)
        if isinstance(result, dict):
            return result.get("result", ()), result.get("ui")
        return result, None

    def _send_executed(self, prompt_id: str, node_id: str, ui: Any) -> None:
        if self.server.client_id is not None:
            data = {"node": node_id, "display_node": node_id, "output": ui, "prompt_id": prompt_id}
            self.server.send_sync("executed", data, self.server.client_id)

    def _failed(self, prompt_id: str, class_type: str, node_id: str, executed: list[str], error: Exception) -> None:
        self.success = False
        base = {"prompt_id": prompt_id, "node_id": node_id, "node_type": class_type, "executed": executed}
        if isinstance(error, nodes.InterruptProcessingException):
            logging.info("Processing interrupted")
            self._say("execution_interrupted", base, broadcast=True)
            return
        logging.error("!!! Exception during processing !!! %s", error)
        logging.error(traceback.format_exc())
        kind = type(error)
        module = "" if kind.__module__ == "builtins" else kind.__module__ + "."
        details = {
            "exception_message": f"{error}\n",
            "exception_type": module + kind.__qualname__,
            "traceback": traceback.format_tb(sys.exc_info()[2]),
            "current_inputs": {},
            "current_outputs": executed,
        }
        self._say("execution_error", {**base, **details})

    def execute(self, prompt: dict[str, Any], prompt_id: str, extra: dict[str, Any], targets: list[str]) -> None:
        """Run the target nodes and all they need; the outcome is in `success`, `history_result`, `status_messages`."""
        nodes.interrupt_processing(False)
        self.server.client_id = extra.get("client_id")
        self.status_messages = []
        self.success = True
        self._say("execution_start", {"prompt_id": prompt_id})
        # A node that nothing needs may be incomplete, and is not validated either: it has no mark.
        marks = {node_id: self._signature(prompt, node_id) for node_id in self._order(prompt, targets, frozenset())}
        self.cache = {mark: self.cache[mark] for mark in marks.values() if mark in self.cache}
        done = {node_id: self.cache[marks[node_id]] for node_id in prompt if marks.get(node_id) in self.cache}
        known = frozenset(done)
        self._say("execution_cached", {"nodes": list(done), "prompt_id": prompt_id})
        executed: list[str] = []
        for node_id in self._order(prompt, targets, known):
            if node_id in known:
                self._send_executed(prompt_id, node_id, done[node_id][1])
                continue
            try:
                values = self._inputs(prompt, node_id, extra, done)
                result = self._run_node(prompt_id, prompt, node_id, values)
                done[node_id] = self.cache[marks[node_id]] = result
            except Exception as error:
                self._failed(prompt_id, prompt[node_id]["class_type"], node_id, executed, error)
                break
            executed.append(node_id)
            if done[node_id][1] is not None:
                self._send_executed(prompt_id, node_id, done[node_id][1])
        else:
            self._say("execution_success", {"prompt_id": prompt_id})
        shown = {node_id: result[1] for node_id, result in done.items() if result[1] is not None}
        meta = {n: {"node_id": n, "display_node": n, "parent_node": None, "real_node_id": n} for n in shown}
        self.history_result = {"outputs": shown, "meta": meta}
        self.server.last_node_id = None


def prompt_worker(queue: PromptQueue, server: Any) -> None:
    """Run queued prompts for ever; meant for a daemon thread."""
    executor = PromptExecutor(server)
    while True:
        taken = queue.get()
        if taken is not None:
            item, task = taken
            started = time.perf_counter()
            server.last_prompt_id = item[1]
            executor.execute(item[2], item[1], item[3], item[4])
            status = {
                "status_str": "success" if executor.success else "error",
                "completed": executor.success,
                "messages": executor.status_messages,
            }
            queue.task_done(task, executor.history_result, status)
            if server.client_id is not None:
                server.send_sync("executing", {"node": None, "prompt_id": item[1]}, server.client_id)
            logging.info("Prompt executed in %.2f seconds", time.perf_counter() - started)
        if queue.take_flags().get("free_memory"):
            executor.reset()
