"""Expected hypervolume improvement (Emmerich et al. 2006, "Single- and multiobjective evolutionary
optimization assisted by Gaussian random field metamodels"), over the guesses of a forest's trees.
"""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def improvements(guesses: Matrix, front: Matrix, reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the guesses of what each model would add to the front's hypervolume.

    `guesses`: (models, guesses, objectives), all minimised, sizes as decimal logarithms; what is known
    exactly is the same in each guess. `front`: (points, objectives) of what was measured; points that others
    dominate do no harm. `reference`: the point that volumes are measured from.
    """
    if len(front):
        # Of 10^5 points some dozens are left; each of the others would be compared with every guess.
        front = moocore.filter_dominated(front)
    if guesses.shape[2] == 2:
        return _plane(guesses, front, reference)
    known = _volume(front, reference)
    models, count, goals = guesses.shape
    points = guesses.reshape(models * count, goals)
    # A point that is no better than the reference, or dominated by the front, adds nothing.
    covered = np.any(np.all(front[None, :, :] <= points[:, None, :], axis=2), axis=1)
    useful = (points < reference).all(axis=1) & ~covered
    gains = np.zeros(len(points))
    for place in np.flatnonzero(useful):
        gains[place] = _volume(np.vstack([front, points[place]]), reference) - known
    return np.asarray(gains.reshape(models, count).mean(axis=1))


def _volume(points: Matrix, reference: NDArray[np.float64]) -> float:
    return float(moocore.hypervolume(points, ref=reference)) if len(points) else 0.0


def _plane(guesses: Matrix, front: Matrix, reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two objectives in closed form: between two neighbours of the front the gain is a rectangle."""
    inside = front[(front < reference).all(axis=1)] if len(front) else np.empty((0, 2))
    stairs = inside[np.lexsort((inside[:, 0], inside[:, 1]))]
    # Below the first point nothing is reached yet; after each, the least first objective so far is.
    edges = np.concatenate([[-np.inf], stairs[:, 1], [reference[1]]])
    heights = np.minimum.accumulate(np.concatenate([[reference[0]], stairs[:, 0]]))
    starts = np.maximum(edges[None, None, :-1], guesses[:, :, 1, None])
    lengths = np.maximum(0.0, edges[None, None, 1:] - starts)
    gains = np.maximum(0.0, heights[None, None, :] - guesses[:, :, 0, None])
    return np.asarray((lengths * gains).sum(axis=2).mean(axis=1))
