"""When a run gives up: nothing new to train, an LM that does not answer, or a machine that loses children."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MOST_UNANSWERED = 3
"""Batches in a row that an LM may fail to answer before the run stops."""

MOST_LOST = 3
"""Children in a row that the infrastructure may lose, each after its retries, before the run stops."""

MOST_REASON = 300
"""Characters of a reason that the run's end repeats."""


@dataclass
class Patience:
    """Counts what went wrong in a row. `stall`: so many proposals without a training end the run."""

    stall: int
    _idle: int = 0
    _reasons: Counter[str] = field(default_factory=Counter)
    _lost: int = 0
    _reason: str = ""
    _unanswered: int = 0
    _error: str = ""

    def settled(self, *, trained: bool, reason: str = "") -> None:
        """A proposal came to its end. `trained`: whether it entered training; else `reason` says why not."""
        self._idle = 0 if trained else self._idle + 1
        self._lost = 0 if trained else self._lost
        if trained:
            self._reasons.clear()
        else:
            self._reasons[reason[:MOST_REASON]] += 1

    def lost(self, reason: str) -> None:
        """The infrastructure lost a child because of `reason`; it does not count as one without training."""
        self._lost, self._reason = self._lost + 1, reason

    def answered(self, error: str = "") -> None:
        """A batch that asked an LM came back. `error`: why it has no reply, "" where it has."""
        self._unanswered, self._error = (self._unanswered + 1, error) if error else (0, "")

    def refused(self, error: str) -> None:
        """An LM said, by `error`, that no further call can work: the run is over."""
        self._unanswered, self._error = MOST_UNANSWERED, error

    def over(self) -> str:
        """Why the run should stop, or ""."""
        if self._unanswered >= MOST_UNANSWERED:
            return self._error
        if self._lost >= MOST_LOST:
            return (
                f"the infrastructure lost {self._lost} children in a row, none by its own fault: "
                f"{self._reason}; `evoarch doctor` tells what this machine offers"
            )
        if self._idle >= self.stall:
            reason, count = self._reasons.most_common(1)[0]
            why = f"; {count} of them: {reason}" if reason else ""
            return (
                f"stalled: the last {self._idle} proposals brought no new candidate to train "
                f"(budget.stall){why}"
            )
        return ""
