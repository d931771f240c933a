"""The caches that `prepare` writes: where they are, and how a split is read."""

from __future__ import annotations

import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import TaskError
from evoarch.evaluators.tasks.clrs.inside.feature import features_from
from evoarch.evaluators.tasks.clrs.specs import features_of

Array = NDArray[Any]
SPLITS = ("train", "validation", "test")


class NotPrepared(TaskError):  # noqa: N818 - it reads as what it says
    """A cache is missing or is not what its algorithm needs; the message says what to run."""


def cache_folder() -> Path:
    """`EVOARCH_CLRS` where set, else `evoarch/clrs` in the user's cache folder."""
    named = os.environ.get("EVOARCH_CLRS")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evoarch" / "clrs"


def read_split(algorithm: str, split: str, folder: Path | None = None) -> dict[str, Array]:
    """Arrays of one split, named `<nodes>/<stage>/<feature>` and `<nodes>/length` (see sampling.py).

    Raises NotPrepared, naming the command, where there is no such cache or it holds other features.
    """
    expected = features_of(algorithm)
    path = (folder or cache_folder()) / f"{algorithm}.{split}.npz"
    command = f"python -m evaluators.tasks.clrs.prepare {algorithm}"
    try:
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise NotPrepared(f"{path}: no such cache; run: {command}") from None
    found = features_from(json.loads(arrays.pop("features").tobytes()))
    if sorted(found) != sorted(expected):
        odd = sorted(set(found) ^ set(expected))[0]
        raise NotPrepared(f"{path}: expected the features of {algorithm}, differs in {odd}; run: {command}")
    return arrays


def part(arrays: dict[str, Array], *, outputs: bool) -> dict[str, Array]:
    """Either the outputs of a split or everything else of it."""
    return {name: array for name, array in arrays.items() if ("/output/" in name) == outputs}


def known_digests() -> dict[str, str]:
    """`<algorithm>.<split>` to the digest of what the complete dm-clrs draws (benchmarks/clrs_samples.py)."""
    text = (resources.files(__package__) / "digests.json").read_text(encoding="utf-8")
    return {str(name): str(value) for name, value in json.loads(text).items()}
