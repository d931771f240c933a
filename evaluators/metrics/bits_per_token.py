"""Bits a token: how long a text becomes when it is coded by the model's predictions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.metrics.base import metric
from evoarch.evaluators.task import Floats, Labels, Targets


def bits_of(logits: Floats, tokens: Labels) -> NDArray[np.float64]:
    """-log2 of the probability of each token (n, context), by logits (n, context, vocabulary)."""
    top = logits.max(-1, keepdims=True)
    # In float32 a block at a time: in float64 all at once would be twice the reply.
    norm = np.log(np.exp(logits - top).sum(-1, dtype=np.float64))
    own = np.take_along_axis(logits, tokens[..., None], -1) - top
    bits: NDArray[np.float64] = (norm - own[..., 0]) / math.log(2)
    return bits


@metric
class BitsPerToken:
    """The mean of -log2 p(next token); with bytes as tokens, bits a byte. A uniform guess has log2 of the
    vocabulary's size: 8 for bytes.
    """

    name = "bits_per_token"
    minimise = True
    bounds = (0.0, math.inf)
    loss = "next_token"

    def __call__(self, outputs: Floats, targets: Targets) -> float:
        """Bits, from 0."""
        return float(bits_of(outputs, np.asarray(targets, np.int64)).mean())
