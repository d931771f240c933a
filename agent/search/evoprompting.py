"""EvoPrompting's choices (Chen, Dohan, So 2023, arXiv 2302.14838, Algorithms 1-3), as pure functions.

Who may be a parent, what enters the global set G, what the soft prompt is trained on. docs/evoprompting.md
says where the paper is silent or contradicts itself, and what is done then.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from evoarch.agent.tuning.data import Member


@dataclass(frozen=True)
class Selection:
    """What follows from a round: `parents` are the next round's P, `training` what is trained on, by id."""

    parents: tuple[int, ...]
    training: tuple[int, ...]


def enters(error: float, threshold: float) -> bool:
    """Whether a child of this validation error enters G (Algorithm 3); at the threshold itself it does."""
    return error <= threshold


def select(
    everyone: Sequence[Member],
    children: Collection[int],
    chosen: Collection[int],
    before: Sequence[int],
    survivors: int,
    pick: random.Random | None = None,
) -> Selection:
    """The parents of the next round, and what is trained on before it.

    `everyone` is G, this round's children included; `children` are the ids of the latter; `chosen` were
    parents in an earlier round, and are never again; `before` is P as it was, which stays where nobody can
    follow. With `pick` parents are drawn from G in place of the best (the ablation `random-parents`).
    """
    free = sorted(
        (each for each in everyone if each.id not in chosen), key=lambda each: (-each.fitness, each.id)
    )
    if pick is not None:
        free = pick.sample(free, min(survivors, len(free)))
    parents = tuple(each.id for each in free[:survivors]) or tuple(before)
    training = sorted(each.id for each in everyone if each.id in children and each.id not in parents)
    return Selection(parents, tuple(training))


def examples_for(parents: Sequence[int], count: int, rng: random.Random) -> list[int]:
    """The parents of one prompt: drawn uniformly from P with replacement (Algorithm 2)."""
    return rng.choices(list(parents), k=count)
