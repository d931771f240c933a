"""Growing is exact: a wider or deeper file of the zoo begins by computing what the smaller one does."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import nn

from evoarch.agent.operators.scaling.knobs import Number, knobs_of
from evoarch.evaluators.inside.grow import EXACT, EXAMPLES, grown, scramble
from evoarch.evaluators.inside.grow_layers import ApartError
from evoarch.evaluators.zoo.catalogue import load_catalogue
from evoarch.evaluators.zoo.fit import fit

CATALOGUE = load_catalogue()
DIGITS = {"input_shape": (1, 8, 8), "num_classes": 10}
WIDER = (
    *("bifpn", "efficientnet", "efficientnet_v2", "fbnet_c", "fbnet_v3", "genet", "hardcore_nas", "lowrank"),
    *("mnasnet", "mobileone", "pflayer", "proxylessnas", "simplenet", "spnasnet", "starnet", "tinynet"),
    *("unetpp", "vanillanet"),
)
DEEPER = (
    *("efficientnet", "efficientnet_v2", "fbnet_v3", "genet", "hourglass_mlp", "lowrank", "mnasnet"),
    *("regnet", "starnet", "tinynet", "unetpp"),
)


def model_of(source: str) -> nn.Module:
    module = ModuleType("grown")
    exec(compile(source, "grown", "exec"), module.__dict__)
    model: nn.Module = module.Model(**DIGITS)
    return model.double().eval()


def apart(small: str, large: str) -> tuple[float, float, int]:
    """By how much outputs differ, how much they vary, and how many parameters there are more: of a model with
    weights as if it were trained.
    """
    torch.manual_seed(0)
    one, other = model_of(small), model_of(large)
    inputs, others = (torch.randn(EXAMPLES, 1, 8, 8, dtype=torch.float64) for _ in range(2))
    with torch.no_grad():
        scramble(one, others)
    found = grown(one, other, inputs, others)
    fresh = torch.randn(5, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        wanted = one(fresh)
        torch.testing.assert_close(other(fresh), wanted, rtol=EXACT, atol=EXACT)
    count = sum(p.numel() for p in other.parameters()) - sum(p.numel() for p in one.parameters())
    return found, wanted.std(0).max().item(), count


def fitted(name: str) -> str:
    return fit(CATALOGUE[name], DIGITS, 5_000).source


@pytest.mark.parametrize("factor", [2.0, pytest.param(1.7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", WIDER)
def test_a_wider_file_computes_the_same(name: str, factor: float) -> None:
    source = fitted(name)
    found, spread, more = apart(source, knobs_of(source, DIGITS).scaled(width=factor))
    assert found <= EXACT
    assert spread > 1e-4, "outputs that do not depend on the inputs would be equal whatever was done"
    assert more > 0


@pytest.mark.parametrize("name", DEEPER)
def test_a_deeper_file_computes_the_same(name: str) -> None:
    source = fitted(name)
    knobs = knobs_of(source, DIGITS)
    counts = [depth for depth in knobs.depths if isinstance(depth, Number)]
    found, spread, more = apart(source, knobs.scaled(depths=dict.fromkeys(counts, 2.0)))
    assert found <= EXACT
    assert spread > 1e-4
    assert more > 0


def test_wider_and_deeper_at_once() -> None:
    source = fitted("starnet")
    knobs = knobs_of(source, DIGITS)
    counts = [depth for depth in knobs.depths if isinstance(depth, Number)]
    found, _, _ = apart(source, knobs.scaled(2.0, dict.fromkeys(counts, 2.0)))
    assert found <= EXACT


LAYERS = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.GroupNorm(2, 6), nn.PReLU(6))
        self.second = nn.Conv2d(6, 6, 3, padding=1, groups=3)
        self.rows = nn.{recurrent}(6, 4, num_layers=2, batch_first=True, bidirectional=True)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.hidden = nn.Linear(8 + 6, 10)
        self.head = nn.Linear(10, num_classes)

    def forward(self, x):
        x = self.first(x)
        x = torch.cat([x.mean(3).flip(1), self.second(x).amax(3)], 2).transpose(1, 2)
        y, _ = self.rows(x)
        y = self.norm(y + self.mix(y, y, y)[0])
        return self.head(torch.tanh(self.hidden(torch.cat([y.mean(1), x.mean(1)], 1))))
"""


@pytest.mark.parametrize("recurrent", ["GRU", "LSTM", "RNN"])
def test_joined_recurrent_attending_and_normed_layers_grow(recurrent: str) -> None:
    source = LAYERS.replace("{recurrent}", recurrent)
    wider = source
    for old, new in (
        ("(1, 6,", "(1, 12,"),
        ("(2, 6)", "(2, 12)"),
        ("PReLU(6)", "PReLU(12)"),
        ("(6, 6, 3", "(12, 12, 3"),
        ("(6, 4,", "(12, 8,"),
        ("(8, 2,", "(16, 2,"),
        ("LayerNorm(8)", "LayerNorm(16)"),
        ("(8 + 6, 10)", "(16 + 12, 23)"),
        ("(10, num", "(23, num"),
    ):
        wider = wider.replace(old, new)
    found, spread, _ = apart(source, wider)
    assert found <= EXACT
    assert spread > 1e-4


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("LayerNorm(8)", "Identity()", "hidden: reads what no channel was before"),
        ("padding=1, groups=3", "padding=1, groups=2", "second: an output is no longer made"),
        ("x.mean(3).flip(1)", "x.std(3)", "reads what no channel was before|outputs differ"),
        ("torch.tanh", "torch.relu", "head: reads what no channel was before"),
    ],
)
def test_what_computes_something_else_is_told_apart(old: str, new: str, said: str) -> None:
    source = LAYERS.replace("{recurrent}", "GRU")
    assert old in source
    with pytest.raises(ApartError, match=said):
        apart(source, source.replace(old, new))
