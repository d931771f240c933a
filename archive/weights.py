"""Weights of evaluations: one safetensors file each in `weights/`, there before the row it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from evoarch.archive.errors import ArchiveError, one_line
from evoarch.archive.private_files import write_whole

FOLDER = "weights"


def weights_path(folder: Path, candidate: int, rung: str, seed: int) -> Path:
    """Where the weights of an evaluation are: a function of its names, so a rerun replaces a leftover."""
    return folder / FOLDER / f"{candidate}-{rung}-{seed}.safetensors"


def save_weights(
    folder: Path, candidate: int, rung: str, seed: int, arrays: Mapping[str, NDArray[np.generic]]
) -> Path:
    """Write the file whole and durably, or not at all. Raises ArchiveError (a full disk, a linked folder)."""
    path = weights_path(folder, candidate, rung, seed)
    data = save({name: np.array(array, order="C") for name, array in arrays.items()})
    with one_line(path):
        write_whole(path, data)
    return path


def remove_weights(folder: Path, candidate: int, rung: str, seed: int) -> None:
    """Delete the file, if it is there."""
    path = weights_path(folder, candidate, rung, seed)
    with one_line(path):
        path.unlink(missing_ok=True)


def load_weights(folder: Path, candidate: int, rung: str, seed: int) -> dict[str, NDArray[np.generic]]:
    """Tensors by name. Raises ArchiveError where the file is missing or damaged."""
    path = weights_path(folder, candidate, rung, seed)
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ArchiveError(f"{path}: no weights can be read ({error})") from error
