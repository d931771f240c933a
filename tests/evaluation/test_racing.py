"""A race gives further training seeds to those that they decide something for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.agent.analysis.status import read_status
from evoarch.agent.config.load import Config
from evoarch.agent.config.recorded import settings_of_replay
from evoarch.agent.evaluation.racing import next_seeds
from evoarch.agent.evaluation.reevaluation import raced
from evoarch.agent.statistics.noise import Noise
from evoarch.archive.pareto import Objective
from evoarch.archive.records import Scored
from evoarch.archive.store import Store, open_archive
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.evaluators.task import Evaluated
from kit import campaigns
from kit.campaigns import archive_of
from kit.listed import Listed

BOTH = (Objective("error"), Objective("params", log=True))
NOISE = Noise(500, 0.002, 10)

points = st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e6), st.integers(1, 9)), min_size=1, max_size=25)


def raced_for(rows: list[tuple[float, float, int]], batch: int = 1, seed: int = 0) -> list[int]:
    return next_seeds(
        [{"error": error, "params": params} for error, params, _ in rows],
        [seeds for _, _, seeds in rows],
        BOTH,
        NOISE,
        np.random.default_rng(seed),
        batch=batch,
    )


@settings(deadline=None, max_examples=30)
@given(points, st.integers(1, 6))
def test_what_is_chosen_is_a_function_of_its_arguments_and_never_twice_the_same(
    rows: list[tuple[float, float, int]], batch: int
) -> None:
    chosen = raced_for(rows, batch)
    assert chosen == raced_for(rows, batch)
    assert len(set(chosen)) == len(chosen) <= batch
    assert all(0 <= place < len(rows) for place in chosen)


@settings(deadline=None, max_examples=30)
@given(points)
def test_who_is_out_of_reach_gets_none(rows: list[tuple[float, float, int]]) -> None:
    """One far worse than the best of those that are no larger, and one alone."""
    rows = [(error / 3, params, seeds) for error, params, seeds in rows]
    far = (1.0, max(params for _, params, _ in rows) + 1, 1)
    assert len(rows) not in raced_for([*rows, far], batch=99)
    assert raced_for([(0.1, 100.0, 1)]) == []


def test_the_tied_are_raced_and_the_least_measured_of_them_first() -> None:
    rows = [(0.10, 10.0, 9), (0.10, 10.0, 1), (0.30, 10.0, 1), (0.45, 9.0, 1)]
    assert raced_for(rows) == [1]
    assert set(raced_for(rows, batch=4)) == {0, 1}


def test_a_front_that_stands_needs_nothing() -> None:
    assert raced_for([(0.10, 10.0, 3), (0.30, 5.0, 3), (0.32, 40.0, 3)]) == []
    rows = [{"error": 0.1, "params": 9.0}, {"error": 0.1, "params": 9.0}]
    rng = np.random.default_rng(0)
    assert next_seeds(rows, [1, 1], (Objective("params"),), NOISE, rng) == []
    assert next_seeds([], [], BOTH, NOISE, rng) == []


# In a campaign

MODEL = """from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(40, {width})

    def forward(self, x):
        return self.layer(x)
"""

TRUTH = {
    1: (0.45, 0.45),  # the seed
    2: (0.10, 0.20),  # lucky: leads by its first training seed
    3: (0.13, 0.125),  # leads by three
    4: (0.135, 0.06),  # the best, though not by its first training seed
    5: (0.44, 0.44),
}
"""The error that the first training seed of each width shows, and what the others scatter around."""


class Moody(StubEvaluator):
    """Scores that differ from one training seed to the next."""

    def __init__(self) -> None:
        super().__init__(score=lambda source: self._scored(source, 0))

    def _scored(self, source: str, repeat: int) -> Scored:
        first, others = TRUTH[int(source.split("Linear(40, ")[1].split(")")[0])]
        error = others + 0.01 * (-1) ** repeat if repeat else first
        return Scored({"error": error, "params": 100.0})

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        scored = self._scored(source, repeat)
        right = np.arange(500) >= round(scored.metrics["error"] * 502 - 1)
        return Evaluated(scored, 0.0, 0.0, correct=np.packbits(right).tobytes())


def config_of(race: int) -> Config:
    return campaigns.config_of(seed=0, budget={"evaluations": 4}, evaluation={"race": race})


def searched(folder: Path, race: int, workers: int = 1) -> Store:
    """A finished campaign in `folder`, begun or gone on with: its children are the widths of TRUTH."""
    seed, *widths = [MODEL.format(width=width) for width in TRUTH]
    store = open_archive(folder, write=True) if folder.exists() else archive_of(folder, seed, seed=0)
    assert campaigns.run(store, config_of(race), Moody(), [Listed(widths)], workers=workers).complete
    return store


def leaders(store: Store, race: int) -> list[str]:
    status = read_status(store, config_of(race))
    assert not status.provisional
    assert all(point.seeds >= 3 for point in status.front)
    return [store.candidate(point.id).source for point in status.front]


def test_racing_changes_who_leads(tmp_path: Path) -> None:
    assert leaders(searched(tmp_path / "off", 0), 0) == [MODEL.format(width=3)]
    store = searched(tmp_path / "on", 6)
    assert leaders(store, 6) == [MODEL.format(width=4)]
    status = read_status(store, config_of(6))
    assert 1 <= status.raced <= 6
    assert status.evaluations == 4
    hopeless = [c for c in store.scored() if c.metrics["error"] > 0.4 and c.operator != "seed"]
    assert [c.seeds for c in hopeless] == [1]


def test_a_race_is_the_same_for_any_number_of_workers_and_goes_on_where_it_was_cut_off(
    tmp_path: Path,
) -> None:
    alone, together = searched(tmp_path / "one", 6), searched(tmp_path / "two", 6, workers=3)
    assert raced(alone) == raced(together)
    cut = searched(tmp_path / "cut", 0)
    best = next(c.id for c in cut.scored() if c.source == MODEL.format(width=4))
    # A run that was killed had written what it was about to train.
    cut.event("race", None, {"next": [[best, 1]]})
    cut.close()
    again = searched(tmp_path / "cut", 6)
    assert again.has_evaluation(best, 1)
    given = raced(again)
    assert given[0] == (best, 1)
    assert len(set(given)) == len(given) <= 6


def test_records_from_before_there_were_races_have_none(tmp_path: Path) -> None:
    store = searched(tmp_path / "old", 0)
    config = config_of(0).model_dump(mode="json")
    del config["evaluation"]["race"]
    store.event("session", None, {"config": config})
    store.close()
    assert settings_of_replay(tmp_path / "old").config.evaluation.race == 0
    assert config_of(0).evaluation.model_validate({}).race > 0
