"""Where the knobs of a model file stand, and what must follow when one is turned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import libcst as cst

from evoarch.agent.operators.scaling.reach import Expression, Reach
from evoarch.agent.operators.syntactic.dataflow import FlowContext, gives_classes
from evoarch.agent.operators.syntactic.view import Layer, View, argument, functional_name, literal
from evoarch.agent.operators.syntactic.vocabulary import ACTIVATIONS, FUNCTIONALS

HEADS = {"MultiheadAttention": "num_heads", "TransformerEncoderLayer": "nhead", "GroupNorm": "num_groups"}
"""Layers with a number that must divide what they take."""


@dataclass(frozen=True, eq=False)
class Site:
    """`node` of the file gets what knob number `knob` says (None: it follows from others). `value` is what
    stands there, or for a width what the knob is. `label` stands in the skeleton. `times`: how many widths
    it is.
    """

    node: cst.CSTNode
    kind: str
    knob: int | None
    value: int | float | str
    times: int = 1

    @property
    def label(self) -> str:
        """The same for all sites that a skeleton shall not tell apart."""
        return f"{self.knob}" if self.times == 1 else f"{self.knob}_x{self.times}"


@dataclass(frozen=True, eq=False)
class Place(Site):
    """An activation: a layer, or the call of a function."""

    functional: bool = False


@dataclass(frozen=True, eq=False)
class Padding(Site):
    """Padding follows the kernel: that which keeps the length, and `offset` more."""

    kernel: Site | int = 1
    dilation: Site | int = 1
    offset: int = 0

    @property
    def label(self) -> str:
        """All paddings that follow alike are alike."""
        return f"same{self.offset}".replace("-", "_")


@dataclass(frozen=True, eq=False)
class Divisor(Site):
    """A number that must divide each of `of`."""

    of: Sequence[Site | int] = ()


@dataclass
class _Found:
    """Sites by node, as they are found; the first kind that a node is found as is its kind."""

    sites: dict[cst.CSTNode, Site] = field(default_factory=dict)
    count: int = 0

    def next(self) -> int:
        """The number of a new knob."""
        self.count += 1
        return self.count - 1

    def number(self, node: cst.CSTNode, kind: str, least: float = 2) -> None:
        """Below `least` a number is structure: a kernel of 1 mixes channels alone, a stride of 1 is none."""
        value = literal(node)
        if value is not None and value >= least and node not in self.sites:
            self.sites[node] = Site(node, kind, self.next(), value)


def sites_of(view: View, offers: Mapping[str, object], entry: str) -> Sequence[Site]:
    """All sites, knobs numbered in the order of the source."""
    reach, context, found = Reach(view.module, offers), FlowContext(offers, entry), _Found()
    _widths(view, reach, context, found)
    for layer in view.layers:
        _sizes(layer, reach, found)
    for node in _reached(reach, _counts(reach)):
        found.number(node, "depth", 1)
    for layer in view.layers:
        _paddings(layer, found)
        _divisors(layer, found)
    _activations(view, found)
    return _in_order(view, list(found.sites.values()))


def _places(reach: Reach, layer: Layer, *parameters: str) -> list[Expression]:
    scope = next(scope for scope, call in reach.calls if call is layer.call)
    given = [argument(layer.call, layer.spec.parameters, each) for each in parameters if each]
    return [Expression(arg.value, scope) for arg in given if arg is not None]


def _reached(reach: Reach, places: Iterable[Expression], *, floats: bool = False) -> list[cst.CSTNode]:
    kind = cst.Float if floats else cst.Integer
    return [each.node for each in reach.of(places) if each.plain and isinstance(each.node, kind)]


def _counts(reach: Reach) -> list[Expression]:
    """What loops of a known number of rounds count to."""
    return [
        Expression(call.args[-1 if len(call.args) < 3 else 1].value, scope)
        for scope, call in reach.calls
        if isinstance(call.func, cst.Name) and call.func.value == "range" and call.args
    ]


def _widths(view: View, reach: Reach, context: FlowContext, found: _Found) -> None:
    """One knob for each width that some layer gives. What takes such a width, or a multiple of the last one
    given, follows.
    """
    knobs: dict[int, int] = {}
    makers: list[Layer] = []
    for layer in view.layers:
        if not layer.spec.gives or gives_classes(view, layer, context):
            continue
        makers.append(layer)
        wider = "dim_feedforward" if layer.spec.kind == "attention" else ""
        for node in _reached(reach, _places(reach, layer, layer.spec.gives, wider)):
            value = literal(node)
            if isinstance(value, int) and value > 1 and node not in found.sites:
                if value not in knobs:
                    knobs[value] = found.next()
                found.sites[node] = Site(node, "width", knobs[value], value)
    for layer in view.layers:
        before = [each for each in makers if view.layers.index(each) < view.layers.index(layer)]
        if not before:
            continue
        for node in _reached(reach, _places(reach, layer, layer.spec.takes, "groups")):
            value = literal(node)
            if not isinstance(value, int) or value < 2 or node in found.sites:
                continue
            given = before[-1].number(before[-1].spec.gives) or 0
            if value in knobs:
                found.sites[node] = Site(node, "width", knobs[value], value)
            elif given in knobs and value % given == 0:
                found.sites[node] = Site(node, "width", knobs[given], given, value // given)


def _sizes(layer: Layer, reach: Reach, found: _Found) -> None:
    kind = layer.spec.kind
    if kind in ("conv", "upconv"):
        for parameter in ("kernel_size", "stride", "dilation"):
            for node in _reached(reach, _places(reach, layer, parameter)):
                found.number(node, parameter.removesuffix("_size"))
    elif kind == "pool":
        for parameter, name in (("kernel_size", "pool"), ("stride", "stride")):
            for node in _reached(reach, _places(reach, layer, parameter)):
                found.number(node, name)
    elif kind == "recurrent":
        for node in _reached(reach, _places(reach, layer, "num_layers")):
            found.number(node, "depth", 1)
    elif kind == "dropout":
        for node in _reached(reach, _places(reach, layer, "p"), floats=True):
            found.number(node, "dropout", 0)


def _own(layer: Layer, parameter: str, found: _Found) -> tuple[cst.CSTNode | None, Site | int]:
    """The literal that a layer is given in its own call, and what it is: a site, or a number that stays."""
    given = argument(layer.call, layer.spec.parameters, parameter)
    value = literal(given.value) if given is not None else None
    if given is None or not isinstance(value, int):
        return None, 1
    return given.value, found.sites.get(given.value, value)


def _paddings(layer: Layer, found: _Found) -> None:
    if layer.spec.kind != "conv":
        return
    node, padding = _own(layer, "padding", found)
    kernel_node, kernel = _own(layer, "kernel_size", found)
    dilation = _own(layer, "dilation", found)[1]
    size, wide = (each if isinstance(each, int) else int(each.value) for each in (kernel, dilation))
    if node is None or kernel_node is None or not isinstance(padding, int) or size < 2:
        return
    offset = padding - wide * (size - 1) // 2
    found.sites[node] = Padding(
        node, "padding", None, padding, kernel=kernel, dilation=dilation, offset=offset
    )


def _divisors(layer: Layer, found: _Found) -> None:
    parameter = HEADS.get(layer.name, "groups" if layer.spec.kind == "conv" else "")
    node, now = _own(layer, parameter, found)
    if node is None or not isinstance(now, int) or now < 2:
        return
    parts = [_own(layer, each, found) for each in (layer.spec.takes, layer.spec.gives) if each]
    if all(part is not None for part, _ in parts):
        found.sites[node] = Divisor(node, "divisor", found.next(), now, of=[of for _, of in parts])


def _activations(view: View, found: _Found) -> None:
    """One knob for each activation that the file names, wherever it stands."""
    knobs: dict[str, int] = {}
    places = [(layer.call, layer.name, False) for layer in view.layers if layer.name in ACTIVATIONS]
    places += [
        (call, FUNCTIONALS[functional_name(call)], True)
        for call in view.functionals
        if len(call.args) == 1 and isinstance(call.func, cst.Attribute)
    ]
    for call, name, functional in places:
        if functional or not call.args:
            if name not in knobs:
                knobs[name] = found.next()
            found.sites[call] = Place(call, "activation", knobs[name], name, functional=functional)


def _in_order(view: View, sites: Sequence[Site]) -> Sequence[Site]:
    """The sites in the order of the source, with their knobs numbered in that order."""
    collector = _Order({site.node for site in sites})
    view.module.visit(collector)
    by_node = {site.node: site for site in sites}
    ordered = [by_node[node] for node in collector.nodes]
    numbers: dict[int, int] = {}
    for site in ordered:
        if site.knob is not None:
            numbers.setdefault(site.knob, len(numbers))
    made: dict[Site, Site] = {}

    def renumbered(site: Site) -> Site:
        if site not in made:
            parts: dict[str, object] = {}
            if isinstance(site, Padding):
                parts = {"kernel": _part(site.kernel), "dilation": _part(site.dilation)}
            elif isinstance(site, Divisor):
                parts = {"of": [_part(each) for each in site.of]}
            knob = None if site.knob is None else numbers[site.knob]
            made[site] = replace(site, knob=knob, **parts)  # type: ignore[arg-type]
        return made[site]

    def _part(part: Site | int) -> Site | int:
        return part if isinstance(part, int) else renumbered(part)

    return [renumbered(site) for site in ordered]


class _Order(cst.CSTVisitor):
    """The wanted nodes in the order of the source."""

    def __init__(self, wanted: set[cst.CSTNode]) -> None:
        self.wanted, self.nodes = wanted, list[cst.CSTNode]()

    def on_visit(self, node: cst.CSTNode) -> bool:
        if node in self.wanted:
            self.nodes.append(node)
        return True
