"""The losses of a training, and their gradients: those of torch's own backward pass, without its graph."""

from __future__ import annotations

import asyncio

import pytest
import torch
from torch import autograd

from evoarch.archive.records import Scored
from evoarch.evaluators.inside.losses import GRADIENTS, LOSSES
from evoarch.sandbox.job import Runner
from kit.attack_models import evaluate, failed, useless

Loop = tuple[asyncio.Runner, Runner]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_gradient_are_those_of_a_backward_pass(loss: str, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    for count, outputs in ((1, 2), (7, 10), (100, 3)):
        shape = (count, 6, outputs) if loss == "next_token" else (count, outputs)
        made = torch.randn(*shape, generator=draw, dtype=dtype) * 5
        if loss == "mean_squared_error":
            targets = torch.randn(*shape, generator=draw, dtype=dtype)
        else:
            targets = torch.randint(outputs, shape[:-1], generator=draw)
        wanted = made.clone().requires_grad_()
        expected = LOSSES[loss](wanted, targets)
        autograd.backward(expected)
        got, gradient = GRADIENTS[loss](made, targets)
        assert torch.equal(got, expected.detach())
        assert wanted.grad is not None
        assert torch.equal(gradient, wanted.grad)


SPY = """
SEEN = []
def pack(tensor):
    if tensor.dtype is torch.int64 and tensor.dim() == 1: SEEN.append(tensor)
    return tensor
"""


def test_what_torch_saves_for_a_backward_pass_does_not_show_the_targets(walls: Loop) -> None:
    spying = useless(
        SPY,
        init="torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor).__enter__()",
        forward="y = y + self.linear(x)\nif SEEN: raise ValueError('targets were seen')",
    )
    assert isinstance(evaluate(walls, spying).outcome, Scored)


def test_outputs_of_a_class_of_the_models_own_are_refused(walls: Loop) -> None:
    own = useless("class Own(torch.Tensor): pass", forward="y = (y + self.linear(x)).as_subclass(Own)")
    assert "plain tensor, got a Own" in failed(evaluate(walls, own).outcome).reason
