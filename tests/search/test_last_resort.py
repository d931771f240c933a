"""Whatever this process raises over a candidate is that candidate's record: it ends no run, and no rerun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.analysis.status import read_status
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation import last_resort
from evoarch.agent.search import variation
from evoarch.agent.search.components import Ending
from evoarch.archive.records import Failed, Fault, Outcome, State
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator, hashed_score
from kit import campaigns
from kit.campaigns import archive_of, config_of
from kit.scale_models import MODEL

POISON = [
    ValueError("array is too big; `arr.size * arr.dtype.itemsize` is larger than the maximum possible size."),
    OverflowError("Python int too large to convert to SQLite INTEGER"),
    MemoryError(),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
]


def poisoned(error: Exception, every: int = 2) -> StubEvaluator:
    """An evaluator that raises over every second model."""

    def score(source: str) -> Outcome:
        scale = source.partition("self.scale = ")[2].split()[0]
        if "." not in scale and int(scale) % every == 0:
            raise error
        return hashed_score(source)

    return StubEvaluator(score=score)


def run(
    store: Store, evaluator: Any, budget: int = 5, stall: int = 500, **tables: Any
) -> tuple[Ending, Config]:
    config = config_of(budget={"evaluations": budget, "stall": stall}, **tables)
    return campaigns.run(store, config, evaluator, workers=2), config


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return archive_of(tmp_path, MODEL.format(scale=1.5))


@pytest.mark.parametrize("error", POISON, ids=lambda error: type(error).__name__)
def test_a_run_goes_on_and_a_second_failure_sets_the_candidate_aside(store: Store, error: Exception) -> None:
    ending, config = run(store, poisoned(error))
    assert ending.complete
    broke = store.events(kind=last_resort.KIND)
    assert broke
    assert all(not event.detail["set_aside"] for event in broke)
    assert type(error).__name__ in str(broke[0].detail["traceback"])
    assert store.totals.entered_training() == 5

    ending, _ = run(store, poisoned(error), budget=6)
    assert ending.complete
    taken = [event for event in store.events(kind=last_resort.KIND) if event.detail["set_aside"]]
    assert {event.candidate for event in taken} >= {event.candidate for event in broke}
    for event in taken:
        assert event.candidate is not None
        aside = store.candidate(event.candidate)
        assert aside.state is State.FAILED
        outcome = store.evaluations(aside.id)[-1].outcome
        assert isinstance(outcome, Failed)
        assert outcome.fault is Fault.INFRASTRUCTURE
        assert outcome.stage == last_resort.STAGE

    before = len(store.events(kind=last_resort.KIND))
    third, _ = run(store, StubEvaluator(), budget=6)
    assert third.complete
    assert len(store.events(kind=last_resort.KIND)) == before, "taken up again"
    assert read_status(store, config)


def test_no_model_is_told_of_a_failure_that_is_ours(store: Store) -> None:
    error = ValueError("array is too big")
    run(store, poisoned(error, every=1), budget=3, stall=12, evaluation={"retries": 0})
    run(store, poisoned(error, every=1), budget=3, stall=12, evaluation={"retries": 0})
    assert [c for c in store.candidates() if c.state is State.FAILED]
    told = store.relatives.near([1], [State.FAILED, State.REJECTED], 100)
    assert told == []
    assert store.relatives.mendable() == []


def test_a_seed_that_breaks_us_ends_no_run(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *(MODEL.format(scale=scale) for scale in ("1.5", "2")))
    ending, _ = run(store, poisoned(ValueError("array is too big")))
    assert ending.complete
    assert store.totals.entered_training() == 5


def test_a_parser_that_fails_over_a_reply_costs_that_child_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = variation.findings_of

    def breaks(source: str, *args: Any, **named: Any) -> Any:
        if int(source.partition("self.scale = ")[2].split()[0]) % 2 == 0:
            raise TypeError("a parser of somebody else's met what it never met")
        return real(source, *args, **named)

    monkeypatch.setattr(variation, "findings_of", breaks)
    ending, _ = run(store, StubEvaluator())
    assert ending.complete
    rejected = [c for c in store.candidates() if c.state is State.REJECTED]
    assert rejected
    assert all("evoarch failed while handling it: TypeError" in c.note for c in rejected)
    assert {event.candidate for event in store.events(kind=last_resort.KIND)} == {c.id for c in rejected}
    assert store.relatives.near([1], [State.FAILED, State.REJECTED], 100) == []
    assert store.relatives.mendable() == []


def test_a_candidate_that_runs_die_of_is_set_aside(store: Store) -> None:
    victim = store.candidates()[0].id
    for deaths in range(1, last_resort.MOST_DEATHS + 1):
        store.start(victim)  # and then the process is gone
        last_resort.note_deaths(store)
        store.recover()
        set_aside = store.candidate(victim).state is State.FAILED
        assert set_aside == (deaths == last_resort.MOST_DEATHS)
    outcome = store.evaluations(victim)[-1].outcome
    assert isinstance(outcome, Failed)
    assert outcome.fault is Fault.INFRASTRUCTURE
    ending, _ = run(store, StubEvaluator())
    assert not ending.complete, "its only seed is gone"
    assert store.candidate(victim).state is State.FAILED
