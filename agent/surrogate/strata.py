"""Sizes in equal shares, without a model: the search begins with models of every size."""

from __future__ import annotations

from collections.abc import Sequence

STEP = 0.6180339887498949
"""The golden section: multiples of it, modulo 1, fill an interval evenly at every length (Knuth, The Art of
Computer Programming 3, 6.4)."""


def stratum(number: int, offset: float) -> float:
    """Where in the range of sizes (0 to 1) pick `number` is to be; `offset` shifts the whole series."""
    return (offset + number * STEP) % 1.0


def nearest(sizes: Sequence[float], number: int, offset: float) -> int:
    """The place of the draft whose size (a logarithm) is nearest to the pick's stratum of their range.

    Of equals the first. Raises ValueError without drafts.
    """
    low, high = min(sizes), max(sizes)
    wanted = low + stratum(number, offset) * (high - low)
    return min(range(len(sizes)), key=lambda place: (abs(sizes[place] - wanted), place))
