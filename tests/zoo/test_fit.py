"""A family at the size that was asked for: near to it, vetted, short, and one that a task can train."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from evoarch.evaluators.inside.flops import count_flops
from evoarch.evaluators.params import count_params
from evoarch.evaluators.zoo.catalogue import Family, load_catalogue
from evoarch.evaluators.zoo.fit import NEAR, FitError, fit, parameters_of
from evoarch.sandbox.vet import vet
from zoo.build import build

CATALOGUE = load_catalogue()
DIGITS = {"input_shape": (1, 8, 8), "num_classes": 10}
MNIST1D = {"input_shape": (40,), "num_classes": 10}
NOT_FOR_IMAGES = {"tdnn"}
NOT_FOR_SEQUENCES = {"efficientformer", "efficientmod", "emo", "enet", "evonorm", "lowformer", "riformer"}
"""Families whose file reads both dimensions of an image: they are refused."""

by_name = pytest.mark.parametrize("family", [pytest.param(one, id=one.name) for one in CATALOGUE.values()])


def model_of(source: str, offers: Mapping[str, Any]) -> nn.Module:
    """The model of a file, built as a task would, with the file's own defaults."""
    module = ModuleType("fitted")
    exec(compile(source, "fitted", "exec"), module.__dict__)
    model: nn.Module = module.Model(**offers)
    return model


def params(model: nn.Module) -> int:
    """What the project counts for a trained model, from its weights."""
    return count_params({name: value.numpy() for name, value in model.state_dict().items()})


def trains(source: str, offers: Mapping[str, Any]) -> None:
    """One step on eight examples moves every parameter that takes part."""
    torch.manual_seed(0)
    model = model_of(source, offers)
    outputs = model(torch.randn(8, *offers["input_shape"]))
    assert outputs.shape == (8, offers["num_classes"])
    nn.functional.cross_entropy(outputs, torch.arange(8) % offers["num_classes"]).backward()
    assert all(each.grad is not None and torch.isfinite(each.grad).all() for each in model.parameters())


@pytest.mark.parametrize(
    "budget",
    [5_000, pytest.param(20_000, marks=pytest.mark.slow), pytest.param(50_000, marks=pytest.mark.slow)],
)
@by_name
def test_a_family_is_fitted_to_digits_within_five_per_cent(family: Family, budget: int) -> None:
    if family.name in NOT_FOR_IMAGES:
        with pytest.raises(FitError, match="does not take the task's input, 1 x 8 x 8"):
            fit(family, DIGITS, budget)
        return
    fitted = fit(family, DIGITS, budget)
    assert abs(fitted.off) <= NEAR
    assert vet(fitted.source, entry="Model", offers=DIGITS) == []
    assert fitted.source.count("\n") <= 150
    assert params(model_of(fitted.source, DIGITS)) == fitted.parameters
    trains(fitted.source, DIGITS)


@pytest.mark.parametrize("budget", [500_000, pytest.param(5_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("starnet", "regnet", "hourglass_mlp") else pytest.mark.slow)
        for name in CATALOGUE
        if name not in NOT_FOR_IMAGES
    ],
)
def test_a_family_is_fitted_to_flops_within_five_per_cent(name: str, budget: int) -> None:
    fitted = fit(CATALOGUE[name], DIGITS, budget, flops=True)
    assert abs(fitted.off) <= NEAR
    model = model_of(fitted.source, DIGITS)
    # Counted on real values too, by the count that a score has.
    assert count_flops(model, torch.zeros(2, 1, 8, 8)) == fitted.size
    assert params(model) == fitted.parameters


@by_name
def test_a_family_is_written_for_one_dimension_or_refused(family: Family) -> None:
    if family.name in NOT_FOR_SEQUENCES:
        with pytest.raises(FitError, match="does not take the task's input, 40 numbers"):
            fit(family, MNIST1D, 5_000)
        return
    fitted = fit(family, MNIST1D, 8_000)
    assert "2d" not in fitted.source
    assert abs(fitted.off) <= 2 * NEAR
    assert vet(fitted.source, entry="Model", offers=MNIST1D) == []
    trains(fitted.source, MNIST1D)
    channel = {"input_shape": (1, 40), "num_classes": 10}
    trains(fit(family, channel, 8_000).source, channel)


@by_name
def test_sizes_are_counted_as_the_score_counts_them(family: Family) -> None:
    model = build(family, family.small[0])
    assert parameters_of(model) == params(model)


def test_a_fit_is_the_same_each_time_and_leaves_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second = (fit(CATALOGUE["starnet"], DIGITS, 10_000) for _ in range(2))
    assert first == second
    assert torch.equal(before, torch.get_rng_state())


def test_a_regression_has_its_own_name_for_the_outputs() -> None:
    offers = {"input_shape": (1, 8, 8), "num_outputs": 3}
    fitted = fit(CATALOGUE["mobileone"], offers, 10_000)
    assert vet(fitted.source, entry="Model", offers=offers) == []
    assert model_of(fitted.source, offers)(torch.zeros(2, 1, 8, 8)).shape == (2, 3)


def test_what_cannot_be_fitted_says_why() -> None:
    with pytest.raises(
        FitError, match=r"regnet: expected a budget that it reaches, got 20: its smallest here is"
    ):
        fit(CATALOGUE["regnet"], DIGITS, 20)
    with pytest.raises(
        FitError, match=r"expected a task of examples \(input_shape\), got one that offers nodes"
    ):
        fit(CATALOGUE["regnet"], {"nodes": 3}, 20)
