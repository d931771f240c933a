"""EvoPrompting's choices (Chen, Dohan, So 2023, arXiv 2302.14838, Algorithms 1-3), as pure functions.

They choose the parents of a round, what is kept in the global set G, and what the soft prompt is trained on.
docs/evoprompting.md says what is done where the paper is silent or contradicts itself.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from evoarch.agent.tuning.data import Member


@dataclass(frozen=True)
class Selection:
    """Ids of candidates: the `parents` of the next round (the paper's P), and those that the soft prompt is
    trained on before it.
    """

    parents: tuple[int, ...]
    training: tuple[int, ...]


def enters(error: float, threshold: float) -> bool:
    """Whether a child of this validation error (unsmoothed, 0..1) is kept in G: at most `threshold`, as in
    Algorithm 3.
    """
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

    `everyone`: G, with this round's children, whose ids are `children`. `chosen`: ids of those that were
    parents in an earlier round; they are never parents again. `before`: the parents of this round, which stay
    where nobody is left. `survivors`: how many are chosen, the best by -(params x error), or with `pick` at
    random (the ablation `random-parents`).
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
    """`count` parents of one prompt, by id, drawn uniformly with replacement (Algorithm 2)."""
    return rng.choices(list(parents), k=count)
