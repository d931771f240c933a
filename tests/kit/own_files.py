"""Made-up files of users: shapes with masks, tones, a series with gaps, texts with labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from PIL import Image


def shapes(folder: Path, count: int, *, size: int = 16, seed: int = 0) -> Path:
    """Grey images of a bright square (class 1) and a brighter disc (class 2) on noise, with their masks."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:size, :size]
    for number in range(count):
        mask = np.zeros((size, size), np.uint8)
        top, left = rng.integers(0, size - 5, 2)
        mask[top : top + 5, left : left + 5] = 1
        row, column = rng.integers(3, size - 3, 2)
        mask[(rows - row) ** 2 + (columns - column) ** 2 <= 9] = 2
        pixels = rng.integers(0, 60, mask.shape) + 90 * mask
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


def tones(folder: Path, count: int, *, rate: int = 1000, seconds: float = 0.3, seed: int = 0) -> Path:
    """Recordings of a low and a high tone, and of a chirp between them, a folder each."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(rate * seconds)) / rate
    for name, (begin, end) in {"low": (60, 60), "high": (200, 200), "chirp": (60, 200)}.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            turns = begin * time + (end - begin) * time**2 / (2 * seconds) + rng.random()
            sound = 0.5 * np.sin(2 * np.pi * turns) + 0.05 * rng.normal(size=len(time))
            soundfile.write(folder / name / f"{number}.wav", sound, rate)
    return folder


def series(path: Path, rows: int, *, gaps: float = 0.05, seed: int = 0) -> Path:
    """A .csv of two columns: a wave with a daily period of 24 rows, and what follows it three rows later."""
    rng = np.random.default_rng(seed)
    time = np.arange(rows + 3)
    wave = np.sin(2 * np.pi * time / 24) + 0.1 * rng.normal(size=rows + 3)
    values = np.stack([wave[3:], wave[:-3]], 1)
    missing = rng.random(values.shape) < gaps
    lines = [
        ",".join("" if gone else f"{value:.4f}" for value, gone in zip(row, lost, strict=True))
        for row, lost in zip(values, missing, strict=True)
    ]
    path.write_text("load,echo\n" + "\n".join(lines) + "\n")
    return path


def labelled_texts(path: Path, count: int, *, seed: int = 0) -> Path:
    """A .csv of short texts that are glad or sad by the words in them."""
    rng = np.random.default_rng(seed)
    words = {"glad": ["sun", "joy", "gift"], "sad": ["rain", "loss", "grey"]}
    rows = []
    for number in range(count):
        mood = ("glad", "sad")[number % 2]
        said = [*rng.choice(words[mood], 2), *rng.choice(["the", "a", "of", "and"], 4)]
        rows.append(f"{number},{' '.join(rng.permutation(said))},{mood}")
    path.write_text("id,said,mood\n" + "\n".join(rows) + "\n")
    return path
