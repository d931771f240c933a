"""`images:DIR`: a folder of images as a classification, a folder for each class.

`DIR/cat/1.png`, `DIR/dog/2.jpg`, ...; or with `train`, and perhaps `val` and `test`, above the classes.
Where there is no `test` a fifth of each class is sealed by a fixed draw; where there is no `val` the
campaign's seed draws a fifth of the rest.

Options: `size=32` or `size=HEIGHTxWIDTH` in pixels; `crop=centre` (the default: the largest part of that
form) or `crop=none` (stretched); `color=grey` or `color=rgb`. Without them the size is that of the images
where all are alike and at most 64 pixels, else 32 x 32, and the colour is grey where all images are.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Split, TaskError
from evoarch.evaluators.tasks.files.image_cache import Pixels, cached
from evoarch.evaluators.tasks.files.image_files import LARGEST_SIZE, Header, Look, decoded, header, is_image
from evoarch.evaluators.tasks.files.named import NamedFile
from evoarch.evaluators.tasks.files.task import FileData, FileTask, file_task, with_a_test

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Names of folders above the classes, and the split that each holds."""

LEAST = 5
"""The fewest images of a class, counted over the splits that are drawn."""

OPTIONS = {
    "size": f"pixels, or HEIGHTxWIDTH, 4 to {LARGEST_SIZE}",
    "crop": "centre or none",
    "color": "grey or rgb",
}


def images_task(named: NamedFile, path: Path) -> FileTask:
    """The task of the folder at `path`. Raises TaskError, one line that names the file."""
    named.refuse_unknown(OPTIONS)
    tops = _splits(path)
    classes = _classes(path, tops)
    rows = [
        (part, file, classes.index(each.name))
        for part, top in tops.items()
        for each in _folders(top)
        for file in _images(each)
    ]
    _check_counts(path, rows, classes)
    files = [file for _, file, _ in rows]

    def decode() -> Pixels:
        look = look_of(named, [header(file) for file in files])
        return np.stack([decoded(file, look) for file in files])

    look_of(named, ())  # a wrong option is said before anything is decoded
    pixels = cached(files, repr(sorted(named.options.items())), decode)
    labels = np.array([label for _, _, label in rows], np.int64)
    digest = hashlib.sha256(repr((pixels.shape, classes, [part for part, _, _ in rows])).encode())
    digest.update(labels.tobytes())
    digest.update(np.ascontiguousarray(pixels).data)
    parts = {}
    for part in tops:
        mine = np.array([row[0] == part for row in rows])
        parts[part] = Split(pixels[mine].astype(np.float32), labels[mine])
    if "test" not in parts:
        parts |= with_a_test(parts["train"])
    notes = [_found(labels, classes, pixels.shape)]
    return file_task(str(named), FileData(parts, len(classes), digest.hexdigest(), notes=notes))


def _folders(path: Path) -> list[Path]:
    return sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))


def _images(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if is_image(file))


def _splits(path: Path) -> dict[str, Path]:
    """The folder of each split. Raises TaskError where `path` is no folder of folders."""
    try:
        folders = _folders(path)
    except OSError as error:
        raise TaskError(f"{path}: expected a folder of images: {error.strerror or error}") from None
    if not folders:
        raise TaskError(f"{path}: expected a folder for each class, got none")
    named = {each.name.lower(): each for each in folders}
    if "train" not in named:
        return {"train": path}
    found: dict[str, Path] = {}
    for name, each in named.items():
        if name not in SPLITS:
            raise TaskError(f"{each}: expected train, val and test beside each other, or classes alone")
        if SPLITS[name] in found:
            raise TaskError(f"{each}: expected one split {SPLITS[name]}, got {found[SPLITS[name]].name} too")
        found[SPLITS[name]] = each
    return found


def _classes(path: Path, folders: Mapping[str, Path]) -> list[str]:
    names = [each.name for each in _folders(folders["train"])]
    if len(names) < 2:
        raise TaskError(f"{folders['train']}: expected at least two classes, a folder each, got {names}")
    for part, top in folders.items():
        for each in _folders(top):
            if each.name not in names:
                raise TaskError(f"{each}: expected a class of {folders['train']}, got another in {part}")
    return names


def _check_counts(path: Path, rows: Sequence[tuple[str, Path, int]], classes: Sequence[str]) -> None:
    """Raises TaskError for a class, or a split, of too few images."""
    trained = Counter(label for part, _, label in rows if part == "train")
    counts = {name: trained[label] for label, name in enumerate(classes)}
    counts |= Counter(part for part, _, _ in rows)
    for name, count in counts.items():
        if count < LEAST:
            raise TaskError(f"{path}: {name}: expected at least {LEAST} images, got {count}")


def look_of(named: NamedFile, headers: Sequence[Header]) -> Look:
    """How every image is to look. Raises TaskError for an option that says no such thing."""
    sizes = {(each.height, each.width) for each in headers}
    alike = sizes.pop() if len(sizes) == 1 else (0, 0)
    height, width = alike if 0 < max(alike) <= 64 else (32, 32)
    if said := named.options.get("size"):
        numbers = said.split("x")
        if len(numbers) > 2 or not all(n.isdecimal() and 4 <= int(n) <= LARGEST_SIZE for n in numbers):
            raise TaskError(f"task {named}: size: expected {OPTIONS['size']}, got {said!r}")
        height, width = int(numbers[0]), int(numbers[-1])
    grey = all(each.grey for each in headers)
    color = _one_of(named, "color", ("grey", "rgb"), "grey" if grey else "rgb")
    crop = _one_of(named, "crop", ("centre", "none"), "centre")
    return Look(height, width, color == "grey", crop == "centre")


def _one_of(named: NamedFile, key: str, known: Sequence[str], default: str) -> str:
    said = named.options.get(key, default)
    if said not in known:
        raise TaskError(f"task {named}: {key}: expected {' or '.join(known)}, got {said!r}")
    return said


def _found(labels: NDArray[np.int64], classes: Sequence[str], shape: Sequence[int]) -> str:
    counts = np.bincount(labels)
    named = ", ".join(f"{name} {count:,}" for name, count in zip(classes[:12], counts, strict=False))
    more = f" and {len(classes) - 12} more" if len(classes) > 12 else ""
    color = "grey" if shape[1] == 1 else "rgb"
    return (
        f"{len(labels):,} images of {len(classes)} classes, {counts.min():,} to {counts.max():,} a class "
        f"({named}{more}), as {color}, {shape[2]} x {shape[3]} pixels"
    )
