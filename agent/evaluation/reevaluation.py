"""The end of a search: further training seeds where they decide something.

The best of many equals is best by luck, and only a mean over seeds tells. First the front and the baselines
get the seeds that an elite needs; then a race gives a budget of further ones to whoever may belong on the
front or off it (racing.py), in batches that depend on no number of workers. What a batch is stands in the
diary before it begins, so that a run that was cut off goes on with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.racing import next_seeds
from evoarch.agent.statistics.noise import read_noise
from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.pareto import front, measured
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store

BATCH = 4
"""Seeds that are given out at a time: enough for a few slots, few enough to learn from each."""

Trainings = Sequence[tuple[int, int]]
"""(candidate, number of its training seed)"""


@dataclass(frozen=True)
class Reevaluation:
    """`train` makes one further training seed of a candidate; `ended`: nothing new is to be begun."""

    store: Store
    config: Config
    train: Callable[[Candidate, int], Awaitable[None]]
    in_slots: Callable[[Callable[[int], Awaitable[None]], Sequence[int]], Awaitable[None]]
    ended: Callable[[], bool]

    async def run(self) -> None:
        """Until each elite has the seeds that it needs and the front stands, or the budget is spent."""
        while not self.ended():
            await self._least()
            if self.ended() or not await self._race():
                return

    async def _least(self) -> None:
        """For the front by its mean errors and the baselines, as often as the front becomes another one."""
        needed = self.config.evaluation.repeats
        goals = objectives(self.config.selection)
        while not self.ended():
            scored = self.store.scored(sources=False)
            placed = [c for c in scored if measured(c.metrics, goals)]
            elites = {placed[i].id for i in front([c.metrics for c in placed], goals)}
            # A score that began with a parent's weights is none to confirm with.
            warm = self.store.totals.inherited()
            short = [
                (c.id, number)
                for c in scored
                if c.id in elites or c.operator == "seed"
                if c.seeds < needed or c.id in warm
                for number in range(1, needed + (c.id in warm))
                if not self.store.has_evaluation(c.id, number)
            ]
            if not await self._make(short):
                return

    async def _race(self) -> bool:
        """One batch; whether there was one, and it came to something."""
        given = raced(self.store)
        batch = [pair for pair in given if not self.store.has_evaluation(*pair)]
        if not batch:
            left = self.config.evaluation.race - len(given) if self.config.evaluation.repeats > 1 else 0
            batch = self._drawn(min(BATCH, left), len(given)) if left > 0 else []
            if batch:
                self.store.event("race", None, {"next": [list(pair) for pair in batch]})
        return await self._make(batch)

    def _drawn(self, most: int, given: int) -> list[tuple[int, int]]:
        goals = objectives(self.config.selection)
        names = sorted({"error", *(goal.name for goal in goals)})
        places = self.store.browse.points(names)
        rng = np.random.default_rng(stream(self.config.campaign.seed, "race", given).getrandbits(64))
        chosen = next_seeds(
            [dict(zip(names, values, strict=True)) for _, values, _ in places],
            [seeds for _, _, seeds in places],
            goals,
            read_noise(self.store),
            rng,
            batch=most,
        )
        return [(places[i][0], self._number(places[i][0])) for i in chosen]

    def _number(self, candidate: int) -> int:
        number = 1
        while self.store.has_evaluation(candidate, number):
            number += 1
        return number

    async def _make(self, trainings: Trainings) -> bool:
        """Whether any of them came to an outcome that is not the infrastructure's."""
        made = self.store.totals.repeats_made()
        numbers: dict[int, list[int]] = {}
        for candidate, number in trainings:
            numbers.setdefault(candidate, []).append(number)

        async def work(candidate: int) -> None:
            for number in numbers[candidate]:
                if self.ended():
                    return
                await self.train(self.store.candidate(candidate), number)

        await self.in_slots(work, list(numbers))
        return self.store.totals.repeats_made() > made


def raced(store: Store) -> list[tuple[int, int]]:
    """Every training seed that the race gave out, in order."""
    given = []
    for event in store.events(kind="race"):
        pairs = event.detail.get("next")
        assert isinstance(pairs, list)
        given += [(int(candidate), int(number)) for candidate, number in pairs]
    return given
