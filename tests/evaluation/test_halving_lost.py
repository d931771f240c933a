"""What the infrastructure loses on a rung before the last has not passed it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.search.replay import recorded_order
from evoarch.archive.records import FULL, Failed, Fault
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.evaluators.task import Evaluated
from kit.campaigns import archive_of, candidates_of, config_of, run
from kit.scale_models import MODEL

CONFIG = config_of(
    budget={"evaluations": 6},
    evaluation={"rungs": [{"share": 0.1, "keep": 1.0}], "repeats": 1, "retries": 0},
)
SEED = MODEL.format(scale=1.5)


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
    with archive_of(tmp_path / "c", SEED) as store:
        yield store


def test_a_child_that_was_lost_on_a_rung_is_judged_there(store: Store, tmp_path: Path) -> None:
    assert not run(store, CONFIG, Losing()).complete
    lost = store.evaluations(2)[0].outcome
    assert isinstance(lost, Failed)
    assert lost.fault is Fault.INFRASTRUCTURE
    going_on = Watched()
    assert run(store, CONFIG, going_on).complete
    # Each begins on its rung, and nobody past it.
    assert set(going_on.asked) == {(0, 40), (40, 400)}
    assert [each.rung for each in store.evaluations(2)] == ["rung1", "rung1", FULL]
    assert len(store.arrivals("rung1", 100)) == store.totals.entered_training() == 6
    with archive_of(tmp_path / "again", SEED) as again:
        run(again, CONFIG, event_order=recorded_order(Path(store.folder)))
        assert candidates_of(again) == candidates_of(store)
