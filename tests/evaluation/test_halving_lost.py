"""What the infrastructure loses on a rung before the last has not passed it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.base.ordering import EventOrder
from evoarch.agent.config.load import parse
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.search.components import Components, Ending
from evoarch.agent.search.replay import recorded_order
from evoarch.archive.records import FULL, Failed, Fault
from evoarch.archive.store import Store, create
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.evaluators.task import Evaluated
from evoarch.sandbox.genome import source_digest
from kit.scale_models import MODEL, Scale

CONFIG = parse(
    {
        "campaign": {"name": "c", "seed": 5},
        "operators": [{"name": "syntactic.mutate"}],
        "budget": {"evaluations": 6},
        "evaluation": {"rungs": [{"share": 0.1, "keep": 1.0}], "repeats": 1, "retries": 0},
    },
    "test",
)


class Losing(StubEvaluator):
    """Loses everything after the seed's two segments."""

    asked = 0

    async def evaluate_segment(self, source: str, **asked: Any) -> Evaluated:
        self.asked += 1
        if self.asked > 2:
            return Evaluated(Failed("train", "the zygote is lost", Fault.INFRASTRUCTURE), 0.1, 0.1)
        return await super().evaluate_segment(source, **asked)


class Watched(StubEvaluator):
    """Notes at which step each segment began and stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []

    async def evaluate_segment(self, source: str, **asked: Any) -> Evaluated:
        self.asked.append((asked["segment"].start, asked["segment"].stop))
        return await super().evaluate_segment(source, **asked)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with campaign(tmp_path / "c") as store:
        yield store


def campaign(folder: Path) -> Store:
    store = create(folder, name="c", seed=5)
    source = MODEL.format(scale=1.5)
    store.add_seed("seed", source, source_digest(source))
    return store


def run(store: Store, evaluator: Any, event_order: EventOrder | None = None) -> Ending:
    parts = Components(evaluator, {"input_shape": (40,), "num_classes": 10}, [Scale()], {}, 1)
    return asyncio.run(Campaign(store, CONFIG, parts, event_order).run())


def test_a_child_that_was_lost_on_a_rung_is_judged_there(store: Store, tmp_path: Path) -> None:
    assert not run(store, Losing()).complete
    lost = store.evaluations(2)[0].outcome
    assert isinstance(lost, Failed)
    assert lost.fault is Fault.INFRASTRUCTURE
    going_on = Watched()
    assert run(store, going_on).complete
    # Each begins on its rung, and nobody past it.
    assert set(going_on.asked) == {(0, 40), (40, 400)}
    assert [each.rung for each in store.evaluations(2)] == ["rung1", "rung1", FULL]
    assert len(store.arrivals("rung1", 100)) == store.totals.entered_training() == 6
    with campaign(tmp_path / "again") as again:
        run(again, StubEvaluator(), recorded_order(Path(store.folder)))
        assert [(c.state, c.source, c.metrics) for c in again.candidates()] == [
            (c.state, c.source, c.metrics) for c in store.candidates()
        ]
