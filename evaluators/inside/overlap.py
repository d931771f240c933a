"""Which part of a tensor two models share. Imports nothing, so that the parent counts by the child's rule."""

from __future__ import annotations


def overlap(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes of the slice that two tensors of one name share, () where more than widths differ.

    The first two dimensions are widths (out and in); kernel sizes behind them must agree. A scalar has no
    slice, and is left as it is.
    """
    if len(one) != len(other) or one[2:] != other[2:]:
        return ()
    return tuple(min(a, b) for a, b in zip(one, other, strict=True))
