"""Campaigns that meet faults: crashes at bad moments, edited files, full disks, stops, records cut short."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.analysis.status import read_status
from evoarch.agent.base.errors import UserError
from evoarch.agent.lm.base import LMError, LMReply, LMRequest
from evoarch.agent.lm.replay import ReplayLM
from evoarch.agent.operators.base import Draft, Order
from evoarch.agent.search.components import Ending
from evoarch.agent.search.replay import recorded_order
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Failed, Fault, State
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator, hashed_score
from evoarch.evaluators.task import Evaluated
from evoarch.sandbox.genome import source_digest
from kit.campaigns import archive_of, campaign_of, config_of, run
from kit.scale_models import MODEL, Scale

SEEDS = [MODEL.format(scale=scale) for scale in (1.5, 2.5, 3.5, 4.5)]


class Asked(Scale):
    """The same, after asking an LM for the number."""

    def __init__(self) -> None:
        super().__init__("lm.scoped")

    async def propose(self, order: Order, rng: random.Random, complete: Any) -> list[Draft]:
        reply = await complete(LMRequest(prompt=str(order.parents[0].id), seed=rng.randrange(2**31)))
        return [Draft(MODEL.format(scale=text)) for text in reply.texts]


class NumberLM:
    """Answers with numbers; `fails` says which calls it does not answer."""

    name, chat = "numbers", False

    def __init__(self, fails: Sequence[int] = ()) -> None:
        self.fails, self.calls = fails, 0

    async def check(self) -> None:
        return

    async def complete(self, request: LMRequest) -> LMReply:
        self.calls += 1
        if self.calls in self.fails:
            raise LMError("timed out", retriable=True)
        return LMReply((str(request.seed),), ("stop",), 10, 1, 0.1)

    async def close(self) -> None:
        return


class FullDisk(StubEvaluator):
    """The disk is full from the evaluation `last` on."""

    def __init__(self, store: Store, last: int) -> None:
        super().__init__()
        self.store, self.left = store, last

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        self.left -= 1
        if self.left <= 0:
            pages = self.store._db.value("PRAGMA page_count")
            self.store._db.do(f"PRAGMA max_page_count = {pages}")
            filler = {"filler": "x" * 20_000}
            return Evaluated(hashed_score(source), 0.0, 0.0, detail=filler)
        return await super().evaluate(source, digest=digest, repeat=repeat)


@pytest.mark.parametrize("last", [1, 5, 13])
def test_a_full_disk_is_one_archive_error_wherever_it_strikes(tmp_path: Path, last: int) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])
    config = config_of(budget={"evaluations": 8})
    with pytest.raises(ArchiveError, match="full"):
        run(store, config, evaluator=FullDisk(store, last), workers=2)
    store._db.do("PRAGMA max_page_count = 1000000")
    assert run(store, config, workers=2).complete
    assert read_status(store, config).evaluations == 8
    assert not store.candidates(state=State.REJECTED)


def test_an_archive_that_refuses_an_lm_call_is_no_fault_of_the_operator(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])

    class Refusing(Asked):
        async def propose(self, order: Order, rng: random.Random, complete: Any) -> list[Draft]:
            raise ArchiveError("archive.db: database or disk is full")

    config = config_of(operators=[LM_OPERATOR], lm=LM_TABLE)
    with pytest.raises(ArchiveError, match="full"):
        run(store, config, operators=[Refusing()], lm=NumberLM())
    assert not store.candidates(state=State.REJECTED)


LM_OPERATOR = {"name": "lm.scoped", "lm": "small", "samples": 1}
LM_TABLE = [{"name": "small", "backend": "embedded"}]


def test_one_worker_goes_on_where_several_left_gaps(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])
    lost: list[str] = []

    class OneLost(StubEvaluator):
        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
            lost.extend([digest] if not lost and "seed" not in source and ".5" not in source else [])
            if digest in lost:
                return Evaluated(Failed("train", "zygote lost", Fault.INFRASTRUCTURE), 0.0, 0.0)
            return await super().evaluate(source, digest=digest, repeat=repeat)

    config = config_of(budget={"evaluations": 6})
    assert run(store, config, evaluator=OneLost()).complete
    (gap,) = store.candidates(state=State.QUEUED)
    longer = config_of(budget={"evaluations": 12})
    assert run(store, longer).complete
    assert store.candidate(gap.id).state is State.SCORED
    assert store.totals.entered_training() == 12


def test_a_unit_of_the_budget_comes_back_from_the_infrastructure(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])

    class Sick(StubEvaluator):
        calls = 0

        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
            self.calls += 1
            if 5 <= self.calls <= 12:
                return Evaluated(Failed("train", "zygote lost", Fault.INFRASTRUCTURE), 0.0, 0.0)
            return await super().evaluate(source, digest=digest, repeat=repeat)

    config = config_of(budget={"evaluations": 6})
    assert run(store, config, evaluator=Sick()).complete
    assert store.totals.entered_training() == 6


@pytest.mark.parametrize("kept", [["random", "syntactic.mutate"], ["random"]])
def test_operators_may_be_edited_between_runs(tmp_path: Path, kept: list[str]) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])
    config = config_of(operators=[{"name": "syntactic.mutate"}], budget={"evaluations": 9})
    campaign = campaign_of(store, config)
    store.start(1)
    asyncio.run(campaign._grader.grade(store.candidate(1), "seed"))
    context = {"slot": 0, "count": 2, "table": 3, "metrics": {}, "targets": {}, "temperature": 0.2}
    context["metrics"] = {"1": dict(store.candidate(1).metrics)}
    store.draw("syntactic.mutate", [1], 2, context)
    edited = config_of(operators=[{"name": name} for name in kept], budget={"evaluations": 9})
    assert run(store, edited, operators=[Scale(name) for name in kept]).complete
    pending = [store.candidate(p.candidate) for p in store.proposals() if p.batch == 1]
    if "syntactic.mutate" in kept:
        assert [c.state for c in pending] == [State.SCORED] * 2
    else:
        assert [c.state for c in pending] == [State.REJECTED] * 2
        assert "syntactic.mutate" in pending[0].note


def test_a_drain_after_the_wall_clock_waits_and_does_not_spin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])
    waits = 0
    wait = asyncio.wait

    async def counted(*given: Any, **named: Any) -> Any:
        nonlocal waits
        waits += 1
        return await wait(*given, **named)

    class Slow(StubEvaluator):
        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
            if ".5" not in source:
                await asyncio.sleep(0.3)
            return await super().evaluate(source, digest=digest, repeat=repeat)

    monkeypatch.setattr(asyncio, "wait", counted)
    ending = run(store, config_of(budget={"wall_clock": 0.15}), evaluator=Slow())
    assert ending.complete
    assert waits < 50


def test_a_stop_while_elites_are_repeated_leaves_the_campaign_open(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])
    config = config_of(budget={"evaluations": 3})

    async def go() -> Ending:
        class Stopper(StubEvaluator):
            async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
                if repeat:
                    campaign.stop()
                return await super().evaluate(source, digest=digest, repeat=repeat)

        campaign = campaign_of(store, config, evaluator=Stopper())
        return await campaign.run()

    assert not asyncio.run(go()).complete
    assert read_status(store, config).state == "stopped"
    assert run(store, config).complete
    assert all(point.seeds == 3 for point in read_status(store, config).front)


def test_the_wall_clock_ends_the_repeats_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])
    over = False
    monkeypatch.setattr("evoarch.agent.evaluation.budget.Budget.out_of_time", lambda self: over)

    class Clocked(StubEvaluator):
        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
            nonlocal over
            over = over or repeat > 0
            return await super().evaluate(source, digest=digest, repeat=repeat)

    run(store, config_of(budget={"evaluations": 3}), evaluator=Clocked())
    assert store.totals.repeats_made() == 1


def test_a_crash_between_a_repair_and_its_duplicate_leaves_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])
    known = MODEL.format(scale="1.5")

    campaign = campaign_of(store, config_of())
    source = MODEL.format(scale="9")
    child = store.add_seed("child", source, source_digest(source))
    store.start(child.id)

    class Killed(BaseException):
        """The end of the process, which nothing may catch."""

    def dies(*given: object, **named: object) -> None:
        raise Killed

    monkeypatch.setattr(store, "duplicate", dies)

    async def repaired(*given: object, **named: object) -> object:
        return known, ("width",), await StubEvaluator().dry_run(known)

    monkeypatch.setattr("evoarch.agent.evaluation.pipeline.Pipeline._dry_run", repaired)
    with pytest.raises(Killed):
        asyncio.run(campaign._grader.grade(store.candidate(child.id), "search"))
    assert store.candidate(child.id).source == source


@pytest.mark.parametrize("workers", [1, 2])
def test_a_replay_follows_lost_children_unanswered_calls_and_a_narrow_machine(
    tmp_path: Path, workers: int
) -> None:
    first = archive_of(tmp_path / "first", *SEEDS)
    noise = random.Random(3)

    class Flaky(StubEvaluator):
        calls = 0

        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
            self.calls += 1
            await asyncio.sleep(noise.random() * 0.01 if ".5" not in source else 0.05 * (source > MODEL))
            if 9 <= self.calls <= 16:
                return Evaluated(Failed("train", "zygote lost", Fault.INFRASTRUCTURE), 0.0, 0.0)
            return await super().evaluate(source, digest=digest, repeat=repeat)

    tables: dict[str, Any] = {"operators": [LM_OPERATOR, {"name": "syntactic.mutate"}], "lm": LM_TABLE}
    operators = [Asked(), Scale()]
    config = config_of(budget={"evaluations": 8}, **tables)
    lm = NumberLM(fails=[2, 4])
    assert run(first, config, operators=operators, evaluator=Flaky(), lm=lm, workers=2).complete
    assert first.candidates(state=State.QUEUED)
    longer = config_of(budget={"evaluations": 16}, **tables)
    assert run(first, longer, operators=operators, lm=NumberLM(fails=[3]), workers=2).complete
    again = archive_of(tmp_path / "again", *SEEDS)
    ending = run(
        again,
        longer,
        operators=operators,
        lm=ReplayLM(first.calls.all()),
        workers=workers,
        event_order=recorded_order(tmp_path / "first"),
    )
    assert ending.complete, ending.reason
    replayed = {c.id: (c.state, c.parents, c.source, c.metrics) for c in again.candidates()}
    for c in first.candidates():
        if c.state in (State.SCORED, State.REJECTED, State.DUPLICATE) and c.number is not None:
            assert replayed[c.id][:3] == (c.state, c.parents, c.source)


def test_a_replay_of_seeds_that_came_late_is_refused_in_one_line(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS[:2])
    assert run(store, config_of(budget={"evaluations": 3})).complete
    source = MODEL.format(scale="77.5")
    store.add_seed("late", source, source_digest(source))
    with pytest.raises(UserError, match="late"):
        recorded_order(tmp_path)


def test_a_replay_of_a_run_that_was_killed_ends_where_the_record_does(tmp_path: Path) -> None:
    first = archive_of(tmp_path / "first", *SEEDS[:2])

    class Same(Scale):
        async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
            return [Draft(MODEL.format(scale=rng.randint(1, 3))) for _ in range(order.count)]

    class Hanging(StubEvaluator):
        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
            if "self.scale = 2\n" in source:
                await asyncio.sleep(60)
            return await super().evaluate(source, digest=digest, repeat=repeat)

    async def killed() -> None:
        campaign = campaign_of(first, config, operators=[Same()], evaluator=Hanging(), workers=2)
        work = asyncio.create_task(campaign.run())
        while len(first.candidates(state=State.DUPLICATE)) < 12:
            await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    config = config_of()
    asyncio.run(killed())
    assert [c.number for c in first.candidates(state=State.QUEUED)]
    again = archive_of(tmp_path / "again", *SEEDS[:2])
    event_order = recorded_order(tmp_path / "first")
    assert run(again, config, operators=[Same()], workers=2, event_order=event_order).complete
    states = {c.id: (c.state, c.source) for c in again.candidates()}
    for c in first.candidates():
        if c.state in (State.SCORED, State.DUPLICATE):
            assert states[c.id] == (c.state, c.source)
