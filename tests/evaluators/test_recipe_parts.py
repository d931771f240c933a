"""The parts of a recipe: augmentation, soft targets, optimisers, averaged weights, and what is refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from evoarch.agent.base.errors import UserError
from evoarch.agent.evaluation.recipe_changes import changed
from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.inside.augment import CHANGES, augmenter
from evoarch.evaluators.inside.losses import GRADIENTS, IGNORED, gradient_of
from evoarch.evaluators.inside.optimisers import Average, optimisers_of
from evoarch.evaluators.inside.schedule import scheduler
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks.digits import Digits
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.job import Runner
from kit import campaigns

IMAGES = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
MASKS = (IMAGES[:, 0] > 0).long()
LABELS = torch.arange(40) % 3


@pytest.mark.parametrize("name", ["flip", "crop"])
def test_a_mask_moves_with_its_image(name: str) -> None:
    x, y = CHANGES[name](IMAGES, MASKS, torch.Generator().manual_seed(1))
    assert not torch.equal(x, IMAGES)
    known = y != IGNORED
    assert torch.equal((x[:, 0] > 0)[known], y[known].bool())
    assert (x[:, 0][~known] == 0).all()
    assert known.float().mean() > 0.7


def test_a_cutout_is_one_block_and_noise_is_small() -> None:
    x, y = CHANGES["cutout"](IMAGES, LABELS, torch.Generator().manual_seed(1))
    assert ((x == 0).sum((1, 2, 3)) == 4).all()
    assert torch.equal(y, LABELS)
    x, _ = CHANGES["noise"](IMAGES, LABELS, torch.Generator().manual_seed(1))
    assert 0.08 < (x - IMAGES).std() < 0.12


def test_the_same_seed_changes_a_batch_alike_and_leaves_the_genomes_draws_alone() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(7)
        augment = augmenter({"augment": ("flip", "crop", "mixup")}, IMAGES)
        found.append([augment(IMAGES, LABELS) for _ in range(2)])
        assert torch.initial_seed() == 7
        after = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(torch.rand(3), after)
    for (x, _, others, share), (same, _, same_others, same_share) in zip(*found, strict=True):
        assert others is not None
        assert same_others is not None
        assert torch.equal(x, same)
        assert torch.equal(others, same_others)
        assert share == same_share
        assert 0.5 <= share <= 1.0
    assert not torch.equal(found[0][0][0], found[0][1][0]), "each batch is drawn anew"


@pytest.mark.parametrize("loss", ["cross_entropy", "next_token", "pixel_cross_entropy"])
def test_soft_targets_are_torchs_and_so_is_their_gradient(loss: str) -> None:
    draw = torch.Generator().manual_seed(0)
    shapes = {"cross_entropy": (9,), "next_token": (9, 5), "pixel_cross_entropy": (9, 4, 4)}
    targets = torch.randint(3, shapes[loss], generator=draw)
    if loss == "pixel_cross_entropy":
        targets[0, 0] = IGNORED
    axis = -1 if loss == "next_token" else 1
    logits = torch.randn(*shapes[loss], 3, generator=draw).movedim(-1, axis).requires_grad_()
    rows = logits.flatten(0, 1) if loss == "next_token" else logits
    expected = functional.cross_entropy(
        rows, targets.flatten() if loss == "next_token" else targets, label_smoothing=0.2
    )
    expected.backward()
    value, gradient = gradient_of(loss, {"label_smoothing": 0.2}, targets, 3)(logits.detach(), targets)
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(gradient, logits.grad)


def test_balanced_classes_weigh_alike_and_plain_recipes_keep_the_plain_loss() -> None:
    targets = torch.tensor([0, 0, 0, 1])
    _, gradient = gradient_of("cross_entropy", {"class_weights": "balanced"}, targets, 2)(
        torch.zeros(4, 2), targets
    )
    torch.testing.assert_close(gradient.sum(0), torch.zeros(2))
    assert gradient_of("cross_entropy", {}, targets, 2) is GRADIENTS["cross_entropy"]


def test_muon_takes_matrices_and_leaves_embeddings_and_the_rest() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3))
    recipe = {"optimiser": "muon", "rate": 0.01, "weight_decay": 0.0}
    adamw, muon = optimisers_of(model, recipe)
    assert [tuple(p.shape) for p in muon.param_groups[0]["params"]] == [(3, 4)]
    assert [tuple(p.shape) for p in adamw.param_groups[0]["params"]] == [(5, 4), (3,)]
    with pytest.raises(ValueError, match="expected adamw, sgd or muon, got 'lion'"):
        optimisers_of(model, {**recipe, "optimiser": "lion"})


def test_the_average_lags_behind_and_without_a_decay_there_is_none() -> None:
    model, average, none = nn.Linear(1, 1, bias=False), Average(0.5), Average(0.0)
    for value in (0.0, 1.0, 1.0):
        nn.init.constant_(model.weight, value)
        average.take(model)
        none.take(model)
    state = {"weight": model.weight.detach()}
    assert 0.5 < average.of(state)["weight"].item() < 1.0
    assert none.of(state)["weight"] is state["weight"]


def test_a_cosine_rises_and_falls() -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    recipe = {"schedule": "cosine", "rate": 2.0, "steps": 100, "hold": 0, "warmup": 0.1}
    set_rate, rates = scheduler(optimiser, recipe, 0), []
    for step in range(100):
        set_rate(step)
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == rates[10] == rates[9] == 2.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.01


def config_of(recipe: dict[str, Any], **tables: Any) -> Any:
    return campaigns.config_of(recipe=recipe, **tables)


def test_a_campaign_changes_its_recipe_and_no_key_means_no_change() -> None:
    plain = Mnist1d().recipes["fast"]
    assert changed(plain, config_of({}), Mnist1d()) is plain
    found = changed(
        plain, config_of({"rate_factor": 2.0, "optimiser": "sgd", "augment": ("noise",)}), Mnist1d()
    )
    assert found == replace(plain, rate=0.08, optimiser="sgd", augment=("noise",))


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (
            {"augment": ("flip",)},
            r"augment: expected each once of noise, mixup for mnist1d, got .flip",
        ),
        ({"augment": ("noise", "noise")}, "augment: expected each once of"),
        ({"warmup": 0.1}, 'warmup: expected schedule = "cosine" beside it, got "onecycle"'),
    ],
)
def test_what_a_task_cannot_do_is_one_line(recipe: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        changed(Mnist1d().recipes["fast"], config_of(recipe), Mnist1d())


def test_rungs_and_recipe_changes_do_not_go_together() -> None:
    config = config_of({"clip": 1.0}, evaluation={"rungs": ({"share": 0.5},)})
    with pytest.raises(UserError, match=r"\[recipe\]: expected none beside evaluation.rungs"):
        changed(Mnist1d().recipes["fast"], config, Mnist1d())


def test_all_parts_together_train_behind_the_walls(walls: tuple[asyncio.Runner, Runner]) -> None:
    loop, runner = walls
    recipe = Recipe(
        "all",
        rate=0.01,
        steps=60,
        batch=64,
        optimiser="muon",
        schedule="cosine",
        warmup=0.1,
        clip=1.0,
        average=0.9,
        label_smoothing=0.1,
        class_weights="balanced",
        augment=("crop", "cutout", "noise", "mixup"),
    )
    evaluator = Evaluator(Digits(), recipe, runner, ceiling=1.0)
    found = [
        loop.run(evaluator.evaluate(Digits().seeds["mlp"], digest="parts", repeat=0)).outcome
        for _ in range(2)
    ]
    assert isinstance(found[0], Scored), found[0]
    assert found[0] == found[1], "the same seed, the same weights"
    assert found[0].metrics["error"] < 0.5
