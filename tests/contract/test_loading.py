# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How custom nodes are loaded: what our guard and the gate build on."""

from __future__ import annotations

import subprocess

import pytest
from harness import LOGIN_NODE, TOKEN, Pair, StartError

EMPTY = "NODE_CLASS_MAPPINGS = {}\n"
# What a node prints stays in a buffer; what it logs is written at once.
SAY = """
import logging
def say(*words):
    logging.warning("%s", " ".join(map(str, words)))
"""
ON_STARTUP = """
import logging
from server import PromptServer
NODE_CLASS_MAPPINGS = {}
def say(*words):
    logging.warning(" ".join(map(str, words)))
async def hook(app):
    %s
PromptServer.instance.app.on_startup.append(hook)
"""


def help_of(pair: Pair, *arguments: str) -> subprocess.CompletedProcess[str]:
    # -I and no environment: nothing but what the interpreter brings.
    line = [pair.python, "main.py", *arguments]
    return subprocess.run(line, cwd=pair.code, capture_output=True, text=True, check=False)


def test_the_flags_are_listed_by_help(pair: Pair) -> None:
    shown = help_of(pair, "--help")
    assert shown.returncode == 0
    wanted = """--listen --port --base-directory --output-directory --input-directory --temp-directory --user-directory
        --extra-model-paths-config --database-url --enable-cors-header --max-upload-size --tls-keyfile --tls-certfile
        --cuda-device --default-device --cpu --lowvram --novram --highvram --normalvram --gpu-only --reserve-vram
        --disable-metadata --disable-all-custom-nodes --whitelist-custom-nodes --disable-api-nodes --multi-user
        --verbose --log-stdout --front-end-root --quick-test-for-ci"""
    missing = [flag for flag in wanted.split() if flag not in shown.stdout]
    assert missing == []


def test_an_unknown_flag_ends_with_status_2(pair: Pair) -> None:
    refused = help_of(pair, "--no-such-flag")
    assert refused.returncode == 2
    assert "unrecognized arguments: --no-such-flag" in refused.stderr


def test_a_trial_start_ends_well_even_when_a_node_fails(pair: Pair) -> None:
    pair.add_node("broken", {"__init__.py": "raise RuntimeError('no')\n"})
    ended = pair.run_until_ended("--quick-test-for-ci")
    assert ended.process.returncode == 0
    assert "(IMPORT FAILED)" in ended.log()


def test_an_exception_in_a_node_is_swallowed_and_named(pair: Pair) -> None:
    pair.add_node("broken", {"__init__.py": "raise RuntimeError('as expected')\n"})
    with pair.serve() as server:
        assert "module for custom nodes: as expected" in server.log()
        assert f"seconds (IMPORT FAILED): {pair.custom_nodes / 'broken'}" in server.log()


def test_an_exception_in_a_prestartup_script_is_swallowed_and_named(pair: Pair) -> None:
    files = {"__init__.py": EMPTY, "prestartup_script.py": "raise RuntimeError('as expected')\n"}
    pair.add_node("broken", files)
    with pair.serve() as server:
        script = pair.custom_nodes / "broken" / "prestartup_script.py"
        assert f"Failed to execute startup-script: {script} / as expected" in server.log()
        assert "seconds (PRESTARTUP FAILED)" in server.log()


@pytest.mark.parametrize("file", ["__init__.py", "prestartup_script.py"])
def test_system_exit_ends_the_server(pair: Pair, file: str) -> None:
    pair.add_node("ender", {"__init__.py": EMPTY, file: "raise SystemExit('ended by a node')\n"})
    with (
        pytest.raises(StartError, match=r"ended with status 1 before it listened\n(.|\n)*ended by a node"),
        pair.serve(),
    ):
        pass


def test_a_start_up_hook_that_raises_ends_the_server_before_it_listens(pair: Pair) -> None:
    pair.add_node("guard", {"__init__.py": ON_STARTUP % "raise RuntimeError('not locked')"})
    expected = r"ended with status 1 before it listened\n(.|\n)*not locked"
    with pytest.raises(StartError, match=expected) as caught, pair.serve():
        pass
    assert "To see the GUI" not in str(caught.value)


def test_middlewares_in_their_order(pair: Pair) -> None:
    show = "say('order', [getattr(m, '__name__', '?') for m in app.middlewares])"
    pair.add_node("watcher", {"__init__.py": ON_STARTUP % show})
    pair.set_password(TOKEN)
    with pair.serve() as server:
        expected = ["cache_control", "origin_only_middleware", "factory", "check_login_status"]
        assert f"order {expected}" in server.log()


def test_a_hook_may_still_add_a_middleware_that_is_asked_first(pair: Pair) -> None:
    source = """
from aiohttp import web
from server import PromptServer
NODE_CLASS_MAPPINGS = {}
@web.middleware
async def teapot(request, handler):
    resource = request.match_info.route.resource
    shown = resource.canonical if resource is not None else "none"
    if request.query.get("asked") == "first":
        return web.Response(status=418, text=shown)
    return await handler(request)
async def hook(app):
    app.middlewares.insert(0, teapot)
PromptServer.instance.app.on_startup.append(hook)
"""
    pair.add_node("teapot", {"__init__.py": source})
    with pair.serve() as server:
        assert server.request("GET", "/userdata/x.js?asked=first").text == "/userdata/{file}"
        assert server.request("GET", "/system_stats").status == 401


def test_names_of_loaded_modules(pair: Pair) -> None:
    start = str(pair.custom_nodes).replace(".", "_x_")
    show = f"import sys; say('modules', sorted(name for name in sys.modules if name.startswith({start!r})))"
    pair.add_node("watcher", {"__init__.py": ON_STARTUP % show})
    pair.add_node("with.dot", {"__init__.py": EMPTY})
    pair.set_password(TOKEN)
    with pair.serve() as server:
        line = next(line for line in server.log().splitlines() if line.startswith("modules "))
        for name in ("ComfyUI-Login", "ComfyUI-Login.password", "with_x_dot"):
            assert f"'{start}/{name}'" in line


def test_the_token_lies_in_the_password_module(pair: Pair) -> None:
    key = str(pair.node).replace(".", "_x_") + ".password"
    show = f"import sys; say('token ok', sys.modules[{key!r}].TOKEN == {TOKEN!r})"
    pair.add_node("watcher", {"__init__.py": ON_STARTUP % show})
    pair.set_password(TOKEN)
    with pair.serve() as server:
        assert "token ok True" in server.log()


def test_what_counts_as_a_custom_node(pair: Pair) -> None:
    say = SAY + "say('loaded', __file__)\n" + EMPTY
    pair.add_node("single.py", {"single.py": say})
    pair.add_node("folder", {"__init__.py": say})
    pair.add_node("off.disabled", {"__init__.py": say})
    pair.add_node("unlisted", {"__init__.py": SAY + "say('loaded', __file__)\n"})
    (pair.custom_nodes / "notes.txt").write_text("no node")
    with pair.serve() as server:
        for name in ("single.py", "folder/__init__.py", "unlisted/__init__.py"):
            assert f"loaded {pair.custom_nodes / name}" in server.log()
        assert "off.disabled" not in server.log()
        # Executed, and still called a failure: a node without the mapping.
        assert f"seconds (IMPORT FAILED): {pair.custom_nodes / 'unlisted'}" in server.log()
        assert f"seconds: {pair.custom_nodes / 'folder'}" in server.log()


def test_prestartup_scripts_run_before_the_server_exists(pair: Pair) -> None:
    script = SAY + "import sys\nsay('early', 'server' in sys.modules, bool(logging.getLogger().handlers))\n"
    pair.add_node("early", {"__init__.py": EMPTY, "prestartup_script.py": script})
    with pair.serve() as server:
        assert "early False True" in server.log()


def test_a_filter_set_by_a_prestartup_script_keeps_the_token_out_of_the_log(pair: Pair) -> None:
    script = """
import logging
class Hide(logging.Filter):
    def filter(self, record):
        record.msg, record.args = record.getMessage().replace(%r, "(hidden)"), ()
        return True
for handler in logging.getLogger().handlers:
    handler.addFilter(Hide())
"""
    pair.add_node("filter", {"__init__.py": EMPTY, "prestartup_script.py": script % TOKEN})
    pair.set_password(TOKEN)
    with pair.serve() as server:
        assert "use token=(hidden)" in server.log()
        assert TOKEN not in server.log()
        assert TOKEN not in server.request("GET", "/internal/logs", token=TOKEN).text


def test_routes_and_files_of_a_node(pair: Pair) -> None:
    source = """
from aiohttp import web
from server import PromptServer
NODE_CLASS_MAPPINGS = {}
WEB_DIRECTORY = "./web"
@PromptServer.instance.routes.get("/of_a_node")
async def answer(request):
    return web.Response(text="here")
"""
    (pair.add_node("extra", {"__init__.py": source}) / "web").mkdir()
    (pair.custom_nodes / "extra" / "web" / "a.js").write_text("1")
    pair.set_password(TOKEN)
    with pair.serve() as server:
        for path in ("/of_a_node", "/api/of_a_node"):
            assert server.request("GET", path).status == 401
            assert server.request("GET", path, token=TOKEN).text == "here"
        assert server.request("GET", "/extensions/extra/a.js").body == b"1"


def test_only_whitelisted_nodes_load_and_run_their_scripts(pair: Pair) -> None:
    early, loaded = (f"{SAY}say({word!r}, __file__)\n{EMPTY}" for word in ("early", "loaded"))
    files = {"__init__.py": loaded, "prestartup_script.py": early}
    for name in ("wanted", "unwanted"):
        pair.add_node(name, files)
    with pair.serve("--disable-all-custom-nodes", "--whitelist-custom-nodes", "wanted", LOGIN_NODE) as server:
        for word in ("loaded", "early"):
            assert f"{word} {pair.custom_nodes / 'wanted'}" in server.log()
            assert f"{word} {pair.custom_nodes / 'unwanted'}" not in server.log()
        assert server.request("GET", "/system_stats").status == 401


def test_sigterm_ends_at_once(pair: Pair) -> None:
    with pair.serve() as server:
        server.process.terminate()
        assert server.wait_until_ended(10) == -15


def test_the_directories_can_be_moved_but_not_the_password(pair: Pair) -> None:
    pair.set_password(TOKEN)
    places = {kind: pair.root / "data" / kind for kind in ("user", "input", "output", "temp")}
    for place in places.values():
        place.mkdir(parents=True)
    flags = [part for kind, place in places.items() for part in (f"--{kind}-directory", str(place))]
    models = pair.root / "models" / "vae"
    models.mkdir(parents=True)
    (models / "tiny.safetensors").write_bytes(b"")
    config = pair.code / "extra_model_paths.yaml"
    config.write_text(f"shared:\n  base_path: {pair.root / 'models'}\n  vae: vae\n")
    with pair.serve(*flags) as server:
        assert server.request("GET", "/system_stats", token=TOKEN).status == 200
        assert server.request("GET", "/models/vae", token=TOKEN).json()[-1:] == ["tiny.safetensors"]
        assert server.request("POST", "/userdata/a.json", token=TOKEN, body=b"{}").status == 200
        assert (places["user"] / "default" / "a.json").read_bytes() == b"{}"
        shown = server.request("GET", "/internal/folder_paths", token=TOKEN).json()
        assert str(models) in shown["vae"]
