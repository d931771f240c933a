"""Latency: the arithmetic, the talk with a living child, and children that do not keep to it."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import load
from evoarch.archive.records import Failed, Fault, Scored, State
from evoarch.evaluators import latency
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.latency import Latency, interval
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Finished
from evoarch.sandbox.talk import Talk, TalkError
from kit.campaigns import archive_of, campaign_of, config_of, finished
from kit.listed import Listed

RECIPE = Recipe("tiny", rate=0.01, steps=10, batch=50)
LIMITS = Limits(wall_clock=20.0, cpu_seconds=20.0)
MODEL = """
import os, time, torch
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(40, {width}), nn.ReLU(), nn.Linear({width}, 10))

    def forward(self, x):
        {attack}
        return self.layers(x)
"""
PLAIN = MODEL.format(width=20, attack="pass")

Loop = tuple[asyncio.Runner, Runner]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured here is not for its precision."""
    monkeypatch.setattr(latency, "MOST", 20)
    monkeypatch.setattr(latency, "BEST_OF", 3)


def measured(walls: Loop, source: str, reference: str = PLAIN, limits: Limits = LIMITS) -> Latency | Failed:
    loop, runner = walls
    return loop.run(Evaluator(Mnist1d(), RECIPE, runner, limits=limits).latency(source, reference))


def test_a_larger_model_takes_longer(walls: Loop) -> None:
    found = measured(walls, MODEL.format(width=4000, attack="pass"))
    assert isinstance(found, Latency), found
    assert found.low <= found.ratio <= found.high
    assert found.ratio > 1.2
    assert found.cpu_seconds > 0


DESCRIPTORS = """for fd in range(3, 60):
            try: os.write(fd, b'1' * {size})
            except OSError: pass"""

ATTACKS = {
    "too early": (
        DESCRIPTORS.format(size=1280) + "\n        time.sleep(0.01)",
        "its latency can't be measured: ",
    ),
    "too much": (DESCRIPTORS.format(size=64), "its latency can't be measured: "),
    "garbage": ("x = torch.rand_like(x)", "when it is timed it answers otherwise than when it is not"),
    "the same to all": (
        "x = torch.randn(1, 40).expand_as(x) * float(os.getpid())",
        "when it is timed it answers otherwise",
    ),
    "too little": ("x = x[:1]", "forward returned shape (1, 10), expected (32, 10)"),
    "not a number": ("x = x * float('nan')", "the logits are not finite"),
    "raises": ("raise KeyError('later')", "KeyError: 'later' (line"),
    "leaves": ("os._exit(0)", "exited with status 0 before it answered"),
}


@pytest.mark.parametrize(("attack", "words"), ATTACKS.values(), ids=ATTACKS)
def test_a_child_that_does_not_keep_to_the_talk_fails(walls: Loop, attack: str, words: str) -> None:
    found = measured(walls, MODEL.format(width=20, attack=attack))
    assert isinstance(found, Failed), found
    assert (found.stage, found.fault) == ("static", Fault.CANDIDATE)
    assert words in found.reason


def test_a_child_that_never_answers_fails_at_its_wall_clock(walls: Loop) -> None:
    found = measured(walls, MODEL.format(width=20, attack="time.sleep(1e9)"), limits=Limits(wall_clock=2.0))
    assert isinstance(found, Failed)
    assert found.fault is Fault.CANDIDATE
    assert "expected an answer in time" in found.reason or "wall clock" in found.reason


def test_a_reference_that_fails_is_not_the_candidates_fault(walls: Loop) -> None:
    found = measured(walls, PLAIN, MODEL.format(width=20, attack="raise KeyError('seed')"))
    assert isinstance(found, Failed)
    assert found.fault is Fault.INFRASTRUCTURE
    assert found.reason.startswith("the reference's latency can't be measured: KeyError")


def test_nothing_is_left_behind(walls: Loop) -> None:
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for attack in ("pass", "os._exit(0)"):
        measured(walls, MODEL.format(width=20, attack=attack))
    assert len(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() <= threads + 1


SEEN = """
import os
from torch import nn
import torch

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(40, 10)

    def forward(self, x):
        found = []
        for fd in range(3, 1024):
            try:
                os.lseek(fd, 0, os.SEEK_CUR)
                found.append(fd)
            except OSError as error:
                if error.errno != 9: found.append(fd)
        raise ValueError(f"open: {found}")
"""


def test_a_child_has_the_two_ends_of_its_talk_and_one_without_has_none(walls: Loop) -> None:
    loop, runner = walls
    talking = measured(walls, SEEN)
    assert isinstance(talking, Failed)
    opened = talking.reason.partition("open: ")[2].partition("]")[0].strip("[").split(",")
    assert len(opened) == 3, talking.reason  # its answer, a question's end and an answer's end
    silent = loop.run(Evaluator(Mnist1d(), RECIPE, runner, limits=LIMITS).dry_run(SEEN))
    assert "open: [3]" in str(silent)


def test_a_talk_hears_what_was_not_asked_for() -> None:
    talk = Talk()
    take, give = talk.theirs
    try:
        os.write(give, b"early")
        with pytest.raises(TalkError, match="expected silence"):
            talk.ask(b"q", 1, 1.0)
    finally:
        talk.close()
    assert take not in talk.theirs


def test_a_talk_takes_a_question_larger_than_a_pipe() -> None:
    talk = Talk()
    take, give = talk.theirs
    size = 1 << 20

    def child() -> None:
        got = b""
        while len(got) < size:
            got += os.read(take, size)
        os.write(give, got[-4:])

    other = threading.Thread(target=child)
    other.start()
    took, answer = talk.ask(bytes(size - 4) + b"last", 4, 30.0)
    other.join()
    talk.close()
    assert answer == b"last"
    assert took > 0


def test_the_same_weights_answer_the_same(walls: Loop) -> None:
    loop, runner = walls
    options = {
        "entry": "Model",
        "offers": {"input_shape": [40], "num_classes": 10},
        "kwargs": {},
        "batch": 32,
    }
    inputs = np.ones((2, 32, 40), np.float32)
    first, second = (
        loop.run(runner.run(Job("answer", PLAIN, {"inputs": inputs}, options, seed))) for seed in (7, 7)
    )
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    np.testing.assert_array_equal(first.arrays["logits"], second.arrays["logits"])
    assert first.arrays["logits"].std() > 0


@given(st.lists(st.floats(0.1, 10.0), min_size=10, max_size=200))
def test_the_interval_holds_the_median(ratios: list[float]) -> None:
    low, high = interval(ratios)
    assert min(ratios) <= low <= float(np.median(ratios)) <= high <= max(ratios)


def test_the_interval_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        low, high = interval(rng.exponential(size=50).tolist())
        covered += low <= np.log(2.0) <= high
    assert covered >= 980


@pytest.mark.slow
def test_what_is_slower_than_the_limit_is_not_trained(walls: Loop, tmp_path: Path) -> None:
    loop, runner = walls
    config = config_of(
        seed=0,
        budget={"evaluations": 3, "stall": 4},
        evaluation={"repeats": 1, "workers": 1},
        constraints={"latency": 3.0, "flops": 100_000, "params": 50_000},
        selection={"objectives": ["error", "latency"]},
    )
    plain = PLAIN.replace("import os, time, torch\n", "")
    store = archive_of(tmp_path, plain, seed=0)
    deep = plain.replace("nn.ReLU(), ", "nn.ReLU(), " + "nn.Tanh(), " * 400)
    quick = plain.replace("nn.ReLU(), ", "nn.GELU(), ")
    wide = plain.replace("(40, 20)", "(40, 2000)").replace("(20, 10)", "(2000, 10)")
    evaluator = Evaluator(Mnist1d(), RECIPE, runner, limits=LIMITS, ceiling=1.0)
    loop.run(finished(campaign_of(store, config, evaluator, [Listed([deep, wide, quick])])))
    by_source = {c.source: c for c in reversed(store.candidates())}
    slow, large, kept = (store.evaluations(by_source[text].id)[0].outcome for text in (deep, wide, quick))
    assert isinstance(slow, Failed)
    assert slow.stage == "static"
    assert "limit constraints.latency" in slow.reason
    assert isinstance(large, Failed)
    assert "limit constraints.params" in large.reason
    assert "limit constraints.flops" in large.reason
    assert isinstance(kept, Scored)
    assert store.totals.entered_training() == 1
    assert all(c.metrics["latency"] <= 3.0 for c in store.scored())
    assert store.candidates(operator="seed")[0].state is State.SCORED
    assert store.candidates(operator="seed")[0].metrics["latency"] == 1.0


def test_a_reference_must_be_a_seed(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(PLAIN)
    text = '[campaign]\nname = "c"\n[seeds]\nfiles = ["m.py"]\n[constraints]\nreference = "n"\n'
    (tmp_path / "campaign.toml").write_text(text + '[[operators]]\nname = "random"\n')
    with pytest.raises(
        UserError, match=r"constraints.reference: expected the name of a seed file, got 'n'; known: m"
    ):
        load(tmp_path)
