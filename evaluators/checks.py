"""What a task must hold before anything is spent on it. Each mistake is one line: place, expected, got."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Split, Splits, SupervisedTask, Task, TaskError

WIDTH = {
    "cross_entropy": "num_classes",
    "mean_squared_error": "num_outputs",
    "next_token": "vocab_size",
    "pixel_cross_entropy": "num_classes",
    "masked_squared_error": "num_outputs",
}
"""The loss of a task, and what it offers as the number of a model's outputs."""

NUMBERS = ("mean_squared_error", "masked_squared_error")
"""The losses of a regression."""

UNLABELLED = -100
"""The target of a pixel that nobody labelled (evaluators.inside.losses.IGNORED)."""

Answer = TypeVar("Answer")


def asked(task: Task, what: str, question: Callable[[], Answer]) -> Answer:
    """What a task answers. Raises TaskError, one line, for whatever its own code raises."""
    try:
        return question()
    except TaskError:
        raise
    except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        message = " ".join(str(error).split())
        raise TaskError(f"task {task.name}: {what}: {type(error).__name__}: {message}") from None


def offered(task: Task) -> Mapping[str, object]:
    """What a model may ask for, by name. Raises TaskError."""
    offers: object = task.offers
    if not isinstance(offers, Mapping):
        raise TaskError(f"task {task.name}: offers: expected a dict by name, got {offers!r}")
    return offers


def input_shape(task: SupervisedTask) -> tuple[int, ...]:
    """What `offers` say of one example's shape. Raises TaskError."""
    shape = offered(task).get("input_shape")
    if not isinstance(shape, tuple | list) or not all(type(size) is int and size > 0 for size in shape):
        raise TaskError(f"task {task.name}: offers.input_shape: expected a tuple of sizes, got {shape!r}")
    if not shape:
        raise TaskError(f"task {task.name}: offers.input_shape: expected at least one size, got ()")
    return tuple(shape)


def outputs(task: SupervisedTask) -> int:
    """What `offers` say of the number of a model's outputs. Raises TaskError."""
    # A list is no key of a dict.
    loss: object = task.loss
    key = WIDTH.get(loss) if isinstance(loss, str) else None
    if key is None:
        raise TaskError(f"task {task.name}: loss: expected one of {', '.join(WIDTH)}, got {task.loss!r}")
    count, least = offered(task).get(key), 1 if key == "num_outputs" else 2
    if type(count) is not int or count < least:
        raise TaskError(
            f"task {task.name}: offers.{key}: expected an integer of at least {least}, as its loss is"
            f" {task.loss}, got {count!r}"
        )
    return count


def output_shape(task: SupervisedTask) -> tuple[int, ...]:
    """The shape of what a model returns of one example. Raises TaskError."""
    if task.loss == "next_token":
        return (*input_shape(task), outputs(task))
    return (outputs(task), *(input_shape(task)[1:] if task.loss == "pixel_cross_entropy" else ()))


def check_splits(task: SupervisedTask, splits: object, held_out: str = "validation") -> Splits:
    """`splits` as they are. `held_out` is what the second is called in messages. Raises TaskError."""
    if not isinstance(splits, Splits):
        raise TaskError(f"task {task.name}: expected evoarch.Splits, got {type(splits).__name__}")
    check_split(task, splits.train, "train")
    check_split(task, splits.validation, held_out)
    if task.loss in NUMBERS:
        constant = np.flatnonzero(
            np.nan_to_num(np.nanvar(np.asarray(splits.train.targets, np.float64), 0)) == 0
        )
        if len(constant):
            raise TaskError(
                f"task {task.name}: train.targets: expected numbers that vary, got a constant output"
                f" {constant[0]}"
            )
    return splits


def check_split(task: SupervisedTask, split: object, name: str) -> Split:
    """One split against the task's offers. Raises TaskError."""
    place = f"task {task.name}: {name}"
    if not isinstance(split, Split):
        raise TaskError(f"{place}: expected evoarch.Split, got {type(split).__name__}")
    for part, array in (("inputs", split.inputs), ("targets", split.targets)):
        if not isinstance(array, np.ndarray):
            raise TaskError(f"{place}.{part}: expected a numpy array, got {type(array).__name__}")
    shape, width = input_shape(task), outputs(task)
    tokens = "vocab_size" in offered(task)
    _expect(f"{place}.inputs", split.inputs, np.int64 if tokens else np.float32, ("n", *shape))
    if task.loss == "next_token":
        _expect(f"{place}.targets", split.targets, np.int64, ("n", *shape))
    elif task.loss == "pixel_cross_entropy":
        _expect(f"{place}.targets", split.targets, np.int64, ("n", *shape[1:]))
    elif task.loss == "cross_entropy":
        _expect(f"{place}.targets", split.targets, np.int64, ("n",))
    else:
        _expect(f"{place}.targets", split.targets, np.float32, ("n", width))
    if not len(split.inputs):
        raise TaskError(f"{place}: expected examples, got none")
    if len(split.inputs) != len(split.targets):
        raise TaskError(
            f"{place}: expected a target for each of {len(split.inputs)} inputs, got {len(split.targets)}"
        )
    _finite(f"{place}.inputs", split.inputs)
    if task.loss == "mean_squared_error":
        _finite(f"{place}.targets", split.targets)
    elif task.loss == "masked_squared_error":
        _finite(f"{place}.targets", np.nan_to_num(split.targets, nan=0.0, posinf=np.inf, neginf=-np.inf))
    else:
        known = split.targets[split.targets != UNLABELLED] if len(output_shape(task)) == 3 else split.targets
        _in_range(
            f"{place}.targets", known, width, "tokens" if task.loss == "next_token" else "class numbers"
        )
    if tokens:
        vocabulary = offered(task)["vocab_size"]
        if type(vocabulary) is not int:
            raise TaskError(f"task {task.name}: offers.vocab_size: expected an integer, got {vocabulary!r}")
        _in_range(f"{place}.inputs", split.inputs, vocabulary, "tokens")
    return split


def _in_range(place: str, array: NDArray[Any], width: int, what: str) -> None:
    wrong = np.argwhere((array < 0) | (array >= width))
    if len(wrong):
        got, example = array[tuple(wrong[0])], wrong[0][0]
        raise TaskError(f"{place}: expected {what} 0 to {width - 1}, got {got} at example {example}")


def _expect(place: str, array: NDArray[Any], dtype: type, shape: tuple[object, ...]) -> None:
    same = array.ndim == len(shape) and array.shape[1:] == tuple(shape[1:])
    if array.dtype != dtype or not same:
        wanted = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
        raise TaskError(
            f"{place}: expected {np.dtype(dtype)} {wanted}, got {array.dtype} {tuple(array.shape)}"
        )


def _finite(place: str, array: NDArray[Any]) -> None:
    rows = np.isfinite(array).all(axis=tuple(range(1, array.ndim)))
    if not rows.all():
        first = int(np.argmin(rows))
        value = array[first].ravel()[~np.isfinite(array[first].ravel())][0]
        raise TaskError(f"{place}: expected finite numbers, got {value} at example {first}")
