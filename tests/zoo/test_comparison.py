"""The comparison with an oracle itself: it passes what computes the same, and nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.oracle import copy_state, difference, scatter

TOLERANCE = 1e-5


class Net(nn.Module):
    """A small residual network; `late` defines its first layer last."""

    def __init__(self, eps: float = 1e-5, activation: type[nn.Module] = nn.ReLU, late: bool = False) -> None:
        super().__init__()
        if not late:
            self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6, eps=eps)
        self.act = activation()
        self.mix = nn.Conv2d(6, 6, 3, padding=1)
        self.mix2 = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 3)
        if late:
            self.stem = nn.Conv2d(2, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.stem(x)))
        y: Tensor = self.head((x + self.mix2(self.act(self.mix(x)))).mean((2, 3)))
        return y


class Swapped(Net):
    """Uses two layers of one shape in the other order."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.stem(x)))
        first = self.mix(x)
        y: Tensor = self.head((x + self.mix(self.act(self.mix2(x))) + 0 * first).mean((2, 3)))
        return y


def _differences(ours: nn.Module) -> list[float]:
    torch.manual_seed(0)
    inputs, theirs = torch.randn(3, 2, 8, 8), Net()
    scatter(theirs, inputs)
    copy_state(theirs, ours, inputs)
    return [difference(ours, theirs, inputs, training=training) for training in (False, True)]


@pytest.mark.parametrize("late", [False, True])
def test_what_computes_the_same_passes_whatever_the_order_of_definition(late: bool) -> None:
    assert max(_differences(Net(late=late))) < TOLERANCE


@pytest.mark.parametrize(
    "other",
    [Net(eps=1e-3), Net(activation=nn.ReLU6), Net(activation=nn.GELU), Swapped()],
    ids=["another epsilon", "a bounded activation", "a smooth activation", "layers swapped"],
)
def test_what_computes_something_else_fails(other: nn.Module) -> None:
    assert max(_differences(other)) > TOLERANCE


def test_other_shapes_are_named() -> None:
    inputs, other = torch.randn(3, 2, 8, 8), Net()
    other.head = nn.Linear(6, 3, bias=False)
    with pytest.raises(AssertionError, match=r"\{\(3,\): \(1, 0\)\}"):
        copy_state(Net(), other, inputs)


def test_an_oracle_that_does_not_look_at_its_inputs_is_no_oracle() -> None:
    inputs, blind = torch.randn(3, 2, 8, 8), Net()
    nn.init.zeros_(blind.head.weight)
    with pytest.raises(AssertionError, match="do not tell inputs apart"):
        difference(Net(), blind, inputs, training=False)
