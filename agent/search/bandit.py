"""A bandit that chooses the operator of each slot: it learns from the archive which one brings most.

The bandit is Thompson sampling: each operator's rate of improvements per cost has a Gamma posterior, one rate
is drawn from each, and the largest is chosen (Xia et al. 2015, arXiv 1505.00146: bandits whose pulls cost).
What is long ago counts less (Raj and Kalyani 2017, arXiv 1707.09727: discounted posteriors). Its state is
what `Store.trials_after` gives, and nothing else.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.config.tables import OperatorTable
from evoarch.archive.store import Store
from evoarch.archive.yields import OperatorTrial

PRIOR = 5.0
"""Proposals that the prior belief in each operator is worth; the weights tilt it."""

SECONDS_AN_HOUR = 3600.0
"""For prices of an hour of CPU time."""


@dataclass
class Arm:
    """Discounted sums over one operator's settled proposals: how many, how many of them improved on their
    parents, and their cost in the unit of `portfolio.cost`.
    """

    proposals: float = 0.0
    improved: float = 0.0
    cost: float = 0.0


class OperatorBandit:
    """The bandit of one run. All that it knows is read from the archive, so a resumed run goes on from it."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store, self._config = store, config
        self._arms = [Arm() for _ in config.operators]
        self._heard = 0

    def choose(self, slot: int) -> int:
        """The index of the operator for `slot`, from the archive as it is now and the campaign's seed."""
        self._hear()
        table = self._config.portfolio
        rng = stream(self._config.campaign.seed, "bandit", slot)
        weights = [operator.weight for operator in self._config.operators]
        if rng.random() < table.explore:
            return rng.choices(range(len(weights)), weights)[0]
        rates = drawn_rates(self._arms, weights, rng)
        return max(range(len(rates)), key=lambda arm: (rates[arm], -arm))

    def _hear(self) -> None:
        """Takes in what settled since it last looked; each proposal makes all that came before it older."""
        table = self._config.portfolio
        for trial in self._store.yields.trials_after(self._heard):
            self._heard = trial.event
            arm = arm_of(trial, self._config.operators)
            for each in self._arms:
                each.proposals *= table.decay
                each.improved *= table.decay
                each.cost *= table.decay
            if arm is not None:
                self._arms[arm].proposals += 1
                self._arms[arm].improved += trial.improved
                self._arms[arm].cost += cost_of(trial, table.cost, table.cpu_hour)


def cost_of(trial: OperatorTrial, unit: str, cpu_hour: float) -> float:
    """What a proposal cost in `unit` (`portfolio.cost`: cpu, tokens, money or proposals). `cpu_hour`: the
    price of an hour of CPU time.
    """
    match unit:
        case "cpu":
            return trial.cpu_seconds
        case "tokens":
            return trial.tokens
        case "money":
            return trial.money + cpu_hour * trial.cpu_seconds / SECONDS_AN_HOUR
    return 1.0


def drawn_rates(arms: Sequence[Arm], weights: Sequence[float], rng: random.Random) -> list[float]:
    """For each operator, a draw from the posterior of its improvements per unit of cost. Before anything
    settled the weights decide.
    """
    proposals = sum(arm.proposals for arm in arms)
    improved = (sum(arm.improved for arm in arms) + 1) / (proposals + 2)
    # Where nothing costs anything, as tokens without a model, improvements alone count.
    each = sum(arm.cost for arm in arms) / proposals if proposals else 1.0
    scale = each or 1.0
    mean = sum(weights) / len(weights)
    return [
        rng.gammavariate(PRIOR * improved * weight / mean + arm.improved, 1 / (PRIOR * scale + arm.cost))
        for arm, weight in zip(arms, weights, strict=True)
    ]


def arm_of(trial: OperatorTrial, tables: Sequence[OperatorTable]) -> int | None:
    """The place of the operator that made a proposal in `tables`, which a person may have edited since; None
    where it is no longer there.
    """
    drawn = trial.table
    if drawn < len(tables) and (tables[drawn].name, tables[drawn].lm) == (trial.operator, trial.lm):
        return drawn
    same = [i for i, table in enumerate(tables) if (table.name, table.lm) == (trial.operator, trial.lm)]
    return same[0] if same else None
