"""The knobs of a model file: numbers that make it wider, deeper or finer, and the file with others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import libcst as cst

from evoarch.agent.operators.scaling.reach import Expression, Reach, Reached
from evoarch.agent.operators.syntactic.dataflow import FlowContext, gives_classes
from evoarch.agent.operators.syntactic.view import (
    Layer,
    View,
    argument,
    code,
    literal,
    look,
    with_items,
)
from evoarch.agent.operators.syntactic.vocabulary import expression
from evoarch.agent.operators.syntactic.walking import Edit, rewrite

MULTIPLIER = "width"
"""A parameter of the entry with this name multiplies all widths, as in the zoo: then it alone is moved."""

PLAIN = ("activation", "dropout", "norm", "pool", "adaptive", "flatten", "identity")
"""Kinds of layers that are no block by themselves."""


@dataclass(frozen=True)
class Number:
    """A count or a stride. `name`: whose default it is or is part of, "" where it stands in the place."""

    node: cst.BaseNumber
    name: str

    @property
    def value(self) -> float:
        """What stands there now."""
        return literal(self.node) or 0

    def __str__(self) -> str:
        return f"{self.name} = {code(self.node)}" if self.name else code(self.node)


@dataclass(frozen=True)
class Block:
    """An item of a container that can be repeated there."""

    container: cst.Call
    index: int

    whole: bool
    """Whether it is no single layer of torch."""

    @property
    def node(self) -> cst.CSTNode:
        """The item as it stands in the source."""
        return self.container.args[self.index].value

    def __str__(self) -> str:
        text = " ".join(code(self.node).split())
        return text if len(text) <= 60 else f"{text[:57]}..."


Depth = Number | Block


@dataclass(frozen=True)
class Knobs:
    """What of a file can be turned. `widths` all together; `depths` and `strides` each by itself, as far as
    the syntax shows: whether they do what they seem to, a dry run says.
    """

    view: View
    widths: Sequence[cst.BaseNumber]
    depths: Sequence[Depth]
    strides: Sequence[Number]

    def scaled(
        self,
        width: float = 1.0,
        depths: Mapping[Depth, float] | None = None,
        strides: Sequence[Number] = (),
    ) -> str:
        """The source with all widths times `width`, each of `depths` so many times as deep, and `strides` of
        half the size.
        """
        edits: dict[cst.CSTNode, Edit | cst.CSTNode] = {}
        for node in self.widths if width != 1.0 else ():
            edits[node] = _times(node, width)
        for number in strides:
            edits[number.node] = expression(str(max(1, int(number.value) // 2)))
        items: dict[cst.CSTNode, dict[int, int]] = {}
        for depth, times in (depths or {}).items():
            if isinstance(depth, Number):
                edits[depth.node] = _times(depth.node, times, least=depth.value + 1 if times > 1 else 1)
            else:
                items.setdefault(depth.container, {})[depth.index] = max(2 if times > 1 else 1, round(times))
        for container, counts in items.items():
            edits[container] = _repeated(counts)
        return rewrite(self.view.module, edits).code


def knobs_of(source: str, offers: Mapping[str, object], entry: str = "Model") -> Knobs:
    """The knobs of a file. Raises sandbox.genome.GenomeError where it is no Python file."""
    view = look(source)
    reach, context = Reach(view.module, offers), FlowContext(offers, entry)
    return Knobs(view, _widths(view, reach, context), _depths(view, reach), _strides(view, reach))


def _places(view: View, reach: Reach, found: Layer, *parameters: str) -> list[Expression]:
    """What a layer is given for these parameters."""
    scope = next(scope for scope, call in reach.calls if call is found.call)
    given = [argument(found.call, found.spec.parameters, each) for each in parameters if each]
    return [Expression(arg.value, scope) for arg in given if arg is not None]


def _widths(view: View, reach: Reach, context: FlowContext) -> list[cst.BaseNumber]:
    gives = [
        place
        for found in view.layers
        if found.spec.gives and not gives_classes(view, found, context)
        for place in _places(view, reach, found, found.spec.gives)
    ]
    takes = [
        place
        for found in view.layers
        for place in _places(view, reach, found, found.spec.takes, "groups", "dim_feedforward")
    ]
    made, all_ = reach.of(gives), reach.of([*gives, *takes])
    multipliers = [each for each in all_ if each.through == MULTIPLIER]
    if multipliers:
        all_ = [*multipliers, *(each for each in all_ if not each.through)]
    elif plain := {each.node for each in all_ if each.plain}:  # the others are ratios
        made, all_ = ([each for each in some if each.node in plain] for some in (made, all_))
    sizes = {literal(each.node) for each in made} - {1}
    makers = {each.node for each in made}
    return [
        each.node
        for each in all_
        if each in multipliers
        or (
            (isinstance(each.node, cst.Integer) and (each.node in makers or literal(each.node) in sizes))
            and literal(each.node) != 1
        )
    ]


def _depths(view: View, reach: Reach) -> list[Depth]:
    counts = [
        Expression(call.args[-1 if len(call.args) < 3 else 1].value, scope)
        for scope, call in reach.calls
        if isinstance(call.func, cst.Name) and call.func.value == "range" and call.args
    ]
    found: list[Depth] = [Number(each.node, each.through) for each in _counts(reach.of(counts))]
    layers = {layer.call: layer for layer in view.layers}
    for _, container in view.containers:
        if any(arg.star or arg.keyword for arg in container.args):
            continue
        for index, arg in enumerate(container.args):
            layer = layers.get(arg.value)  # type: ignore[call-overload]
            if isinstance(arg.value, cst.Call) and not (layer and layer.spec.kind in PLAIN):
                found.append(Block(container, index, whole=layer is None))
    return found


def _counts(found: Sequence[Reached]) -> list[Reached]:
    """The whole numbers; or what multiplies them all, where a parameter `depth` is a fraction."""
    fractions = [each for each in found if isinstance(each.node, cst.Float) and each.through == "depth"]
    return fractions or [each for each in found if isinstance(each.node, cst.Integer)]


def _strides(view: View, reach: Reach) -> list[Number]:
    places = []
    for found in view.layers:
        pools = found.spec.kind == "pool" and not found.text("stride")
        if found.spec.kind in ("conv", "pool"):
            places += _places(view, reach, found, "kernel_size" if pools else "stride")
    return [
        Number(each.node, each.through)
        for each in reach.of(places)
        if isinstance(each.node, cst.Integer) and (literal(each.node) or 0) > 1
    ]


def _times(node: cst.BaseNumber, factor: float, least: float = 1) -> cst.BaseExpression:
    value = literal(node) or 0
    if isinstance(node, cst.Float):
        text = f"{value * factor:.4g}"
        return expression(text if "." in text or "e" in text else f"{text}.0")
    return expression(str(max(int(least), round(value * factor))))


def _repeated(counts: Mapping[int, int]) -> Edit:
    """Repeats items of a container; what was edited inside them stays so."""

    def edit(container: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(container, cst.Call)
        items = [arg.value for arg in container.args]
        more = [
            item if not copy else item.deep_clone()
            for index, item in enumerate(items)
            for copy in range(counts.get(index, 1))
        ]
        return with_items(container, more)

    return edit
