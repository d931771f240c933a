from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from evoarch.evaluators.inside.build import build
from evoarch.evaluators.task import Split
from evoarch.evaluators.tasks import TASKS, UnknownTask, load_task
from evoarch.evaluators.tasks.mnist1d import Mnist1d, ShuffledMnist1d
from evoarch.sandbox.child import load

COUNTS = {"conv_base": 5_210, "gru": 5_134, "mlp": 15_210, "residual_cnn": 91_082}


def rows(split: Split) -> set[bytes]:
    return {row.tobytes() for row in split.inputs}


def test_splits_share_no_example_and_cover_the_training_set() -> None:
    splits = Mnist1d().splits(3)
    train, held, test = rows(splits.train), rows(splits.validation), rows(Mnist1d().sealed_tests(0)["public"])
    assert (len(train), len(held), len(test)) == (3500, 500, 1000)
    assert not train & held
    assert not (train | held) & test


def test_the_data_are_those_of_the_published_seed() -> None:
    test = Mnist1d().sealed_tests(0)["public"]
    assert test.inputs.shape == (1000, 40)
    assert test.inputs.dtype == np.float32
    assert test.targets.dtype == np.int64
    assert np.bincount(test.targets, minlength=10).min() > 70
    first = Mnist1d().splits(0)
    pool = np.concatenate([first.train.inputs, first.validation.inputs])
    # make_dataset() of mnist1d 0.0.2 with its default arguments (seed 42).
    expected = np.array([-0.33200567, -0.47191037, -0.77869708, -1.00974083], dtype=np.float32)
    assert (np.abs(pool[:, :4] - expected).max(1) < 1e-5).sum() == 1


def test_the_seed_alone_draws_the_split() -> None:
    one, same, other = (Mnist1d().splits(seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.validation.inputs, same.validation.inputs)
    np.testing.assert_array_equal(one.train.targets, same.train.targets)
    assert rows(one.validation) != rows(other.validation)


def test_making_the_data_leaves_the_global_generators_alone() -> None:
    from evoarch.evaluators.tasks import mnist1d

    mnist1d._dataset.cache_clear()
    np.random.seed(5)
    random.seed(5)
    Mnist1d().splits(0)
    drawn = (np.random.random(), random.random())
    np.random.seed(5)
    random.seed(5)
    assert drawn == (np.random.random(), random.random())


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_baselines_have_the_published_sizes(name: str, count: int) -> None:
    task = Mnist1d()
    model = build(load(task.seeds[name]), {"entry": "Model", "offers": task.offers})
    assert sum(p.numel() for p in model.parameters()) == count
    assert model(torch.zeros(2, 40)).shape == (2, 10)


def test_there_are_four_baselines_and_three_recipes() -> None:
    assert set(Mnist1d().seeds) == set(COUNTS)
    assert set(Mnist1d().recipes) == {"fast", "full", "paper"}


def test_the_shuffled_variant_moves_every_split_by_one_permutation() -> None:
    plain, moved = Mnist1d(), ShuffledMnist1d()
    before, after = plain.splits(3), moved.splits(3)
    order = [int(np.flatnonzero((before.train.inputs == c[:, None]).all(0))[0]) for c in after.train.inputs.T]
    assert sorted(order) == list(range(40))
    assert order != list(range(40))
    np.testing.assert_array_equal(after.validation.inputs, before.validation.inputs[:, order])
    np.testing.assert_array_equal(after.validation.targets, before.validation.targets)
    np.testing.assert_array_equal(
        moved.selection_splits(3).train.inputs, plain.selection_splits(3).train.inputs[:, order]
    )


def test_tasks_are_found_by_name() -> None:
    assert [load_task(name).name for name in TASKS] == list(TASKS)
    with pytest.raises(
        UnknownTask, match=r"expected one of .*mnist1d.*, got 'mnist-1d'; nearest is 'mnist1d'"
    ):
        load_task("mnist-1d")
