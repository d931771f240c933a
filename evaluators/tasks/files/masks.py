"""`masks:DIR`: images with a mask of classes each, as a segmentation.

`DIR/images/a.jpg` and `DIR/masks/a.png`: a mask has the name of its image (whatever the suffix), the same
size, and the class of each pixel as its grey value or palette index. `classes=3` says how many there are (by
default what the masks hold); `unlabelled=255` is the value of pixels that nobody labelled. `size`, `crop` and
`color` as of `images:DIR`; masks are cut as their images are, and take the nearest pixel. A fifth is sealed
as the test.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.checks import UNLABELLED
from evoarch.evaluators.task import Split, TaskError
from evoarch.evaluators.tasks.files.image_files import decoded, decoded_mask, header, is_image
from evoarch.evaluators.tasks.files.images import OPTIONS as LOOKS
from evoarch.evaluators.tasks.files.images import look_of
from evoarch.evaluators.tasks.files.named import NamedFile, number_of
from evoarch.evaluators.tasks.files.task import FileData, FileTask, file_task, with_a_test

OPTIONS = {
    **LOOKS,
    "classes": "how many classes masks hold, 2 to 255",
    "unlabelled": "the value of pixels without a label, 0 to 255",
}
LEAST = 10
"""The fewest images."""

BASELINES = {"conv": "mask_conv", "dilated": "mask_dilated", "unet": "mask_unet"}


def masks_task(named: NamedFile, path: Path) -> FileTask:
    """The task of the folder at `path`. Raises TaskError, one line that names the file."""
    named.refuse_unknown(OPTIONS)
    unlabelled = number_of(named, "unlabelled", 255, 0, 255, OPTIONS["unlabelled"])
    pairs = _pairs(path)
    headers = [header(image) for image, _ in pairs]
    for (image, mask), own in zip(pairs, headers, strict=True):
        other = header(mask)
        if (own.height, own.width) != (other.height, other.width):
            raise TaskError(
                f"{mask}: expected {own.height} x {own.width} pixels as {image.name}, got "
                f"{other.height} x {other.width}"
            )
    look = look_of(replace(named, options={k: v for k, v in named.options.items() if k in LOOKS}), headers)
    pixels = np.stack([decoded(image, look) for image, _ in pairs]).astype(np.float32)
    masks = np.stack([decoded_mask(mask, look) for _, mask in pairs]).astype(np.int64)
    masks[masks == unlabelled] = UNLABELLED
    found = np.unique(masks[masks != UNLABELLED])
    classes = number_of(named, "classes", int(found.max(initial=0)) + 1, 1, 255, OPTIONS["classes"])
    _check(path, pairs, masks, classes)
    digest = hashlib.sha256(repr((classes, sorted(named.options.items()))).encode())
    digest.update(pixels.tobytes() + masks.tobytes())
    shares = [float((masks == each).sum() / max(1, (masks != UNLABELLED).sum())) for each in range(classes)]
    said = ", ".join(f"{each} {share:.1%}" for each, share in list(enumerate(shares))[:12])
    note = (
        f"{len(pairs):,} images of {pixels.shape[1]} channels, {look.height} x {look.width} pixels; "
        f"{classes} classes of pixels ({said}{', ...' if classes > 12 else ''}), "
        f"{(masks == UNLABELLED).mean():.1%} unlabelled"
    )
    return file_task(
        str(named),
        FileData(
            with_a_test(Split(pixels, masks)),
            classes,
            digest.hexdigest(),
            notes=[note],
            baselines=BASELINES,
            loss="pixel_cross_entropy",
            metrics=("pixel_error",),
        ),
    )


def _pairs(path: Path) -> list[tuple[Path, Path]]:
    """Each image with its mask, by name. Raises TaskError."""
    folders = {name: path / name for name in ("images", "masks")}
    for name, folder in folders.items():
        if not folder.is_dir():
            raise TaskError(f"{path}: expected the folders images and masks, got no {name}")
    images, masks = (
        {file.stem: file for file in sorted(folder.iterdir()) if is_image(file)}
        for folder in folders.values()
    )
    for stem in sorted(images.keys() ^ masks.keys()):
        there, missing = (images[stem], "mask") if stem in images else (masks[stem], "image")
        raise TaskError(
            f"{there}: expected {'a' if missing == 'mask' else 'an'} {missing} of the same name, got none"
        )
    if len(images) < LEAST:
        raise TaskError(f"{path}: expected at least {LEAST} images with masks, got {len(images)}")
    return [(images[stem], masks[stem]) for stem in images]


def _check(path: Path, pairs: list[tuple[Path, Path]], masks: NDArray[np.int64], classes: int) -> None:
    """Raises TaskError for labels that are none, and for masks of one class."""
    for (_, mask), labels in zip(pairs, masks, strict=True):
        if labels.max() >= classes:
            raise TaskError(
                f"{mask}: expected labels 0 to {classes - 1}, got {labels.max()} (classes={classes})"
            )
    if len(np.unique(masks[masks != UNLABELLED])) < 2:
        raise TaskError(f"{path / 'masks'}: expected pixels of at least two classes, got one alone")
