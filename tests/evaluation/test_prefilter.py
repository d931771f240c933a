"""The filter before training: who is turned away, what a crash and a replay make of it, what status tells."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.zero_cost import concordance
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.analysis.early_stopping import score_correlation
from evoarch.agent.analysis.status import read_status
from evoarch.agent.base.decision import Decision
from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.config.measuring import FilterTable
from evoarch.agent.evaluation.halving import audited
from evoarch.agent.evaluation.prefilter import decide
from evoarch.agent.search.replay import recorded_order
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import State
from evoarch.archive.screens import FILTER
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.zero_cost import ZeroCost
from kit import campaigns
from kit.campaigns import archive_of, run
from kit.scale_models import MODEL


def test_the_best_share_of_those_of_its_size_goes_on() -> None:
    table, name = FilterTable(keep=0.4), (0, "digest")
    near = [1.0, 2.0, 3.0, -math.inf]
    assert not audited(FILTER, *name)
    # Of five, itself included, two go on; of equals the earlier one.
    assert decide(table, 2.5, near, name=name) is Decision.PROMOTED
    assert decide(table, 2.0, near, name=name) is Decision.STOPPED
    assert decide(table, -math.inf, [], name=name) is Decision.PROMOTED


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=5, max_size=20))
def test_correlations_are_of_ranks_and_keep_their_bounds(pairs: list[tuple[int, int]]) -> None:
    values = [-math.inf if value == 0 else float(value) for value, _ in pairs]
    errors = [error / 10 for _, error in pairs]
    told = score_correlation("naswot", values, errors)
    if told.spearman is None:
        assert len(set(values)) == 1 or len(set(errors)) == 1
        return
    assert told.low is not None
    assert told.high is not None
    assert -1 <= told.low <= told.spearman <= told.high <= 1
    other = score_correlation("naswot", [math.exp(min(value, 9.0)) for value in values], errors)
    assert other.spearman == pytest.approx(told.spearman)
    tau, count = concordance(values, errors, [1.0] * len(values), 1.0)
    assert count == len(values) * (len(values) - 1) // 2
    assert -1 <= tau <= 1


def test_pairs_of_other_sizes_do_not_count() -> None:
    values, errors, params = [1.0, 2.0, 3.0, 0.0], [0.3, 0.2, 0.4, 0.1], [100.0, 140.0, 1000.0, 1400.0]
    # Within a factor of 1.5: (1, 2) the right way, (3, 0) the wrong one.
    assert concordance(values, errors, params, 1.5) == (0.0, 2)
    assert math.isnan(concordance(values, errors, [1.0, 10.0, 100.0, 1000.0], 1.5)[0])


# In campaigns


class Gone(BaseException):
    """As a kill would: nothing that happens after it is seen."""


class Foretold(StubEvaluator):
    """Scores that say something of the error. `crash_at` ends the run at the n-th training."""

    def __init__(self, crash_at: int = 0, delays: random.Random | None = None) -> None:
        super().__init__()
        self.crash_at, self.delays, self.trained, self.asked = crash_at, delays, 0, list[str]()

    async def zero_cost(self, source: str, *, digest: str, scores: tuple[str, ...]) -> ZeroCost:
        self.asked.append(digest)
        if self.delays:
            await asyncio.sleep(self.delays.random() / 200)
        outcome: Any = self._score(source)
        noise = int.from_bytes(hashlib.sha256(digest.encode()).digest()[:2], "big") / 2**17
        score = -outcome.metrics["error"] - noise
        return ZeroCost({name: score for name in scores if noise > 0.01}, 0.5, "" if noise > 0.01 else "no")

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        self.trained += 1
        if self.trained == self.crash_at:
            raise Gone
        return await super().evaluate(source, digest=digest, repeat=repeat)


def config_of(evaluations: int = 30, **tables: Any) -> Config:
    defaults: dict[str, Any] = {
        "budget": {"evaluations": evaluations},
        "filter": {"score": "naswot", "watch": ["gradsign"], "band": 3.0},
        "evaluation": {"repeats": 1},
    }
    return campaigns.config_of(**defaults | tables)


SEED = MODEL.format(scale=1.5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with archive_of(tmp_path / "c", SEED) as store:
        yield store


def decisions(store: Store) -> list[tuple[object, ...]]:
    return [(e.candidate, e.detail["decision"], e.detail["scores"]) for e in store.events(kind="rung")]


def test_who_is_turned_away_costs_nothing_and_is_never_trained(store: Store) -> None:
    config = config_of(100)
    evaluator = Foretold()
    assert run(store, config, evaluator).complete
    assert store.totals.entered_training() == 100
    stopped = store.candidates(state=State.STOPPED)
    assert len(stopped) > 10
    assert evaluator.trained == 101, "a hundred and the seed"
    for candidate in stopped:
        assert not store.evaluations(candidate.id)
        assert "filter: naswot" in candidate.note
        assert "not among the best 50% of the recent within a factor of 3" in candidate.note
    status = read_status(store, config)
    told = {each.score: each for each in status.score_correlations}
    assert [*told] == ["gradsign", "naswot", "params"]
    assert told["naswot"].spearman is not None
    assert told["naswot"].spearman > 0.3, "it was made of the error and noise"
    assert told["params"].count == 100
    (line,) = status.rungs
    assert line.name == FILTER
    assert line.arrived == line.promoted + line.stopped
    assert line.stopped == len(stopped) + line.audited
    exempt = [each for each in decisions(store) if each[1] == Decision.EXEMPT]
    assert exempt, "some could not be scored"
    assert line.arrived + len(exempt) == 100 + len(stopped)
    assert all(store.candidate(int(str(each[0]))).state is State.SCORED for each in exempt)


def test_without_a_score_nobody_is_asked_and_watching_turns_nobody_away(store: Store, tmp_path: Path) -> None:
    off, watching = Foretold(), Foretold()
    run(store, config_of(5, filter={}), off)
    assert not off.asked
    assert not store.events(kind="rung")
    with archive_of(tmp_path / "other", SEED) as other:
        config = config_of(5, filter={"watch": ["naswot"]})
        run(other, config, watching)
        assert len(watching.asked) == 5
        assert not other.candidates(state=State.STOPPED)
        assert [c.source for c in other.candidates()] == [c.source for c in store.candidates()]
        assert [each.score for each in read_status(other, config).score_correlations] == ["naswot", "params"]


def test_after_a_crash_nobody_is_judged_twice(store: Store, tmp_path: Path) -> None:
    config = config_of(8)
    with pytest.raises(Gone):
        run(store, config, Foretold(crash_at=5))
    assert run(store, config, Foretold()).complete
    with archive_of(tmp_path / "other", SEED) as other:
        assert run(other, config, Foretold()).complete
        assert decisions(other) == decisions(store)


def test_a_parallel_run_replays_exactly(store: Store, tmp_path: Path) -> None:
    config = config_of(12)
    run(store, config, Foretold(delays=random.Random(1)), workers=4)
    event_order = recorded_order(Path(store.folder))
    with archive_of(tmp_path / "again", SEED) as again:
        run(again, config, Foretold(delays=random.Random(2)), workers=2, event_order=event_order)
        assert decisions(again) == decisions(store)
        assert [c.state for c in again.candidates()] == [c.state for c in store.candidates()]


def test_an_audited_child_climbs_every_rung(store: Store) -> None:
    rungs = {"rungs": [{"share": 0.25, "keep": 0.01}], "repeats": 1}
    run(
        store,
        config_of(5, evaluation=rungs, filter={"score": "params", "keep": 0.05, "band": 100.0}),
        StubEvaluator(),
    )
    found = {
        e.candidate: e.detail["decision"] for e in store.events(kind="rung") if e.detail["rung"] == FILTER
    }
    tried = [who for who, decision in found.items() if decision == Decision.AUDITED_STOPPED]
    assert tried
    assert all(store.candidate(who or 0).state is State.SCORED for who in tried)


def test_a_task_with_its_own_training_has_no_such_scores(store: Store) -> None:
    with pytest.raises(UserError, match=r"filter: expected a task that the common evaluator trains"):
        run(store, config_of(), StubEvaluator())


def test_the_archive_refuses_a_second_judgement(store: Store) -> None:
    store.start(1)
    store.filter.add(1, "promoted", {"naswot": -math.inf, "params": 5.0}, params=5, cpu_seconds=0.1)
    assert store.filter.scores("naswot", 1, 10, 5) == [-math.inf]
    assert store.filter.scores("gradsign", 1, 10, 5) == []
    with pytest.raises(ArchiveError, match="was before the filter already"):
        store.filter.add(1, "promoted", {}, params=5, cpu_seconds=0.1)


def test_wrong_keys_get_one_line() -> None:
    with pytest.raises(UserError, match=r"filter\.score: .*'naswot'.*got 'naswod'"):
        config_of(filter={"score": "naswod"})
    with pytest.raises(UserError, match=r"filter\.keeps: unknown key; .*keep"):
        config_of(filter={"keeps": 0.5})
    assert np.isclose(config_of(filter={}).filter.band, 1.5)
