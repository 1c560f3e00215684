# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Where to: an inventory's directory or file. The demo's hosts are local containers, made on the way.
INVENTORY ?= inventories/demo
# More arguments for Ansible, such as ANSIBLE_ARGS="--ask-vault-pass --limit gpu-1".
ANSIBLE_ARGS ?=
# More arguments for pytest, such as PYTEST_ARGS="-k token".
PYTEST_ARGS ?=

PYTHON3 := python3
PY := .venv/bin/python
PYTEST := $(PY) -m pytest
# In the order in which a mistake shows soonest; what is not there is left out.
TESTS := $(wildcard $(addprefix tests/,quality unit matrix golden contract attack field scenarios))
# The tests that draw random files draw at least 80 a codec; this many times more is 100 000.
NIGHTLY_FACTOR := 1250
NIGHTLY := tests/unit/codecs/test_codec_formats.py tests/unit/codecs/test_codec_edits.py
# For make contract: a running server and a file that holds its token. Without them the stand-in is asked.
URL ?=
TOKEN_FILE ?=

.DEFAULT_GOAL := help
.PHONY: help setup engine engine-stop images repos hosts site validate audit rotate discover diagnose benchmark operate upgrade adopt down password \
  contract attack browser lint unit sanity field molecule test bench bench-rotation bench-rotation-scale clean

help: ## list the targets
	@echo "make TARGET [INVENTORY=inventories/...] [ANSIBLE_ARGS=...] [PYTEST_ARGS=...]"; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make the tools' virtual environment (.venv)
	@$(PYTHON3) tools/venv.py

engine: setup ## make a container engine answer (installs and starts one on Debian as root)
	@$(PY) -m tools.engine ensure

engine-stop: setup ## stop the container engine, if "make engine" started it
	@$(PY) -m tools.engine stop

images: engine ## build the images of the local hosts
	@$(PY) -m tools.images

repos: setup ## make the git repositories that the local hosts install from
	@$(PY) -m tools.repos

hosts: setup ## start the inventory's local hosts, and nothing else
	@$(PY) -m tools.site hosts --inventory $(INVENTORY)

site: setup ## converge the inventory and prove it: the one command
	@$(PY) -m tools.site site --inventory $(INVENTORY) $(ANSIBLE_ARGS)

validate: setup ## prove that every server is locked and every client gets in; changes nothing
	@$(PY) -m tools.site validate --inventory $(INVENTORY) $(ANSIBLE_ARGS)

audit: setup ## compare every consumer with the truth; changes nothing
	@$(PY) -m tools.site audit --inventory $(INVENTORY) $(ANSIBLE_ARGS)

rotate: setup ## rotate the credentials, as far as the evidence allows; run it again to go on
	@$(PY) -m tools.site rotate --inventory $(INVENTORY) $(ANSIBLE_ARGS)

discover: setup ## find copies of tokens and passwords that nobody declared; changes nothing
	@$(PY) -m tools.site discover --inventory $(INVENTORY) $(ANSIBLE_ARGS)

diagnose: setup ## name the cause of a refused token or an open server; changes nothing
	@$(PY) -m tools.site diagnose --inventory $(INVENTORY) $(ANSIBLE_ARGS)

benchmark: setup ## measure every instance with one workflow, and compare; docs/benchmark.md
	@$(PY) -m tools.site benchmark --inventory $(INVENTORY) $(ANSIBLE_ARGS)

operate: setup ## status; ANSIBLE_ARGS="-e comfyui_operation=restart" for logs, start, stop, restart
	@$(PY) -m tools.site operate --inventory $(INVENTORY) $(ANSIBLE_ARGS)

upgrade: setup ## bring the servers to the pinned versions, one after another; takes back what is not proven
	@$(PY) -m tools.site upgrade --inventory $(INVENTORY) $(ANSIBLE_ARGS)

adopt: setup ## take over the credential of a hand-made service; ANSIBLE_ARGS="-e comfyui_adopt_root=/srv/..."
	@$(PY) -m tools.site adopt --inventory $(INVENTORY) $(ANSIBLE_ARGS)

password: setup ## print the web form's user names and passwords
	@$(PY) -m tools.site password --inventory $(INVENTORY) $(ANSIBLE_ARGS)

down: setup ## remove the inventory's local hosts
	@$(PY) -m tools.site down --inventory $(INVENTORY)

lint: setup ## static checks
	@$(PYTEST) -q tests/quality -m "not slow" $(PYTEST_ARGS)

unit: setup ## unit tests
	@$(PYTEST) -q -n 2 tests/unit $(PYTEST_ARGS)

nightly: setup ## ask each codec about 100 000 random files; PYTEST_ARGS="-k yaml" takes one
	@CODEC_EXAMPLES_FACTOR=$(NIGHTLY_FACTOR) $(PYTEST) -q -n 2 $(NIGHTLY) $(PYTEST_ARGS)

sanity: setup ## ansible-test sanity
	@$(PYTEST) -q tests/quality -k sanity $(PYTEST_ARGS)

contract: setup ## the server's contract, on the stand-in or on URL=... TOKEN_FILE=...
	@CONTRACT_URL="$(URL)" CONTRACT_TOKEN_FILE="$(TOKEN_FILE)" $(PYTEST) -q tests/contract $(PYTEST_ARGS)

attack: setup ## attack the server, with and without the guard
	@$(PYTEST) -q tests/attack $(PYTEST_ARGS)

browser: setup ## log in and work with a real browser (needs one: 400 MB, so nothing fetches it)
	@$(PYTEST) -q -rs tests/attack/test_browser.py $(PYTEST_ARGS)

field: images repos ## break and mend one server and one client, on local hosts of their own
	@$(PYTEST) tests/field $(PYTEST_ARGS)

molecule: images repos ## the scenarios, on local hosts of their own
	@$(PYTEST) tests/scenarios $(PYTEST_ARGS)

test: images repos ## everything
	@$(PYTEST) -n 2 --dist loadgroup $(TESTS) $(PYTEST_ARGS)

bench: setup ## measure; prints a table and JSON
	@$(PY) tests/bench/run.py

bench-rotation: setup ## rotate three times under load on local hosts; prints JSON
	@$(PY) tests/bench/rotation.py

bench-rotation-scale: setup ## rotate 10 to 200 clients with their servers on this machine; prints a table and JSON
	@$(PY) tests/bench/rotation_scale.py

clean: ## remove caches and reports; credentials, images and .venv stay
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .ansible reports tests/output
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
