"""Screening over fakes that go through its own seams: what is picked, what is recorded, and that it repeats."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from evoarch.agent.search.replay import recorded_order
from evoarch.archive.records import State
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator, StubTracer
from kit import campaigns
from kit.campaigns import archive_of, campaign_of, candidates_of, config_of
from kit.scale_models import MODEL, Scale

SEEDS = [MODEL.format(scale=scale) for scale in (1.5, 2.5)]


class Traceable(StubEvaluator, StubTracer):
    """Measures and traces as the fakes do."""

    def __init__(self, seconds: float = 0.0) -> None:
        StubEvaluator.__init__(self, seconds)
        StubTracer.__init__(self)


def screened(evaluations: int = 40, **surrogate: Any) -> Any:
    return config_of(
        budget={"evaluations": evaluations}, surrogate={"drafts": 8, "start": 4, **surrogate}, evaluation={"race": 0}
    )


def finished(folder: Path, config: Any = None, **parts: Any) -> Store:
    store = archive_of(folder, *SEEDS)
    parts = {"evaluator": Traceable(), "operators": [Scale(problem_share=0.1)], **parts}
    ending = campaigns.run(store, config or screened(), **parts)
    assert ending.complete, ending
    return store


def test_one_of_the_drafts_is_trained_and_the_others_are_recorded(tmp_path: Path) -> None:
    store = finished(tmp_path)
    states = [c.state for c in store.candidates() if c.operator != "seed"]
    assert store.totals.entered_training() == 40
    assert states.count(State.SCREENED) > 200


def test_a_screened_campaign_replays_exactly(tmp_path: Path) -> None:
    for workers in (1, 3):
        first = finished(tmp_path / f"first{workers}", workers=workers, evaluator=Traceable(0.001))
        again = archive_of(tmp_path / f"again{workers}", *SEEDS)
        campaigns.run(
            again,
            screened(),
            Traceable(),
            [Scale(problem_share=0.1)],
            event_order=recorded_order(Path(first.folder)),
        )
        ended = [row for row in candidates_of(first) if row[3] is not State.PROPOSED]
        assert [row for row in candidates_of(again) if row[3] is not State.PROPOSED] == ended
