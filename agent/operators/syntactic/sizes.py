"""How many parameters layers have, read off their sizes, and the scale that gives a model a wanted number.

What is counted is what the text shows: literal sizes of known layers, each once. It is for drawing and
changing models, never for a score.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from evoarch.agent.operators.syntactic.vocabulary import SPECS

_CALL = re.compile(r"nn\.(\w+)\(([^()]*)\)")
_GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}
_STEPS = 24
_CLOSE = 0.03
"""A natural logarithm: nearer to the wanted number than this is near enough."""

LEAST, MOST = 100, 100_000
"""What a drawn model aims at: each number of elements between these, as likely as another on a log scale."""


def target(rng: random.Random) -> float:
    """A number of elements to aim at."""
    return math.exp(rng.uniform(math.log(LEAST), math.log(MOST)))


def elements(name: str, sizes: Mapping[str, int | bool]) -> int:
    """Trained elements of one layer of torch.nn with the given arguments; 0 where a size is not known."""
    spec = SPECS.get(name)
    if spec is None or (spec.takes and spec.takes not in sizes) or (spec.gives and spec.gives not in sizes):
        return 0
    takes, gives = sizes.get(spec.takes, 0), sizes.get(spec.gives, 0)
    bias = gives if sizes.get("bias", True) else 0
    match spec.kind:
        case "linear":
            return takes * gives + bias
        case "conv" | "upconv":
            kernel = int(sizes.get("kernel_size", 1) ** spec.rank)
            return takes * gives * kernel // max(1, sizes.get("groups", 1)) + bias
        case "norm":
            return 0 if name.startswith("Instance") else 2 * takes
        case "recurrent":
            one = _GATES[name] * gives * (takes + gives + 2)
            return one * (2 if sizes.get("bidirectional") else 1)
        case "attention":
            return 4 * takes * (takes + 1)
    return 0


def counted(text: str) -> int:
    """The elements of all layers that a text writes as `nn.Name(...)` with literal sizes."""
    return sum(_written(name, given) for name, given in _CALL.findall(text))


@lru_cache(maxsize=8192)
def _written(name: str, given: str) -> int:
    """The elements of one layer, by its arguments as they are written. One draw counts most layers anew."""
    return elements(name, _sizes(name, given))


def _sizes(name: str, given: str) -> dict[str, int | bool]:
    spec = SPECS.get(name)
    sizes: dict[str, int | bool] = {}
    if spec is None:
        return sizes
    for position, argument in enumerate(given.split(",")):
        key, _, value = argument.strip().rpartition("=")
        if not key and position < len(spec.parameters):
            key = spec.parameters[position]
        if value.isdecimal():
            sizes[key] = int(value)
        elif value in ("True", "False"):
            sizes[key] = value == "True"
    return sizes


def scale_for(count: Callable[[float], int], target: float, low: float, high: float) -> float:
    """The scale from `low` to `high` at which `count`, which grows with it, is nearest to `target` elements.

    Bisection of the scale's logarithm.
    """
    best, left, right = low, math.log(low), math.log(high)
    off = math.inf
    for _ in range(_STEPS):
        scale = math.exp((left + right) / 2)
        ratio = math.log(max(1, count(scale)) / target)
        if abs(ratio) < off:
            best, off = scale, abs(ratio)
        if off < _CLOSE:
            break
        left, right = (left, math.log(scale)) if ratio > 0 else (math.log(scale), right)
    return best
