"""Drawing derivations: a probabilistic grammar whose branching thins out with depth, so that draws end."""

from __future__ import annotations

import random
from collections.abc import Mapping

from evoarch.agent.operators.grammar.reading import ACTIVATIONS
from evoarch.agent.operators.grammar.terms import BRANCHES, Term, scaled, seq
from evoarch.agent.operators.grammar.writing import Shape, Untypable, write
from evoarch.agent.operators.syntactic.sizes import MOST, counted, scale_for, target

WIDTHS = (4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64)

LEAVES: Mapping[int, Mapping[str, float]] = {
    1: {"linear": 3, "activation": 3, "norm": 1, "dropout": 0.4},
    2: {
        "conv": 5,
        "activation": 4,
        "norm": 2,
        "pool": 1,
        "adaptive": 0.2,
        "attentive": 0.1,
        "excite": 0.5,
        "recurrent": 0.5,
        "dropout": 0.3,
        "positions": 0.3,
        "transpose": 0.3,
    },
    3: {
        "conv": 5,
        "activation": 4,
        "norm": 2,
        "pool": 1,
        "adaptive": 0.2,
        "attentive": 0.1,
        "excite": 0.5,
        "recurrent": 0.2,
        "dropout": 0.3,
        "positions": 0.2,
    },
}
"""Weights of computations and routings by the rank of a type (the length of one example's shape)."""

BRANCHING: Mapping[str, float] = {"add": 3, "mul": 1, "concat": 1, "split": 0.7, "attend": 0.7}

BRANCH_CHANCE = 0.25
"""Of an item on the outermost level being a branching; each level inside has half of it."""

_RECURRENT_FIRST = 0.25
"""Chance of a recurrent layer before all else, where there are positions."""

_LEAST, _MOST = 1 / 64, 32.0
"""The factors that a drawn derivation's widths may be scaled by."""

_NEAR = 1.2
"""By what factor the wanted size may be missed."""

_TRIES = 50


def draw_leaf(rng: random.Random, shape: Shape) -> Term:
    """One computation or routing for a tensor of `shape`; it may turn out not to fit."""
    table = LEAVES[len(shape)]
    kind = rng.choices(list(table), list(table.values()))[0]
    match kind:
        case "linear":
            return Term(kind, (rng.choice(WIDTHS),))
        case "conv":
            kernel = rng.choice((1, 3, 3, 5, 7))
            stride = rng.choice((1, 1, 2)) if kernel > 1 else 1
            dilation = rng.choice((1, 1, 1, 2)) if kernel > 1 else 1
            padding = dilation * (kernel - 1) // 2
            return Term(
                kind,
                (rng.choice(WIDTHS), kernel, stride, padding, dilation, kernel > 1 and rng.random() < 0.2),
            )
        case "recurrent":
            return Term(kind, (rng.choice(("GRU", "LSTM")), rng.choice(WIDTHS[:6]), rng.random() < 0.5))
        case "activation":
            return Term(kind, (rng.choice(ACTIVATIONS),))
        case "norm":
            return Term(kind, (rng.choice(("batch", "batch", "layer", "group")),))
        case "pool":
            return Term(kind, (rng.choice(("Max", "Avg")), rng.choice((2, 2, 3))))
        case "adaptive":
            return Term(kind, (rng.choice(("Max", "Avg")), rng.choice((1, 2, 4, 5))))
        case "excite":
            return Term(kind, (max(1, shape[0] // rng.choice((2, 4))),))
        case "dropout":
            return Term(kind, (rng.choice((0.05, 0.1, 0.2)),))
    return Term(kind)


def draw_item(rng: random.Random, shape: Shape, depth: int = 0) -> Term:
    """A leaf, or a branching with drawn branches; it may turn out not to fit."""
    if rng.random() >= BRANCH_CHANCE / 2**depth:
        return draw_leaf(rng, shape)
    kinds = dict(BRANCHING) if len(shape) == 2 else {k: w for k, w in BRANCHING.items() if k != "attend"}
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    inside = (shape[0] // 2, *shape[1:]) if kind == "split" else shape
    branches = [draw_sequence(rng, inside, depth + 1) for _ in range(BRANCHES[kind])]
    if kind == "add" and rng.random() < 0.6:
        branches[0] = Term("identity")
    return Term(kind, (), tuple(branches))


def draw_sequence(rng: random.Random, shape: Shape, depth: int = 0, most: int = 8) -> Term:
    """One to `most` items that fit one another; the rank of a type does not change in it."""
    items: list[Term] = []
    for _ in range(rng.randint(1, max(1, most >> depth))):
        for _ in range(_TRIES):
            item = draw_item(rng, shape, depth)
            try:
                shape = write(item, shape).shape
            except Untypable:
                continue
            items.append(item)
            break
    return seq(*items)


def draw(rng: random.Random, shape: Shape, classes: int) -> Term:
    """A derivation from examples of `shape` to `classes` logits, of a size that is drawn first, as far as its
    widths can bring it there.
    """
    wanted = target(rng)
    for _ in range(_TRIES):
        term = _structure(rng, shape, classes)

        def size(factor: float, term: Term = term) -> int:
            try:
                return counted(write(_with_widths(term, factor), shape).source)
            except Untypable:  # too many features
                return MOST * 1000

        if size(_LEAST) <= wanted * _NEAR and size(_MOST) >= wanted / _NEAR:
            break
    found = _with_widths(term, scale_for(size, wanted, _LEAST, _MOST))
    return found if size(1.0, found) < MOST * 1000 else term


def _with_widths(term: Term, factor: float) -> Term:
    return seq(*(scaled(each, factor) for each in term.inner[:-1]), term.inner[-1])


def _structure(rng: random.Random, shape: Shape, classes: int) -> Term:
    while True:
        items: list[Term] = []
        now = shape
        if len(shape) == 1 and rng.random() < 0.85:
            chunks = [size for size in (2, 4, 5, 8, 10) if shape[0] % size == 0]
            items.append(Term("unflatten", (rng.choice([1, 1, 1, *chunks]),)))
            now = write(items[0], shape).shape
        if len(now) == 2 and rng.random() < _RECURRENT_FIRST:
            items.append(Term("recurrent", ("GRU", rng.choice(WIDTHS[:6]), rng.random() < 0.5)))
            now = write(items[-1], now).shape
        items.append(draw_sequence(rng, now))
        now = write(seq(*items), shape).shape
        if len(now) > 1:
            end = rng.choices((None, Term("adaptive", ("Max", 1)), Term("attentive"), "kept"), (4, 3, 1, 2))[
                0
            ]
            if end == "kept":
                end = Term("adaptive", (rng.choice(("Avg", "Max")), rng.choice((1, 2, 4))))
            items += [*([end] if isinstance(end, Term) else []), Term("flatten")]
        if rng.random() < 0.25:
            items.append(Term("linear", (rng.choice(WIDTHS),)))
            items.append(Term("activation", (rng.choice(ACTIVATIONS),)))
        term = seq(*items, Term("linear", (classes,)))
        try:
            write(term, shape)
        except Untypable:
            continue
        return term
