"""A data file of splits, .npz or .safetensors, read with distrust: plain arrays that fit together."""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.format import MAGIC_PREFIX, read_array, read_array_header_1_0, read_magic
from numpy.typing import NDArray

from evoarch.evaluators.task import Floats, Split, Targets, TaskError

SPLITS = ("train", "val", "selection", "test")
NAMES = [f"{part}_{split}" for split in SPLITS for part in "xy"]

LEAST = 5
"""The fewest training examples."""

LEAST_TEST = 4
"""The fewest test examples where half of them is selected on."""

Values = NDArray[Any]


def read_parts(path: Path) -> tuple[dict[str, Split], int]:
    """The splits that a file has, `train` among them, and the number of classes, 0 for a regression.

    Inputs are float32 (n, ...) of at least two axes, targets int64 (n,) or float32 (n, k). Raises TaskError,
    one line that names the array, what was expected and what was got.
    """
    arrays = _read(path)
    parts: dict[str, Split] = {}
    for split in SPLITS:
        present = [f"{part}_{split}" for part in "xy" if f"{part}_{split}" in arrays]
        if len(present) == 1:
            missing = ({f"x_{split}", f"y_{split}"} - set(present)).pop()
            raise TaskError(f"{path}: {missing}: expected beside {present[0]}, but it is not there")
        if present:
            parts[split] = _split(path, split, arrays[f"x_{split}"], arrays[f"y_{split}"])
    if "train" not in parts:
        raise TaskError(f"{path}: expected x_train and y_train, got {_found(path)}")
    return parts, _consistent(path, parts)


MOST_NAMED = 8
"""Arrays of other names that a message lists."""


def _found(path: Path) -> str:
    """The names of all arrays in a file, and which of them may be meant."""
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as file:
            names = [name.removesuffix(".npy") for name in file.namelist()]
    else:
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as tensors:
            names = list(tensors.keys())
    if not names:
        return "nothing"
    said = ", ".join(names[:MOST_NAMED]) + (
        f" and {len(names) - MOST_NAMED} more" if names[MOST_NAMED:] else ""
    )
    inputs = [name for name in names if name.lower() in ("x", "inputs", "data", "images", "features")]
    targets = [name for name in names if name.lower() in ("y", "targets", "labels", "target", "label")]
    if len(inputs) == len(targets) == 1:
        said += (
            f"; if {inputs[0]} and {targets[0]} are the training examples, save them as x_train and y_train"
        )
    return said


CHANNELS = (1, 3, 4)
"""Of an image: grey, RGB, RGBA."""


def notes_of(path: Path, parts: Mapping[str, Split], classes: int) -> tuple[str, ...]:
    """What the file at `path`, read as `parts`, was taken for, and what in it looks like something else; a
    sentence each.
    """
    train = parts["train"]
    shape, dtype = train.inputs.shape[1:], _dtype(path)
    what = {1: f"vectors of {shape[0]} features"}.get(len(shape), f"{shape[0]} channels of {shape[1:]}")
    aim = f"{classes} classes" if classes else f"a regression of {train.targets.shape[1]} numbers"
    others = [name for name in ("val", "test", "selection") if name in parts]
    said = [
        f"{len(train.inputs):,} training examples ({dtype}) taken for {what}, each "
        f"{'feature' if len(shape) == 1 else 'channel'} standardised, and for {aim}; "
        f"beside them {', '.join(others) if others else 'no split: a fifth is drawn for validation'}"
    ]
    if len(shape) == 3 and shape[-1] in CHANNELS and shape[0] not in CHANNELS:
        said.append(
            f"x_train {(len(train.inputs), *shape)} looks like images with their channels last, and was "
            f"taken for {shape[0]} channels: expected (n, C, H, W), as np.moveaxis(x, -1, 1) makes it"
        )
    if dtype.kind in "iu" and not (dtype.itemsize == 1 and len(shape) > 1):
        low, high = int(train.inputs.min()), int(train.inputs.max())
        said.append(
            f"x_train holds whole numbers, {low} to {high}, taken for measurements and standardised: ids "
            "(words, categories) need a task of your own (docs/own-task.md)"
        )
    if not classes and _whole(train.targets):
        said.append(
            "y_train holds whole numbers as floating point, taken for a regression: integers make classes"
        )
    return tuple(said)


def _dtype(path: Path) -> np.dtype[Any]:
    """The type of x_train as it is stored."""
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as file, file.open("x_train.npy") as stream:
            read_magic(stream)
            return np.dtype(read_array_header_1_0(stream)[2])
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as tensors:
        dtype: np.dtype[Any] = tensors.get_slice("x_train")[:1].dtype
        return dtype


def _whole(targets: Targets) -> bool:
    values = np.asarray(targets)
    return values.shape[1] == 1 and not np.any(values % 1) and len(np.unique(values)) <= 100


def _consistent(path: Path, parts: Mapping[str, Split]) -> int:
    """The number of classes, 0 for a regression, if all splits are of one kind. Raises TaskError."""
    train = parts["train"]
    if len(train.inputs) < LEAST:
        raise TaskError(f"{path}: x_train: expected at least {LEAST} examples, got {len(train.inputs)}")
    if "selection" in parts and "test" not in parts:
        raise TaskError(f"{path}: x_test: expected beside x_selection, but it is not there")
    if "test" in parts and "selection" not in parts and len(parts["test"].inputs) < LEAST_TEST:
        count = len(parts["test"].inputs)
        raise TaskError(f"{path}: x_test: expected at least {LEAST_TEST} examples, to halve, got {count}")
    classes = _classes(path, train.targets) if train.targets.dtype == np.int64 else 0
    if not classes:
        _vary(path, train.targets)
    for name, split in parts.items():
        _alike(f"{path}: x_{name}", split.inputs, train.inputs, "x_train")
        _alike(f"{path}: y_{name}", split.targets, train.targets, "y_train")
        if classes:
            _in_range(f"{path}: y_{name}", split.targets, classes)
    return classes


def _classes(path: Path, labels: Targets) -> int:
    found = np.unique(labels)
    count = int(found[-1]) + 1
    if found[0] < 0:
        raise TaskError(f"{path}: y_train: expected class numbers from 0, got {found[0]}")
    if len(found) < count:
        gap = int(np.flatnonzero(found != np.arange(len(found)))[0])
        raise TaskError(
            f"{path}: y_train: expected class numbers 0 to {count - 1} without gaps, got no {gap}; "
            "floating point targets make a regression"
        )
    if count < 2:
        raise TaskError(f"{path}: y_train: expected at least two classes, got one")
    return count


def _vary(path: Path, targets: Targets) -> None:
    constant = np.flatnonzero(np.asarray(targets, np.float64).var(0) == 0)
    if len(constant):
        raise TaskError(f"{path}: y_train: expected numbers that vary, got a constant output {constant[0]}")


def _alike(place: str, array: Values, first: Values, name: str) -> None:
    if array.dtype != first.dtype or array.shape[1:] != first.shape[1:]:
        sizes = "".join(f", {size}" for size in first.shape[1:]) or ","
        raise TaskError(
            f"{place}: expected {first.dtype} (n{sizes}) as {name}, got {array.dtype} {array.shape}"
        )


def _in_range(place: str, labels: Values, classes: int) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(wrong):
        raise TaskError(
            f"{place}: expected class numbers 0 to {classes - 1} as in y_train, got {labels[wrong[0]]} at "
            f"example {wrong[0]}"
        )


def _split(path: Path, split: str, inputs: Values, targets: Values) -> Split:
    """Inputs as float32 (n, ...), targets as int64 (n,) or float32 (n, k). Raises TaskError."""
    x, y = f"{path}: x_{split}", f"{path}: y_{split}"
    for place, array in ((x, inputs), (y, targets)):
        if array.dtype.kind not in "biuf":
            raise TaskError(f"{place}: expected numbers, got {array.dtype}")
        if not array.ndim or not array.size:
            raise TaskError(f"{place}: expected examples, got an array of shape {array.shape}")
    if len(inputs) != len(targets):
        raise TaskError(f"{y}: expected a target for each of {len(inputs)} inputs, got {len(targets)}")
    numbers = _numbers(x, inputs)
    if numbers.ndim == 1:
        numbers = numbers[:, None]
    regression = targets.dtype.kind == "f"
    if targets.ndim > (2 if regression else 1):
        raise TaskError(
            f"{y}: expected class numbers (n,), or floating point numbers (n,) or (n, k), got "
            f"{targets.dtype} {targets.shape}"
        )
    if regression:
        return Split(numbers, _numbers(y, targets).reshape(len(targets), -1))
    return Split(numbers, targets.astype(np.int64))


def _numbers(place: str, array: Values) -> Floats:
    with np.errstate(over="ignore"):
        numbers: Floats = array.astype(np.float32)
    rows = np.isfinite(numbers).reshape(len(numbers), -1).all(1)
    if not rows.all():
        first = int(np.argmin(rows))
        value = np.ravel(array[first])[~np.isfinite(np.ravel(numbers[first]))][0]
        raise TaskError(f"{place}: expected finite float32 numbers, got {value} at example {first}")
    return numbers


def _read(path: Path) -> dict[str, Values]:
    """The arrays of a file, those of our names; other names are left alone. Raises TaskError."""
    try:
        if path.suffix == ".npz":
            return _npz(path)
        if path.suffix == ".safetensors":
            return _safetensors(path)
    except OSError as error:
        raise TaskError(f"{path}: expected a data file: {error.strerror or error}") from None
    raise TaskError(f"{path}: expected a file .npz or .safetensors, got {path.suffix or 'no suffix'}")


def _npz(path: Path) -> dict[str, Values]:
    name = ""
    try:
        with path.open("rb") as stream:
            if stream.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
                raise TaskError(f"{path}: expected an .npz archive, got a single array")
        with zipfile.ZipFile(path) as file:
            members = {name: file.NameToInfo.get(f"{name}.npy") for name in NAMES}
            _refuse_large(path, sum(member.file_size for member in members.values() if member))
            found = {}
            for name, member in members.items():
                if member is not None:
                    with file.open(member) as stream:
                        _check_header(f"{path}: {name}", stream, member.file_size)
                    with file.open(member) as stream:
                        found[name] = read_array(stream, allow_pickle=False)
            return found
    except (ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        if isinstance(error, TaskError):
            raise
        raise TaskError(f"{path}: expected an .npz archive of plain arrays, got something else") from None
    except (zlib.error, RuntimeError) as error:  # damaged, encrypted, or compressed as numpy does not
        place = f"{path}: {name}" if name else f"{path}"
        raise TaskError(f"{place}: expected an .npz archive that can be unpacked: {error}") from None


def _refuse_large(path: Path, size: int) -> None:
    """Raises TaskError where the arrays would not fit into this machine's memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > memory:
        raise TaskError(
            f"{path}: expected arrays that fit into memory, {memory >> 20} MiB here, got {size >> 20} MiB"
        )


def _check_header(place: str, stream: IO[bytes], size: int) -> None:
    """Raises TaskError where an array's header announces anything but the numbers that its `size` bytes hold:
    numpy takes the memory that a header asks for before it reads on.
    """
    # Later versions are for named fields, with a header of up to 4 GiB.
    if read_magic(stream) != (1, 0):
        raise TaskError(f"{place}: expected numbers, got named fields")
    shape, _, dtype = read_array_header_1_0(stream)
    if dtype.hasobject:
        raise TaskError(f"{place}: expected numbers, got Python objects")
    there = size - stream.tell()
    if math.prod(shape) * dtype.itemsize != there:
        raise TaskError(f"{place}: its header announces {dtype} {shape}, expected the {there} bytes it holds")


def _safetensors(path: Path) -> dict[str, Values]:
    from safetensors import SafetensorError, safe_open

    name = ""
    try:
        with safe_open(path, framework="numpy") as file:
            present = set(file.keys())
            found = {}
            for name in NAMES:
                if name in present:
                    found[name] = file.get_tensor(name)
            return found
    except (SafetensorError, TypeError, AttributeError, KeyError) as error:
        place = f"{path}: {name}" if name else f"{path}"
        raise TaskError(f"{place}: expected safetensors that numpy can hold: {error}") from None
