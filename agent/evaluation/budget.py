"""The budget of evaluations and wall clock, counted from the archive. agent/lm/budget.py keeps the rest."""

from __future__ import annotations

import time

from evoarch.agent.config.tables import BudgetTable
from evoarch.archive.store import Store


class Budget:
    """What is left. The archive's counts at the start of the run, and what this run took since."""

    def __init__(self, store: Store, table: BudgetTable, *, unlimited: bool = False) -> None:
        self._store = store
        self._table = BudgetTable(evaluations=1 << 60) if unlimited else table
        self._evaluations = store.totals.entered_training()
        self._elapsed = store.totals.elapsed()
        self._began = time.monotonic()

    def take_evaluation(self) -> bool:
        """Takes one candidate's entry into training, if one is left."""
        if self._evaluations >= self._table.evaluations:
            return False
        self._evaluations += 1
        return True

    def return_evaluation(self) -> None:
        """The infrastructure lost a candidate that had entered training."""
        self._evaluations -= 1

    def spent(self) -> str:
        """Why no further child should be begun, or ""."""
        if self._evaluations >= self._table.evaluations:
            return f"all {self._table.evaluations} evaluations of the budget are made"
        if self.out_of_time():
            return f"the budget's {self._table.wall_clock:g} s of wall clock are over"
        return ""

    def out_of_time(self) -> bool:
        """Whether the wall clock that the campaign may take is over."""
        elapsed = self._elapsed + time.monotonic() - self._began
        return bool(self._table.wall_clock) and elapsed >= self._table.wall_clock

    def seconds_left(self) -> float | None:
        """Wall clock left, None without a limit."""
        if not self._table.wall_clock:
            return None
        return max(0.0, self._table.wall_clock - self._elapsed - time.monotonic() + self._began)
