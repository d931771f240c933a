"""Rungs: who trains on, what goes on from where, what a crash and a replay make of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evoarch.agent.analysis.overview import Overview, read_overview
from evoarch.agent.analysis.status import read_status
from evoarch.agent.base.decision import Decision
from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.views import summary
from evoarch.agent.config.load import Config
from evoarch.agent.config.measuring import RungTable
from evoarch.agent.evaluation.halving import AUDITED, Rung, audited, decide, held, ladder, place
from evoarch.agent.search.replay import recorded_order
from evoarch.archive.pareto import Objective
from evoarch.archive.records import FULL, Failed, Fault, Scored, State
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.evaluators.growing import Grown
from evoarch.evaluators.segments import Segment, wrong_state
from evoarch.evaluators.task import Evaluated, Recipe
from evoarch.sandbox.genome import source_digest
from kit import campaigns
from kit.campaigns import archive_of, candidates_of, run
from kit.scale_models import MODEL

ERROR = [Objective("error")]
BOTH = [Objective("error"), Objective("params", log=True)]
NAME = (0, "digest")


def rung_of(steps: int = 100, **table: Any) -> Rung:
    return Rung("rung1", steps, RungTable(share=0.25, **table))


def row(error: float, params: float = 100.0) -> dict[str, float]:
    return {"error": error, "params": params}


def test_the_best_share_of_the_recent_arrivals_goes_on() -> None:
    rung = rung_of(keep=0.4, window=5)
    earlier = [row(0.01)] * 3 + [row(error) for error in (0.1, 0.2, 0.3, 0.4)]
    # Of the last five, itself included, two go on; the three before are out of the window.
    assert decide(rung, row(0.15), earlier, ERROR, chance=0.9, name=NAME) is Decision.PROMOTED
    assert decide(rung, row(0.25), earlier, ERROR, chance=0.9, name=NAME) is Decision.STOPPED
    # An equal one came first.
    assert decide(rung, row(0.2), earlier, ERROR, chance=0.9, name=NAME) is Decision.STOPPED


def test_the_first_arrival_goes_on() -> None:
    assert decide(rung_of(keep=0.01), row(0.7), [], ERROR, chance=0.9, name=NAME) is Decision.PROMOTED


def test_a_share_that_is_no_binary_fraction_is_no_more_than_itself() -> None:
    rung = rung_of(keep=0.1, window=30)
    earlier = [row(0.1 + n / 100) for n in range(29)]
    assert decide(rung, row(0.115), earlier, ERROR, chance=0.9, name=NAME) is not Decision.STOPPED
    assert decide(rung, row(0.125), earlier, ERROR, chance=0.9, name=NAME) is Decision.STOPPED


def test_early_rejection_is_below_twice_chance_from_100_steps_on() -> None:
    def decided(steps: int, error: float, chance: float | None = 0.9, **table: Any) -> Decision:
        return decide(rung_of(steps, **table), row(error), [], ERROR, chance=chance, name=NAME)

    assert decided(100, 0.81) is Decision.REJECTED
    assert decided(100, 0.79) is Decision.PROMOTED
    assert decided(99, 0.95) is Decision.PROMOTED
    assert decided(99, 0.95, reject_steps=50) is Decision.REJECTED
    assert decided(500, 0.95, reject_steps=0) is Decision.PROMOTED
    assert decided(500, 0.95, None) is Decision.PROMOTED


def test_the_audit_is_one_in_twenty_and_a_function_of_names() -> None:
    rung = rung_of(keep=0.5)
    chosen = [digest for digest in map(str, range(4000)) if audited(rung.name, 3, digest)]
    # A binomial of mean 200 and deviation 14.
    assert 140 < len(chosen) < 260
    assert chosen == [digest for digest in map(str, range(4000)) if audited(rung.name, 3, digest)]
    assert chosen != [digest for digest in map(str, range(4000)) if audited(rung.name, 4, digest)]
    name = (3, chosen[0])
    best = [row(0.1)] * 5
    assert decide(rung, row(0.3), best, ERROR, chance=0.9, name=name) is Decision.AUDITED_STOPPED
    assert decide(rung, row(0.95), best, ERROR, chance=0.9, name=name) is Decision.AUDITED_REJECTED
    assert Decision.AUDITED_REJECTED.goes_on
    assert not Decision.REJECTED.goes_on
    assert AUDITED == 20


@given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), min_size=1, max_size=30))
def test_nothing_stands_before_what_it_is_dominated_by(points: list[tuple[int, int]]) -> None:
    rows = [row(error / 20, float(params)) for error, params in points]
    mine = rows[-1]
    dominating = sum(
        r["error"] <= mine["error"] and r["params"] <= mine["params"] and r != mine for r in rows[:-1]
    )
    dominated = sum(
        r["error"] >= mine["error"] and r["params"] >= mine["params"] and r != mine for r in rows[:-1]
    )
    assert dominating <= place(rows, BOTH) <= len(rows) - 1 - dominated


def test_rungs_fall_on_different_steps_in_order() -> None:
    tables = [RungTable(share=0.1), RungTable(share=0.25)]
    assert [(rung.name, rung.steps) for rung in ladder(tables, 400)] == [("rung1", 40), ("rung2", 100)]
    assert held(Recipe("r", rate=0.1, steps=400, batch=8), tables).hold == 100
    for wrong in (tables[::-1], [RungTable(share=0.001)], [RungTable(share=0.999)], [tables[0]] * 2):
        with pytest.raises(UserError, match=r"evaluation\.rungs: expected rising shares .* got steps"):
            ladder(wrong, 400)


def test_a_state_that_is_more_than_weights_and_moments_is_refused() -> None:
    weights = {"w": np.zeros(4, np.float32)}
    moments = {f"optimiser/0/{m}": np.zeros(4, np.float32) for m in ("exp_avg", "exp_avg_sq")}
    good: Mapping[str, Any] = {"model/w": weights["w"], **moments, "rng": np.zeros(8, np.uint8)}
    assert wrong_state({**good, "optimiser/0/step": np.zeros((), np.float32)}, weights) == ""
    for wrong in (
        {**good, "model/w": np.zeros(5, np.float32)},
        {**good, "optimiser/1/exp_avg": np.zeros(1, np.float32)},
        {**good, "optimiser/0/luggage": np.zeros(1, np.float32)},
        {**good, "luggage": np.zeros(1, np.float32)},
        {**good, "rng": np.zeros(1 << 20, np.uint8)},
        {**moments, "model/w": weights["w"]},
        moments,
    ):
        assert wrong_state(wrong, weights)


# In campaigns

RUNGS = {"evaluation": {"rungs": [{"share": 0.1, "keep": 0.5}, {"share": 0.25, "keep": 0.5}], "repeats": 1}}


class Gone(BaseException):
    """As a kill would: nothing that happens after it is seen."""


class Watched(StubEvaluator):
    """Notes the segments it is asked for; `crash_at` ends the run at the n-th, `delays` are drawn."""

    def __init__(self, crash_at: int = 0, delays: random.Random | None = None) -> None:
        super().__init__()
        self.asked: list[tuple[str, int, int]] = []
        self.crash_at, self.delays = crash_at, delays

    async def evaluate_segment(self, source: str, *, digest: str, repeat: int, segment: Segment) -> Evaluated:
        self.asked.append((digest, segment.start, segment.stop))
        if len(self.asked) == self.crash_at:
            raise Gone
        if self.delays:
            await asyncio.sleep(self.delays.random() / 200)
        return await super().evaluate_segment(source, digest=digest, repeat=repeat, segment=segment)


def config_of(evaluations: int = 30, **tables: Any) -> Config:
    return campaigns.config_of(**{"budget": {"evaluations": evaluations}, **RUNGS, **tables})


SEED = MODEL.format(scale=1.5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with archive_of(tmp_path / "c", SEED) as store:
        yield store


def record(store: Store) -> list[tuple[object, ...]]:
    outcomes = [(e.candidate, e.rung, e.outcome, e.detail.get("decision")) for e in store.evaluations()]
    return candidates_of(store) + outcomes


def test_a_campaign_with_rungs_scores_only_what_climbed_them_all(store: Store) -> None:
    config = config_of(60)
    assert run(store, config, StubEvaluator()).complete
    assert store.totals.entered_training() == 60
    counts = store.totals.counts()
    assert counts[State.STOPPED] + counts[State.SCORED] == 60
    assert 8 <= counts[State.SCORED] <= 32
    rungs = store.totals.rungs()
    assert sum(rungs["rung1"].values()) == 60
    assert sum(rungs["rung2"].values()) == 60 - rungs["rung1"]["stopped"]
    for candidate in store.candidates():
        climbed = [each.rung for each in store.evaluations(candidate.id)]
        if candidate.state is State.STOPPED:
            assert FULL not in climbed
            assert not candidate.metrics
            assert "not among the best 50% of the recent" in candidate.note
        elif candidate.state is State.SCORED:
            assert climbed == ["rung1", "rung2", FULL]
    seed = store.candidates(operator="seed")[0]
    assert [e.detail.get("decision") for e in store.evaluations(seed.id)] == ["exempt", "exempt", None]
    assert not list(Path(store.folder).glob("weights/*rung*")), "what nothing goes on from is not kept"


def test_status_tells_what_became_of_arrivals_and_what_turning_away_cost(store: Store) -> None:
    config = config_of(200)
    run(store, config, StubEvaluator())
    status = read_status(store, config)
    told = {each.name: each for each in status.rungs}
    assert told["rung1"].arrived == 200
    for each in status.rungs:
        assert each.arrived == each.promoted + each.stopped + each.rejected
        others = each.stopped + each.rejected - each.audited
        assert 0 <= each.audited_elites <= each.audited
        if each.missed is not None:
            assert each.missed == pytest.approx(others * each.audited_elites / each.audited)
            assert each.missed <= each.missed_at_most <= others
    assert sum(each.audited for each in status.rungs) > 0
    assert "rung1: 200 arrived" in summary_text(read_overview(store, config))


def summary_text(overview: Overview) -> str:
    out = StringIO()
    summary(Console(file=out, width=200), overview)
    return out.getvalue()


@pytest.mark.parametrize("crash_at", [7, 8, 9, 10, 11, 12])
def test_after_a_crash_training_goes_on_from_the_last_pause(store: Store, crash_at: int) -> None:
    crashing, config = Watched(crash_at), config_of(12)
    with pytest.raises(Gone):
        run(store, config, crashing)
    going_on = Watched()
    assert run(store, config, going_on).complete
    digest, start, stop = crashing.asked[-1]
    assert going_on.asked[0] == (digest, start, stop)
    assert len({*going_on.asked}) == len(going_on.asked)
    assert not {*going_on.asked} & {*crashing.asked[:-1]}
    assert store.totals.entered_training() == 12

    other = archive_of(Path(store.folder).parent / "other", SEED)
    assert run(other, config, StubEvaluator()).complete
    assert record(other) == record(store)
    other.close()


def test_a_state_that_is_gone_is_made_again_and_nothing_judged_twice(store: Store) -> None:
    config = config_of(12)
    # The seed takes three segments; the first child always passes the first rung.
    crashing = Watched(5)
    with pytest.raises(Gone):
        run(store, config, crashing)
    assert crashing.asked[-1][1] > 0
    for file in Path(store.folder).glob("weights/*rung*"):
        file.unlink()
    going_on = Watched()
    assert run(store, config, going_on).complete
    digest, _, stop = crashing.asked[-1]
    assert going_on.asked[0] == (digest, 0, stop)
    assert store.last_event("restarted")


def test_a_parallel_run_replays_exactly(store: Store, tmp_path: Path) -> None:
    config = config_of(40)
    assert run(store, config, Watched(delays=random.Random(1)), workers=4).complete
    event_order = recorded_order(Path(store.folder))
    again = archive_of(tmp_path / "again", SEED)
    run(again, config, Watched(delays=random.Random(2)), workers=2, event_order=event_order)
    decided = [(e.candidate, e.detail["rung"], e.detail["decision"]) for e in again.events(kind="rung")]
    expected = [(e.candidate, e.detail["rung"], e.detail["decision"]) for e in store.events(kind="rung")]
    assert decided == expected
    assert [c.state for c in again.candidates()] == [c.state for c in store.candidates()]
    again.close()


def test_what_the_infrastructure_loses_on_the_last_rung_keeps_its_place(store: Store) -> None:
    class Losing(Watched):
        async def evaluate_segment(self, source: str, **asked: Any) -> Evaluated:
            evaluated = await super().evaluate_segment(source, **asked)
            if asked["segment"].stop == self.steps and len(self.asked) < 40:
                lost = Failed("train", "the zygote is lost", Fault.INFRASTRUCTURE)
                return Evaluated(lost, 0.1, 0.1)
            return evaluated

    config = config_of(4)
    config = config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"retries": 0})})
    first = Losing()
    run(store, config, first)
    assert store.totals.counts().get(State.SCORED, 0) == 0
    going_on = Watched()
    run(store, config, going_on)
    assert going_on.asked[0][1:] == (100, 400)
    assert store.candidates(operator="seed")[0].state is State.SCORED


def test_an_evaluator_that_trains_in_one_go_has_no_rungs(store: Store) -> None:
    class Whole:
        async def dry_run(self, source: str) -> Any: ...

        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Any: ...

    with pytest.raises(UserError, match=r"evaluation\.rungs: expected a task that is trained in parts"):
        run(store, config_of(), Whole())


def test_a_failure_on_a_rung_is_a_failure_there(store: Store) -> None:
    class Failing(StubEvaluator):
        async def evaluate_segment(self, source: str, **asked: Any) -> Evaluated:
            if source_digest(source) != store.candidate(1).source_digest:
                return Evaluated(Failed("train", "the loss is not finite"), 0.1, 0.1)
            return await super().evaluate_segment(source, **asked)

    run(store, config_of(3), Failing())
    failed = store.candidates(state=State.FAILED)
    assert len(failed) == 3
    assert [e.rung for e in store.evaluations(failed[0].id)] == ["rung1"]
    assert store.totals.entered_training() == 3


def test_children_that_inherit_are_charged_and_confirmed_from_scratch(store: Store) -> None:
    class Weighted(StubEvaluator):
        """Leaves weights; a warm start halves the error."""

        given: ClassVar[list[bool]] = []

        async def evaluate_segment(self, source: str, **asked: Any) -> Evaluated:
            evaluated = await super().evaluate_segment(source, **asked)
            warm = bool(asked["segment"].inherit)
            if asked["segment"].start == 0:
                self.given.append(warm)
            if asked["segment"].stop < self.steps:
                return evaluated
            assert isinstance(evaluated.outcome, Scored)
            metrics = dict(evaluated.outcome.metrics)
            halved = Scored({**metrics, "error": metrics["error"] / 2}) if warm else evaluated.outcome
            weights = {"layer.weight": np.zeros((10, 40), np.float32)}
            share = {"inherited_share": 1.0} if warm else {}
            return replace(evaluated, outcome=halved, weights=weights, detail=share)

    config = config_of(8, evaluation={"inherit": True, "repeats": 2, "race": 0})
    assert run(store, config, Weighted()).complete
    # The seed begins from nothing, every child with its parent's weights.
    assert Weighted.given == [False] + [True] * 8
    status = read_status(store, config)
    assert status.inherited["candidates"] == 8
    assert "8 children began with their parents' weights" in summary_text(read_overview(store, config))
    for candidate in store.scored():
        first = store.evaluations(candidate.id)[0].detail.get("inherited")
        if not candidate.parents:
            assert first is None
            continue
        assert isinstance(first, Mapping)
        steps = 400 * candidate.generation
        assert first == {"from": candidate.parents[0], "steps": steps, "share": 1.0}
    assert status.inherited["steps"] == sum(400 * c.generation for c in store.scored())
    for elite in status.front:
        if elite.operator == "seed":
            continue
        scores = [e.outcome for e in store.evaluations(elite.id)]
        assert len(scores) == 3, "one warm, and as many from scratch as an elite needs"
        assert elite.seeds == 2
        assert isinstance(scores[1], Scored)
        assert elite.error == scores[1].metrics["error"]


@pytest.mark.parametrize("inexact", ["", "outputs differ by 0.1"])
def test_a_seed_that_is_a_larger_size_begins_with_what_the_one_before_learnt(
    store: Store, inexact: str
) -> None:
    class Growing(StubEvaluator):
        """Leaves weights, and grows them, or says why it can't."""

        given: ClassVar[list[list[str]]] = []

        async def grow(self, source: str, parent: str, weights: Mapping[str, Any]) -> Grown:
            assert list(weights) == ["layer.weight"]
            return Grown(inexact=inexact) if inexact else Grown({"grown.weight": weights["layer.weight"]})

        async def evaluate_segment(self, source: str, **asked: Any) -> Evaluated:
            evaluated = await super().evaluate_segment(source, **asked)
            self.given.append(list(asked["segment"].inherit))
            weights = {"layer.weight": np.zeros((10, 40), np.float32)}
            return replace(evaluated, weights=weights, detail={"inherited_share": 1.0})

    Growing.given.clear()
    larger = store.candidates()[0].source + "# larger\n"
    store.add_seed("larger", larger, source_digest(larger + "1"))
    config = config_of(1, evaluation={"repeats": 1, "race": 0}, seeds={"grown": True})
    assert run(store, config, Growing()).complete
    assert Growing.given[:3] == [[], [] if inexact else ["grown.weight"], []]
    begun = store.evaluations(2)[0].detail.get("inherited")
    assert (begun is None) == bool(inexact)
    told = store.events(kind="not grown")
    assert [event.detail["reason"] for event in told] == ([inexact] if inexact else [])
