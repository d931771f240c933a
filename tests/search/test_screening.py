"""Screening over fakes that go through its own seams: what is picked, what is recorded, what repeats."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.agent.base.rng import stream
from evoarch.agent.lm.base import LMReply, LMRequest
from evoarch.agent.lm.replay import ReplayLM
from evoarch.agent.operators.base import Draft, Order
from evoarch.agent.search.replay import recorded_calls, recorded_order
from evoarch.agent.search.screened_state import VISITS
from evoarch.agent.surrogate.features import form
from evoarch.archive.database import Database
from evoarch.archive.records import Failed, State
from evoarch.archive.store import Store, open_archive
from evoarch.evaluators.fakes import StubEvaluator, StubTracer, hashed_trace
from evoarch.evaluators.trace import Trace
from kit import campaigns
from kit.campaigns import archive_of, candidates_of, config_of
from kit.scale_models import MODEL, Scale

SEEDS = [MODEL.format(scale=scale) for scale in (1.5, 2.5)]


class Traceable(StubEvaluator, StubTracer):
    """Measures and traces as the fakes do."""

    def __init__(self, seconds: float = 0.0, trace: Callable[[str], Trace | Failed] = hashed_trace) -> None:
        StubEvaluator.__init__(self, seconds)
        StubTracer.__init__(self, trace)


class Asked(Scale):
    """The same, after asking an LM for the number."""

    samples = 3

    async def propose(self, order: Order, rng: random.Random, complete: Any) -> list[Draft]:
        reply = await complete(LMRequest(prompt="p", n=order.count, seed=rng.randrange(2**31)))
        return [Draft(MODEL.format(scale=text)) for text in reply.texts]


class SlowLM:
    """Answers with numbers that follow from the request, some of which are no number."""

    name, chat = "small", False

    async def check(self) -> None:
        return

    async def complete(self, request: LMRequest) -> LMReply:
        await asyncio.sleep(0.01)
        numbers = random.Random(request.seed)
        texts = tuple(
            "(" if numbers.random() < 0.2 else str(numbers.randint(1, 10**6)) for _ in range(request.n)
        )
        return LMReply(texts, ("stop",) * request.n, 10, request.n, 0.1)

    async def close(self) -> None:
        return


LM_TABLES = {
    "lm": [{"name": "small", "backend": "embedded"}],
    "operators": [
        {"name": "lm.scoped", "lm": "small", "samples": 3, "weight": 3.0},
        {"name": "syntactic.mutate"},
    ],
}


def screened(evaluations: int = 16, tables: Any = None, **surrogate: Any) -> Any:
    table = {"drafts": 5, "start": 3, "refit": 3, "unscreened": 0.3, **surrogate}
    more = {"evaluation": {"race": 0}, **(tables or {})}
    return config_of(budget={"evaluations": evaluations}, surrogate=table, **more)


def finished(folder: Path, config: Any = None, **parts: Any) -> Store:
    store = archive_of(folder, *SEEDS)
    parts = {"evaluator": Traceable(), "operators": [Scale(problem_share=0.1)], **parts}
    ending = campaigns.run(store, config or screened(), **parts)
    assert ending.complete, ending
    return store


def settled(store: Store) -> list[tuple[object, ...]]:
    """All that two runs which were the same agree on; what is drawn and not settled is no part of it."""
    rows = [row for row in candidates_of(store) if row[3] is not State.PROPOSED]
    return [*rows, *((p.candidate, p.slot, p.model, p.mean, p.value) for p in store.predictions.all())]


def let_in(store: Store) -> list[int]:
    outside = (State.PROPOSED, State.REJECTED, State.DUPLICATE, State.SCREENED)
    return [c.id for c in store.candidates() if c.state not in outside]


def test_one_draft_of_each_slot_is_trained_and_foretold_and_the_others_are_recorded(tmp_path: Path) -> None:
    store = finished(tmp_path)
    assert store.totals.entered_training() == 16
    slots: dict[int, list[State]] = {}
    for proposal in store.proposals():
        context = ProposalContext.from_json(proposal.context)
        slots.setdefault(context.slot, []).append(store.candidate(proposal.candidate).state)
    done = [states for states in slots.values() if State.PROPOSED not in states]
    assert len(done) >= 16
    for states in done:
        assert sum(state in (State.SCORED, State.FAILED) for state in states) <= 1
        assert len(states) in (4, 5)
    predictions = store.predictions.all()
    assert [p.candidate for p in predictions] == [i for i in let_in(store) if i > 2]
    assert {p.model for p in predictions} == {"size strata", "forest"}
    for prediction in predictions:
        assert (prediction.mean is None) == (prediction.model == "size strata")
        if prediction.mean is not None:
            assert prediction.low <= prediction.mean <= prediction.high


def test_the_unscreened_share_of_the_slots_takes_its_first_sound_draft(tmp_path: Path) -> None:
    store = finished(tmp_path, screened(30))
    predictions = store.predictions.all()
    unscreened = [p for p in predictions if p.unscreened]
    assert [p.slot for p in unscreened] == [
        p.slot for p in predictions if stream(5, "unscreened", p.slot).random() < 0.3
    ]
    assert len(unscreened) >= 3
    for each in unscreened:
        drafts = [
            p.candidate for p in store.proposals() if ProposalContext.from_json(p.context).slot == each.slot
        ]
        before = [store.candidate(i) for i in drafts if i < each.candidate]
        assert all(
            c.state in (State.REJECTED, State.DUPLICATE) or "nearly the same" in c.note for c in before
        )


def test_nothing_is_trained_twice_not_even_nearly(tmp_path: Path) -> None:
    store = finished(tmp_path, screened(12), operators=[Scale(most=40)])
    digests = [store.candidate(i).source_digest for i in let_in(store)]
    assert len(digests) == len(set(digests))
    forms = [form(Trace.from_json(store.traces.get(p.candidate))) for p in store.predictions.all()]
    assert not any(one.near(other) for i, one in enumerate(forms) for other in forms[:i])
    notes = [c.note for c in store.candidates(state=State.SCREENED)]
    assert any("nearly the same model" in note for note in notes)


def test_the_same_seed_gives_the_same_campaign_whatever_the_timing(tmp_path: Path) -> None:
    quick = finished(tmp_path / "quick")
    slow = finished(tmp_path / "slow", evaluator=Traceable(0.003))
    assert settled(quick) == settled(slow)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_screened_campaign_replays_exactly(tmp_path: Path, workers: int) -> None:
    parts: dict[str, Any] = {"operators": [Asked("lm.scoped"), Scale()]}
    config = screened(14, LM_TABLES)
    first = finished(
        tmp_path / "first", config, workers=workers, evaluator=Traceable(0.002), lm=SlowLM(), **parts
    )
    again = archive_of(tmp_path / "again", *SEEDS)
    order = recorded_order(Path(first.folder))
    lm = ReplayLM(recorded_calls(Path(first.folder)), name="small")
    campaigns.run(again, config, Traceable(), event_order=order, lm=lm, **parts)
    assert settled(again) == settled(first)


def test_children_of_a_language_model_are_compared_for_some_slots_and_then_screened(tmp_path: Path) -> None:
    store = finished(
        tmp_path,
        screened(30, LM_TABLES, unscreened=0.0),
        operators=[Asked("lm.scoped"), Scale()],
        lm=SlowLM(),
    )
    guests = [c for c in store.candidates(operator="lm.scoped") if c.state is not State.PROPOSED]
    picked = {p.candidate for p in store.predictions.all()}
    assert any(c.id in picked for c in guests)
    lost = [c for c in guests if c.state is State.SCREENED]
    assert lost
    visits = [set(map(int, event.detail["guests"])) for event in store.events(kind="picked")]  # type: ignore[call-overload]
    for each in lost:
        assert sum(each.id in guests for guests in visits) == VISITS or "nearly" in each.note
    assert any(c.state is State.REJECTED for c in guests)
    assert store.totals.entered_training() == 30


def _apart() -> dict[str, Any]:
    """As LM_TABLES, the language model's children outside of the screening."""
    asking, other = LM_TABLES["operators"]
    return {**LM_TABLES, "operators": [{**asking, "screened": False}, other]}


@pytest.mark.parametrize("workers", [1, 3])
def test_children_of_an_operator_that_is_not_screened_are_trained_as_they_come(
    tmp_path: Path, workers: int
) -> None:
    config, parts = screened(24, _apart()), {"operators": [Asked("lm.scoped"), Scale()]}
    store = finished(
        tmp_path / "first", config, workers=workers, evaluator=Traceable(0.002), lm=SlowLM(), **parts
    )
    children = store.candidates(operator="lm.scoped")
    assert not [c for c in children if c.state is State.SCREENED]
    trained = [c.id for c in children if c.state is State.SCORED]
    assert trained
    assert store.predictions.all()
    assert not {*trained} & {p.candidate for p in store.predictions.all()}
    # They are known: no draft that is nearly the same is picked after them.
    stored = store.traces.many(let_in(store))
    forms = [form(Trace.from_json(stored[each])) for each in sorted(stored)]
    picked = {p.candidate for p in store.predictions.all()}
    late = [
        (one, other)
        for place, one in enumerate(sorted(stored))
        for other in sorted(stored)[:place]
        if one in picked and other in trained and _came_before(store, other, one)
    ]
    by_id = dict(zip(sorted(stored), forms, strict=True))
    assert late
    assert not any(by_id[one].near(by_id[other]) for one, other in late)
    again, order = archive_of(tmp_path / "again", *SEEDS), recorded_order(Path(store.folder))
    lm = ReplayLM(recorded_calls(Path(store.folder)), name="small")
    campaigns.run(again, config, Traceable(), event_order=order, lm=lm, **parts)
    assert settled(again) == settled(store)


def _came_before(store: Store, one: int, other: int) -> bool:
    arrived = {event.candidate: event.id for event in store.events(kind="arrived")}
    return arrived[one] < arrived[other]


def test_only_children_of_a_language_model_can_go_unscreened() -> None:
    with pytest.raises(UserError, match=r"syntactic\.mutate: screened = false wants a language model"):
        screened(10, {"operators": [{"name": "syntactic.mutate", "screened": False}]})


class _Killed(BaseException):
    pass


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kills=st.lists(st.integers(1, 120), min_size=1, max_size=3))
def test_a_run_that_was_killed_anywhere_ends_as_one_that_was_not(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int]
) -> None:
    tmp_path = tmp_path_factory.mktemp("killed")
    config = screened(10)
    whole = finished(tmp_path / "whole", config)
    archive_of(tmp_path / "killed", *SEEDS).close()
    for kill in kills:
        with pytest.MonkeyPatch.context() as patch:
            _die_at_event(patch, kill)
            store = open_archive(tmp_path / "killed", write=True)
            with suppress(_Killed):
                campaigns.run(store, config, Traceable(), [Scale(problem_share=0.1)])
            store.close()
    store = open_archive(tmp_path / "killed", write=True)
    assert campaigns.run(store, config, Traceable(), [Scale(problem_share=0.1)]).complete
    assert settled(store) == settled(whole)


def test_screening_can_be_switched_off_in_the_middle(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS)
    with pytest.MonkeyPatch.context() as patch:
        _die_at_event(patch, 60)
        with suppress(_Killed):
            campaigns.run(store, screened(10), Traceable(), [Scale()])
    drafts = store.candidates(state=State.PROPOSED)
    assert drafts
    plain = config_of(budget={"evaluations": 10}, evaluation={"race": 0})
    assert campaigns.run(store, plain, Traceable(), [Scale()]).complete
    assert store.totals.entered_training() == 10
    assert all(store.candidate(each.id).state is State.SCREENED for each in drafts)


def _die_at_event(patch: pytest.MonkeyPatch, number: int) -> None:
    """From the event of this number on nothing is written: the transaction that it is in never was."""
    counted = iter(range(1, number))
    write = Database.event

    def dying(self: Database, *args: Any, **named: Any) -> int:
        if next(counted, None) is None:
            raise _Killed
        return write(self, *args, **named)

    patch.setattr(Database, "event", dying)


def test_what_can_not_be_built_or_breaks_a_limit_is_not_picked(tmp_path: Path) -> None:
    def trace(source: str) -> Trace | Failed:
        found = hashed_trace(source)
        assert isinstance(found, Trace)
        return Failed("build", "no such layer") if found.params % 5 == 0 else found

    config = screened(20, {"constraints": {"params": 9000}})
    store = finished(tmp_path, config, evaluator=Traceable(trace=trace))
    notes = [c.note for c in store.candidates(state=State.SCREENED)]
    assert "screened: build: no such layer" in notes
    assert any("parameters" in note for note in notes)
    for prediction in store.predictions.all():
        params = store.candidate(prediction.candidate).metrics["params"]
        assert params <= 9000
        assert params % 5


LIE = "  # I am small\n"


class Liar(Scale):
    """Half of its children say that they are better than they are."""

    async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
        drafts = await super().propose(order, rng, complete)
        return [replace(d, source=LIE + d.source) if rng.random() < 0.5 else d for d in drafts]


def test_a_child_that_lies_about_its_trace_gains_no_score_and_keeps_nobody_out(tmp_path: Path) -> None:
    def trace(source: str) -> Trace | Failed:
        found = hashed_trace(source)
        assert isinstance(found, Trace)
        return replace(found, params=1, flops=1, activations=1) if LIE in source else found

    honest = finished(tmp_path / "honest", screened(20, start=1))
    store = archive_of(tmp_path / "lied", *SEEDS)
    ending = campaigns.run(store, screened(20, start=1), Traceable(trace=trace), [Liar(problem_share=0.1)])
    assert ending.complete
    liars = [c for c in store.candidates() if LIE in c.source]
    caught = [c for c in liars if c.state is State.FAILED]
    assert caught
    assert all("1 parameters of its trace" in store.relatives.last_failure(c.id) for c in caught)
    assert not any(c.metrics for c in liars)
    others = [p for p in store.predictions.all() if LIE not in store.candidate(p.candidate).source]
    assert len(others) == 20 == store.totals.entered_training()
    assert len(honest.predictions.all()) >= 20
    # After each lie that was found out a slot goes by no claim at all.
    order = [LIE in store.candidate(p.candidate).source for p in store.predictions.all() if not p.unscreened]
    assert order


def test_a_task_that_can_not_be_traced_is_refused_in_one_line(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS)
    with pytest.raises(UserError, match=r"surrogate\.drafts: expected a task whose models can be traced"):
        campaigns.run(store, screened())


def test_screening_wants_an_operator_that_answers_on_the_spot_and_no_rounds() -> None:
    tables = {**LM_TABLES, "operators": LM_TABLES["operators"][:1]}
    with pytest.raises(UserError, match="without a language model"):
        screened(10, tables)
    with pytest.raises(UserError, match=r"surrogate\.drafts = 5.*not read with"):
        screened(10, {**LM_TABLES, "operators": [{"name": "lm.rewrite", "lm": "small"}], "rounds": {}})
