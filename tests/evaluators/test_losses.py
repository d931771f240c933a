"""The losses of a training, and their gradients: those of torch's own backward pass, without its graph."""

from __future__ import annotations

import asyncio
import math

import pytest
import torch
from torch import autograd

from evoarch.archive.records import Scored
from evoarch.evaluators.inside.losses import GRADIENTS, IGNORED, LOSSES
from evoarch.sandbox.job import Runner
from kit.attack_models import evaluate, failed, useless

Loop = tuple[asyncio.Runner, Runner]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_and_gradient_are_those_of_a_backward_pass(loss: str, dtype: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(0)
    for count, outputs in ((1, 2), (7, 10), (100, 3)):
        shape = {"next_token": (count, 6, outputs), "pixel_cross_entropy": (count, outputs, 3, 4)}.get(
            loss, (count, outputs)
        )
        made = torch.randn(*shape, generator=draw, dtype=dtype) * 5
        if "squared" in loss:
            targets = torch.randn(*shape, generator=draw, dtype=dtype)
            if loss == "masked_squared_error":
                targets[torch.rand(shape, generator=draw) < 0.3] = math.nan
        else:
            answers = (count, 3, 4) if loss == "pixel_cross_entropy" else shape[:-1]
            targets = torch.randint(outputs, answers, generator=draw)
            if loss == "pixel_cross_entropy":
                targets[0, 0] = IGNORED
        wanted = made.clone().requires_grad_()
        expected = LOSSES[loss](wanted, targets)
        autograd.backward(expected)
        got, gradient = GRADIENTS[loss](made, targets)
        assert wanted.grad is not None
        # What sums over pixels, or over known targets, adds in another order.
        tolerance = {} if loss in ("pixel_cross_entropy", "masked_squared_error") else {"rtol": 0, "atol": 0}
        torch.testing.assert_close(got, expected.detach(), **tolerance)
        torch.testing.assert_close(gradient, wanted.grad, **tolerance)


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
