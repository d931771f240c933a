"""How a candidate came about: its line of first parents, and what each step changed and brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evoarch.agent.analysis.verdict import CandidateComparison, compared
from evoarch.agent.statistics.noise import Noise
from evoarch.agent.statistics.paired import paired
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store

MOST = 50
"""Steps of a line that are told, the newest."""


@dataclass(frozen=True)
class DescentStep:
    """`candidate` came from the one before it by `change`, as its operator said ("" where it said nothing).

    `comparison`: with that parent; None for the first of the line, and where either has no score.
    """

    candidate: Candidate
    change: str
    comparison: CandidateComparison | None


def descent(store: Store, candidate: Candidate, noise: Noise) -> Sequence[DescentStep]:
    """From the seed, or the MOST-th first parent upwards, to `candidate` itself. Each step is tested
    alone.
    """
    line = [candidate.id]
    while len(line) <= MOST and (parents := store.parents_of(line[-1:]).get(line[-1])):
        line.append(parents[0])
    members = store.browse.some(line[::-1])
    return [
        DescentStep(
            member,
            store.change(member.id)[0],
            _between(store, member, members[at - 1], noise) if at else None,
        )
        for at, member in enumerate(members)
    ]


def _between(store: Store, child: Candidate, parent: Candidate, noise: Noise) -> CandidateComparison | None:
    if any(name not in c.metrics for c in (child, parent) for name in ("error", "params")):
        return None
    found = paired(
        store.evaluations(child.id),
        store.evaluations(parent.id),
        dispersion=noise.dispersion,
        freedom=noise.freedom,
    )
    return compared("parent", child, parent, found)
