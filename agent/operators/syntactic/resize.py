"""Mutations that scale every literal width at once: by a factor, or to a wanted number of parameters."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

import libcst as cst

from evoarch.agent.operators.syntactic.dataflow import Change, FlowContext, capped, gives_classes
from evoarch.agent.operators.syntactic.sizes import elements, scale_for
from evoarch.agent.operators.syntactic.view import Layer, View, literal
from evoarch.agent.operators.syntactic.walking import rewrite

_JUMP = (0.1, 0.6)
"""By how many decades a resized child is smaller or larger than its parent, at least and at most."""

_WIDEST = (1 / 32, 32.0)
"""The factors that widths may be scaled by."""

Sizes = Mapping[str, int | bool]


@dataclass(frozen=True)
class _Sized:
    """A layer with its literal arguments; `fixed`: what leaves it is the task's."""

    layer: Layer
    sizes: Sizes
    fixed: bool


def _sized(view: View, context: FlowContext) -> list[_Sized]:
    found: list[_Sized] = []
    for layer in view.layers:
        sizes: dict[str, int | bool] = {}
        position = 0
        for arg in layer.call.args:
            if arg.star:
                break
            names = layer.spec.parameters
            name = arg.keyword.value if arg.keyword else names[position] if position < len(names) else ""
            position += not arg.keyword
            value = literal(arg.value)
            if isinstance(value, int):
                sizes[name] = value
            elif isinstance(arg.value, cst.Name) and arg.value.value in ("True", "False"):
                sizes[name] = arg.value.value == "True"
        found.append(_Sized(layer, sizes, bool(layer.spec.gives) and gives_classes(view, layer, context)))
    return found


def _scaled(found: list[_Sized], factor: float, least: int) -> list[dict[str, int]]:
    """What changes in each layer where every width from `least` on is scaled by `factor`."""
    gives = [(each.layer.spec.gives, each) for each in found]
    widths = {each.sizes[name] for name, each in gives if name in each.sizes}
    widths -= {each.sizes[name] for name, each in gives if name in each.sizes and each.fixed}
    new = {width: capped(width * factor) for width in widths if width >= least}
    changes: list[dict[str, int]] = []
    before: _Sized | None = None
    for each in found:
        spec, sizes, change = each.layer.spec, each.sizes, dict[str, int]()
        if spec.takes in sizes and (taken := _taken(sizes[spec.takes], before, new)):
            change[spec.takes] = taken
        if spec.gives in sizes and not each.fixed and sizes[spec.gives] in new:
            change[spec.gives] = new[sizes[spec.gives]]
        groups = sizes.get("groups", 1)
        if groups > 1 and change:
            sides = [change.get(side, sizes.get(side, groups)) for side in (spec.takes, spec.gives)]
            change["groups"] = gcd(new.get(groups, groups), *sides)
        changes.append({name: value for name, value in change.items() if value != sizes.get(name)})
        if spec.gives:
            before = each
    return changes


def _taken(width: int, before: _Sized | None, new: Mapping[int, int]) -> int | None:
    """The width that comes in after scaling: a scaled one, or as many times one as before (a flatten, or the
    two directions of a recurrent layer).
    """
    given = before.sizes.get(before.layer.spec.gives, 0) if before else 0
    both = before is not None and before.sizes.get("bidirectional", False)
    if given in new and width % given == 0 and (both or width not in new):
        return width // given * new[given]
    return new.get(width)


def _changed(view: View, found: list[_Sized], changes: list[dict[str, int]]) -> cst.Module | None:
    edits: dict[cst.CSTNode, cst.Call] = {}
    for each, change in zip(found, changes, strict=True):
        call = each.layer.call
        for name, value in change.items():
            call = Layer(call, each.layer.name, each.layer.owner).with_argument(name, value)
        if change:
            edits[each.layer.call] = call
    return rewrite(view.module, edits) if edits else None


def all_widths(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Every literal width scaled by one factor, so that the whole model gets thinner or wider."""
    factor = rng.choice((0.5, 0.6, 0.67, 0.75, 0.8, 0.9, 1.25, 1.5))
    found = _sized(view, context)
    module = _changed(view, found, _scaled(found, factor, 3))
    return Change(module, f"all widths x {factor}") if module else None


def resized(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Every literal width scaled by the factor that brings the model a drawn distance up or down in size."""
    ratio = 10 ** (rng.choice((-1, 1)) * rng.uniform(*_JUMP))
    found = _sized(view, context)

    def count(factor: float) -> int:
        pairs = zip(found, _scaled(found, factor, 1), strict=True)
        return sum(elements(each.layer.name, {**each.sizes, **change}) for each, change in pairs)

    now = sum(elements(each.layer.name, each.sizes) for each in found)
    if not now:
        return None
    factor = scale_for(count, now * ratio, *_WIDEST)
    module = _changed(view, found, _scaled(found, factor, 1))
    reached = count(factor) / now
    return Change(module, f"all widths scaled, {reached:.2f} times the parameters") if module else None
