"""Terms of the grammar: what an architecture is made of. Sizes that come in are never part of a term."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

Value = int | float | str | bool
Path = tuple[int, ...]
"""Where a subterm stands: the index among the inner terms, level by level."""


@dataclass(frozen=True)
class Term:
    """One production. `values` are its own sizes and choices, `inner` the terms that it is made of.

    | kind | values | inner |
    |---|---|---|
    | seq | | any number, applied in order |
    | add, mul, concat | | two branches: sum, product, channels side by side |
    | split | | two branches, each on half of the channels, side by side |
    | attend | | query, key, value: softmax(q k / sqrt(channels)) v over positions |
    | conv | out, kernel, stride, padding, dilation, depthwise | |
    | linear | out | |
    | recurrent | cell (GRU, LSTM), hidden, bidirectional | |
    | activation | torch.nn's class | |
    | norm | batch, layer or group | |
    | pool | Max or Avg, kernel | |
    | adaptive | Max or Avg, positions that are left | |
    | attentive | | |
    | excite | the narrow width of a squeeze-and-excitation block | |
    | dropout | rate | |
    | positions | | |
    | flatten, transpose, identity | | |
    | unflatten | channels | |
    """

    kind: str
    values: tuple[Value, ...] = ()
    inner: tuple[Term, ...] = ()


BRANCHES = {"add": 2, "mul": 2, "concat": 2, "split": 2, "attend": 3}
"""Terms with a fixed number of inner terms."""

CHANGES_RANK = ("flatten", "unflatten")


def seq(*inner: Term) -> Term:
    """Terms in order, with sequences inside opened."""
    flat: list[Term] = []
    for term in inner:
        flat += term.inner if term.kind == "seq" else (term,)
    return Term("seq", (), tuple(flat))


SCALED = ("conv", "linear", "recurrent", "excite")
"""Terms with a width of their own."""


def scaled(term: Term, factor: float) -> Term:
    """Every width of a term times `factor`, rounded so that what 2 or 4 divided they still divide."""
    inner = tuple(scaled(each, factor) for each in term.inner)
    if term.kind not in SCALED:
        return replace(term, inner=inner)
    place = 1 if term.kind == "recurrent" else 0
    width = int(term.values[place])
    step = 4 if width % 4 == 0 else 2 if width % 2 == 0 else 1
    new = max(step, round(width * factor / step) * step)
    return replace(term, values=(*term.values[:place], new, *term.values[place + 1 :]))


def walk(term: Term, path: Path = ()) -> Iterator[tuple[Path, Term]]:
    """Every subterm with its place, from the outside in."""
    yield path, term
    for index, inner in enumerate(term.inner):
        yield from walk(inner, (*path, index))


def at(term: Term, path: Path) -> Term:
    """The term that `path` leads to, an index into each level."""
    for index in path:
        term = term.inner[index]
    return term


def put(term: Term, path: Path, new: Term) -> Term:
    """`term` with the subterm at `path` replaced by `new`."""
    if not path:
        return new
    inner = list(term.inner)
    inner[path[0]] = put(inner[path[0]], path[1:], new)
    return replace(term, inner=tuple(inner))
