"""A scored child as EvoPrompting sees it: by its unsmoothed error."""

from __future__ import annotations

from evoarch.agent.search.evoprompting import Member, unsmoothed
from evoarch.agent.statistics.paired import examples
from evoarch.archive.records import FULL, Scored
from evoarch.archive.store import Store


def member_of(store: Store, candidate: int) -> Member | None:
    """From its first training seed on the last rung; None where it has no score there."""
    for each in store.evaluations(candidate):
        if each.rung == FULL and each.seed == 0 and isinstance(each.outcome, Scored):
            metrics = each.outcome.metrics
            known = examples(metrics["error"], each.correct) if each.correct else 0
            return Member(candidate, metrics["params"], unsmoothed(metrics["error"], known))
    return None
