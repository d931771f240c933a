"""What every family of the zoo holds by itself: a short, vetted file that builds and has the right size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evoarch.evaluators.zoo.catalogue import Family, Small, Variant, load_catalogue
from evoarch.sandbox.vet import vet
from zoo.build import build, entry
from zoo.oracle import count

FAMILIES = list(load_catalogue().values())
MAX_LINES = 150
SMALL_INPUTS = {(1, 8, 8), (3, 32, 32)}

by_name = pytest.mark.parametrize("family", [pytest.param(one, id=one.name) for one in FAMILIES])


@by_name
def test_a_genome_is_short_and_vetted(family: Family) -> None:
    variant = family.variants[0]
    offers = {"input_shape": variant.input, "num_classes": variant.classes}
    assert vet(family.source, entry="Model", offers=offers) == []
    assert family.source.count("\n") <= MAX_LINES


@pytest.mark.parametrize(
    ("family", "variant"),
    [pytest.param(one, two, id=f"{one.name}-{two.name}") for one in FAMILIES for two in one.variants],
)
def test_a_published_variant_has_as_many_parameters_as_published(family: Family, variant: Variant) -> None:
    with torch.device("meta"):
        assert count(build(family, variant)) == variant.parameters


@pytest.mark.parametrize(
    ("family", "small"),
    [pytest.param(one, two, id=f"{one.name}-{two.input}") for one in FAMILIES for two in one.small],
)
def test_a_small_network_learns(family: Family, small: Small) -> None:
    torch.manual_seed(0)
    model = build(family, small)
    inputs, targets = torch.randn(8, *small.input), torch.arange(8) % small.classes
    outputs = model(inputs)
    assert outputs.shape == (8, small.classes)
    nn.functional.cross_entropy(outputs, targets).backward()
    assert 5_000 <= count(model) <= 50_000
    idle = [name for name, each in model.named_parameters() if each.grad is None]
    assert not idle, "every parameter takes part in the outputs"
    assert all(torch.isfinite(each.grad).all() for each in model.parameters() if each.grad is not None)


@by_name
def test_a_family_offers_small_networks_for_small_images(family: Family) -> None:
    images = {small.input for small in family.small}
    assert images >= SMALL_INPUTS or all(len(shape) != 3 for shape in images)


@by_name
def test_width_makes_a_network_larger(family: Family) -> None:
    small = family.small[0]
    base = float(small.kwargs.get("width", 1.0))
    sizes = []
    for width in (base, 2 * base):
        wider = Small(small.input, {**small.kwargs, "width": width}, small.classes)
        with torch.device("meta"):
            sizes.append(count(build(family, wider)))
    assert sizes[1] > 1.5 * sizes[0]


def test_a_mobileone_folds_into_its_plain_form() -> None:
    family = load_catalogue()["mobileone"]
    make, shape = entry(family), (3, 32, 32)
    torch.manual_seed(0)
    trained, fused = make(shape, 10, width=0.5).double(), make(shape, 10, width=0.5, fused=True).double()
    trained(torch.randn(4, *shape, dtype=torch.float64))  # moves the norms' statistics
    with torch.no_grad():
        for branches, unit in zip(trained.features, fused.features, strict=True):
            _fold(branches, unit.branches[0])
        fused.head.load_state_dict(trained.head.state_dict())
        inputs = torch.randn(2, *shape, dtype=torch.float64)
        torch.testing.assert_close(fused.eval()(inputs), trained.eval()(inputs), rtol=0, atol=1e-9)


def _fold(unit: nn.Module, conv: nn.Conv2d) -> None:
    """Sets `conv` to the sum of a unit's branches: a norm is a scale and a shift in evaluation mode."""
    conv.weight.zero_()
    conv.bias.zero_()
    middle = conv.kernel_size[0] // 2
    for branch in unit.branches:
        norm = branch if isinstance(branch, nn.BatchNorm2d) else branch[1]
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        conv.bias += norm.bias - norm.running_mean * scale
        if branch is norm:
            own = torch.arange(conv.out_channels)
            conv.weight[own, own % conv.weight.shape[1], middle, middle] += scale
        elif branch[0].kernel_size == conv.kernel_size:
            conv.weight += branch[0].weight * scale[:, None, None, None]
        else:
            conv.weight[:, :, middle, middle] += branch[0].weight[:, :, 0, 0] * scale[:, None]
