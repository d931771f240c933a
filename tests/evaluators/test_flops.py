"""FLOPs and parameters of known models against counts by hand; multiply and add count as two."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from evoarch.evaluators.inside.build import state_of
from evoarch.evaluators.inside.flops import count_flops
from evoarch.evaluators.inside.layers import layer_table
from evoarch.evaluators.params import count_params

BATCH = 4


class Of(nn.Module):
    """A forward pass written as a function of the module's parts."""

    def __init__(self, forward: Callable[..., Tensor], **parts: nn.Module | nn.Parameter) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(self, x)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(40, 100), nn.ReLU(), nn.Linear(100, 10))


def depthwise() -> nn.Module:
    return nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.BatchNorm2d(6), nn.Conv2d(6, 12, 1))


def residual() -> nn.Module:
    parts = {"a": nn.Conv1d(4, 4, 3, padding=1, bias=False), "n": nn.BatchNorm1d(4), "out": nn.Linear(4, 10)}
    return Of(lambda m, x: m.out((x + torch.relu(m.n(m.a(x)))).mean(2)), **parts)


def broadcast() -> nn.Module:
    """A matrix product written as a broadcast product and a sum, then a scale and a shift."""
    parts = {
        name: nn.Parameter(torch.randn(*size)) for name, size in (("w", (10, 40)), ("s", (10,)), ("t", (10,)))
    }
    return Of(lambda m, x: (x[:, None] * m.w).sum(2) * m.s + m.t, **parts)


def attention(dropout: float = 0.1) -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=dropout, batch_first=True)


KNOWN = {
    # Two per weight and use of it; a bias is free.
    "linear MLP": (mlp, (40,), 2 * (40 * 100 + 100 * 10), 40 * 100 + 100 + 100 * 10 + 10),
    "conv1d": (lambda: nn.Conv1d(3, 5, 3, stride=2), (3, 21), 2 * 10 * 5 * 3 * 3, 5 * 3 * 3 + 5),
    "conv2d": (lambda: nn.Conv2d(3, 8, 3, padding=1), (3, 6, 7), 2 * 6 * 7 * 8 * 3 * 9, 8 * 3 * 9 + 8),
    "GRU": (
        lambda: Of(lambda m, x: m.gru(x)[0], gru=nn.GRU(8, 16, batch_first=True)),
        (3, 8),
        2 * 3 * 3 * 16 * (8 + 16),
        3 * 16 * (8 + 16 + 2),
    ),
    # Projections in and out, scores and their use, two layers of the feed-forward part; 5 positions.
    "attention": (
        attention,
        (5, 8),
        2 * 5 * 8 * (3 * 8) + 2 * 5 * 8 * 8 + 2 * (2 * 5 * 5 * 8) + 2 * 5 * (8 * 16 + 16 * 8),
        3 * 8 * 8 + 3 * 8 + 8 * 8 + 8 + 8 * 16 + 16 + 16 * 8 + 8 + 4 * 8,
    ),
    "depthwise conv": (
        depthwise,
        (6, 5, 5),
        2 * 25 * 6 * 9 + 2 * 25 * 6 * 12,
        6 * 9 + 6 + 2 * 6 + 6 * 12 + 12,
    ),
    "residual net": (residual, (4, 9), 2 * 9 * 4 * 4 * 3 + 2 * 4 * 10, 4 * 4 * 3 + 2 * 4 + 4 * 10 + 10),
    "broadcast multiply-add": (broadcast, (40,), 2 * 10 * 40 + 2 * 10, 10 * 40 + 10 + 10),
}


@pytest.mark.parametrize(("make", "shape", "flops", "params"), KNOWN.values(), ids=KNOWN)
def test_a_known_model_is_counted_as_by_hand(
    make: Callable[[], nn.Module], shape: tuple[int, ...], flops: int, params: int
) -> None:
    model = make()
    state, ties = state_of(model)
    assert count_params({name: value.numpy() for name, value in state.items()}, ties) == params
    assert count_flops(model, torch.randn(BATCH, *shape)) == flops
    assert layer_table(model, torch.randn(BATCH, *shape))[-1]["flops"] == flops


def lstm(m: Of, x: Tensor) -> Tensor:
    out: Tensor = m.part(x)[0]
    return out


WAYS = {
    "a loop over rows": lambda m, x: torch.stack([m.w.mv(row) for row in x]),
    "einsum": lambda m, x: torch.einsum("bi,oi->bo", x, m.w),
    "a broadcast product": lambda m, x: (x[:, None] * m.w).sum(2),
    "an expanded product": lambda m, x: (x[:, None].expand(-1, 10, -1) * m.w.expand(len(x), -1, -1)).sum(2),
    "addcmul": lambda m, x: torch.addcmul(torch.zeros(1), x[:, None], m.w).sum(2),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_matrix_product_costs_the_same_however_it_is_written(way: Callable[..., Tensor]) -> None:
    model = Of(way, w=nn.Parameter(torch.randn(10, 40)))
    assert count_flops(model, torch.randn(BATCH, 40)) == 2 * 10 * 40


OTHERS = {
    "a fused LSTM": (
        lambda: Of(lstm, part=nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)),
        (3, 8),
        2 * 3 * 2 * 4 * 16 * ((8 + 16) + (32 + 16)),
    ),
    "attention without dropout": (lambda: attention(0.0), (5, 8), KNOWN["attention"][2]),
    "a real Fourier transform": (lambda: Of(lambda _, x: torch.fft.rfft(x).abs()), (64,), 5 * 64 * 6 // 2),
    "there and back": (lambda: Of(lambda _, x: torch.fft.irfft(torch.fft.rfft(x))), (64,), 5 * 64 * 6),
    "a gate": (lambda: Of(lambda _, x: x * torch.sigmoid(x) * 2.0), (64,), 0),
    "only in evaluation": (
        lambda: Of(lambda m, x: x if m.training else m.part(x), part=nn.Linear(8, 8)),
        (8,),
        2 * 8 * 8,
    ),
}


@pytest.mark.parametrize(("make", "shape", "flops"), OTHERS.values(), ids=OTHERS)
def test_what_torch_passes_over_is_counted(
    make: Callable[[], nn.Module], shape: tuple[int, ...], flops: int
) -> None:
    assert count_flops(make(), torch.randn(BATCH, *shape)) == flops


def test_what_has_no_count_says_so() -> None:
    model = Of(lambda _, x: torch.linalg.inv(x.T @ x))
    with pytest.raises(ValueError, match="no count of linalg_inv_ex"):
        count_flops(model, torch.randn(BATCH, 3))
