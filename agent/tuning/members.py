"""A scored child as EvoPrompting sees it: by its unsmoothed error."""

from __future__ import annotations

from agent.evoprompting import Member, unsmoothed
from agent.report.numbers import examples
from archive.records import FULL, Scored
from archive.store import Store


def member_of(store: Store, candidate: int) -> Member | None:
    """From its first training seed on the last rung; None where it has no score there."""
    for each in store.evaluations(candidate):
        if each.rung == FULL and each.seed == 0 and isinstance(each.outcome, Scored):
            metrics = each.outcome.metrics
            known = examples(metrics["error"], each.correct) if each.correct else 0
            return Member(candidate, metrics["params"], unsmoothed(metrics["error"], known))
    return None
