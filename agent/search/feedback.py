"""What a proposal is told of the search so far, from the archive as it is when it is drawn.

All of it is written into the proposal, so that a run after a crash and a replay make the same prompt. Only
settled candidates are read, so that the speed of the machine does not change what is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from evoarch.agent.base.ordering import Steering
from evoarch.agent.config.tables import FeedbackTable
from evoarch.agent.evaluation.kept_findings import found_about
from evoarch.agent.operators.lm.repair import readable
from evoarch.agent.search.effects import Gain, changes, effects
from evoarch.archive.records import Candidate, Relative, State
from evoarch.archive.store import Store
from evoarch.prompts.contexts import Feedback, Tried

MOST_GAINS = 2000
"""The newest children that effects are measured on: what helped a thousand children ago may hurt now."""


MOST_FOUND = 400
"""Characters of one finding about a child that is to be mended, which is all about them."""

MOST_LINES = 8
"""Findings about one child that a prompt may list."""


class Memory:
    """Reads feedback from one archive; keeps what it worked out of sources, which never change. `names` are
    the metrics that prompts show.
    """

    def __init__(
        self, store: Store, table: FeedbackTable, names: Sequence[str] = ("params", "error")
    ) -> None:
        self._store, self._table, self._names = store, table, names
        self._changes: dict[int, frozenset[str]] = {}

    def of(self, parents: Sequence[Candidate], scored: Sequence[Candidate]) -> Feedback:
        """What a prompt for children of `parents` may say: what became of their other children, and which
        kinds of change helped. `scored`: all candidates with metrics, in any order.
        """
        found = self._store.relatives.near(
            [parent.id for parent in parents], self._told_states(), self._table.relatives
        )
        tried = [self._tried(relative) for relative in found]
        return Feedback(tuple(tried), tuple(effects(self._gains(scored), self._table.effects)))

    def mendable(self, steering: Steering, *, chat: bool) -> Candidate | None:
        """The newest failed or rejected child that `lm.repair` may mend, None where there is none.

        Left out are those that a person vetoed, or a parent of which, and for a base model (`chat` false)
        those whose reply was no Python file.
        """
        for identity in self._store.relatives.mendable():
            candidate = self._store.candidate(identity)
            vetoed = steering.vetoed & {identity, *candidate.parents}
            if not vetoed and (chat or readable(candidate.source)):
                return candidate
        return None

    def _told_states(self) -> set[State]:
        told = {
            State.SCORED: self._table.metrics,
            State.FAILED: self._table.failures,
            State.STOPPED: self._table.failures,
            State.REJECTED: self._table.findings,
            State.DUPLICATE: self._table.findings,
        }
        return {state for state, is_told in told.items() if is_told}

    def _tried(self, relative: Relative) -> Tried:
        most = self._table.characters
        metrics = {name: relative.metrics[name] for name in self._names if name in relative.metrics}
        return Tried(
            change=_short(relative.change or relative.operator, most),
            outcome=str(relative.state),
            reason="" if relative.state is State.SCORED else _short(relative.reason, most),
            metrics=metrics,
        )

    def _gains(self, scored: Sequence[Candidate]) -> list[Gain]:
        if not self._table.effects:
            return []
        known = {candidate.id: candidate for candidate in scored}
        bred = sorted(c.id for c in scored if c.number is not None and c.parents and c.parents[0] in known)
        gains: list[Gain] = []
        for identity in bred[-MOST_GAINS:]:
            child = known[identity]
            parent = known[child.parents[0]]
            if identity not in self._changes:
                sources = [self._store.candidate(each).source for each in (parent.id, identity)]
                self._changes[identity] = changes(*sources)
            error, size = (
                math.log(parent.metrics[name] / child.metrics[name])
                if min(parent.metrics[name], child.metrics[name]) > 0
                else 0.0
                for name in ("error", "params")
            )
            gains.append(Gain(self._changes[identity], error, size))
        return gains


def findings_about(store: Store, candidate: int) -> list[str]:
    """What was found about a child that failed or was rejected, a line each: at most 8, of bounded length."""
    return [_short(each, MOST_FOUND) for each in found_about(store, candidate)[:MOST_LINES]]


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3].rstrip() + "..."
