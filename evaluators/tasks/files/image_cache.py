"""Decoded images on disk: a folder is decoded once, and again where a file of it has changed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/evoarch/images, by default in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "evoarch" / "images"


def cached(files: Sequence[Path], look: str, decode: Callable[[], Pixels]) -> Pixels:
    """The pixels of all files, (n, channels, height, width), decoded now or before.

    `look`: how they are made to look. The cache's name holds it, and each file's path, size and time of
    change. Where it can't be written, nothing is kept. Raises what `decode` raises.
    """
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    path = cache_folder() / f"{hashlib.sha256(repr((stats, look)).encode()).hexdigest()}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        kept = np.load(path, allow_pickle=False)
        if kept.dtype == np.uint8 and kept.ndim == 4 and len(kept) == len(files):
            return np.asarray(kept)
    pixels = decode()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            np.save(file, pixels)
        Path(file.name).replace(path)
    return pixels
