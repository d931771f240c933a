"""A folder of recordings as a classification: a folder for each class, read by soundfile."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Floats, Split, TaskError
from evoarch.evaluators.tasks.files.named import NamedFile, number_of
from evoarch.evaluators.tasks.files.task import FileData, FileTask, file_task, with_a_test

OPTIONS = {
    "rate": "samples a second, 100 to 48000",
    "milliseconds": "of each recording, from its middle, 10 to 60000",
}
SUFFIXES = (".wav", ".flac", ".ogg")
LEAST = 5
"""The fewest recordings of a class."""

MOST_SAMPLES, MOST_READ = 65_536, 60 * 48_000 * 10
"""Samples that a model may be given of a recording, and that a file may hold (ten minutes at 48 kHz)."""


def recordings_task(named: NamedFile, path: Path) -> FileTask:
    """The task of the folder at `path`. Raises TaskError, one line that names the file."""
    named.refuse_unknown(OPTIONS)
    rate = number_of(named, "rate", 8000, 100, 48_000, OPTIONS["rate"])
    length = rate * number_of(named, "milliseconds", 1000, 10, 60_000, OPTIONS["milliseconds"]) // 1000
    if not 16 <= length <= MOST_SAMPLES:
        raise TaskError(f"task {named}: expected 16 to {MOST_SAMPLES:,} samples a recording, got {length:,}")
    rows = _files(path)
    classes = sorted({name for name, _ in rows})
    sounds = np.stack([_read(file, rate, length) for _, file in rows])[:, None]
    labels = np.array([classes.index(name) for name, _ in rows], np.int64)
    digest = hashlib.sha256(repr((rate, length, classes)).encode())
    digest.update(labels.tobytes() + sounds.tobytes())
    counts = np.bincount(labels)
    each = ", ".join(f"{name} {count:,}" for name, count in zip(classes[:12], counts, strict=False))
    note = (
        f"{len(rows):,} recordings of {len(classes)} classes ({each}{', ...' if len(classes) > 12 else ''}), "
        f"{length:,} samples of each at {rate:,} a second"
    )
    about = (
        f"Sort recordings, one channel of {length} samples at {rate} a second, into {len(classes)} classes."
    )
    parts = with_a_test(Split(sounds, labels))
    return file_task(
        str(named),
        FileData(
            parts, len(classes), digest.hexdigest(), offers={"sample_rate": rate}, notes=[note], about=about
        ),
    )


def _files(path: Path) -> list[tuple[str, Path]]:
    """Class and file of each recording, in order. Raises TaskError."""
    folders = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    if len(folders) < 2:
        got = [each.name for each in folders]
        raise TaskError(f"{path}: expected at least two classes, a folder each, got {got}")
    rows = []
    for folder in folders:
        files = sorted(
            file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()
        )
        if len(files) < LEAST:
            raise TaskError(
                f"{folder}: expected at least {LEAST} recordings ({', '.join(SUFFIXES)}), got {len(files)}"
            )
        rows += [(folder.name, file) for file in files]
    return rows


def _read(path: Path, rate: int, length: int) -> Floats:
    """(length,) float32: the middle of a recording, its channels averaged, at `rate`. Raises TaskError."""
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > MOST_READ:
                raise TaskError(f"{path}: expected at most {MOST_READ:,} samples, got {file.frames:,}")
            own, sound = file.samplerate, file.read(dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        said = " ".join(str(error).replace(str(path), "").split())
        raise TaskError(f"{path}: expected a recording: {said[:200]}") from None
    mono: NDArray[np.float32] = sound.mean(1)
    if not len(mono) or not np.ptp(mono):
        raise TaskError(f"{path}: expected a recording, got silence")
    if own != rate:
        from scipy.signal import resample_poly

        mono = np.asarray(resample_poly(mono, rate, own), np.float32)
    start = max(0, (len(mono) - length) // 2)
    part = mono[start : start + length]
    return np.pad(part, (0, length - len(part)))


def _soundfile() -> Any:
    """The module. Raises TaskError where it is not installed."""
    try:
        import soundfile
    except (ImportError, OSError):
        raise TaskError("task sequence: expected soundfile: pip install 'evoarch[audio]'") from None
    return soundfile
