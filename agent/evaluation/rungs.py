"""Who trains on: asynchronous successive halving over training steps, as pure functions.

A candidate is judged once, when it arrives at a rung, against those that arrived there last: promotion needs
no barrier, and follows the search as it moves (Schmucker et al. 2021, MO-ASHA, arXiv 2106.12639, ranks by
Pareto dominance; here against recent arrivals, not all). Who is turned away stays so, whoever comes later.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.tables import RungTable
from evoarch.archive.pareto import Objective, crowding, ranks
from evoarch.evaluators.task import Recipe

AUDITED = 20
"""One in so many that are turned away is trained in full anyway, to learn what turning away costs."""


class Decision(StrEnum):
    """What became of an arrival. `EXEMPT`: a seed or an audit. `AUDITED_...`: turned away, yet trained on."""

    PROMOTED = "promoted"
    STOPPED = "stopped"
    REJECTED = "rejected"
    AUDITED_STOPPED = "audited stopped"
    AUDITED_REJECTED = "audited rejected"
    EXEMPT = "exempt"

    @property
    def goes_on(self) -> bool:
        return self not in (Decision.STOPPED, Decision.REJECTED)


@dataclass(frozen=True)
class Rung:
    """A rung before the last: its name, and the step (from 0, exclusive) at which training pauses."""

    name: str
    steps: int
    table: RungTable


def ladder(tables: Sequence[RungTable], steps: int) -> list[Rung]:
    """The rungs before the last of a recipe of `steps` steps, in order.

    Raises UserError where two fall on one step, or one on the recipe's first or last.
    """
    rungs = [Rung(f"rung{n}", round(table.share * steps), table) for n, table in enumerate(tables, start=1)]
    marks = [0, *(rung.steps for rung in rungs), steps]
    if any(one >= other for one, other in pairwise(marks)):
        raise UserError(
            f"evaluation.rungs: expected rising shares that fall on different steps of the recipe's {steps},"
            f" got steps {', '.join(str(rung.steps) for rung in rungs)}"
        )
    return rungs


def held(recipe: Recipe, tables: Sequence[RungTable]) -> Recipe:
    """`recipe` with its steps up to the last pause at a constant rate. Raises UserError as `ladder` does."""
    return replace(recipe, hold=ladder(tables, recipe.steps)[-1].steps)


def decide(
    rung: Rung,
    metrics: Mapping[str, float],
    earlier: Sequence[Mapping[str, float]],
    objectives: Sequence[Objective],
    *,
    chance: float | None,
    name: tuple[int, str],
) -> Decision:
    """What becomes of a bred arrival with `metrics`.

    `earlier`: the metrics of those that arrived at this rung before, oldest first; `chance`: the error of
    guessing, None where there are no classes; `name`: the campaign's seed and the candidate's source digest,
    of which the audit is a function.
    """
    if below_twice_chance(rung, metrics, chance):
        return Decision.AUDITED_REJECTED if audited(rung.name, *name) else Decision.REJECTED
    recent = earlier[-(rung.table.window - 1) :] if rung.table.window > 1 else []
    # Shares like 0.1 are no binary fractions: 0.1 x 30 is 3, not a little more.
    promoted = math.ceil(rung.table.keep * (len(recent) + 1) - 1e-9)
    if place([*recent, metrics], objectives) < promoted:
        return Decision.PROMOTED
    return Decision.AUDITED_STOPPED if audited(rung.name, *name) else Decision.STOPPED


def below_twice_chance(rung: Rung, metrics: Mapping[str, float], chance: float | None) -> bool:
    """Early rejection: accuracy below twice that of guessing after some 100 steps (Liu et al. 2020, EvoNorms,
    arXiv 2004.02967, section 3.3). Never on a rung with fewer steps than `reject_steps`, or with 0.
    """
    due = 0 < rung.table.reject_steps <= rung.steps
    return due and chance is not None and 1.0 - metrics["error"] < 2.0 * (1.0 - chance)


def place(rows: Sequence[Mapping[str, float]], objectives: Sequence[Objective]) -> int:
    """How many of `rows` stand before the last: by Pareto rank, in one by crowding distance, then by age."""
    rank, spread = ranks(rows, objectives), crowding(rows, objectives)
    mine = (rank[-1], -spread[-1])
    return sum((r, -s) <= mine for r, s in zip(rank[:-1], spread[:-1], strict=True))


def audited(rung: str, seed: int, digest: str) -> bool:
    """Whether this one of `AUDITED` is trained in full though it is turned away."""
    text = f"{seed}\n{digest}\naudit {rung}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % AUDITED == 0
