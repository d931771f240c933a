"""What rungs and the filter turned away, and an estimate of what that cost, from the audits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from scipy.stats import beta

from evoarch.agent.evaluation.rungs import Decision
from evoarch.archive.records import State
from evoarch.archive.store import Store

LEVEL = 0.95
"""Confidence of the upper bound."""


@dataclass(frozen=True)
class RungStatus:
    """Bred children on one rung. arrived = promoted + stopped + rejected; seeds, and children that go on as
    an audit of an earlier rung, are not among them.

    Of those that were turned away (stopped or rejected), `audited` were trained in full anyway and have come
    to an outcome; `audited_elites` of these are on the front now. `missed` estimates by their share how many
    of the others would be; `missed_at_most` is the one-sided 95% bound (Clopper and Pearson 1934).
    """

    name: str
    arrived: int
    promoted: int
    stopped: int
    rejected: int
    audited: int
    audited_elites: int
    missed: float | None
    missed_at_most: float


def rung_statuses(store: Store, elites: Collection[int]) -> list[RungStatus]:
    """One for the filter and each rung before the last, in order, if somebody was judged there.

    `elites`: the front's ids.
    """
    found = [_status(store, name, counts, elites) for name, counts in store.rungs().items()]
    return [each for each in found if each.arrived]


def _status(store: Store, name: str, counts: dict[str, int], elites: Collection[int]) -> RungStatus:
    def count(*decisions: Decision) -> int:
        return sum(counts.get(decision.value, 0) for decision in decisions)

    promoted = count(Decision.PROMOTED)
    stopped = count(Decision.STOPPED, Decision.AUDITED_STOPPED)
    rejected = count(Decision.REJECTED, Decision.AUDITED_REJECTED)
    tried = store.decided_as((Decision.AUDITED_STOPPED, Decision.AUDITED_REJECTED), name)
    ended = [c.id for c in store.some(tried) if c.state in (State.SCORED, State.FAILED)]
    found = len({*ended} & {*elites})
    others = count(Decision.STOPPED, Decision.REJECTED)
    return RungStatus(
        name=name,
        arrived=promoted + stopped + rejected,
        promoted=promoted,
        stopped=stopped,
        rejected=rejected,
        audited=len(ended),
        audited_elites=found,
        missed=others * found / len(ended) if ended else None,
        missed_at_most=others * upper_share(found, len(ended)),
    )


def upper_share(found: int, tried: int) -> float:
    """The largest share of which `found` of `tried` would still be no surprise."""
    return 1.0 if found == tried else float(beta.ppf(LEVEL, found + 1, tried - found))


def in_words(rung: RungStatus) -> str:
    """One line for people."""
    said = f"{rung.name}: {rung.arrived} arrived, {rung.promoted} promoted, {rung.stopped} stopped, "
    said += f"{rung.rejected} rejected"
    if not rung.stopped + rung.rejected:
        return said
    if rung.missed is None:
        return f"{said}; of those turned away none was trained in full yet"
    return (
        f"{said}; of {rung.audited} turned away and trained in full anyway {rung.audited_elites} are on the "
        f"front: about {rung.missed:.1f} elites missed, at most {rung.missed_at_most:.0f} (95%)"
    )
