"""Soft prompts on disk: one safetensors file each in `soft_prompts/`, named by the digest of its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from evoarch.archive.private_files import write_whole

FOLDER = "soft_prompts"
NAME = "soft_prompt"
"""The one tensor in the file: (tokens, width of the model's embeddings), float32."""


def path_of(folder: Path, digest: str) -> Path:
    """Where the soft prompt is; `folder` is the one that holds them all."""
    return folder / f"{digest}.safetensors"


def save_soft_prompt(folder: Path, values: NDArray[np.float32]) -> str:
    """Writes (tokens, width) values, whole and durably or not at all; their digest. Raises OSError."""
    data = save({NAME: np.ascontiguousarray(values, dtype=np.float32)})
    digest = hashlib.sha256(data).hexdigest()
    write_whole(path_of(folder, digest), data)
    return digest


def load_soft_prompt(path: Path) -> NDArray[np.float32]:
    """Raises ValueError where the file is missing or damaged."""
    try:
        data = path.read_bytes()
        values: NDArray[np.float32] = load(data)[NAME]
    except (OSError, KeyError, SafetensorError) as error:
        raise ValueError(f"{path}: expected a soft prompt ({error})") from None
    if hashlib.sha256(data).hexdigest() != path.stem:
        raise ValueError(f"{path}: expected a file of the digest in its name; it is damaged")
    return values
