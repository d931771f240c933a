"""`grammar.draw`, `grammar.mutate`, `grammar.crossover`: operators over derivations."""

from __future__ import annotations

import random
from collections.abc import Callable

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, Order, Parent, operator, width
from evoarch.agent.operators.grammar.baselines import known
from evoarch.agent.operators.grammar.drawing import draw
from evoarch.agent.operators.grammar.reading import NotInGrammarError, read
from evoarch.agent.operators.grammar.terms import Term
from evoarch.agent.operators.grammar.varying import NothingFitsError, cross, mutate
from evoarch.agent.operators.grammar.writing import Shape, model_file


@operator
class GrammarDraw:
    """A derivation from nothing. Deterministic in (order, rng), like the two below."""

    name = "grammar.draw"
    arity = 0
    samples = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts (see Operator.propose)."""
        return _drafts(order, lambda shape, classes: (draw(rng, shape, classes), "drawn from the grammar"))


@operator
class GrammarMutate:
    """A changed derivation of the parent's; of one outside the grammar, a draw from nothing."""

    name = "grammar.mutate"
    arity = 1
    samples = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts (see Operator.propose)."""

        def child(shape: Shape, classes: int) -> tuple[Term, str]:
            parent = _derivation(order.parents[0], order.entry)
            if parent is None:
                return draw(rng, shape, classes), "drawn from the grammar: the parent is not in it"
            return mutate(rng, parent, shape, classes)

        return _drafts(order, child)


@operator
class GrammarCrossover:
    """Terms of one parent's derivation put into the other's; both must be in the grammar."""

    name = "grammar.crossover"
    arity = 2
    samples = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts (see Operator.propose)."""

        def child(shape: Shape, classes: int) -> tuple[Term, str]:
            base, donor = (_derivation(parent, order.entry) for parent in order.parents)
            if base is None or donor is None:
                raise NothingFitsError("a parent is not in the grammar")
            return cross(rng, base, donor, shape, classes)

        return _drafts(order, child)


def _derivation(parent: Parent, entry: str) -> Term | None:
    try:
        return read(parent.source, entry)
    except NotInGrammarError:
        return known(parent.source)


def _drafts(order: Order, child: Callable[[Shape, int], tuple[Term, str]]) -> list[Draft]:
    shape, classes = order.offers.get("input_shape"), width(order.offers)
    if not isinstance(shape, tuple | list) or not 1 <= len(shape) <= 3 or classes is None:
        problem = f"expected offers input_shape (1 to 3 sizes) and num_classes, got {dict(order.offers)}"
        return [Draft("", problem=problem) for _ in range(order.count)]
    sizes = tuple(int(size) for size in shape)
    drafts: list[Draft] = []
    for _ in range(order.count):
        try:
            term, change = child(sizes, classes)
        except NothingFitsError as error:
            drafts.append(Draft("", problem=f"nothing to change: {error}"))
            continue
        drafts.append(Draft(model_file(term, sizes, classes, order.entry), change=change))
    return drafts
