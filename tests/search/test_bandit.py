"""Who makes the children: a bandit whose state is the archive's, and slots that do not wait for an LM."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.analysis.utilisation import idle_of
from evoarch.agent.config.load import Config
from evoarch.agent.lm.base import Complete, LMReply, LMRequest
from evoarch.agent.operators.base import Draft, Order
from evoarch.agent.search.bandit import Arm, OperatorBandit, drawn_rates
from evoarch.agent.search.replay import recorded_order
from evoarch.archive.records import Outcome, Scored, State
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator
from kit import campaigns
from kit.campaigns import archive_of
from kit.scale_models import MODEL, scale_of


class Better:
    """Improves on its parent in `share` of its children: the score is the number in the source."""

    arity, samples = 1, 1

    def __init__(self, name: str, share: float) -> None:
        self.name, self.share = name, share

    async def propose(self, order: Order, rng: random.Random, complete: object) -> list[Draft]:
        scale = order.parents[0].metrics["error"]
        factor = rng.uniform(0.9, 0.99) if rng.random() < self.share else rng.uniform(1.01, 1.02)
        return [Draft(MODEL.format(scale=repr(scale * factor)))]


def by_number(source: str) -> Outcome:
    return Scored({"error": min(0.9, scale_of(source)), "params": 100.0})


def config_of(*operators: dict[str, Any], **tables: Any) -> Config:
    return campaigns.config_of(seed=3, operators=list(operators), evaluation={"repeats": 1}, **tables)


def run(store: Store, config: Config, operators: list[Any], *, seconds: float = 0.0, **parts: Any) -> None:
    ending = campaigns.run(store, config, StubEvaluator(seconds, by_number), operators, **parts)
    assert ending.complete, ending


SEED = MODEL.format(scale="0.9")
GOOD, POOR = {"name": "syntactic.mutate", "weight": 1.0}, {"name": "random", "weight": 3.0}
PAIR = [Better("syntactic.mutate", 0.8), Better("random", 0.05)]


def test_the_bandit_turns_to_the_operator_that_improves_and_still_tries_the_other(tmp_path: Path) -> None:
    store = archive_of(tmp_path, SEED, seed=3)
    bandit = {"method": "bandit", "cost": "proposals"}
    run(store, config_of(GOOD, POOR, budget={"evaluations": 100}, portfolio=bandit), PAIR)
    late = Counter(p.operator for p in store.proposals() if p.number > 50)
    assert late["syntactic.mutate"] > 3 * late["random"]
    assert late["random"] > 0


def test_the_bandit_is_a_function_of_the_archive(tmp_path: Path) -> None:
    store = archive_of(tmp_path, SEED, seed=3)
    bandit = {"method": "bandit", "cost": "proposals", "explore": 0.0}
    config = config_of(GOOD, POOR, budget={"evaluations": 30}, portfolio=bandit)
    run(store, config, PAIR)
    one, other = OperatorBandit(store, config), OperatorBandit(store, config)
    assert [one.choose(slot) for slot in range(40)] == [other.choose(slot) for slot in range(40)]
    # What came before a run is heard at once, what comes during it bit by bit: the same.
    trials = store.yields.trials_after(0)
    assert len(trials) == len({trial.event for trial in trials}) == 30
    middle = trials[14].event
    assert store.yields.trials_after(middle) == trials[15:]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_replay_makes_the_bandits_choices_again_without_the_bandit(tmp_path: Path, workers: int) -> None:
    first = archive_of(tmp_path / "first", SEED, seed=3)
    bandit = config_of(GOOD, POOR, budget={"evaluations": 25}, portfolio={"method": "bandit"})
    run(first, bandit, PAIR, workers=workers)
    again = archive_of(tmp_path / "again", SEED, seed=3)
    run(again, bandit, PAIR, workers=2, event_order=recorded_order(tmp_path / "first"))
    replayed = {c.id: (c.operator, c.parents, c.source) for c in again.candidates()}
    settled = [c for c in first.candidates() if c.state is not State.PROPOSED]
    assert len(settled) > 25
    for c in settled:
        assert replayed[c.id] == (c.operator, c.parents, c.source)


def test_an_operator_that_costs_more_for_the_same_is_chosen_less() -> None:
    rng = random.Random(0)
    cheap, dear = Arm(100, 20, 100), Arm(100, 20, 400)
    wins = Counter(
        max((0, 1), key=drawn_rates([cheap, dear], [1.0, 1.0], rng).__getitem__) for _ in range(300)
    )
    assert wins[0] > 290
    # Before anything is known the weights tilt the choice; without any cost improvements alone count.
    tilted = Counter(
        max((0, 1), key=drawn_rates([Arm(), Arm()], [4.0, 1.0], rng).__getitem__) for _ in range(300)
    )
    assert tilted[0] > 200
    free = drawn_rates([Arm(50, 40, 0), Arm(50, 1, 0)], [1.0, 1.0], rng)
    assert free[0] > free[1]


class Late:
    """An LM that answers `calls` times and then never again, until the run is over."""

    name, chat = "small", False

    def __init__(self, calls: int) -> None:
        self.left = calls

    async def complete(self, request: LMRequest) -> LMReply:
        self.left -= 1
        if self.left < 0:
            await asyncio.Event().wait()
        return LMReply(tuple(str(0.5 + request.seed / 2**33) for _ in range(request.n)), ("stop",), 1, 1, 0.0)

    async def close(self) -> None:
        return


class Asking:
    name, arity, samples = "lm.scoped", 1, 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        assert complete is not None
        reply = await complete(LMRequest("x", n=order.count, seed=rng.getrandbits(31)))
        return [Draft(MODEL.format(scale=text)) for text in reply.texts]


def test_a_late_call_keeps_no_slot_waiting(tmp_path: Path) -> None:
    """In strict order this run would wait for ever at the first slot whose call is not answered."""
    store = archive_of(tmp_path, SEED, seed=3)
    tables = [{"name": "lm.scoped", "lm": "small", "samples": 1}, {"name": "syntactic.mutate"}]
    config = config_of(*tables, budget={"evaluations": 30}, lm=[{"name": "small"}])
    run(store, config, [Asking(), PAIR[0]], lm=Late(3), seconds=0.001)
    made = Counter(c.operator for c in store.candidates(state=State.SCORED))
    assert made["lm.scoped"] == 3
    assert made["syntactic.mutate"] == 27
    idle = idle_of(store.yields.slot_events())
    assert idle is not None
    assert 0 <= idle.share < 1
