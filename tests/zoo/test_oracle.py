"""Each family against independent code: the same parameters, and the same outputs from the same weights.

`pytest tests/zoo -k NAME` tells of one family. It needs torchvision, timm and pytorchcv, which are no
dependencies: `make zoo-oracle` fetches them.
"""

from __future__ import annotations

import pytest
import torch

from evoarch.evaluators.zoo.catalogue import Family, Variant, load_catalogue
from zoo.build import build
from zoo.oracle import copy_state, count, difference, oracle, scatter
from zoo.others import needs_help

CATALOGUE = load_catalogue()
PAIRS = [
    pytest.param(family, variant, id=f"{family.name}-{variant.name}")
    for family in CATALOGUE.values()
    for variant in family.variants
    if variant.oracle and not needs_help(family, variant)
]
TOLERANCE = 1e-5
SIZE = 64
"""Pixels of a side, where the family takes any size: the weights are the same, and it is quicker."""

SUMS_IN_ANOTHER_ORDER = {"mobileone"}
"""Families that add up their branches in another order than the oracle: only float64 hides the rounding.

It is slow here, so their images are half as large.
"""

OTHER_MOMENTUM = {"mnasnet"}
"""Families whose oracle moves the norms' statistics more slowly than torch's default, which the zoo keeps."""

FIXED_SIZE = {"efficientformer", "proxylessnas"}
"""Families of which this code or the oracle's takes images of the published size alone."""
CALLED_LAST = {"regnet": {"timm": "downsample"}}
"""Modules that the oracle calls last in their block and the zoo first, by family and package."""


@pytest.mark.parametrize(("family", "variant"), PAIRS)
def test_a_variant_equals_its_oracle(family: Family, variant: Variant) -> None:
    exact = family.name in SUMS_IN_ANOTHER_ORDER
    size, precision = (SIZE // 2, torch.float64) if exact else (SIZE, torch.float32)
    shape = variant.input if family.name in FIXED_SIZE else (variant.input[0], size, size)
    torch.manual_seed(0)
    theirs = oracle(variant.oracle, variant.oracle_kwargs).to(precision)
    ours = build(family, variant, shape).to(precision)
    assert count(ours) == count(theirs) == variant.parameters
    inputs = torch.randn(3, *shape, dtype=precision)
    scatter(theirs, inputs)
    package = variant.oracle.partition(":")[0]
    copy_state(theirs, ours, inputs, CALLED_LAST.get(family.name, {}).get(package, ""))
    passes = (False, True) if family.name in OTHER_MOMENTUM else (False, True, False)
    for training in passes:  # the last one sees the statistics that training moved
        assert difference(ours, theirs, inputs, training=training) < TOLERANCE


def test_every_exact_family_has_two_variants_to_compare() -> None:
    few = {
        family.name: len(compared)
        for family in CATALOGUE.values()
        if family.status == "exact"
        and family.oracles
        and len(compared := [variant for variant in family.variants if variant.oracle]) < 2
    }
    assert not few
