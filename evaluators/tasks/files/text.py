"""`text:FILE` or `text:DIR`: a language model of the next byte.

The text is cut into sequences of `context` bytes (by default `context=64`), of which each byte is predicted
from those before it. Of a folder every file is read, or those that `files=*.py` names, in the order of their
paths. At most `bytes=1000000` are used, spread evenly over the text. Stretches of eight sequences belong
together: a tenth of them is sealed as the test by a fixed draw, a tenth of the others is the campaign's
validation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Recipe, Split, Splits, TaskError
from evoarch.evaluators.tasks.data import DataTask
from evoarch.evaluators.tasks.files.named import NamedFile, number_of

OPTIONS = {
    "context": "bytes of a sequence, 8 to 1024",
    "files": "a pattern such as *.py, of a folder",
    "bytes": "of the text that are used, 10000 to 20000000",
}
VOCABULARY = 256
STRETCH, PART = 8, 10
MOST_HELD = 8_000_000
"""Logits that one prediction may hold: 32 MB as float32."""

FIXED_SEED = 0
BASELINES = {"gru": "text_gru", "conv": "text_conv", "transformer": "text_transformer"}
RECIPES = {
    "fast": Recipe("fast", rate=0.005, steps=300, batch=32),
    "full": Recipe("full", rate=0.005, steps=3000, batch=32),
}
"""The peak rate was not tuned."""


def text_task(named: NamedFile, path: Path) -> TextTask:
    """The task of the text at `path`. Raises TaskError, one line that names the file."""
    named.refuse_unknown(OPTIONS)
    context = number_of(named, "context", 64, 8, 1024, OPTIONS["context"])
    most = number_of(named, "bytes", 1_000_000, 10_000, 20_000_000, OPTIONS["bytes"])
    files = _files(named, path)
    text = b"\n".join(_read(file) for file in files)
    digest = hashlib.sha256(f"{sorted(named.options.items())}\n".encode() + text).hexdigest()
    sequences = _sequences(np.frombuffer(text, np.uint8), context, most)
    if len(sequences) < 4 * PART * STRETCH:
        least = 4 * PART * STRETCH * (context + 1)
        raise TaskError(
            f"{path}: expected at least {least:,} bytes for a context of {context}, got {len(text):,}"
        )
    used = sequences.size
    notes = [
        f"{len(text):,} bytes in {len(files):,} files; {used:,} are used, in sequences of {context}; "
        f"a uniform guess takes 8 bits a byte, the frequencies of bytes {_entropy(sequences):.2f}"
    ]
    return TextTask(str(named), sequences, digest, notes)


class TextTask(DataTask):
    """The task of one text. `forward` gets (batch, context) int64 and returns logits (batch, context, 256):
    of each byte, what the next one may be.
    """

    loss = "next_token"
    ceiling = 0.99
    metrics = ("bits_per_token",)
    baselines: Mapping[str, str] = BASELINES
    recipes: Mapping[str, Recipe] = RECIPES

    def __init__(self, name: str, sequences: NDArray[np.uint8], digest: str, notes: list[str]) -> None:
        """`sequences`: (n, context + 1), in the order of the text."""
        self._name, self.digest, self.notes = name, digest, tuple(notes)
        self._context = sequences.shape[1] - 1
        self._pool, sealed = _divided(sequences, FIXED_SEED)
        self._selection, self._test = _divided(sealed, FIXED_SEED, part=2)

    @property
    def name(self) -> str:
        return self._name

    @property
    def offers(self) -> Mapping[str, object]:
        """`context` is the length of a sequence, `vocab_size` the number of tokens."""
        return {"input_shape": (self._context,), "context": self._context, "vocab_size": VOCABULARY}

    def splits(self, seed: int) -> Splits:
        """A tenth of the stretches of text outside the test, drawn by `seed`, to validate on."""
        train, held = _divided(self._pool, seed)
        return Splits(train=_split(train), validation=self._few(held))

    def selection_splits(self, seed: int) -> Splits:
        """All text of the search, and half of what is sealed."""
        return Splits(train=_split(self._pool), validation=self._few(self._selection))

    def sealed_tests(self, seed: int) -> Mapping[str, Split]:
        """`held_out`: the other half of what is sealed."""
        return {"held_out": self._few(self._test)}

    def _few(self, sequences: NDArray[np.uint8]) -> Split:
        """As many as one prediction may hold, spread evenly."""
        most = MOST_HELD // (self._context * VOCABULARY)
        return _split(_spread(sequences, most))


def _files(named: NamedFile, path: Path) -> list[Path]:
    pattern = named.options.get("files", "*")
    try:
        if not path.is_dir():
            return [path]
        files = sorted(file for file in path.rglob(pattern) if file.is_file())
    except (OSError, ValueError) as error:
        raise TaskError(
            f"{path}: files: expected a pattern such as *.txt, got {pattern!r}: {error}"
        ) from None
    found = [file for file in files if not any(p.startswith(".") for p in file.relative_to(path).parts)]
    if not found:
        raise TaskError(f"{path}: expected files {pattern}, got none")
    return found


def _read(path: Path) -> bytes:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise TaskError(f"{path}: expected a text: {error.strerror or error}") from None
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise TaskError(
            f"{path}: expected UTF-8 text, got byte 0x{text[error.start]:02x} at {error.start:,}; of a "
            "folder, files=*.txt names those to read"
        ) from None
    return text


def _sequences(text: NDArray[np.uint8], context: int, most: int) -> NDArray[np.uint8]:
    """Rows of context + 1 bytes; at most `most` bytes are kept, in stretches spread over the text."""
    width = context + 1
    rows = len(text) // width
    stretches = text[: rows * width].reshape(rows, width)[: rows // STRETCH * STRETCH]
    stretches = stretches.reshape(-1, STRETCH, width)
    return _spread(stretches, max(1, most // (STRETCH * width))).reshape(-1, width)


def _spread(rows: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """At most `most` rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _divided(
    sequences: NDArray[np.uint8], seed: int, part: int = PART
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """All stretches but one in `part`, and these: text that stands close together is not torn apart."""
    stretches = sequences.reshape(-1, STRETCH, sequences.shape[1])
    order = np.random.default_rng(seed).permutation(len(stretches))
    held = np.sort(order[: max(1, len(stretches) // part)])
    kept = np.setdiff1d(np.arange(len(stretches)), held)
    width = sequences.shape[1]
    return stretches[kept].reshape(-1, width), stretches[held].reshape(-1, width)


def _split(sequences: NDArray[np.uint8]) -> Split:
    tokens = sequences.astype(np.int64)
    return Split(np.ascontiguousarray(tokens[:, :-1]), np.ascontiguousarray(tokens[:, 1:]))


def _entropy(sequences: NDArray[np.uint8]) -> float:
    shares = np.bincount(sequences.ravel(), minlength=VOCABULARY) / sequences.size
    present = shares[shares > 0]
    return float(-(present * np.log2(present)).sum())
