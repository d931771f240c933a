"""Candidates that know the validation split by heart: much better there than on examples nobody has seen.

Where a task makes its examples by rule, fresh ones are mixed into every second prediction. A model that
learnt errs on both alike; one that carries a table of published labels does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from evoarch.agent.statistics.intervals import spread_of_shares
from evoarch.archive.store import Store

LEAST_Z = 4.5
"""Standard errors between the two errors from which on a candidate is named: by chance 3 in a million."""

LEAST_GAP = 0.05
"""Difference of the errors below which none is named, however sure it is."""


@dataclass(frozen=True)
class Memorised:
    """Candidate `id` errs by `error` on the validation split, by `fresh_error` on `examples` fresh ones."""

    id: int
    error: float
    fresh_error: float
    examples: int

    @property
    def words(self) -> str:
        """One line for people."""
        return (
            f"#{self.id} errs {self.error:.1%} on the validation split and {self.fresh_error:.1%} on "
            f"{self.examples} fresh examples: it may hold a table of labels; read its code first"
        )


def memorised(store: Store, validation: int) -> list[Memorised]:
    """The scored ones, by id. `validation`: examples of the validation split, 0 if unknown."""
    found = []
    for identity, error, fresh_error, examples in store.browse.fresh_errors():
        gap = fresh_error - error
        if not validation or gap <= LEAST_GAP:
            continue
        if gap > LEAST_Z * spread_of_shares(error, validation, fresh_error, examples):
            found.append(Memorised(identity, error, fresh_error, examples))
    return found
