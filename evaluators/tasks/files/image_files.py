"""One image file: whether it is one, its header, its pixels. Pillow reads; what is refused is said here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import TaskError

LARGEST_SIZE = 512
"""Pixels of a side that a model may be given."""

MOST_PIXELS = 50_000_000
"""Pixels of a file that is decoded, 150 MB as RGB: a small file may announce billions (a decompression
bomb)."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself, in pixels. `grey`: it has one channel."""

    height: int
    width: int
    grey: bool


@dataclass(frozen=True)
class Look:
    """How every image is to look: pixels, one channel or three, cropped or stretched."""

    height: int
    width: int
    grey: bool
    crop: bool


def pillow() -> Any:
    """The module PIL.Image. Raises TaskError where Pillow is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise TaskError("task images: expected Pillow: pip install 'evoarch[images]'") from None
    return Image


@cache
def _suffixes() -> frozenset[str]:
    return frozenset(pillow().registered_extensions())


def is_image(path: Path) -> bool:
    """Whether a file is one by its name. Hidden files are none."""
    return path.suffix.lower() in _suffixes() and not path.name.startswith(".") and path.is_file()


def _open(path: Path) -> Any:
    """The image, not yet decoded. Raises TaskError."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own warning of bombs; ours is an error, at a stated size
            image = pillow().open(path)
    except Exception as error:  # noqa: BLE001 - a decoder of somebody else's file may raise anything
        raise TaskError(f"{path}: expected an image: {_words(error, path)}") from None
    problem, height, width = "", image.height, image.width
    if height * width > MOST_PIXELS:
        problem = f"at most {MOST_PIXELS:,} pixels, got {height:,} x {width:,}"
    elif getattr(image, "n_frames", 1) > 1:
        problem = f"one picture, got {image.n_frames} frames (an animation)"
    if problem:
        image.close()
        raise TaskError(f"{path}: expected {problem}")
    return image


def header(path: Path) -> Header:
    """What the file at `path` says of itself. Raises TaskError, one line that names it."""
    with _open(path) as image:
        try:
            # The camera's orientation may turn the picture: 5 to 8 exchange its sides.
            turned = image.getexif().get(0x0112, 1) >= 5
        except Exception as error:  # noqa: BLE001 - a decoder of somebody else's file may raise anything
            raise TaskError(f"{path}: expected a whole image: {_words(error, path)}") from None
        height, width = (image.width, image.height) if turned else (image.height, image.width)
        return Header(height, width, image.mode in ("1", "L", "LA", "I", "I;16"))


def decoded(path: Path, look: Look) -> NDArray[np.uint8]:
    """The pixels, (channels, height, width), 0 to 255. Raises TaskError, one line that names the file."""
    from PIL import ImageOps

    size, smooth = (look.width, look.height), pillow().Resampling.BILINEAR
    with _open(path) as image:
        if image.mode.startswith(("I", "F")):
            raise TaskError(f"{path}: expected 8 bits a channel, got mode {image.mode}")
        try:
            picture = ImageOps.exif_transpose(image).convert("L" if look.grey else "RGB")
        except Exception as error:  # noqa: BLE001 - a decoder of somebody else's file may raise anything
            raise TaskError(f"{path}: expected a whole image: {_words(error, path)}") from None
        if (picture.width, picture.height) != size:
            picture = ImageOps.fit(picture, size, smooth) if look.crop else picture.resize(size, smooth)
        pixels = np.asarray(picture, np.uint8)
    return pixels[None] if look.grey else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def decoded_mask(path: Path, look: Look) -> NDArray[np.uint8]:
    """The classes of a mask's pixels, (height, width), cut as an image is, never mixed. Raises TaskError."""
    from PIL import ImageOps

    size, nearest = (look.width, look.height), pillow().Resampling.NEAREST
    with _open(path) as image:
        if image.mode not in ("1", "L", "P"):
            raise TaskError(f"{path}: expected grey values or palette indices, got mode {image.mode}")
        try:
            picture = ImageOps.exif_transpose(image)
            if (picture.width, picture.height) != size:
                picture = ImageOps.fit(picture, size, nearest) if look.crop else picture.resize(size, nearest)
            return np.asarray(picture, np.uint8)
        except Exception as error:  # noqa: BLE001 - a decoder of somebody else's file may raise anything
            raise TaskError(f"{path}: expected a whole image: {_words(error, path)}") from None


def _words(error: Exception, path: Path) -> str:
    """What a decoder said, in one line without the path, which stands there already."""
    said = " ".join(str(error).replace(str(path), "").replace("''", "").split())
    return said.strip(" :") or type(error).__name__
