"""What helped and what hurt in this campaign, from the archive's own numbers: no language model's opinion.

A child is compared with its first parent. Its gain is the rise of -log error, log(parent's / child's), and
the same of the size. A kind of change ("adds BatchNorm1d") has an effect where the mean gain of the children
with it differs from that of those without it by more than chance: the interval of Welch's t (Welch 1947), at
a level that is shared among all the kinds looked at (Bonferroni), leaves out 0.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from evoarch.agent.statistics.intervals import ALPHA, welch
from evoarch.prompts.contexts import Effect

LEAST = 5
"""Children with a change, and without it, below which nothing is said."""

MOST_NAMED = 40
"""Kinds of change looked at, those of most children: each one more widens all intervals."""

_LAYER = re.compile(r"^(?:nn|F|torch)\.(\w+)$")


@dataclass(frozen=True)
class Gain:
    """One scored child and its first parent: the kinds of `changes` between them, and log(parent / child) of
    the `error` and of the `size` (parameters); above 0 is better.
    """

    changes: frozenset[str]
    error: float
    size: float


def changes(parent: str, child: str) -> frozenset[str]:
    """The kinds of change from one source to another: layers and functions more or fewer, and the widths.

    Empty where one of them is no Python.
    """
    try:
        before, after = _profile(parent), _profile(child)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    found = {f"adds {name}" for name in after.layers - before.layers}
    found |= {f"removes {name}" for name in before.layers - after.layers}
    if before.layers == after.layers and before.numbers != after.numbers:
        wider, narrower = sum(after.numbers) > sum(before.numbers), sum(after.numbers) < sum(before.numbers)
        found |= {"larger numbers in the same layers"} if wider else set()
        found |= {"smaller numbers in the same layers"} if narrower else set()
    return frozenset(found)


def effects(gains: Sequence[Gain], most: int) -> list[Effect]:
    """The at most `most` changes whose effect on error or size is not chance, the strongest first.

    An effect's `factor` is what the measure is multiplied by: 0.9 is a tenth less.
    """
    counts = Counter(change for gain in gains for change in gain.changes)
    named = [
        change
        for change, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= LEAST and len(gains) - count >= LEAST
    ][:MOST_NAMED]
    found: list[Effect] = []
    for change in named:
        for measure in ("error", "size"):
            has = [getattr(each, measure) for each in gains if change in each.changes]
            has_not = [getattr(each, measure) for each in gains if change not in each.changes]
            # ALPHA is the chance that any effect at all is named where there is none, at one time of looking.
            gain = welch(has, has_not, 1 - ALPHA / (2 * len(named)))
            if gain.low > 0 or gain.high < 0:
                middle = (gain.low + gain.high) / 2
                # A gain is a smaller measure, so the bounds change places.
                factor, least, largest = math.exp(-middle), math.exp(-gain.high), math.exp(-gain.low)
                found.append(Effect(change, measure, factor, least, largest, len(has)))
    return sorted(found, key=lambda e: (-abs(math.log(e.factor)), e.change, e.measure))[:most]


@dataclass(frozen=True)
class _Profile:
    layers: Counter[str]
    numbers: Collection[float]


def _profile(source: str) -> _Profile:
    """Which layers and functions a source calls, how often, and the numbers it gives them."""
    layers: Counter[str] = Counter()
    numbers: list[float] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (found := _LAYER.match(ast.unparse(node.func))):
            layers[found[1]] += 1
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            values = [each.value for each in given if isinstance(each, ast.Constant)]
            values = [value for value in values if not isinstance(value, bool)]
            numbers += [float(value) for value in values if isinstance(value, int | float)]
    return _Profile(layers, tuple(numbers))
