"""CLRS scores from logits, in the trusted process, as the benchmark defines them (dm-clrs 2.0.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.tasks.clrs.inside.feature import Feature

Array = NDArray[Any]
Bits = NDArray[np.bool_]

SINKHORN_STEPS, SINKHORN_TEMPERATURE = 25, 0.1
"""For outputs at scoring time (dm-clrs 2.0.3, baselines.py)."""


@dataclass(frozen=True)
class Score:
    """`value` is the benchmark's (0..1, the mean over outputs; for scalars the mean squared error).

    `correct` holds one bit for each graded element, in the order of outputs, for paired comparisons;
    `by_example` the share of right elements of each example, the mean over outputs, (examples,) float32.
    """

    value: float
    by_output: Mapping[str, float]
    correct: Bits
    by_example: NDArray[np.float32]

    @property
    def error(self) -> float:
        """Smoothed like every error: (wrong + 1) / (n + 2), the share of wrong ones being 1 - value."""
        graded = self.correct.size
        return ((1.0 - self.value) * graded + 1.0) / (graded + 2.0)


def score(features: Sequence[Feature], logits: Mapping[str, Array], truth: Mapping[str, Array]) -> Score:
    """Grade logits of all outputs (examples, ...) against stored targets, by output name.

    Raises ValueError where an output is missing, has another shape, or is not finite.
    """
    outputs = [feature for feature in features if feature.stage == "output"]
    for feature in outputs:
        _check(feature, logits, truth)
    chosen = decisions(outputs, logits)
    values: dict[str, float] = {}
    bits: list[Bits] = []
    shares: list[NDArray[np.float64]] = []
    masks = {f"{f.name}_mask" for f in outputs if f.kind == "permutation_pointer"}
    for feature in outputs:
        name = feature.name
        if name in masks:
            continue  # graded with its permutation
        said, right = chosen[name], truth[name]
        if feature.kind == "permutation_pointer":
            mask = f"{name}_mask"
            said, right = fused(said, chosen[mask]), fused(right, truth[mask].argmax(-1))
        graded = np.zeros(0, np.bool_)
        kept = np.ones(right.shape, np.bool_)
        if feature.kind == "mask":
            values[name], graded = _f1(said, right)
            kept = right != -1
        elif feature.kind == "scalar":
            values[name] = float(((np.asarray(said, np.float64) - right) ** 2).mean())
        else:
            if feature.kind in ("mask_one", "categorical"):
                kept = (right != -1).all(-1)
                said, right = said[kept], right[kept].argmax(-1)
            graded = np.asarray(said == right).ravel()
            values[name] = float(graded.mean())
        bits.append(graded)
        if graded.size:
            shares.append(_by_example(graded, kept))
    value = float(np.mean(list(values.values())))
    by_example = np.mean(shares, axis=0) if shares else np.zeros(0)
    return Score(value, values, np.concatenate(bits), by_example.astype(np.float32))


def _by_example(graded: Bits, kept: Bits) -> NDArray[np.float64]:
    """The share of right ones among the graded elements of each example; 1 where none of it is graded."""
    right = np.zeros(kept.shape)
    right[kept] = graded
    rows = (len(kept), -1)
    counts = kept.reshape(rows).sum(1)
    shares: NDArray[np.float64] = np.where(counts, right.reshape(rows).sum(1) / np.maximum(counts, 1), 1.0)
    return shares


def decisions(features: Sequence[Feature], logits: Mapping[str, Array]) -> dict[str, Array]:
    """What logits say, by output: classes, nodes pointed at or mask bits; scalars as they are."""
    found: dict[str, Array] = {}
    for feature in (f for f in features if f.stage == "output"):
        given = logits[feature.name]
        if feature.kind == "permutation_pointer":
            found[feature.name] = permutation(given)
        elif feature.kind == "mask":
            found[feature.name] = given > 0
        elif feature.kind == "scalar":
            found[feature.name] = given
        else:
            found[feature.name] = given.argmax(-1)
    return found


def permutation(logits: Array) -> Array:
    """Pointers (..., N) of the permutation nearest to decoded logits (..., N, N), by Sinkhorn's algorithm."""
    logs = np.asarray(logits, np.float64) / SINKHORN_TEMPERATURE - 1e6 * np.eye(logits.shape[-1])
    for _ in range(SINKHORN_STEPS):
        for axis in (-1, -2):
            logs = logs - logs.max(axis, keepdims=True)
            logs = logs - np.log(np.exp(logs).sum(axis, keepdims=True))
    return np.asarray(logs.argmax(-1))


def fused(pointers: Array, first: Array) -> Array:
    """A cyclic permutation (..., N) and its first node (...) as predecessors: the first is its own."""
    nodes = np.arange(pointers.shape[-1])
    return np.where(nodes == first[..., None], nodes, pointers)


def _f1(predicted: Bits, truth: Array) -> tuple[float, Bits]:
    """F1 of a mask over graded elements, which weighs the rarer class; an empty denominator counts as 1."""
    graded = truth != -1
    marked, wanted = predicted[graded], (truth > 0)[graded]
    hits = float((marked & wanted).sum())
    precision = hits / marked.sum() if marked.any() else 1.0
    recall = hits / wanted.sum() if wanted.any() else 1.0
    both = precision + recall
    return (2.0 * precision * recall / both if both > 0 else 0.0), marked == wanted


def _check(feature: Feature, logits: Mapping[str, Array], truth: Mapping[str, Array]) -> None:
    name = feature.name
    if name not in logits:
        raise ValueError(f"output {name!r}: expected logits, got none")
    expected, got = truth[name].shape, logits[name].shape
    pointer = feature.kind in ("pointer", "permutation_pointer")
    if (got[:-1] if pointer else got) != expected:
        ending = " + (nodes,)" if pointer else ""
        raise ValueError(f"output {name!r}: expected shape {expected}{ending}, got {got}")
    if not np.isfinite(logits[name]).all():
        raise ValueError(f"output {name!r}: expected finite logits")
