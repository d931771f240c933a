"""Where in a model file a failing module comes from: from `blocks.1.conv` to the call that built it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from evoarch.agent.operators.syntactic.frames import CodeFrame, Locals, followed, parameters
from evoarch.agent.operators.syntactic.view import (
    Layer,
    View,
    argument,
    code,
    dotted,
    layer_name,
    literal,
    with_items,
)
from evoarch.agent.operators.syntactic.vocabulary import SPECS
from evoarch.agent.operators.syntactic.walking import Edit
from evoarch.sandbox.outcome import Raised

Edits = dict[cst.CSTNode, Edit | cst.CSTNode]


@dataclass(frozen=True)
class Fix:
    """Edits that mend a failure, and what they do in a few words. `other`: another way that fits as well."""

    edits: Edits
    what: str
    other: Fix | None = None


@dataclass(frozen=True)
class Trouble:
    """A failure with the file it came from and the match of its message."""

    view: View
    failure: Raised
    match: re.Match[str]
    entry: str
    offers: Mapping[str, object]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first input that the failing module got, () if unknown."""
        return self.failure.shapes[0] if self.failure.shapes else ()

    def numbers(self) -> list[int]:
        """All integers of the message, in order."""
        return [int(number) for number in re.findall(r"\d+", self.failure.message)]

    def site(self, *kinds: str) -> RepairSite | None:
        """The failing layer, if it is of one of these kinds; found by path, else by the line of its call."""
        found = locate(self.view, self.failure.module, self.entry) if self.failure.module else None
        if found is not None and found.layer is not None and found.layer.spec.kind in kinds:
            return found
        for node in on_line(self.view, self.failure.line) if self.failure.line else []:
            for (owner, attribute), uses in self.view.uses.items():
                if not any(node is use for use in uses):
                    continue
                found = (
                    _site(
                        self.view,
                        self.view.definitions[owner, attribute][-1].value,
                        CodeFrame(_init(self.view, owner)),
                        owner=owner,
                        attribute=attribute,
                    )
                    if (owner, attribute) in self.view.definitions
                    else None
                )
                if found is not None and found.layer is not None and found.layer.spec.kind in kinds:
                    return found
        return None


@dataclass(frozen=True)
class RepairSite:
    """A module's construction: the call, in whose frame it stands, and how it is reached from outside:
    item `index` of `container`, or attribute `attribute` of class `owner`."""

    call: cst.Call
    name: str
    frame: CodeFrame
    container: cst.Call | None = None
    index: int = 0
    owner: str = ""
    attribute: str = ""

    @property
    def layer(self) -> Layer | None:
        """The layer that is built here; None for what is no layer of the vocabulary."""
        return Layer(self.call, self.name, self.owner) if self.name in SPECS else None


def _init(view: View, name: str) -> cst.FunctionDef | None:
    return view.functions.get((name, "__init__"))


def locate(view: View, path: str, entry: str) -> RepairSite | None:
    """The site of the module at a dotted path, None where the source doesn't show it (loops, lookups)."""
    parts = path.split(".") if path else []
    site: RepairSite | None
    if entry in view.classes:
        owner, frame = entry, CodeFrame(_init(view, entry))
        site = None
    else:
        function = view.functions.get(("", entry))
        if function is None:
            return None
        found = Locals()
        function.body.visit(found)
        if found.returned is None:
            return None
        site = _site(view, found.returned, CodeFrame(function))
        owner, frame = _entered(view, site)
    for part in parts:
        if owner:
            defined = view.definitions.get((owner, part))
            site = _site(view, defined[-1].value, frame, owner=owner, attribute=part) if defined else None
        elif site is not None and part.isdigit():
            site = _item(view, site, int(part))
        else:
            return None
        if site is None:
            return None
        owner, frame = _entered(view, site)
    return site


def _entered(view: View, site: RepairSite | None) -> tuple[str, CodeFrame]:
    """The class that a site constructs, if the file defines it, with the frame of its constructor."""
    if site is not None and site.name in view.classes:
        return site.name, CodeFrame(_init(view, site.name), site.call, site.frame)
    return "", CodeFrame(None)


def _site(
    view: View, expr: cst.BaseExpression, frame: CodeFrame, *, owner: str = "", attribute: str = ""
) -> RepairSite | None:
    expr, inner = followed(expr, frame)
    if isinstance(expr, cst.IfExp):  # `nn.Identity() if shortcut is None else shortcut`: what was given
        sides = sorted((expr.body, expr.orelse), key=lambda side: not isinstance(side, cst.Name))
        ways = [followed(side, inner) for side in sides]
        expr, inner = next((way for way in ways if isinstance(way[0], cst.Call)), ways[0])
    if not isinstance(expr, cst.Call):
        return None
    name = layer_name(expr, view) or dotted(expr.func)
    if inner is not frame:
        owner = attribute = ""
    return RepairSite(expr, name, inner, owner=owner, attribute=attribute)


def _item(view: View, site: RepairSite, index: int) -> RepairSite | None:
    values: list[cst.BaseExpression] = []
    if site.name == "Sequential":
        if any(arg.keyword for arg in site.call.args):
            return None
        for arg in site.call.args:
            inner = followed(arg.value, site.frame)[0] if arg.star else arg.value
            values += (
                [e.value for e in inner.elements] if isinstance(inner, cst.List | cst.Tuple) else [inner]
            )
    elif site.name == "ModuleList" and site.call.args:
        inner = followed(site.call.args[0].value, site.frame)[0]
        if isinstance(inner, cst.List | cst.Tuple):
            values = [element.value for element in inner.elements]
        elif isinstance(inner, cst.ListComp | cst.GeneratorExp):
            values = [inner.elt] * (index + 1)
    if index >= len(values):
        return None
    found = _site(view, values[index], site.frame)
    if (
        found is None
        or site.name != "Sequential"
        or not any(arg.value is found.call for arg in site.call.args)
    ):
        return found
    return RepairSite(found.call, found.name, found.frame, site.call, index)


def set_value(site: RepairSite, parameter: str, value: int) -> Edits:
    """Edits that make a layer's argument `value`: at the call that the number comes from where that is a
    constructor's argument, else as a literal in the layer itself."""
    assert site.layer is not None
    arg = argument(site.call, site.layer.spec.parameters, parameter)
    frame, node = site.frame, arg.value if arg is not None else None
    if isinstance(node, cst.Name) and frame.function is not None and frame.call is not None:
        names = parameters(frame.function)
        if node.value in names:
            given = argument(frame.call, tuple(names), node.value)
            if given is not None and not any(other.star for other in frame.call.args):
                return {given.value: cst.Integer(str(value))}
    if arg is None:
        return {site.call: site.layer.with_argument(parameter, value)}
    return {arg.value: cst.Integer(str(value))}


def value_of(site: RepairSite, parameter: str) -> int | None:
    """The integer that a layer's argument comes to, where the source shows it."""
    assert site.layer is not None
    arg = argument(site.call, site.layer.spec.parameters, parameter)
    found = literal(followed(arg.value, site.frame)[0]) if arg is not None else None
    return found if isinstance(found, int) else None


def on_line(view: View, line: int) -> list[cst.CSTNode]:
    """The expressions and statements that cover a line, outermost first; nodes of `view.module` itself."""
    positions = MetadataWrapper(view.module, unsafe_skip_copy=True).resolve(PositionProvider)
    covering = [
        (where.end.line - where.start.line, order, node)
        for order, (node, where) in enumerate(positions.items())
        if where.start.line <= line <= where.end.line
        and isinstance(node, cst.BaseExpression | cst.SimpleStatementLine)
    ]
    return [node for *_, node in sorted(covering, key=lambda entry: (-entry[0], entry[1]))]


def uses_of(view: View, site: RepairSite) -> list[cst.Call]:
    """The calls `self.attribute(x, ...)` of a site, where it is an attribute."""
    calls = view.uses.get((site.owner, site.attribute), []) if site.attribute else []
    return [call for call in calls if call.args and not call.args[0].star]


def around_input(view: View, site: RepairSite, module: str, expression: str) -> Edits:
    """Edits that change what goes into a site: `module` is source of a layer put before it in its container,
    `expression` has {x} for the input and is put around the argument of its calls."""
    if site.container is not None:
        items = [arg.value for arg in site.container.args]
        new = [*items[: site.index], cst.parse_expression(module), *items[site.index :]]
        return {site.container: with_items(site.container, new)}
    edits: Edits = {}
    for use in uses_of(view, site):
        text = expression.format(x=code(use.args[0].value))
        if text.count("(") and not isinstance(use.args[0].value, cst.Name) and expression.startswith("{x}."):
            text = expression.format(x=f"({code(use.args[0].value)})")
        edits[use.args[0].value] = cst.parse_expression(text)
    return edits
