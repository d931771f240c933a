"""Tokens and money are hard limits, what was paid for is used, and a run that can't go on says why."""

import asyncio
import random
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.config.load import Config
from evoarch.agent.config.recorded import settings_of_replay
from evoarch.agent.lm.base import Complete, LMError, LMReply, LMRequest
from evoarch.agent.lm.budget import LMBudget
from evoarch.agent.lm.calls import check
from evoarch.agent.operators.base import Draft, Order
from evoarch.archive.records import Failed, Fault, State
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.evaluators.task import Evaluated
from kit import campaigns
from kit.campaigns import archive_of
from kit.scale_models import MODEL


class Numbers:
    """Asks for a number a child."""

    name, arity, samples = "lm.scoped", 1, 4

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        assert complete is not None
        seed = rng.randrange(2**31)
        reply = await complete(LMRequest("a number: " * 30, n=order.count, max_tokens=60, seed=seed))
        return [Draft(MODEL.format(scale=text)) for text in reply.texts]


class Metered:
    """Counts what it gives as a server would; `fails` says which calls it leaves unanswered."""

    name, chat = "small", False

    def __init__(self, fails: Mapping[int, LMError] | None = None) -> None:
        self.fails = fails or {}
        self.calls = self.tokens = self.at_once = self.most = 0
        self.noise = random.Random(0)

    async def check(self, complete: Complete | None = None) -> None:
        await (complete or self.complete)(LMRequest("x", max_tokens=1))

    async def complete(self, request: LMRequest) -> LMReply:
        self.calls += 1
        number = self.calls
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(self.noise.random() * 0.01)
        self.at_once -= 1
        if number in self.fails:
            raise self.fails[number]
        used = (80, 60 * request.n)
        self.tokens += sum(used)
        texts = tuple(f"{request.seed}.{i}" for i in range(request.n))
        return LMReply(texts, ("stop",) * request.n, *used, 0.1, price=used[0] / 1e6 + 2 * used[1] / 1e6)

    async def close(self) -> None:
        return


def config_of(**budget: Any) -> Config:
    return campaigns.config_of(
        budget={"evaluations": 100_000, **budget},
        evaluation={"repeats": 1},
        lm=[{"name": "small", "price_prompt": 1.0, "price_completion": 2.0}],
        operators=[{"name": "lm.scoped", "lm": "small", "samples": 4}],
    )


SEED = MODEL.format(scale="0.5")
run = partial(campaigns.run, operators=[Numbers()], workers=2)
LARGEST = 300 + 64 + 4 * 60
"""Tokens that one call of `Numbers` may take: a prompt of 300 bytes, the margin, four samples of 60."""


@pytest.mark.parametrize(("workers", "tokens"), [(1, 3_000), (3, 20_000)])
def test_a_token_budget_is_passed_by_no_more_than_the_calls_under_way(
    tmp_path: Path, workers: int, tokens: int
) -> None:
    store, lm = archive_of(tmp_path, SEED), Metered()
    ending = run(store, config_of(tokens=tokens), lm=lm, workers=workers)
    assert ending.complete
    assert f"{tokens} LM tokens are spent" in ending.reason
    assert tokens <= lm.tokens < tokens + LARGEST
    assert store.totals.tokens().total == lm.tokens
    assert lm.most > 1
    batches = {call.batch for call in store.calls.all(state="settled")}
    left = [p for p in store.proposals(state=State.PROPOSED) if p.batch in batches]
    assert not left, "children that were paid for were not used"
    # A further run has nothing to spend and asks nobody.
    calls = lm.calls
    assert run(store, config_of(tokens=tokens), lm=lm, workers=workers).complete
    asyncio.run(check(store, lm, LMBudget(store, config_of(tokens=tokens).budget)))
    assert lm.calls == calls
    # A larger budget makes the proposals that found no room.
    assert run(store, config_of(tokens=tokens + 2_000), lm=lm, workers=workers).complete
    assert tokens + 2_000 <= lm.tokens < tokens + 2_000 + LARGEST


def test_money_is_a_hard_limit_too(tmp_path: Path) -> None:
    store, lm = archive_of(tmp_path, SEED), Metered()
    ending = run(store, config_of(money=0.01), lm=lm)
    assert "budget's 0.01 of money" in ending.reason
    # The price of a call is bounded by its largest prompt at 1 and its samples at 2 a million tokens.
    assert 0.01 <= store.totals.price() < 0.01 + (364 + 2 * 240) / 1e6
    assert store.totals.price() == pytest.approx(lm.calls * (80 + 2 * 240) / 1e6)


def test_a_lost_call_costs_its_upper_bound_and_a_refused_one_nothing(tmp_path: Path) -> None:
    store = archive_of(tmp_path, SEED)
    fails = {2: LMError("timed out", retriable=True), 5: LMError("key refused")}
    ending = run(store, config_of(), lm=Metered(fails))
    assert ending.error
    assert ending.reason == "key refused"
    (lost,) = store.calls.all(state="lost")
    assert lost.prompt_tokens + lost.completion_tokens == LARGEST
    assert lost.price == pytest.approx((364 + 2 * 240) / 1e6)
    (refused,) = store.calls.all(state="failed")
    assert refused.price == refused.prompt_tokens == 0
    # What else was under way when the key was refused came to its end, and what was trained was kept.
    assert not store.calls.all(state="sent")
    assert not store.candidates(state=State.QUEUED)
    assert store.totals.entered_training() > 0


def test_three_calls_in_a_row_without_an_answer_end_the_run_and_keep_what_is_paid(tmp_path: Path) -> None:
    store = archive_of(tmp_path, SEED)
    down = {number: LMError("the server is down", retriable=True) for number in range(4, 100)}
    ending = run(store, config_of(evaluations=40), lm=Metered(down))
    assert ending.error
    assert "the server is down" in ending.reason
    settled = len(store.calls.all(state="settled"))
    lm = Metered()
    assert run(store, config_of(evaluations=40), lm=lm).complete
    paid = [call.batch for call in store.calls.all(state="settled")]
    # None twice; what was under way when the last evaluation ended has no answer.
    assert len(paid) == len(set(paid))
    assert settled < len(paid) <= settled + lm.calls


def test_calls_that_show_whether_a_model_answers_are_counted(tmp_path: Path) -> None:
    store, lm = archive_of(tmp_path, SEED), Metered()
    for _ in range(2):
        asyncio.run(check(store, lm, LMBudget(store, config_of().budget)))
    assert [call.batch for call in store.calls.all(state="settled")] == [0, 0]
    assert store.totals.tokens().total == lm.tokens


class Dead(StubEvaluator):
    """Loses everything but the seed, or all of it."""

    def __init__(self, *, seeds: bool) -> None:
        super().__init__()
        self.seeds = seeds

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        if "scale = 0.5" in source and self.seeds:
            return await super().evaluate(source, digest=digest, repeat=repeat)
        return Evaluated(Failed("train", "the warm process is gone", Fault.INFRASTRUCTURE), 0.0, 0.0)


@pytest.mark.parametrize("seeds", [True, False])
def test_an_infrastructure_that_stays_down_is_an_ending_of_its_own(tmp_path: Path, seeds: bool) -> None:
    store = archive_of(tmp_path, SEED)
    ending = run(store, config_of(evaluations=8), Dead(seeds=seeds), lm=Metered())
    assert ending.error
    assert not ending.complete
    what = r"\d children in a row" if seeds else "every seed"
    assert re.search(f"the infrastructure lost {what}", ending.reason)
    assert "the warm process is gone" in ending.reason
    assert "\n" not in ending.reason
    assert store.totals.entered_training() == 0
    assert not store.candidates(state=State.FAILED)
    assert run(store, config_of(evaluations=8), lm=Metered()).complete
    assert store.totals.entered_training() == 8


def test_a_replay_runs_under_what_was_set_for_the_run(tmp_path: Path) -> None:
    store = archive_of(tmp_path, SEED)
    ran = config_of(evaluations=7)
    store.event("session", detail={"config": ran.model_dump(mode="json")})
    assert settings_of_replay(tmp_path).config == ran
    more = settings_of_replay(tmp_path, ["budget.stall=9"]).config
    assert (more.budget.evaluations, more.budget.stall) == (7, 9)
