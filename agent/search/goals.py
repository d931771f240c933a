"""What a prompt asks for, and the front that it shows: pure functions of the scored and a stream.

A target is a point that the front lacks. It never asks for less than training can show: the log of an error
varies by a standard deviation of about 0.2 between two trainings of one model (docs/evaluation.md), so the
difference of two varies by 0.3, and a target lies at least that far below what is there.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from itertools import pairwise

from evoarch.agent.statistics.objectives import SIZES
from evoarch.archive.pareto import Objective, front
from evoarch.prompts.contexts import Front
from evoarch.prompts.render import SHOWN_AS, value_text

Row = Mapping[str, float]

BEYOND = 0.74
"""An error is asked to be at most this share of the one that is there: exp(-0.3)."""

SMALLER = 0.7
"""A size is asked to be this share of the one that is there: sizes have no noise."""

LEAST_ERROR = 0.005
"""No error below it is asked for: among 500 examples it is two or three, which says nothing."""

GAP = 1.5
"""Two neighbours on the front whose sizes differ by less leave no gap between them."""

NEAREST = 3
"""A target is drawn from so many points, those whose size is nearest to the parent's."""

MOST_GAPS = 3
"""Gaps that a prompt names."""


def gap_targets(
    rows: Sequence[Row], parents: Sequence[Row], names: Sequence[str], rng: random.Random
) -> dict[str, float]:
    """The metrics `names` to ask of a child of `parents`, a point that the front of `rows` lacks.

    Without a size and an error among `names`, each is asked to be below the parents' best.
    """
    best = {name: min(row[name] for row in parents) for name in names if all(name in row for row in parents)}
    size = _size(names)
    known = best_of(rows, names)
    if size is None or size not in best or "error" not in best or not known:
        factor = {name: BEYOND if name == "error" else SMALLER for name in best}
        return {n: max(LEAST_ERROR if n == "error" else 0.0, factor[n] * v) for n, v in best.items()}
    at = math.log(max(1.0, parents[0][size]))
    spots = sorted(_spots(known, size), key=lambda spot: (abs(math.log(spot[0]) - at), spot))
    chosen = rng.choice(spots[:NEAREST])
    return {**best, size: _rounded(chosen[0]), "error": round(chosen[1], 3)}


def best_of(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """The front of `rows` by the metrics `names`, each point once, in order of the first size among them."""
    whole = [row for row in rows if all(name in row for name in names)]
    goals = [Objective(name, log=name in SIZES) for name in names]
    points = {tuple(whole[place][name] for name in names): whole[place] for place in front(whole, goals)}
    size = _size(names) or names[0]
    return sorted(points.values(), key=lambda row: (row[size], *(row[name] for name in names)))


def shown_front(rows: Sequence[Row], names: Sequence[str], most: int) -> Front:
    """At most `most` points of the front, evenly over its sizes, and the widest gaps between its points."""
    known = best_of(rows, names)
    if not known or not most:
        return Front()
    count = min(most, len(known))
    places = sorted({round(i * (len(known) - 1) / max(1, count - 1)) for i in range(count)})
    shown = tuple({name: known[place][name] for name in names} for place in places)
    size = _size(names)
    return Front(shown, _gaps(known, size) if size and "error" in names else ())


def _gaps(known: Sequence[Row], size: str) -> tuple[str, ...]:
    found = []
    for one, other in pairwise(known):
        middle, error = _between(one, other, size), _below(one["error"])
        if other[size] >= GAP * one[size] and error:
            name = SHOWN_AS.get(size, size)
            line = (
                f"between {value_text(size, one[size])} and {value_text(size, other[size])} {name}: "
                f"a val_error below {value_text('error', error)} with about {value_text(size, middle)}"
            )
            found.append((other[size] / one[size], line))
    return tuple(line for _, line in sorted(found, reverse=True)[:MOST_GAPS])


def _spots(known: Sequence[Row], size: str) -> list[tuple[float, float]]:
    """Points (size, error) that nothing on the front reaches."""
    found = [(max(1.0, SMALLER * row[size]), row["error"]) for row in known]
    found += [(row[size], below) for row in known if (below := _below(row["error"]))]
    found += [
        (_between(one, other, size), below)
        for one, other in pairwise(known)
        if other[size] >= GAP * one[size] and (below := _below(one["error"]))
    ]
    return [(max(1.0, each), max(LEAST_ERROR, error)) for each, error in found]


def _between(one: Row, other: Row, size: str) -> float:
    return _rounded(math.sqrt(max(1.0, one[size]) * max(1.0, other[size])))


def _below(error: float) -> float:
    """An error that is lower by more than noise, 0.0 where no such one can be told from it."""
    return BEYOND * error if BEYOND * error >= LEAST_ERROR else 0.0


def _size(names: Sequence[str]) -> str | None:
    return next((name for name in names if name in SIZES), None)


def _rounded(value: float) -> float:
    """To two figures: a target is no measurement."""
    if value < 100:
        return float(max(1, round(value)))
    return float(round(value, 1 - math.floor(math.log10(value))))
