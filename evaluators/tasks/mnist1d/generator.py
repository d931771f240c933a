"""MNIST-1D's generator: fresh examples under any seed, standardised with the published set's constants."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Split

PUBLISHED = 5_000
PUBLISHED_SEED = 42


@contextmanager
def own_state() -> Iterator[None]:
    """The package seeds and draws from both global generators; the caller's states are put back."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def raw(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """`count` examples before standardising, as many of each class, class by class: (count, 40), (count,).

    Drawn one after the other as mnist1d.data.make_dataset does, which keeps no value from before its own
    standardising. About 0.4 ms an example.
    """
    # Imported late: the package draws in matplotlib, which a command that needs no data should not pay.
    from mnist1d.data import get_dataset_args, get_templates
    from mnist1d.transform import transform
    from mnist1d.utils import set_seed

    templates, arguments = get_templates(), get_dataset_args()
    labels = np.repeat(templates["y"], count // len(templates["y"]))
    with own_state():
        set_seed(seed)
        rows = [transform(templates["x"][label], templates["t"], arguments)[0] for label in labels]
    return np.stack(rows), labels.astype(np.int64)


MEAN, DEVIATION = -0.0055075064312771795, 0.15467803420593054
"""Of the published examples, `raw(PUBLISHED, PUBLISHED_SEED)`, which standardised them; a test compares."""


def fresh(count: int, seed: int) -> Split:
    """`count` examples that nobody has seen, on the published scale; as many of each class, shuffled."""
    values, labels = raw(count, seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    split = Split(((values[order] - MEAN) / DEVIATION).astype(np.float32), labels[order])
    for array in (split.inputs, split.targets):
        array.setflags(write=False)
    return split
