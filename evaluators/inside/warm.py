"""One use of everything common, before any fork: a child can't import what torch loads on first use."""

from __future__ import annotations

import einops.layers.torch
import torch
from torch import autograd, nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.optim.lr_scheduler import OneCycleLR


class _Zoo(nn.Module):
    """Convolution, normalisation, recurrence and attention in one small model of (n, 1, 8) inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = parametrizations.weight_norm(nn.Conv1d(1, 4, 3, padding=1))
        self.batch_norm = nn.BatchNorm1d(4)
        self.group_norm = nn.GroupNorm(2, 4)
        self.gru = nn.GRU(4, 4, batch_first=True, bidirectional=True)
        self.lstm = nn.LSTM(8, 4, batch_first=True)
        self.attention = nn.TransformerEncoderLayer(4, 2, dim_feedforward=8, batch_first=True)
        self.order = einops.layers.torch.Rearrange("b l c -> b c l")
        self.linear = parametrizations.spectral_norm(nn.Linear(4, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.gelu(self.group_norm(self.batch_norm(self.conv(x))))
        x, _ = self.gru(x.transpose(1, 2))
        x, _ = self.lstm(x)
        x = einops.rearrange(self.order(self.attention(x)), "b c l -> b c l")
        x = functional.interpolate(functional.pad(x, (1, 1)), scale_factor=2.0)
        x = functional.adaptive_avg_pool1d(functional.max_pool1d(x, 2), 1) + torch.fft.rfft(x).abs().mean()
        return torch.einsum("bk,k->bk", self.linear(functional.dropout(x.flatten(1), 0.1)), x.new_ones(3))


def warmup() -> None:
    """One training step in float32 and one forward and backward in float64, on the CPU."""
    exercise(torch.device("cpu"))
    torch.randperm(4, generator=torch.Generator().manual_seed(0))


def exercise(device: torch.device) -> None:
    """The same on a device."""
    inputs, targets = torch.randn(4, 1, 8).to(device), torch.tensor([0, 1, 2, 0]).to(device)
    model = _Zoo().to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    schedule = OneCycleLR(optimiser, max_lr=1e-3, total_steps=3)
    autograd.backward(functional.cross_entropy(model(inputs), targets))
    optimiser.step()
    schedule.step()
    model.double()
    autograd.backward(functional.cross_entropy(model(inputs.double()), targets))
    model.eval()
    with torch.no_grad():
        model(inputs.double())
