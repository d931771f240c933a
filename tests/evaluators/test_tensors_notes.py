"""`init` says what a data file was taken for, and a file of other names is told which they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from evoarch.evaluators.task import TaskError
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.tasks.files.tensors_file import read_parts
from kit.command import evoarch

RNG = np.random.default_rng(0)
LABELS = np.arange(30) % 3


def written(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("inputs", "targets", "said"),
    [
        (
            RNG.normal(size=(30, 7)),
            LABELS,
            ["30 training examples (float64) taken for vectors of 7 features"],
        ),
        (RNG.normal(size=(30, 7)), LABELS, ["for 3 classes", "a fifth is drawn for validation"]),
        (RNG.normal(size=(30, 3, 8, 8)), LABELS, ["3 channels of (8, 8), each channel standardised"]),
        (
            RNG.integers(0, 255, (30, 8, 8, 3), dtype=np.uint8),
            LABELS,
            [
                "looks like images with their channels last, and was taken for 8 channels",
                "np.moveaxis(x, -1, 1)",
            ],
        ),
        (
            RNG.integers(0, 9999, (30, 12)),
            LABELS,
            ["whole numbers, ", "taken for measurements and standardised: ids"],
        ),
        (
            RNG.normal(size=(30, 7)),
            LABELS.astype("float32"),
            ["taken for a regression: integers make classes"],
        ),
        (RNG.normal(size=(30, 7)), RNG.normal(size=(30, 2)), ["for a regression of 2 numbers"]),
    ],
)
def test_what_was_found_and_what_it_was_taken_for_is_said(
    tmp_path: Path, inputs: Any, targets: Any, said: list[str]
) -> None:
    path = written(tmp_path, x_train=inputs, y_train=targets)
    made = evoarch("init", str(tmp_path / "c"), "--lm", "none", "--task", f"tensors:{path}")
    assert made.exit_code == 0, made.output
    for part in said:
        assert part in made.stdout


def notes(path: Path) -> int:
    """How many sentences are said of a file."""
    return len(load_task(f"tensors:{path}").notes)  # type: ignore[attr-defined]


def test_nothing_is_doubted_where_nothing_is_odd(tmp_path: Path) -> None:
    grey = RNG.integers(0, 255, (30, 1, 8, 8), dtype=np.uint8)
    assert notes(written(tmp_path, x_train=grey, y_train=LABELS)) == 1
    columns = RNG.normal(size=(30, 4))
    assert notes(written(tmp_path, x_train=columns, y_train=RNG.normal(size=30))) == 1


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_other_names_are_listed_with_those_that_may_be_meant(tmp_path: Path, suffix: str) -> None:
    arrays = {"X": RNG.normal(size=(30, 4)), "y": LABELS, "w": np.ones(3)}
    path = tmp_path / f"data.{suffix}"
    if suffix == "npz":
        np.savez(path, **arrays)
    else:
        save_file(arrays, path)
    with pytest.raises(TaskError) as caught:
        read_parts(path)
    message = str(caught.value)
    assert "expected x_train and y_train, got " in message
    assert all(name in message.partition("got ")[2] for name in arrays)
    assert "if X and y are the training examples, save them as x_train and y_train" in message


def test_a_file_of_nothing_and_one_of_many_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="got nothing"):
        read_parts(written(tmp_path))
    many = {f"a{number}": LABELS for number in range(20)}
    with pytest.raises(TaskError, match=r"a0, .*a7 and 12 more$"):
        read_parts(written(tmp_path, **many))
