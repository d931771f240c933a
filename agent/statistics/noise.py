"""How far a validation error may be from the truth: the noise of training seeds and that of the examples.

A mean error p over S training seeds on n validation examples has variance p (1 - p) (D / S + 1 / n): as of
n_eff = 1 / (D / S + 1 / n) independent examples. D, the dispersion, is what the training seed adds: the
variance of errors over seeds is taken to be D p (1 - p), as in quasi-binomial models (McCullagh and Nelder
1989, section 4.5; n / n_eff is Kish's design effect). Most candidates have one seed, so D is pooled over all
that have several. Wilson's score interval (1927) at n_eff stays in [0, 1] and is right at an error of zero.
It is on the safe side: a part of D is noise of the examples, which 1 / n holds already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.statistics.intervals import Interval, examples, wilson, wilson_high
from evoarch.archive.store import Store

PRIOR_DISPERSION = 0.0028
"""D where no candidate has two training seeds yet: as measured on MNIST-1D (benchmarks/racing.py)."""

PRIOR_FREEDOM = 2
"""How many degrees of freedom that guess is worth against what the campaign measures itself."""


@dataclass(frozen=True)
class Noise:
    """The noise of a campaign's errors.

    `examples`: size of the validation split; 0 where it is not known, and then there are no intervals.
    `dispersion`: D as above. `freedom`: the degrees of freedom it is known to.
    """

    examples: int
    dispersion: float = PRIOR_DISPERSION
    freedom: int = PRIOR_FREEDOM

    def interval(self, error: float | None, seeds: int) -> Interval | None:
        """95% interval of a mean error over `seeds` training seeds; None where nothing is known of it."""
        if error is None or not (self.examples and seeds and 0.0 <= error <= 1.0):
            return None
        return wilson(error, 1.0 / (self.dispersion / seeds + 1.0 / self.examples))

    def bound(self, errors: Sequence[float], seeds: Sequence[int]) -> NDArray[np.float64]:
        """The upper end of each interval, or the error itself where there is none.

        With equal numbers of seeds it orders as the errors do; fewer seeds make a candidate stand lower.
        """
        p, count = np.asarray(errors, dtype=float), np.asarray(seeds, dtype=float)
        if not self.examples:
            return p
        known = (count > 0) & (p >= 0) & (p <= 1)
        size = 1.0 / (self.dispersion / np.where(known, count, 1.0) + 1.0 / self.examples)
        return np.where(known, wilson_high(np.where(known, p, 0.0), size), p)


def pooled(repeats: Mapping[int, Sequence[float]], examples: int) -> Noise:
    """The noise of a campaign, pooled over its candidates.

    `repeats`: by candidate, its errors (0 to 1), one for each training seed. `examples`: of the validation
    split.
    """
    squares, freedom = PRIOR_DISPERSION * PRIOR_FREEDOM, PRIOR_FREEDOM
    for errors in repeats.values():
        mean = float(np.mean(errors))
        spread = mean * (1.0 - mean)
        if len(errors) > 1 and spread > 0:
            squares += float(np.var(errors)) * len(errors) / spread
            freedom += len(errors) - 1
    return Noise(examples, squares / freedom, freedom)


def read_noise(store: Store) -> Noise:
    """The noise of the archive as it is now. It reads only candidates with several seeds, so it is quick."""
    bits = store.browse.newest_bits()
    return pooled(store.browse.repeated(), examples(*bits) if bits else 0)
