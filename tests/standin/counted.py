# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook that notes each decryption with ansible-vault, a line each, in the file $COUNTED names.

``python counted.py ARGUMENTS`` takes ansible-playbook's own. Its workers are forks of this process, so theirs are noted
as well.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

from ansible.cli.playbook import main
from ansible.parsing.vault import VaultLib

_decrypt = VaultLib.decrypt_and_get_vault_id


def noted(self: Any, *given: Any, **named: Any) -> Any:
    """Decrypt, and note which of our files asked for it."""
    asked = [Path(frame.filename).name for frame in traceback.extract_stack() if "genai" in frame.filename]
    with open(os.environ["COUNTED"], "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {' '.join(asked[:1])}\n")
    return _decrypt(self, *given, **named)


if __name__ == "__main__":
    VaultLib.decrypt_and_get_vault_id = noted
    sys.exit(main())
