"""Families whose oracle is a part, or lies in a package beside torchvision and timm.

`pytest tests/zoo -k NAME` tells of one family; those whose package is not installed are skipped.
"""

from __future__ import annotations

import pytest
import torch

from evoarch.evaluators.zoo.catalogue import Family, Variant, load_catalogue
from zoo.build import build
from zoo.oracle import copy_state, count, difference, scatter
from zoo.others import ADAPTED, needs_help, shape_of

CATALOGUE = load_catalogue()
PAIRS = [
    pytest.param(CATALOGUE[name], variant, id=f"{name}-{variant.name}")
    for name in ADAPTED
    for variant in CATALOGUE[name].variants
    if needs_help(CATALOGUE[name], variant)
]
TOLERANCE = 1e-5
SUMS_IN_ANOTHER_ORDER = {"tdnn"}
"""Families that sum over time in another order than the oracle: only float64 hides the rounding."""


@pytest.mark.parametrize(("family", "variant"), PAIRS)
def test_a_variant_equals_its_oracle(family: Family, variant: Variant) -> None:
    shape = shape_of(family, variant)
    torch.manual_seed(0)
    precision = torch.float64 if family.name in SUMS_IN_ANOTHER_ORDER else torch.float32
    theirs = ADAPTED[family.name](family, variant).to(precision)
    ours = build(family, variant, shape).to(precision)
    with torch.device("meta"):
        assert count(build(family, variant)) == variant.parameters
    assert count(ours) == count(theirs)
    inputs = torch.randn(3, *shape, dtype=precision)
    scatter(theirs, inputs)
    copy_state(theirs, ours, inputs)
    for training in (False, True, False):  # the last one sees the statistics that training moved
        assert difference(ours, theirs, inputs, training=training) < TOLERANCE
