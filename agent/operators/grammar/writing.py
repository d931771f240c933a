"""From a derivation to a model file: types are checked and sizes filled in on the way.

A type is the shape of one example: (features,), (channels, length) or (channels, height, width).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evoarch.agent.operators.grammar.helpers import HELPERS
from evoarch.agent.operators.grammar.terms import Term

Shape = tuple[int, ...]

MOST_FEATURES = 8192
"""Elements of one example between two terms; more would make a layer that no laptop trains."""


class Untypable(ValueError):  # noqa: N818 - it reads as what it says
    """A term does not fit the type that it is applied to."""


@dataclass(frozen=True)
class Written:
    """`source` is an expression; `shape` the type that leaves it; `helpers` the classes it names."""

    source: str
    shape: Shape
    helpers: frozenset[str] = frozenset()


def model_file(term: Term, shape: Shape, classes: int, entry: str = "Model") -> str:
    """A model file of `term` for examples of `shape`. Raises Untypable unless it ends in (classes,)."""
    written = write(term, shape)
    if written.shape != (classes,):
        raise Untypable(f"expected a derivation that ends in ({classes},), got {written.shape}")
    helpers = [HELPERS[name] for name in HELPERS if name in written.helpers]
    torch = ["import torch"] if any("torch." in helper for helper in helpers) else []
    return "\n".join(
        [
            *torch,
            "from torch import nn",
            *(f"\n\n{helper.rstrip()}" for helper in helpers),
            "",
            "",
            f"class {entry}(nn.Module):",
            "    def __init__(self):",
            "        super().__init__()",
            f"        self.net = {_indented(written.source, 2)}",
            "",
            "    def forward(self, x):",
            "        return self.net(x)",
            "",
        ]
    )


def write(term: Term, shape: Shape) -> Written:
    """`term` applied to `shape`. Raises Untypable, which says what does not fit."""
    written = _RULES[term.kind](term, shape)
    if math.prod(written.shape) > MOST_FEATURES or min(written.shape) < 1:
        raise Untypable(f"{term.kind}: expected at most {MOST_FEATURES} features, got {written.shape}")
    return written


def _leaf(source: str, shape: Shape, *helpers: str) -> Written:
    return Written(source, shape, frozenset(helpers))


def _need(condition: bool, term: Term, shape: Shape) -> None:
    if not condition:
        raise Untypable(f"{term.kind} {term.values}: does not fit {shape}")


def _seq(term: Term, shape: Shape) -> Written:
    sources, helpers = [], frozenset[str]()
    for inner in term.inner:
        written = write(inner, shape)
        shape, helpers = written.shape, helpers | written.helpers
        sources.append(written.source)
    return Written(_call("nn.Sequential", sources), shape, helpers)


def _call(name: str, arguments: list[str]) -> str:
    if not arguments:
        return f"{name}()"
    inner = "".join(f"    {_indented(argument, 1)},\n" for argument in arguments)
    return f"{name}(\n{inner})"


def _indented(source: str, levels: int) -> str:
    return source.replace("\n", "\n" + "    " * levels)


def fit(shape: Shape, wanted: Shape) -> Term:
    """What takes `shape` to `wanted`, of the same rank: a projection of channels, positions pooled."""
    if len(shape) != len(wanted):
        raise Untypable(f"expected branches of one rank, got {shape} and {wanted}")
    steps: list[Term] = []
    if shape[0] != wanted[0]:
        steps.append(
            Term("linear", (wanted[0],)) if len(shape) == 1 else Term("conv", (wanted[0], 1, 1, 0, 1, False))
        )
    if shape[1:] != wanted[1:]:
        if len(set(wanted[1:])) != 1:
            raise Untypable(f"expected equal sides, got {wanted}")
        steps.append(Term("adaptive", ("Avg", wanted[1])))
    return Term("seq", (), tuple(steps))


def _fitted(term: Term, shape: Shape, wanted: Shape) -> Written:
    written = write(term, shape)
    if written.shape == wanted:
        return written
    steps = term.inner if term.kind == "seq" else () if term.kind == "identity" else (term,)
    return write(Term("seq", (), (*steps, *fit(written.shape, wanted).inner)), shape)


def _branches(name: str, branches: list[Written], shape: Shape) -> Written:
    helpers = frozenset[str]().union(*(branch.helpers for branch in branches))
    return Written(_call(name, [branch.source for branch in branches]), shape, helpers | {name})


def _pointwise(term: Term, shape: Shape) -> Written:
    left, right = write(term.inner[0], shape), write(term.inner[1], shape)
    # The smaller side is kept: to pool is always possible, to stretch is not worth a rule.
    if math.prod(left.shape[1:]) > math.prod(right.shape[1:]):
        left = _fitted(term.inner[0], shape, (left.shape[0], *right.shape[1:]))
    right = _fitted(term.inner[1], shape, left.shape)
    return _branches(term.kind.capitalize(), [left, right], left.shape)


def _concat(term: Term, shape: Shape) -> Written:
    left = write(term.inner[0], shape)
    right = write(term.inner[1], shape)
    if math.prod(left.shape[1:]) > math.prod(right.shape[1:]):
        left = _fitted(term.inner[0], shape, (left.shape[0], *right.shape[1:]))
    right = _fitted(term.inner[1], shape, (right.shape[0], *left.shape[1:]))
    return _branches("Concat", [left, right], (left.shape[0] + right.shape[0], *left.shape[1:]))


def _split(term: Term, shape: Shape) -> Written:
    _need(shape[0] >= 2 and shape[0] % 2 == 0, term, shape)
    half = (shape[0] // 2, *shape[1:])
    left = write(term.inner[0], half)
    right = write(term.inner[1], half)
    if math.prod(left.shape[1:]) > math.prod(right.shape[1:]):
        left = _fitted(term.inner[0], half, (left.shape[0], *right.shape[1:]))
    right = _fitted(term.inner[1], half, (right.shape[0], *left.shape[1:]))
    return _branches("Split", [left, right], (left.shape[0] + right.shape[0], *left.shape[1:]))


def _attend(term: Term, shape: Shape) -> Written:
    _need(len(shape) == 2, term, shape)
    query, value = write(term.inner[0], shape), write(term.inner[2], shape)
    _need(len(query.shape) == 2 and len(value.shape) == 2, term, shape)
    key = _fitted(term.inner[1], shape, (query.shape[0], value.shape[1]))
    return _branches("Attend", [query, key, value], (value.shape[0], query.shape[1]))


def _conv(term: Term, shape: Shape) -> Written:
    out, kernel, stride, padding, dilation, depthwise = term.values
    rank = len(shape) - 1
    _need(rank in (1, 2), term, shape)
    assert isinstance(out, int)
    assert isinstance(kernel, int)
    assert isinstance(stride, int)
    assert isinstance(padding, int)
    assert isinstance(dilation, int)
    depthwise = depthwise and shape[0] > 1
    if depthwise:
        out = shape[0]
    sides = [(side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1 for side in shape[1:]]
    options = {"stride": (stride, 1), "padding": (padding, 0), "dilation": (dilation, 1)}
    given = "".join(f", {name}={value}" for name, (value, default) in options.items() if value != default)
    groups = f", groups={shape[0]}" if depthwise else ""
    return _leaf(f"nn.Conv{rank}d({shape[0]}, {out}, {kernel}{given}{groups})", (out, *sides))


def _linear(term: Term, shape: Shape) -> Written:
    _need(len(shape) == 1, term, shape)
    out = term.values[0]
    assert isinstance(out, int)
    return _leaf(f"nn.Linear({shape[0]}, {out})", (out,))


def _recurrent(term: Term, shape: Shape) -> Written:
    cell, hidden, both = term.values
    _need(len(shape) > 1, term, shape)
    assert isinstance(hidden, int)
    given = "batch_first=True" + (", bidirectional=True" if both else "")
    width = hidden * (2 if both else 1)
    return _leaf(f"Recurrent(nn.{cell}({shape[0]}, {hidden}, {given}))", (width, *shape[1:]), "Recurrent")


def _norm(term: Term, shape: Shape) -> Written:
    if term.values[0] == "batch":
        return _leaf(f"nn.BatchNorm{max(1, len(shape) - 1)}d({shape[0]})", shape)
    if len(shape) == 1:
        return _leaf(f"nn.LayerNorm({shape[0]})", shape)
    groups = 4 if term.values[0] == "group" else 1
    _need(shape[0] % groups == 0, term, shape)
    return _leaf(f"nn.GroupNorm({groups}, {shape[0]})", shape)


def _pool(term: Term, shape: Shape) -> Written:
    kind, kernel = term.values
    _need(len(shape) > 1, term, shape)
    assert isinstance(kernel, int)
    sides = [side // kernel for side in shape[1:]]
    return _leaf(f"nn.{kind}Pool{len(shape) - 1}d({kernel})", (shape[0], *sides))


def _adaptive(term: Term, shape: Shape) -> Written:
    kind, left = term.values
    assert isinstance(left, int)
    _need(len(shape) > 1 and left <= min(shape[1:]), term, shape)
    sides = [left] * (len(shape) - 1)
    return _leaf(f"nn.Adaptive{kind}Pool{len(shape) - 1}d({left})", (shape[0], *sides))


def _attentive(term: Term, shape: Shape) -> Written:
    _need(len(shape) > 1, term, shape)
    rank = len(shape) - 1
    return _leaf(f"AttentionPool(nn.Conv{rank}d({shape[0]}, 1, 1))", (shape[0], *[1] * rank), "AttentionPool")


def _excite(term: Term, shape: Shape) -> Written:
    _need(len(shape) > 1, term, shape)
    width, narrow = shape[0], term.values[0]
    source = f"SqueezeExcite(nn.Linear({width}, {narrow}), nn.Linear({narrow}, {width}))"
    return _leaf(source, shape, "SqueezeExcite")


def _positions(term: Term, shape: Shape) -> Written:
    return _leaf(f"Positions({', '.join(map(str, shape))})", shape, "Positions")


def _transpose(term: Term, shape: Shape) -> Written:
    _need(len(shape) == 2, term, shape)
    return _leaf("Transpose()", shape[::-1], "Transpose")


def _flatten(term: Term, shape: Shape) -> Written:
    _need(len(shape) > 1, term, shape)
    return _leaf("nn.Flatten()", (math.prod(shape),))


def _unflatten(term: Term, shape: Shape) -> Written:
    channels = term.values[0]
    assert isinstance(channels, int)
    _need(len(shape) == 1 and shape[0] % channels == 0, term, shape)
    sides = (channels, shape[0] // channels)
    return _leaf(f"nn.Unflatten(1, {sides})", sides)


_RULES: Mapping[str, Callable[[Term, Shape], Written]] = {
    "seq": _seq,
    "add": _pointwise,
    "mul": _pointwise,
    "concat": _concat,
    "split": _split,
    "attend": _attend,
    "conv": _conv,
    "linear": _linear,
    "recurrent": _recurrent,
    "activation": lambda term, shape: _leaf(f"nn.{term.values[0]}()", shape),
    "norm": _norm,
    "pool": _pool,
    "adaptive": _adaptive,
    "attentive": _attentive,
    "excite": _excite,
    "dropout": lambda term, shape: _leaf(f"nn.Dropout({term.values[0]})", shape),
    "positions": _positions,
    "transpose": _transpose,
    "flatten": _flatten,
    "unflatten": _unflatten,
    "identity": lambda term, shape: _leaf("nn.Identity()", shape),
}
