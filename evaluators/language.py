"""Grading of a language model: of each token its logits for the next one.

The error is the mean number of bits a token takes, over those of a uniform guess: 0 for a model that is
always sure and right, 1 for one that knows nothing; it is cut off at 1.

What a model says at a place may depend on the tokens up to there alone. So the second prediction sees each
sequence with another end, after a place of its own, and must say the same before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evoarch.archive.records import Failed
from evoarch.evaluators.agreement import LARGEST, TOLERANCE, spread_of
from evoarch.evaluators.examples import SplitGrading, read_outputs
from evoarch.evaluators.flow import Grade, Question
from evoarch.evaluators.metrics.base import Metric
from evoarch.evaluators.metrics.bits_per_token import bits_of
from evoarch.evaluators.task import Floats, Split, Splits, Targets
from evoarch.sandbox.outcome import Finished


class NextToken(SplitGrading):
    """Grades float32 logits (n, context, vocabulary). Of two predictions of a token the worse counts."""

    leak = "a token's logits depend on later ones, or on the other sequences that are predicted with it"
    worthless = f"the logits are not finite, or beyond {LARGEST:g}"

    def __init__(
        self, splits: Splits, vocabulary: int, metrics: Sequence[Metric] = (), fresh: Split | None = None
    ) -> None:
        super().__init__(splits, metrics, fresh)
        self._vocabulary = vocabulary
        self._tokens = np.asarray(splits.validation.targets, np.int64)

    def read(self, reply: Finished, asked: Question, checkpoints: int) -> Sequence[Floats] | Failed:
        """As evaluators.flow.Grading says: logits (n, context, vocabulary) of each checkpoint."""
        shape = (checkpoints, len(asked.order), self._tokens.shape[1], self._vocabulary)
        return read_outputs(reply, asked, shape, len(self._tokens))

    def otherwise(self, rng: np.random.Generator) -> Question:
        """The same sequences with other ends, in another order and company."""
        asked = super().otherwise(rng)
        inputs = np.array(asked.arrays["inputs"])
        ends = self._ends(len(self._tokens))
        for row, example in enumerate(asked.order):
            if example < len(ends):
                end = inputs[row, ends[example] :]
                end[:] = rng.integers(self._vocabulary, size=len(end))
        return Question({"inputs": inputs}, asked.order, asked.batch, asked.fresh)

    def choose(self, answers: Sequence[Floats]) -> int | None:
        """The checkpoint of lowest validation error; None if none is finite."""
        sound = [bool((np.abs(a) <= LARGEST).all()) for a in answers]
        errors = [
            bits_of(a, self._tokens).mean() if ok else np.inf for a, ok in zip(answers, sound, strict=True)
        ]
        best = int(np.argmin(errors))
        return best if sound[best] else None

    def disagree(self, first: Floats, second: Floats) -> str:
        """How two predictions differ before the ends that were exchanged, "" if they agree."""
        if not (np.abs(second) <= LARGEST).all():
            return f"the second prediction is not finite, or beyond {LARGEST:g}"
        known = self._known(first)
        one, other = first[known].astype(np.float64), second[known].astype(np.float64)
        gap = np.abs(one - other).max(1)
        apart = gap > TOLERANCE * max(spread_of(one), 1e-6)
        if not apart.any():
            return ""
        first_place = np.argwhere(known)[apart, 1].min()
        return (
            f"logits of {apart.sum():,} of {len(gap):,} tokens differ by up to {gap.max():.3g} where later "
            f"tokens, or other sequences, were exchanged; the first at place {first_place}"
        )

    def grade(self, first: Floats, second: Floats) -> Grade | Failed:
        """The error, and the further metrics of the worse prediction."""
        # Of the second, what stands behind an exchanged end answers another question.
        whole = np.where(self._known(first)[..., None], second, first)
        bits = np.maximum(bits_of(first, self._tokens), bits_of(whole, self._tokens))
        error = min(1.0, float(bits.mean() / np.log2(self._vocabulary)))
        return self.measured(Grade(error, np.zeros(0, np.bool_)), first, whole)

    def right(self, outputs: Floats, targets: Targets) -> Floats:
        """Of each sequence: 1 less its bits a token over those of a uniform guess; negative where worse."""
        bits = bits_of(outputs, np.asarray(targets, np.int64)).mean(1)
        right: Floats = (1.0 - bits / np.log2(self._vocabulary)).astype(np.float32)
        return right

    def _ends(self, count: int) -> NDArray[np.int64]:
        """From which place on a sequence is exchanged: at least one token of each stays, and one goes."""
        return np.random.default_rng(0).integers(1, self._tokens.shape[1], size=count)

    def _known(self, outputs: Floats) -> NDArray[np.bool_]:
        """Which tokens (n, context) stand before the exchanged end of their sequence."""
        places = np.arange(outputs.shape[1])
        known: NDArray[np.bool_] = places[None] < self._ends(len(outputs))[:, None]
        return known
