"""For tests of the loop: models that differ in a number, and an operator that writes another one."""

import random

from evoarch.agent.operators.base import Draft, Order

MODEL = """from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(40, 10)
        self.scale = {scale}

    def forward(self, x):
        return self.scale * self.layer(x)
"""


def scale_of(source: str) -> float:
    """The number that `MODEL` was given."""
    return float(source.split("self.scale = ")[1].split("\n")[0])


class Scale:
    """Draws its number up to `most`, so that a small one makes duplicates; `problem_share` are no source."""

    arity, samples = 1, 1

    def __init__(self, name: str = "syntactic.mutate", most: int = 10**6, problem_share: float = 0.0) -> None:
        self.name, self.most, self.problem_share = name, most, problem_share

    async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
        return [self._draft(rng) for _ in range(order.count)]

    def _draft(self, rng: random.Random) -> Draft:
        if self.problem_share and rng.random() < self.problem_share:
            return Draft("", problem="prose, not source")
        return Draft(MODEL.format(scale=rng.randint(1, self.most)))
