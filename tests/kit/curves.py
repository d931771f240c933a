"""Runs of a comparison that need no campaign."""

from evoarch.agent.compare.curves import Curve, Point


def flat(arm: str, seed: int, height: float) -> Curve:
    """A run of two points whose measures follow from one number."""
    return Curve(arm, seed, (Point(0, 1.0, 0.0, 3.0, 0.5), Point(5, 9.0, height, 3.0 - height, 0.5)))
