"""What a campaign works with, and how a run ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evoarch.agent.evaluation.pipeline import EvaluatorSeam
from evoarch.agent.lm.base import LM
from evoarch.agent.operators.base import Operator
from evoarch.agent.search.selection import SelectionMethod
from evoarch.agent.seeding.record import FrozenSeed
from evoarch.agent.tuning.tuner import Tuner
from evoarch.evaluators.latency import Timing
from evoarch.evaluators.pools.seam import Pool
from evoarch.prompts.contexts import NO_CARD, TaskCard


@dataclass(frozen=True)
class Components:
    """What a campaign works with. `operators` stand in the order of the config's tables; `seeds` are the
    records of inlined seeds, by name; `cores` are slots at the end, when no LM computes beside them. `pool`:
    one whose slots come and go; `workers` is what it had at first. `choose`: a user's own selection method.
    `ceiling`: the error above which a child fails.
    `card`: what prompts say of the task. `timing`: what measures latency, if not the evaluator.
    """

    evaluator: EvaluatorSeam
    offers: Mapping[str, object]
    operators: Sequence[Operator]
    lms: Mapping[str, LM]
    workers: int
    seeds: Mapping[str, FrozenSeed] = field(default_factory=dict)
    cores: int = 0
    tuner: Tuner | None = None
    pool: Pool | None = None
    choose: SelectionMethod | None = None
    ceiling: float = 1.0
    card: TaskCard = NO_CARD
    timing: Timing | None = None

    @property
    def at_once(self) -> int:
        """Children that may be graded at a time, now."""
        return self.workers if self.pool is None else max(1, self.pool.slots)


@dataclass(frozen=True)
class Ending:
    """Why the run ended, in words. `complete`: the campaign needs no further run under this budget. `error`:
    the run gave up, and the command ends with exit code 1.
    """

    reason: str
    complete: bool
    error: bool = False


STOPPED = Ending("stopped; `evoarch run` goes on from here", complete=False)
"""Somebody asked the run to stop."""

REPLAYED = Ending("the replay is at its end", complete=True)
"""Every recorded step was made again."""
