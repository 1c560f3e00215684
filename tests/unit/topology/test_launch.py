# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.plugin_utils import _launch as launch

HELP = "usage: main.py [-h] [--listen [IP]] [--port PORT] [--lowvram | --novram]\n  --reserve-vram RESERVE_VRAM\n"


def test_flags_of_the_deployed_help_pass() -> None:
    assert launch.unknown_launch_args(["--listen", "::", "--port=8", "--reserve-vram", "-1", "--lowvram"], HELP) == []


def test_a_removed_flag_is_named_with_its_neighbour() -> None:
    (said,) = launch.unknown_launch_args(["--listen", "x", "--normalvram"], HELP)
    assert said == "--normalvram is not known to the deployed ComfyUI (did you mean --novram?)"


def test_a_prefix_of_a_known_flag_is_not_that_flag() -> None:
    assert len(launch.unknown_launch_args(["--reserve"], HELP)) == 1


def test_a_traceback_is_not_taken_for_help() -> None:
    with pytest.raises(ValueError, match="not the help of ComfyUI"):
        launch.unknown_launch_args([], "Traceback (most recent call last):")


def test_specifiers_variables_and_blanks_survive_systemd() -> None:
    words = ["/bin/x", "100%", "$HOME", "a b", 'q"\\', ""]
    assert launch.systemd_exec(words) == r'''/bin/x "100%%" "$$HOME" "a b" "q\"\\" ""'''


def test_a_newline_cannot_add_a_line_to_a_unit() -> None:
    with pytest.raises(ValueError, match="control character"):
        launch.systemd_exec(["a\nExecStart=evil"])
    with pytest.raises(ValueError, match="control character"):
        launch.systemd_environment({"A": "b\nUser=root"})
    with pytest.raises(ValueError, match="not a name"):
        launch.systemd_environment({"A=B": "c"})


def test_requirements_lose_only_the_named_packages() -> None:
    text = "# torch\ntorch\nTorch-Vision>=1\ntorchaudio # x\ntorchsde\n-r more.txt\n"
    assert (
        launch.requirements_without(text, ["torch", "torch_vision", "torchaudio"]) == "# torch\ntorchsde\n-r more.txt\n"
    )


@given(
    st.lists(st.text(st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"])), min_size=1)
)
def test_every_word_list_gives_one_line(words: list[str]) -> None:
    line = launch.systemd_exec(words)
    assert "\n" not in line
    assert line.count("%") % 2 == 0
