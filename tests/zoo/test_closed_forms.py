"""Families whose size follows from their papers, and what their papers promise of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch
from torch import Tensor, nn

from evoarch.evaluators.zoo.catalogue import load_catalogue
from zoo.build import build, entry
from zoo.closed_forms import EXPECTED
from zoo.oracle import count, scatter
from zoo.others import ADAPTED

CATALOGUE = load_catalogue()


@pytest.mark.parametrize(("family", "variant"), EXPECTED, ids="-".join)
def test_a_variant_has_the_size_that_its_paper_gives(family: str, variant: str) -> None:
    found = CATALOGUE[family].variant(variant)
    with torch.device("meta") if family in ("vanillanet", "pflayer") else torch.device("cpu"):
        assert count(build(CATALOGUE[family], found)) == found.parameters == EXPECTED[family, variant]()


@pytest.mark.parametrize(
    ("variant", "figure"), [("emo-1m", 1.3), ("emo-2m", 2.3), ("emo-5m", 5.1), ("emo-6m", 6.1)]
)
def test_emo_has_the_published_size_cut_after_one_decimal(variant: str, figure: float) -> None:
    assert CATALOGUE["emo"].variant(variant).parameters // 100_000 == round(10 * figure)


def _fold(conv: Any, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer with the norm behind it worked in."""
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()  # type: ignore[operator]
    bias = norm.bias if conv.bias is None else norm.bias + conv.bias * factor
    weight = conv.weight * factor.view(-1, *[1] * (conv.weight.ndim - 1))
    return weight, bias - norm.running_mean * factor  # type: ignore[operator]


def test_vanillanet_folds_into_its_published_form() -> None:
    make = entry(CATALOGUE["vanillanet"])
    shape, kwargs = (3, 16, 16), {"dims": (6, 8, 10), "strides": (2, 2), "patch": 2, "reach": 1}
    torch.manual_seed(0)
    trained = make(shape, 5, deploy=False, slope=1.0, **kwargs).double()
    inputs = torch.randn(8, *shape, dtype=torch.float64)
    scatter(trained, inputs)
    folded = make(shape, 5, **kwargs).double()
    with torch.no_grad():
        for ours, theirs in zip(folded.layers, trained.layers, strict=True):
            if type(theirs).__name__ == "Deep":
                first, bias1 = _fold(theirs.first, theirs.norm1)
                second, bias2 = _fold(theirs.second, theirs.norm2)
                ours.weight.copy_(torch.einsum("om,mihw->oihw", second[:, :, 0, 0], first))
                ours.bias.copy_(second[:, :, 0, 0] @ bias1 + bias2)
            elif type(theirs).__name__ == "Series":
                weight, bias = _fold(theirs.sum, theirs.norm)
                ours.sum.weight.copy_(weight)
                ours.sum.bias.copy_(bias)
        weight, bias = _fold(trained.head, trained.norm)
        folded.head.weight.copy_(trained.last.weight @ weight)
        folded.head.bias.copy_(trained.last.weight @ bias + trained.last.bias)
        expected = trained.eval()(inputs)
        assert expected.std() > 1e-3
        torch.testing.assert_close(folded.eval()(inputs), expected, rtol=1e-9, atol=1e-9)


def test_riformer_folds_its_affine_mixer_into_the_norm() -> None:
    make = entry(CATALOGUE["riformer"])
    shape, kwargs = (3, 32, 32), {"depths": (1, 2), "dims": (8, 12), "ratio": 2}
    trained, folded = (make(shape, 5, mixer=mixer, **kwargs).double() for mixer in ("affine", "identity"))
    inputs = torch.randn(4, *shape, dtype=torch.float64)
    scatter(trained, inputs)
    left = {key: value.clone() for key, value in trained.state_dict().items() if ".mixer." not in key}
    for key, value in trained.state_dict().items():
        if ".mixer.weight" in key:
            bias = key.replace("weight", "bias")
            norm = key.replace("mixer", "norm1")
            left[norm] = left[norm] * (value - 1)
            shift = norm.replace("weight", "bias")
            left[shift] = left[shift] * (value - 1) + trained.state_dict()[bias]
    folded.load_state_dict(left)
    with torch.no_grad():
        torch.testing.assert_close(folded(inputs), trained(inputs), rtol=1e-9, atol=1e-9)


def test_a_pair_of_thin_convolutions_is_one_of_low_rank() -> None:
    family = CATALOGUE["lowrank"]
    block: Any = build(family, family.variant("pufferfish-resnet18")).blocks[4]  # type: ignore[index, union-attr]
    thin, back = block.conv1
    kernel = torch.einsum("or,rihw->oihw", back.weight[:, :, 0, 0], thin.weight)
    assert torch.linalg.matrix_rank(kernel.flatten(1)) == back.out_channels // 4
    inputs = torch.randn(2, thin.in_channels, 6, 6)
    expected = nn.functional.conv2d(inputs, kernel, stride=2, padding=1)
    torch.testing.assert_close(block.conv1(inputs), expected, rtol=1e-4, atol=1e-4)


def test_bert_mini_gives_the_outputs_of_torchs_encoder() -> None:
    family = CATALOGUE["flexibert"]
    ours: Any = build(family, family.variant("bert-mini")).double()
    scatter(ours, torch.randn(2, 1, 40, dtype=torch.float64))
    layer = nn.TransformerEncoderLayer(256, 4, 1024, 0.0, "gelu", batch_first=True)
    theirs = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False).double()
    with torch.no_grad():
        for mine, other in zip(ours.layers, theirs.layers, strict=True):
            other.self_attn.in_proj_weight.copy_(mine.mix.qkv.weight)
            other.self_attn.in_proj_bias.copy_(mine.mix.qkv.bias)
            pairs: list[tuple[nn.Module, nn.Module]] = [
                (other.self_attn.out_proj, mine.mix.out),
                (other.norm1, mine.norm1),
                (other.linear1, mine.dense[0]),
                (other.linear2, mine.dense[2]),
                (other.norm2, mine.norm2),
            ]
            for target, source in pairs:
                target.load_state_dict(source.state_dict())
        inputs = torch.randn(2, 40, 256, dtype=torch.float64)
        torch.testing.assert_close(ours.layers(inputs), theirs(inputs), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["dct", "dft"])
def test_flexiberts_transforms_are_those_of_scipy(kind: str) -> None:
    module: Any = build(CATALOGUE["flexibert"], CATALOGUE["flexibert"].small[0])
    transform = type(module.layers[2].mix)(kind)
    inputs = torch.randn(2, 7, 6, dtype=torch.float64)
    values = inputs.numpy()
    wanted = scipy.fft.dctn(values, axes=(1, 2)) if kind == "dct" else np.fft.fft2(values).real
    torch.testing.assert_close(transform(inputs), torch.from_numpy(wanted))


def test_a_message_step_is_what_the_paper_writes() -> None:
    family = CATALOGUE["meshgraphnet"]
    model: Any = entry(family)((2, 3, 2), 4, hidden=5, steps=1).double()
    step = model.steps[0]
    nodes = torch.randn(1, 6, 5, dtype=torch.float64)
    edges = torch.randn(1, len(model.sender), 5, dtype=torch.float64)
    got_nodes, got_edges = step(nodes, edges, model.sender, model.receiver)
    sums = torch.zeros(6, 5, dtype=torch.float64)
    for number, (sender, receiver) in enumerate(zip(model.sender, model.receiver, strict=True)):
        assert abs(int(sender) - int(receiver)) in (1, 2)  # neighbours of a grid of 3 x 2
        message = step.edge(torch.cat([edges[0, number], nodes[0, sender], nodes[0, receiver]]))
        torch.testing.assert_close(got_edges[0, number], edges[0, number] + message)
        sums[receiver] += message
    for number in range(6):
        expected = nodes[0, number] + step.node(torch.cat([nodes[0, number], sums[number]]))
        torch.testing.assert_close(got_nodes[0, number], expected)
    assert len(model.sender) == 2 * (2 * 2 + 3)


def test_emos_windows_attend_within_themselves() -> None:
    """A change in one window changes no value that attention gives in another."""
    model: Any = build(CATALOGUE["emo"], CATALOGUE["emo"].small[0])
    block = model.layers[-1]
    inputs = torch.randn(1, 24, 8, 8)
    other = inputs.clone()
    other[:, :, :4, :4] += 1
    with torch.no_grad():
        difference = (block.attend(inputs) - block.attend(other)).abs().amax((0, 1))
    assert difference[:4, :4].min() > 0
    assert difference[4:].max() == difference[:, 4:].max() == 0


@pytest.mark.parametrize(
    ("name", "number"),
    [
        pytest.param(name, number, id=f"{name}-{'x'.join(map(str, small.input))}")
        for name in sorted({*ADAPTED, "lowformer", *(family for family, _ in EXPECTED)})
        for number, small in enumerate(CATALOGUE[name].small)
    ],
)
def test_a_small_network_learns_from_every_parameter(name: str, number: int) -> None:
    small = CATALOGUE[name].small[number]
    torch.manual_seed(0)
    model = build(CATALOGUE[name], small)
    inputs = torch.randn(8, *small.input)
    scatter(model, inputs)  # what starts at zero, such as an affine mixer less its input, hides others
    logits: Tensor = model(inputs)
    assert logits.shape == (8, small.classes)
    nn.functional.cross_entropy(logits, torch.arange(8) % small.classes).backward()
    without = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert not without
    assert 3_000 < count(model) < 60_000
