"""Evolving derivations: small changes of one, exchange between two. What no longer fits is drawn again."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from evoarch.agent.operators.grammar.drawing import WIDTHS, draw_item, draw_leaf
from evoarch.agent.operators.grammar.terms import CHANGES_RANK, Path, Term, at, put, seq, walk
from evoarch.agent.operators.grammar.writing import Shape, Untypable, model_file, write

TRIES = 60


class NothingFitsError(ValueError):
    """No change that was drawn gave a derivation that fits; rare, and the operator's problem to report."""


def shapes(term: Term, shape: Shape) -> dict[Path, Shape]:
    """The type that comes into each item of each sequence, and into each branch, by place."""
    found: dict[Path, Shape] = {(): shape}

    def visit(inner: Term, path: Path, came_in: Shape) -> None:
        found[path] = came_in
        if inner.kind == "seq":
            for index, item in enumerate(inner.inner):
                visit(item, (*path, index), came_in)
                came_in = write(item, came_in).shape
            return
        half = (came_in[0] // 2, *came_in[1:]) if inner.kind == "split" else came_in
        for index, branch in enumerate(inner.inner):
            visit(branch, (*path, index), half)

    visit(term, (), shape)
    return found


def _sites(term: Term) -> list[Path]:
    """Items of sequences that may change: neither the change of rank nor the last layer of all."""
    last = (len(term.inner) - 1,)
    return [
        path
        for path, inner in walk(term)
        if path and path != last and at(term, path[:-1]).kind == "seq" and inner.kind not in CHANGES_RANK
    ]


def _insert(term: Term, path: Path, new: Term) -> Term:
    parent, index = at(term, path[:-1]), path[-1]
    items = (*parent.inner[:index], new, *parent.inner[index:])
    return put(term, path[:-1], Term("seq", (), items))


def _delete(term: Term, path: Path) -> Term:
    parent, index = at(term, path[:-1]), path[-1]
    items = (*parent.inner[:index], *parent.inner[index + 1 :])
    return put(term, path[:-1], Term("seq", (), items))


Change = Callable[[random.Random, Term, Path, Shape], Term]


def _replaced(rng: random.Random, term: Term, path: Path, came_in: Shape) -> Term:
    return put(term, path, draw_item(rng, came_in, 1))


def _inserted(rng: random.Random, term: Term, path: Path, came_in: Shape) -> Term:
    return _insert(term, path, draw_item(rng, came_in, 1))


def _deleted(rng: random.Random, term: Term, path: Path, came_in: Shape) -> Term:
    return _delete(term, path)


def _doubled(rng: random.Random, term: Term, path: Path, came_in: Shape) -> Term:
    return _insert(term, path, at(term, path))


def _residual(rng: random.Random, term: Term, path: Path, came_in: Shape) -> Term:
    return put(term, path, Term("add", (), (Term("identity"), seq(at(term, path)))))


def _value(rng: random.Random, term: Term, path: Path, came_in: Shape) -> Term:
    """Another value of the same kind of leaf: a width of the table's neighbours, or a leaf drawn anew."""
    leaf = at(term, path)
    if leaf.kind in ("conv", "linear") and rng.random() < 0.6:
        scaled = max(1, round(int(leaf.values[0]) * rng.choice((0.5, 0.67, 0.8, 1.25, 1.5, 2.0))))
        width = rng.choice((scaled, scaled, rng.choice(WIDTHS)))
        return put(term, path, Term(leaf.kind, (width, *leaf.values[1:])))
    for _ in range(TRIES):
        new = draw_leaf(rng, came_in)
        if new.kind == leaf.kind:
            return put(term, path, new)
    return term


CHANGES: Mapping[str, tuple[Change, float]] = {
    "value changed": (_value, 4.0),
    "replaced": (_replaced, 1.5),
    "inserted": (_inserted, 2.0),
    "deleted": (_deleted, 1.2),
    "doubled": (_doubled, 0.5),
    "made residual": (_residual, 0.7),
}
"""Changes with their weights in the draw."""


def mutate(rng: random.Random, term: Term, shape: Shape, classes: int) -> tuple[Term, str]:
    """One or two changes; the child fits and differs. Raises NothingFitsError."""
    names, weights = list(CHANGES), [weight for _, weight in CHANGES.values()]
    for _ in range(TRIES):
        child, done = term, list[str]()
        for _ in range(1 + (rng.random() < 0.35)):
            sites = _sites(child)
            if not sites:
                break
            path, name = rng.choice(sites), rng.choices(names, weights)[0]
            kind = at(child, path).kind
            child = CHANGES[name][0](rng, child, path, shapes(child, shape)[path])
            done.append(f"{kind} {name}")
            if not _fits(child, shape, classes):
                break
        if child != term and _fits(child, shape, classes):
            return child, "; ".join(done)
    raise NothingFitsError("no drawn change fits this derivation")


def cross(rng: random.Random, base: Term, donor: Term, shape: Shape, classes: int) -> tuple[Term, str]:
    """A run of the base's items replaced by one of the donor's of the same rank. Raises NothingFitsError."""
    ranks = {path: len(came_in) for path, came_in in shapes(donor, shape).items()}
    came_in = shapes(base, shape)
    pairs = [
        (path, taken)
        for path in _sites(base)
        for taken in _sites(donor)
        if len(came_in[path]) == ranks[taken]
    ]
    for _ in range(TRIES if pairs else 0):
        path, taken = rng.choice(pairs)
        parent, index = at(base, path[:-1]), path[-1]
        run = at(donor, taken[:-1]).inner[taken[-1] :]
        run = tuple(item for item in run[: rng.randint(1, 4)] if item.kind not in CHANGES_RANK)
        kept = parent.inner[index + rng.randint(0, 2) :]
        child = put(base, path[:-1], Term("seq", (), (*parent.inner[:index], *run, *kept)))
        if child not in (base, donor) and _fits(child, shape, classes):
            return child, f"{len(run)} terms of the second parent"
    raise NothingFitsError("no run of the second parent fits the first")


def _fits(term: Term, shape: Shape, classes: int) -> bool:
    try:
        model_file(term, shape, classes)
    except Untypable:
        return False
    return True
