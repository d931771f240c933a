"""An operator that gives the sources that a test lists."""

import itertools
import random
from collections.abc import Iterable

from evoarch.agent.operators.base import Draft, Order


class Listed:
    """One source after the other, and then the last again and again."""

    name, arity, samples = "syntactic.mutate", 1, 1

    def __init__(self, sources: Iterable[str]) -> None:
        listed = list(sources)
        self._sources = itertools.chain(listed, itertools.repeat(listed[-1]))

    async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
        return [Draft(next(self._sources)) for _ in range(order.count)]
