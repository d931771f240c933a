"""Random settings of a family's knobs, and bounds that a person gives."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.operators.space.family import RANGES, Family, Knob, Value, bounds
from evoarch.agent.operators.syntactic.vocabulary import ACTIVATIONS

Bounds = Mapping[str, tuple[float, float]]
"""The least and the largest value of a knob, by its name."""


def drawn(family: Family, rng: random.Random, within: Bounds | None = None) -> dict[str, Value]:
    """A value for each knob: widths uniform in their logarithm, other numbers and activations uniform. A knob
    that `within` does not name is drawn from its own bounds.
    """
    values: dict[str, Value] = {}
    for knob in family.knobs:
        if knob.kind == "activation":
            values[knob.name] = rng.choice(sorted(ACTIVATIONS))
            continue
        low, high = (within or {}).get(knob.name) or bounds(knob)
        if knob.kind == "dropout":
            values[knob.name] = rng.uniform(low, high)
        elif knob.kind == "width":
            number = math.exp(rng.uniform(math.log(low - 0.5), math.log(high + 0.5)))
            values[knob.name] = int(min(high, max(low, round(number))))
        else:
            values[knob.name] = rng.randint(int(low), int(high))
    return values


def parsed(texts: Sequence[str], family: Family) -> dict[str, tuple[float, float]]:
    """Bounds as a command takes them, each NAME=LOW:HIGH. Raises UserError for a knob that the family has
    not, and for a range that is empty or goes beyond what is searched.
    """
    knobs = {knob.name: knob for knob in family.knobs if knob.kind != "activation"}
    found = {}
    for text in texts:
        name, _, span = text.partition("=")
        if name not in knobs:
            raise UserError(
                f"--bounds {text}: expected a knob of the family, got {name!r}; {nearest(name, knobs)}"
            )
        found[name] = _span(text, span, knobs[name])
    return found


def _span(text: str, span: str, knob: Knob) -> tuple[float, float]:
    low_text, _, high_text = span.partition(":")
    try:
        low, high = float(low_text), float(high_text)
    except ValueError:
        raise UserError(f"--bounds {text}: expected NAME=LOW:HIGH with two numbers, got {span!r}") from None
    least, most = RANGES[knob.kind]
    least, most = min(least, float(knob.value)), max(most, float(knob.value))
    if not least <= low <= high <= most:
        raise UserError(
            f"--bounds {text}: expected {least:g} <= LOW <= HIGH <= {most:g} of a {knob.kind}, got {span}"
        )
    if knob.kind != "dropout" and (low % 1 or high % 1):
        raise UserError(f"--bounds {text}: expected whole numbers of a {knob.kind}, got {span}")
    return low, high
