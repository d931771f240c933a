"""Baselines as derivations: the grammar contains them, so evolution in it may start where others start.

The key is the genome's source digest, so that a file that was changed is not taken for what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from evoarch.agent.operators.grammar.terms import Term, seq
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.genome import source_digest


def _conv(out: int, kernel: int, stride: int, padding: int) -> Term:
    return Term("conv", (out, kernel, stride, padding, 1, False))


RELU = Term("activation", ("ReLU",))
BATCH = Term("norm", ("batch",))
MAP = Term("unflatten", (1,))
FLAT = Term("flatten")


def _out(classes: int = 10) -> Term:
    return Term("linear", (classes,))


def _residual(body: Term) -> Term:
    return Term("add", (), (Term("identity"), body))


def _block(width: int) -> Term:
    return _residual(seq(_conv(width, 3, 1, 1), BATCH, RELU, _conv(width, 3, 1, 1), BATCH))


def _down(width: int) -> tuple[Term, ...]:
    return _conv(width, 3, 2, 1), BATCH, RELU


DERIVATIONS: Mapping[str, Term] = {
    "conv_base": seq(
        MAP, _conv(25, 5, 2, 1), RELU, _conv(25, 3, 2, 1), RELU, _conv(25, 3, 2, 1), RELU, FLAT, _out()
    ),
    "gru": seq(MAP, Term("recurrent", ("GRU", 6, True)), Term("transpose"), FLAT, _out()),
    "mlp": seq(Term("linear", (100,)), RELU, Term("linear", (100,)), RELU, _out()),
    "residual_cnn": seq(
        *(MAP, _conv(64, 5, 2, 2), BATCH, RELU, _block(64), RELU, *_down(64), _block(64), RELU),
        *(*_down(64), _residual(seq(_conv(64, 3, 1, 1), BATCH)), RELU, FLAT, _out()),
    ),
}
"""By the names of mnist1d's baseline files."""


@cache
def _by_digest() -> Mapping[str, Term]:
    seeds = Mnist1d().seeds
    return {source_digest(seeds[name]): term for name, term in DERIVATIONS.items() if name in seeds}


def known(source: str) -> Term | None:
    """The derivation of a baseline file, None for any other source."""
    return _by_digest().get(source_digest(source))
