"""`syntactic.mutate`: one to three small changes to one parent, drawn from all that its source allows."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, OperatorSettings, Order, operator
from evoarch.agent.operators.syntactic import layers, resize, values
from evoarch.agent.operators.syntactic import recipe as syntactic_recipe
from evoarch.agent.operators.syntactic.dataflow import Change, FlowContext
from evoarch.agent.operators.syntactic.view import View, completed, look, meaning
from evoarch.sandbox.parsing import GenomeError, check

Kind = Callable[[View, random.Random, FlowContext], Change | None]

KINDS: Mapping[str, tuple[Kind, float]] = {
    "width": (values.width, 2.0),
    "all_widths": (resize.all_widths, 1.0),
    "resized": (resize.resized, 4.0),
    "kernel": (values.kernel, 1.0),
    "stride": (values.stride, 1.0),
    "dilation": (values.dilation, 0.5),
    "groups": (values.groups, 1.0),
    "dropout_rate": (values.dropout_rate, 0.5),
    "activation": (values.activation, 0.7),
    "number": (values.number, 0.7),
    "add": (layers.add, 2.0),
    "remove": (layers.remove, 0.7),
    "duplicate": (layers.duplicate, 0.7),
    "replace": (layers.replace, 1.2),
    "residual": (layers.residual, 0.8),
    "pooled": (layers.pooled, 1.2),
    "recurrent_first": (layers.recurrent_first, 0.7),
    "strided_late": (layers.strided_late, 0.7),
}
"""Mutation kinds with their weights in the draw."""

RECIPE: Mapping[str, tuple[Kind, float]] = {"recipe": (syntactic_recipe.recipe, 3.0)}
"""Drawn besides where the campaign searches recipes too; elsewhere the draws stay what they were."""

MORE = 0.4
"""Chance of a second change, and again of a third."""

MAX_CHANGES = 3
MAX_CHARACTERS = 16_000
"""A child longer than this (and than its parent) is drawn again: growth without end helps nobody."""

_TRIES = 40


def mutate(source: str, rng: random.Random, context: FlowContext) -> Draft:
    """A changed copy of a model file, or a draft that says why there is none."""
    try:
        view = look(source)
    except GenomeError as error:
        return Draft("", problem=f"nothing to change: {error}")
    wanted = 1
    while wanted < MAX_CHANGES and rng.random() < MORE:
        wanted += 1
    child, done = source, list[str]()
    parent = last = meaning(source)
    kinds = {**KINDS, **RECIPE} if context.recipe else KINDS
    names = list(kinds)
    weights = [kinds[name][1] for name in names]
    for _ in range(_TRIES):
        if len(done) == wanted:
            break
        kind = kinds[rng.choices(names, weights)[0]][0]
        change = kind(view, rng, context)
        if change is None:
            continue
        text = completed(change.module)
        if len(text) > max(MAX_CHARACTERS, len(source)) or (now := meaning(text)) in (parent, last):
            continue
        try:
            check(text)
            view = view if len(done) + 1 == wanted else look(text)  # nothing edits the last one
        except GenomeError:  # `*a, **k` hid an argument that the change gave again
            continue
        child, last = text, now
        done.append(change.what)
    if not done:
        return Draft("", problem="nothing to change: no layer or size that a mutation knows")
    return Draft(child, change="; ".join(done))


@operator
@dataclass(frozen=True)
class SyntacticMutate:
    """The operator. Deterministic in (order, rng); needs no language model. `recipe`: changes RECIPE too."""

    recipe: bool = False
    name = "syntactic.mutate"
    arity = 1
    samples = 1

    def configured(self, settings: OperatorSettings) -> SyntacticMutate:
        """RECIPE is changed where the campaign searches it."""
        return SyntacticMutate(recipe=settings.recipe_search)

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts (see Operator.propose)."""
        context = FlowContext(order.offers, order.entry, self.recipe)
        return [mutate(order.parents[0].source, rng, context) for _ in range(order.count)]
