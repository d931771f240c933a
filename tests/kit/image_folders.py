"""Folders of made-up images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def save(path: Path, pixels: Any) -> None:
    """An image file of (height, width, 3) bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def image_folder(
    folder: Path, classes: Mapping[str, int], *, size: tuple[int, int] = (12, 12), seed: int = 0
) -> Path:
    """So many images of each class, of noise that is brighter from class to class."""
    rng = np.random.default_rng(seed)
    for place, (name, count) in enumerate(classes.items()):
        for number in range(count):
            pixels = rng.integers(0, 120, (*size, 3)) + 100 * place
            save(folder / name / f"{number}.png", pixels.astype(np.uint8))
    return folder
