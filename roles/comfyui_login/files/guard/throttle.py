# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Budgets of failed logins, and of forms that are being read."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WINDOW, PER_ADDRESS, GLOBAL = 60.0, 20, 120
ADDRESSES = 4096
READING, READING_ALL = 8, 64
"""Forms that may be on their way in at once: from one address, and altogether."""


class Throttle:
    """Budgets of failures: for each address, and for all together, refilled evenly over WINDOW seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._debts: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._reading: Counter[str] = Counter()

    def _debt(self, key: str, budget: int) -> float:
        owed, since = self._debts.get(key, (0.0, 0.0))
        return max(0.0, owed - (self._clock() - since) * budget / WINDOW)

    def wait(self, address: str) -> int:
        """Return the seconds until *address* may try again; 0 when it may now."""
        if self._reading[address] >= READING or sum(self._reading.values()) >= READING_ALL:
            return 1
        over = [(self._debt(key, budget) + 1 - budget) * WINDOW / budget for key, budget in self._budgets(address)]
        worst = max(over)
        return 0 if worst <= 0 else int(worst) + 1

    def failed(self, address: str) -> None:
        """Count one failure."""
        for key, budget in self._budgets(address):
            self._debts[key] = (self._debt(key, budget) + 1, self._clock())
            self._debts.move_to_end(key)
        while len(self._debts) > ADDRESSES:
            self._debts.popitem(last=False)

    @contextmanager
    def reading(self, address: str) -> Iterator[None]:
        """Count a form while it comes in: slow senders use up their own share, not everybody's."""
        self._reading[address] += 1
        try:
            yield
        finally:
            self._reading[address] -= 1
            if self._reading[address] <= 0:
                del self._reading[address]

    @staticmethod
    def _budgets(address: str) -> tuple[tuple[str, int], ...]:
        return (address, PER_ADDRESS), ("", GLOBAL)
