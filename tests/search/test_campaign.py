"""The loop over fakes that go through its own seams: order, replay, budget, failures, stops."""

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from evoarch.agent.analysis.overview import read_overview
from evoarch.agent.analysis.status import read_status
from evoarch.agent.cli.live import picture
from evoarch.agent.cli.views import summary
from evoarch.agent.lm.base import LMError, LMReply, LMRequest
from evoarch.agent.operators.base import Draft, Order
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.search.replay import recorded_calls, recorded_order
from evoarch.archive.records import Candidate, Failed, Fault, Outcome, Scored, State
from evoarch.archive.store import open_archive
from evoarch.evaluators.fakes import StubEvaluator, hashed_score
from evoarch.sandbox.outcome import Finding
from kit import campaigns
from kit.campaigns import archive_of, campaign_of, candidates_of, config_of
from kit.scale_models import MODEL, Scale

SEEDS = [MODEL.format(scale=scale) for scale in (1.5, 2.5)]
run = partial(campaigns.run, operators=[Scale(most=60)])


class Asked(Scale):
    """The same, after asking an LM for the number."""

    def __init__(self, samples: int) -> None:
        super().__init__("lm.scoped")
        self.samples = samples

    async def propose(self, order: Order, rng: random.Random, complete: Any) -> list[Draft]:
        reply = await complete(
            LMRequest(prompt=f"{order.parents[0].id}", n=order.count, seed=rng.randrange(2**31))
        )
        return [Draft(MODEL.format(scale=text)) for text in reply.texts]


class SlowLM:
    """Answers with numbers that follow from the request, after a delay that does not."""

    name, chat = "slow", False

    def __init__(self, delays: Callable[[], float] = lambda: 0.0, fail: bool = False) -> None:
        self.delays = delays
        self.fail = fail
        self.calls = 0

    async def check(self) -> None:
        return

    async def complete(self, request: LMRequest) -> LMReply:
        self.calls += 1
        await asyncio.sleep(self.delays())
        if self.fail:
            raise LMError("the server is down", retriable=True)
        key = hashlib.sha256(f"{request.prompt} {request.seed}".encode()).digest()
        texts = tuple(str(100 + key[i]) for i in range(request.n))
        return LMReply(texts, ("stop",) * request.n, 10, request.n, 0.1)

    async def close(self) -> None:
        return


LM_TABLES = {
    "lm": [{"name": "small", "backend": "embedded"}],
    "operators": [{"name": "lm.scoped", "lm": "small", "samples": 3}, {"name": "syntactic.mutate"}],
}


def test_the_budget_counts_candidates_that_trained_and_nothing_else(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS)
    ending = run(store, config_of(budget={"evaluations": 15}), operators=[Scale(most=60, problem_share=0.4)])
    assert ending.complete
    status = read_status(store, config_of(budget={"evaluations": 15}))
    assert status.evaluations == 15
    assert status.rejected > 0
    assert status.proposals == len([c for c in store.candidates() if c.operator != "seed"])
    assert status.state == "complete"
    assert {seed.name for seed in status.seeds} == {"seed1", "seed2"}
    assert [c.id for c in store.candidates()] == list(range(1, len(store.candidates()) + 1))


def test_elites_and_seeds_get_their_training_seeds_at_the_end(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS)
    config = config_of(budget={"evaluations": 10}, evaluation={"repeats": 3, "race": 0})
    run(store, config)
    status = read_status(store, config)
    assert all(point.seeds == 3 for point in [*status.front, *status.seeds])
    assert status.evaluations == 10
    assert status.repeats >= 2 * len(status.seeds)


def test_one_worker_is_the_same_whatever_the_timing(tmp_path: Path) -> None:
    records = []
    for name, spread in (("a", 0.0), ("b", 0.02)):
        noise = random.Random(name)
        store = archive_of(tmp_path / name, *SEEDS)
        lm = SlowLM(lambda noise=noise, spread=spread: noise.random() * spread)  # type: ignore[misc]
        evaluator = StubEvaluator(seconds=0.0 if name == "a" else 0.002)
        config = config_of(budget={"evaluations": 40}, evaluation={"order": "strict"}, **LM_TABLES)
        run(
            store, config, operators=[Asked(3), Scale(most=60, problem_share=0.3)], evaluator=evaluator, lm=lm
        )
        records.append(candidates_of(store))
    settled = [[row for row in rows if row[3] is not State.PROPOSED] for rows in records]
    assert settled[0] == settled[1]


def test_a_replay_of_two_workers_makes_the_same_candidates_in_the_same_order(tmp_path: Path) -> None:
    noise = random.Random(1)
    config = config_of(budget={"evaluations": 30}, **LM_TABLES)
    operators = [Asked(3), Scale(most=60, problem_share=0.3)]
    first = archive_of(tmp_path / "first", *SEEDS)

    class Jittery(StubEvaluator):
        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Any:
            await asyncio.sleep(noise.random() * 0.01)
            return await super().evaluate(source, digest=digest, repeat=repeat)

    lm = SlowLM(lambda: noise.random() * 0.02)
    run(first, config, operators=operators, evaluator=Jittery(), lm=lm, workers=2)
    again = archive_of(tmp_path / "again", *SEEDS)
    answers = {(call.batch, call.digest): call for call in recorded_calls(tmp_path / "first")}
    assert answers
    event_order = recorded_order(tmp_path / "first")
    ending = run(
        again,
        config,
        operators=operators,
        evaluator=Jittery(),
        lm=SlowLM(),
        workers=2,
        event_order=event_order,
    )
    assert ending.complete
    settled = [
        row for row in candidates_of(first) if row[3] in (State.SCORED, State.REJECTED, State.DUPLICATE)
    ]
    replayed = {row[0]: row for row in candidates_of(again)}
    assert settled
    for row in settled:
        assert replayed[row[0]] == row


def test_a_replay_lets_in_what_its_record_let_in_whatever_rules_were_added_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(budget={"evaluations": 6})
    first, again = archive_of(tmp_path / "first", *SEEDS), archive_of(tmp_path / "again", *SEEDS)
    run(first, config, operators=[Scale(most=60, problem_share=0.3)])
    monkeypatch.setattr(
        "evoarch.agent.evaluation.vetting.vet",
        lambda source, **_: [Finding(1, 0, "new", "no", "write another")],
    )
    ending = run(
        again,
        config,
        operators=[Scale(most=60, problem_share=0.3)],
        event_order=recorded_order(tmp_path / "first"),
    )
    assert ending.complete
    settled = [row for row in candidates_of(first) if row[3] is not State.PROPOSED]
    assert {State.SCORED, State.REJECTED} <= {row[3] for row in settled}
    assert candidates_of(again)[: len(settled)] == settled


def test_a_failed_child_is_never_best_even_where_all_objectives_are_negative(tmp_path: Path) -> None:
    def score(source: str) -> Outcome:
        found = hashed_score(source)
        assert isinstance(found, Scored)
        if "self.scale = 3" in source:
            return Failed("train", "RuntimeError: no", Fault.CANDIDATE)
        return Scored({"error": -found.metrics["error"], "params": -found.metrics["params"]})

    store = archive_of(tmp_path, *SEEDS)
    config = config_of(budget={"evaluations": 30})
    run(store, config, evaluator=StubEvaluator(score=score))
    status = read_status(store, config)
    failed = {c.id for c in store.candidates(state=State.FAILED)}
    assert failed
    assert status.best is not None
    assert not failed & {status.best.id, *status.elites}
    assert not failed & {parent for c in store.candidates() for parent in c.parents}
    for identity in failed:
        assert not store.candidate(identity).metrics


def test_infrastructure_faults_are_retried_and_cost_no_budget(tmp_path: Path) -> None:
    class Flaky(StubEvaluator):
        calls = 0

        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Any:
            self.calls += 1
            found = await super().evaluate(source, digest=digest, repeat=repeat)
            if self.calls % 3 == 0:
                return type(found)(Failed("train", "zygote lost", Fault.INFRASTRUCTURE), 0.0, 0.0)
            return found

    store = archive_of(tmp_path, *SEEDS)
    config = config_of(budget={"evaluations": 12})
    run(store, config, evaluator=Flaky())
    status = read_status(store, config)
    assert status.evaluations == 12
    assert status.failed == 0
    assert status.retries > 0


def test_only_bad_proposals_end_in_a_stall_that_says_so(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS)
    ending = run(store, config_of(budget={"stall": 20}), operators=[Scale(most=60, problem_share=1.0)])
    assert ending.error
    assert "stalled" in ending.reason
    assert len(store.candidates(state=State.REJECTED)) >= 20


def test_an_lm_that_never_answers_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS)
    config = config_of(budget={"evaluations": 10}, **{**LM_TABLES, "operators": LM_TABLES["operators"][:1]})
    ending = run(store, config, operators=[Asked(3)], lm=SlowLM(fail=True))
    assert ending.error
    assert "the server is down" in ending.reason
    assert read_status(store, config).evaluations == 0
    ending = run(store, config, operators=[Asked(3)], lm=SlowLM())
    assert ending.complete
    assert read_status(store, config).evaluations == 10


def test_a_stop_is_resumable_and_ends_where_one_run_would_have(tmp_path: Path) -> None:
    config = config_of(budget={"evaluations": 25}, evaluation={"order": "strict"}, **LM_TABLES)
    operators = [Asked(3), Scale(most=60, problem_share=0.3)]
    whole = archive_of(tmp_path / "whole", *SEEDS)
    run(whole, config, operators=operators, lm=SlowLM())
    parts_store = archive_of(tmp_path / "parts", *SEEDS)

    class Stopping(StubEvaluator):
        campaign: Campaign
        calls = 0

        async def evaluate(self, source: str, *, digest: str, repeat: int) -> Any:
            self.calls += 1
            if self.calls % 7 == 0:
                self.campaign.stop()
            return await super().evaluate(source, digest=digest, repeat=repeat)

    async def stopped_often() -> int:
        runs = 0
        evaluator = Stopping()
        while True:
            evaluator.campaign = campaign_of(parts_store, config, evaluator, operators, lm=SlowLM())
            runs += 1
            if (await evaluator.campaign.run()).complete:
                return runs

    assert asyncio.run(stopped_often()) > 1
    final = {row[0]: row for row in candidates_of(parts_store)}
    for row in candidates_of(whole):
        if row[3] is State.SCORED:
            assert final[row[0]] == row


def test_a_token_budget_stops_the_run(tmp_path: Path) -> None:
    store = archive_of(tmp_path, *SEEDS)
    config = config_of(budget={"evaluations": 1000, "tokens": 200}, **LM_TABLES)
    lm = SlowLM()
    ending = run(store, config, operators=[Asked(3), Scale(most=60)], lm=lm)
    assert ending.complete
    assert "tokens" in ending.reason
    tokens = store.totals.tokens()
    assert tokens.total >= 200


@pytest.mark.parametrize("wanted", [False, True])
def test_a_note_reaches_the_operator_where_the_campaign_wants_it(tmp_path: Path, wanted: bool) -> None:
    notes: set[str] = set()

    class Reading(Scale):
        async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
            notes.update(parent.note for parent in order.parents if parent.id == 1)
            return await super().propose(order, rng, complete)

    store = archive_of(tmp_path, *SEEDS)
    store.verdicts.add(1, "note", "keep it small")
    run(store, config_of(budget={"evaluations": 15}, review={"notes": wanted}), operators=[Reading()])
    assert notes == {"keep it small" if wanted else ""}


@pytest.mark.parametrize("workers", [1, 3])
def test_the_archive_reads_while_it_is_written(tmp_path: Path, workers: int) -> None:
    store = archive_of(tmp_path, *SEEDS)
    config = config_of(budget={"evaluations": 5})
    run(store, config, workers=workers)
    reader = open_archive(tmp_path, write=False)
    found: list[Candidate] = reader.scored()
    assert len(found) >= 5
    reader.close()


def test_running_without_walls_is_red_in_the_terminal(tmp_path: Path) -> None:
    overview = read_overview(archive_of(tmp_path, *SEEDS), config_of())
    bare = replace(overview.status, level="none")
    whole = replace(overview, status=bare)
    for show in (lambda s: s.print(picture(bare, 0.0, None)), lambda s: summary(s, whole)):
        screen = Console(file=StringIO(), force_terminal=True, color_system="standard", width=200)
        show(screen)
        line = next(x for x in screen.file.getvalue().splitlines() if "isolation" in x)
        assert "\x1b[1;31m" in line
