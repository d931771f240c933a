"""Models that want to be smaller than they are. Each is counted whole, or fails and says why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import PACKAGE, inside_program
from evoarch.evaluators.signature import Signature
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.job import Program, Runner
from evoarch.sandbox.runner import start
from kit.attack_models import RECIPE, Loop, evaluate, failed, useless

SMUGGLED = """
import torch, torch.nn as nn
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(40, 10)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.linear(x) * self.scale

    def flat(self):
        return torch.cat([self.linear.weight.detach().flatten(), self.linear.bias.detach()]).tolist()

    def fill(self, flat):
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor(flat[:400]).reshape(10, 40))
            self.linear.bias.copy_(torch.tensor(flat[400:]))

    def state_dict(self, *args, **named):
        {out}

    def load_state_dict(self, state, *args, **named):
        {back}
        return torch.nn.modules.module._IncompatibleKeys([], [])
"""
"""410 weights of 411 that a model carries past the count in what its own methods say of its state."""

CARRIERS = {
    "names": (
        "return {'scale': self.scale, **{f'{i}:{v!r}': torch.zeros(0) for i, v in enumerate(self.flat())}}",
        "self.fill([float(n.split(':')[1]) for n in state if ':' in n])",
    ),
    "shapes of empty tensors": (
        "made = {f'w{i}': torch.zeros(0, int((v + 8) * 1e6)) for i, v in enumerate(self.flat())}\n"
        "        return {'scale': self.scale, **made}",
        "self.fill([state[f'w{i}'].shape[1] / 1e6 - 8 for i in range(410)])",
    ),
    "their order": (
        "order = sorted(range(410), key=lambda i: self.flat()[i])\n"
        "        return {'scale': self.scale, **{f'w{i}': torch.zeros(0) for i in order}}",
        "names = [int(n[1:]) for n in state if n[0] == 'w']\n"
        "        rank = {i: k for k, i in enumerate(names)}\n"
        "        self.fill([(rank[i] - 205) / 400 for i in range(410)])",
    ),
    "their number": (
        "n = sum(1 << k for k, v in enumerate(self.flat()[:12]) if v > 0)\n"
        "        return {'scale': self.scale, **{f'w{i}': torch.zeros(0) for i in range(n)}}",
        "self.fill([0.1 if len(state) - 1 >> k & 1 else -0.1 for k in range(12)] + [0.0] * 398)",
    ),
    "types": (
        "kinds = [torch.float16 if v > 0 else torch.float32 for v in self.flat()]\n"
        "        made = {f'w{i}': torch.zeros(0, dtype=k) for i, k in enumerate(kinds)}\n"
        "        return {'scale': self.scale, **made}",
        "self.fill([0.1 if state[f'w{i}'].dtype is torch.float16 else -0.1 for i in range(410)])",
    ),
    "what is a whole number": (
        "kinds = [torch.int8 if v > 0 else torch.float32 for v in self.flat()]\n"
        "        made = {f'w{i}': torch.zeros(0, dtype=k) for i, k in enumerate(kinds)}\n"
        "        return {'scale': self.scale, **made}",
        "self.fill([-0.1 if f'w{i}' in state else 0.1 for i in range(410)])",
    ),
}


def scored(evaluated: Evaluated) -> Scored:
    assert isinstance(evaluated.outcome, Scored), evaluated.outcome
    return evaluated.outcome


@pytest.mark.parametrize(("out", "back"), CARRIERS.values(), ids=CARRIERS)
def test_weights_carried_outside_the_values_are_counted(walls: Loop, out: str, back: str) -> None:
    assert scored(evaluate(walls, SMUGGLED.format(out=out, back=back))).metrics["params"] == 411


TRUSTING = """
def named_state(model):
    return dict(model.state_dict())
def load_state(model, values, *, constants=False):
    model.load_state_dict(values, strict=False)
"""
"""The state by the model's own methods, as it was taken before."""


@pytest.fixture(scope="module")
def trusting() -> Iterator[tuple[asyncio.Runner, Runner]]:
    files = {**inside_program().files, f"{PACKAGE}.state": TRUSTING}
    with asyncio.Runner() as loop:
        runner = loop.run(start(Program(files, f"{PACKAGE}.main")))
        yield loop, runner
        loop.run(runner.close())


@pytest.mark.parametrize("way", ["names", "shapes of empty tensors"])
def test_without_the_defence_they_would_win(
    trusting: Loop, walls: Loop, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    out, back = CARRIERS[way]
    source = SMUGGLED.format(out=out, back=back)
    honest = scored(evaluate(walls, source)).metrics
    monkeypatch.setattr(Signature, "problem", lambda self, weights: "")
    monkeypatch.setattr(Signature, "ordered", lambda self, weights: dict(weights))
    cheat = scored(evaluate(trusting, source)).metrics
    assert cheat["params"] == 1
    assert cheat["error"] == pytest.approx(honest["error"], abs=0.02)


COUNTS = {
    "claimed ties": useless(
        "import evoarch.evaluators.inside.train as t\nreal = t.state_of\n"
        "ties = {'linear.weight': 'linear.bias', 'linear.bias': 'linear.weight'}\n"
        "t.state_of = lambda m: (real(m)[0], ties)"
    ),
    "a tie to itself": useless(
        "import evoarch.evaluators.inside.train as t\nreal = t.state_of\n"
        "t.state_of = lambda m: (real(m)[0], {n: n for n in real(m)[0]})"
    ),
    "frozen": useless(init="self.linear.bias.requires_grad_(False)"),
    "a buffer for a parameter": useless(
        init="b = self.linear.bias.data\ndel self.linear.bias\nself.linear.register_buffer('bias', b)"
    ),
    "a buffer that calls itself a statistic": useless(
        init="b = self.linear.bias.data\ndel self.linear.bias\n"
        "self.linear.register_buffer('running_mean', b)\nself.linear.bias = b"
    ),
}


@pytest.mark.parametrize("source", COUNTS.values(), ids=COUNTS)
def test_no_claim_makes_a_model_smaller(walls: Loop, source: str) -> None:
    outcome = evaluate(walls, source).outcome
    assert isinstance(outcome, Scored), outcome
    assert outcome.metrics["params"] == 410


LINEAR = "y = y + self.linear(x)"

FIXED = {
    "a buffer that grows while it trains": useless(
        init="self.register_buffer('seen', torch.zeros(1))",
        forward=f"{LINEAR}\nif self.training and len(x) > 90: self.seen = torch.zeros(self.seen.numel() + 1)",
    ),
    "a buffer that is named while it trains": useless(
        forward=f"{LINEAR}\nif self.training and len(x) > 90: self.register_buffer('late', torch.zeros(3))"
    ),
    "a parameter that is added while it trains": useless(
        forward=f"{LINEAR}\nif self.training and len(x) > 90: self.late = nn.Parameter(torch.zeros(3))"
    ),
    "a layer that is added while it trains": useless(
        forward=f"{LINEAR}\nif self.training and len(x) > 90: self.late = nn.Linear(3, 3)"
    ),
    "a buffer that becomes whole numbers": useless(
        init="self.register_buffer('code', torch.zeros(40))",
        forward=f"{LINEAR}\nif self.training and len(x) > 90: self.code = torch.zeros(40, dtype=torch.int8)",
    ),
    "a buffer that is stored from then on": useless(
        init="self.register_buffer('code', torch.zeros(40), persistent=False)",
        forward=f"{LINEAR}\n"
        "if self.training and len(x) > 90: self._non_persistent_buffers_set.discard('code')",
    ),
    "a buffer that is dropped": useless(
        init="self.register_buffer('code', torch.zeros(40))",
        forward=f"{LINEAR}\nif self.training and len(x) > 90 and 'code' in self._buffers: del self.code",
    ),
    "a buffer that becomes twice as wide": useless(
        init="self.register_buffer('code', torch.zeros(40))",
        forward=f"{LINEAR}\nif self.training and len(x) > 90: self.code = torch.zeros(40).double()",
    ),
}


@pytest.mark.parametrize("source", FIXED.values(), ids=FIXED)
def test_the_state_is_that_of_the_dry_run(walls: Loop, source: str) -> None:
    found = failed(evaluate(walls, source).outcome)
    assert found.stage == "train", found
    assert "the state must be the one of the dry run" in found.reason


WHOLE = {
    "methods that name other parameters": (
        410,
        useless(forward=LINEAR).replace(
            "    def forward",
            "    def named_buffers(self, *a, **k):\n        return iter(())\n\n    def forward",
        ),
    ),
    "running statistics that nobody computes": (
        40 + 40 + 410,
        useless(
            init="self.n = nn.Module()\nself.n.weight = nn.Parameter(torch.ones(40))\n"
            "self.n.bias = nn.Parameter(torch.zeros(40))\n"
            "self.n.register_buffer('running_mean', torch.zeros(40))\n"
            "self.n.register_buffer('running_var', torch.ones(40))",
            forward="y = y + self.linear(x * self.n.weight + self.n.bias)",
        ),
    ),
    "numbers of twice the width": (
        410 + 800,
        useless(
            init="self.d = nn.Linear(40, 10, bias=False).double()",
            forward=f"{LINEAR} + self.d(x.double()).float()",
        ),
    ),
    "one tensor under two names": (
        410,
        useless(init="self.again = self.linear", forward="y = y + self.again(x)"),
    ),
    "two tensors that begin alike": (
        810,
        useless(
            init="self.other = nn.Linear(40, 10, bias=False)\n"
            "self.other.weight.data.copy_(self.linear.weight.data)",
            forward="y = y + self.linear(x) + self.other(x).tanh()",
        ),
    ),
    "a norm": (
        410 + 80,
        useless(init="self.n = nn.BatchNorm1d(40)", forward="y = y + self.linear(self.n(x))"),
    ),
    "a lazy layer": (
        820,
        useless(init="self.late = nn.LazyLinear(10)", forward="y = y + self.linear(x) + self.late(x)"),
    ),
}


@pytest.mark.parametrize(("params", "source"), WHOLE.values(), ids=WHOLE)
def test_a_model_is_counted_whole(walls: Loop, params: int, source: str) -> None:
    assert scored(evaluate(walls, source)).metrics["params"] == params


def test_an_empty_tensor_of_enormous_shape_is_the_childs_failure(walls: Loop) -> None:
    source = useless(init="self.register_buffer('vast', torch.empty(0, 2**31, 2**31))", forward=LINEAR)
    loop, runner = walls
    evaluator = Evaluator(Mnist1d(), RECIPE, runner)
    for _ in range(2):
        found = loop.run(evaluator.dry_run(source))
        assert "answer refused" in str(found), found
    assert "answer refused" in failed(evaluate(walls, source).outcome).reason


def test_thousands_of_tied_tensors_take_the_parent_no_time(walls: Loop) -> None:
    source = useless(
        init="self.many = nn.ParameterList([self.linear.bias] * 9000)",
        forward="y = y + self.linear(x) + self.many[0]",
    )
    assert scored(evaluate(walls, source)).metrics["params"] == 410
