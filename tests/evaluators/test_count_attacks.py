"""Models that want to be smaller than they are. Each is counted whole, or fails and says why."""

from __future__ import annotations

import pytest

from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from kit.attack_models import RECIPE, Loop, evaluate, failed, useless


def scored(evaluated: Evaluated) -> Scored:
    assert isinstance(evaluated.outcome, Scored), evaluated.outcome
    return evaluated.outcome


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
