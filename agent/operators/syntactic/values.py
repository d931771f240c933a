"""Mutations that change a value and keep the layers: widths, kernels, strides, rates and activations."""

from __future__ import annotations

import random
from math import gcd

import libcst as cst

from evoarch.agent.operators.syntactic.dataflow import (
    Change,
    FlowContext,
    brief,
    capped,
    gives_classes,
    propagated,
)
from evoarch.agent.operators.syntactic.view import Layer, View, argument, code, functional_name, literal
from evoarch.agent.operators.syntactic.vocabulary import (
    ACTIVATIONS,
    DILATIONS,
    KERNELS,
    RATES,
    STRIDES,
    expression,
    layer,
)
from evoarch.agent.operators.syntactic.walking import rewrite, walk

_FACTORS = (0.25, 0.33, 0.5, 0.6, 0.67, 0.75, 0.8, 0.9, 1.1, 1.25, 1.33, 1.5, 1.75, 2.0)


def _other(rng: random.Random, choices: tuple[float, ...] | list[int], value: object) -> float:
    return rng.choice([choice for choice in choices if choice != value] or [1])


def _scaled(rng: random.Random, value: int) -> int:
    scaled = capped(value * rng.choice(_FACTORS))
    rounded = scaled // 4 * 4 if scaled > 16 else scaled
    return rounded if rounded != value else capped(value + rng.choice((-1, 1, 2)))


def width(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another output width, and with it what the evident consumers take."""
    sites = [
        found
        for found in view.layers
        if found.spec.gives and found.number(found.spec.gives) and not gives_classes(view, found, context)
    ]
    if not sites:
        return None
    chosen = rng.choice(sites)
    old = chosen.number(chosen.spec.gives) or 1
    new = _scaled(rng, old)
    if old == new:
        return None
    edits: dict[cst.CSTNode, cst.Call] = dict(propagated(view, chosen, old, new))
    edits[chosen.call] = chosen.with_argument(chosen.spec.gives, new)
    return Change(rewrite(view.module, edits), f"width of {chosen.attribute or chosen.name} {old} -> {new}")


def kernel(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another kernel size; padding that kept the length goes on keeping it."""
    sites = [found for found in view.layers if found.number("kernel_size")]
    if not sites:
        return None
    chosen = rng.choice(sites)
    old, padding = chosen.number("kernel_size") or 1, chosen.number("padding")
    new = _other(rng, (2, 3, 4) if chosen.spec.kind == "pool" else KERNELS, old)
    call = chosen.with_argument("kernel_size", int(new))
    dilation = chosen.number("dilation") or 1
    if padding and padding == dilation * (old - 1) // 2:
        call = Layer(call, chosen.name, "").with_argument("padding", dilation * (int(new) - 1) // 2)
    what = f"kernel of {chosen.attribute or chosen.name} {old} -> {int(new)}"
    return Change(rewrite(view.module, {chosen.call: call}), what)


def stride(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another stride of a convolution or a pool; None where there is none."""
    sites = [found for found in view.layers if found.spec.kind in ("conv", "pool")]
    if not sites:
        return None
    chosen = rng.choice(sites)
    default = chosen.number("kernel_size") if chosen.spec.kind == "pool" else 1
    old = chosen.number("stride") or default
    new = int(_other(rng, STRIDES, old))
    what = f"stride of {chosen.attribute or chosen.name} {old} -> {new}"
    return Change(rewrite(view.module, {chosen.call: chosen.with_argument("stride", new)}), what)


def dilation(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another dilation; padding follows where it kept the length."""
    sites = [
        found for found in view.layers if found.spec.kind == "conv" and (found.number("kernel_size") or 1) > 1
    ]
    if not sites:
        return None
    chosen = rng.choice(sites)
    size, old = chosen.number("kernel_size") or 1, chosen.number("dilation") or 1
    new = int(_other(rng, DILATIONS, old))
    call = chosen.with_argument("dilation", new)
    if chosen.number("padding") == old * (size - 1) // 2:
        call = Layer(call, chosen.name, "").with_argument("padding", new * (size - 1) // 2)
    what = f"dilation of {chosen.attribute or chosen.name} {old} -> {new}"
    return Change(rewrite(view.module, {chosen.call: call}), what)


def groups(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another number of groups that divides both widths, depthwise among them."""
    sites: list[tuple[Layer, list[int]]] = []
    for found in view.layers:
        shared = gcd(found.number("in_channels") or 1, found.number("out_channels") or 1)
        choices = [n for n in range(1, shared + 1) if shared % n == 0 and n != (found.number("groups") or 1)]
        if found.spec.kind == "conv" and choices:
            sites.append((found, choices))
    if not sites:
        return None
    chosen, choices = rng.choice(sites)
    new = rng.choice([*choices, choices[-1]])
    what = f"groups of {chosen.attribute or chosen.name} -> {new}"
    return Change(rewrite(view.module, {chosen.call: chosen.with_argument("groups", new)}), what)


def dropout_rate(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another rate of a dropout layer; None where there is none."""
    sites = [found for found in view.layers if found.spec.kind == "dropout"]
    if not sites:
        return None
    chosen = rng.choice(sites)
    new = _other(rng, RATES, float(chosen.text("p") or 0.5) if _is_number(chosen.text("p")) else None)
    return Change(
        rewrite(view.module, {chosen.call: chosen.with_argument("p", new)}), f"dropout rate -> {new}"
    )


def _is_number(text: str) -> bool:
    return literal(expression(text)) is not None if text else True


def activation(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another activation, in one place or everywhere; layers and functional calls alike."""
    layers = [found for found in view.layers if found.name in ACTIVATIONS]
    sites: list[cst.Call] = [found.call for found in layers] + view.functionals
    if not sites:
        return None
    chosen = rng.choice(sites)
    name = rng.choice(("ReLU", "GELU", "SiLU", "Mish", "ELU", "Hardswish", "LeakyReLU", "Tanh"))
    edits: dict[cst.CSTNode, cst.CSTNode] = {}
    everywhere = rng.random() < 0.4
    for site in sites if everywhere else [chosen]:
        functional = functional_name(site) if site in view.functionals else ""
        if functional:
            edits[site] = _functional(site, ACTIVATIONS[name])
        else:
            edits[site] = expression(layer(name))
    what = f"activation {brief(chosen.func)} -> {name}{' everywhere' if everywhere else ''}"
    return Change(_apply(view.module, edits), what)


def _functional(site: cst.Call, name: str) -> cst.Call:
    value = site.args[0].value if site.args else _receiver(site)
    return cst.Call(expression(f"F.{name}"), [cst.Arg(value)])


def _receiver(site: cst.Call) -> cst.BaseExpression:
    assert isinstance(site.func, cst.Attribute)
    return site.func.value


def _apply(module: cst.Module, edits: dict[cst.CSTNode, cst.CSTNode]) -> cst.Module:
    """The module with calls replaced; a functional call keeps its argument as edited, so that nested ones
    all change."""

    def edit(new: cst.CSTNode) -> object:
        def change(updated: cst.CSTNode) -> cst.CSTNode:
            if isinstance(updated, cst.Call) and isinstance(new, cst.Call) and new.args:
                value = updated.args[0].value if updated.args else _receiver(updated)
                return new.with_changes(args=[cst.Arg(value)])
            return new

        return change

    return rewrite(module, {node: edit(new) for node, new in edits.items()})  # type: ignore[misc]


class _Numbers(cst.CSTVisitor):
    """Number literals that may be a size or a count: values given to names, defaults, items of sequences,
    and arguments of range() and of the file's own classes."""

    def __init__(self, view: View, context: FlowContext) -> None:
        self.view, self.offers = view, context.offers
        self.found: list[cst.BaseExpression] = []

    def _take(self, node: cst.BaseExpression | None) -> None:
        if node is not None and literal(node) is not None:
            self.found.append(node)

    def visit_Assign(self, node: cst.Assign) -> bool:  # noqa: N802
        target = node.targets[0].target
        if (isinstance(target, cst.Name) and target.value != "RECIPE") or isinstance(target, cst.Attribute):
            self._take(node.value)
        return not (isinstance(target, cst.Name) and target.value == "RECIPE")

    def visit_Param(self, node: cst.Param) -> None:  # noqa: N802
        if node.name.value not in self.offers:
            self._take(node.default)

    def visit_List(self, node: cst.List) -> None:  # noqa: N802
        for element in node.elements:
            self._take(element.value)

    def visit_Tuple(self, node: cst.Tuple) -> None:  # noqa: N802
        for element in node.elements:
            self._take(element.value)

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        name = code(node.func)
        if name == "range" or name in self.view.classes:
            for arg in node.args:
                self._take(arg.value)

    def visit_Subscript(self, node: cst.Subscript) -> bool:  # noqa: N802
        return False


def number(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another number where the file names a size, a count or a rate outside the known layers."""
    collector = _Numbers(view, context)
    walk(view.module, collector)
    sites = collector.found
    for found in view.layers:
        for parameter in ("num_groups", "num_layers", "num_heads", "nhead", "dim_feedforward", "output_size"):
            arg = argument(found.call, found.spec.parameters, parameter)
            if arg is not None and literal(arg.value) is not None:
                sites.append(arg.value)
    if not sites:
        return None
    chosen = rng.choice(sites)
    old = literal(chosen)
    if isinstance(old, int):
        new: float = _scaled(rng, old) if old > 4 else max(1, old + rng.choice((-1, 1, 1, 2)))
    else:
        new = round((old or 0.1) * rng.choice((0.5, 0.7, 1.4, 2.0)), 4)
    if new == old:
        return None
    return Change(rewrite(view.module, {chosen: expression(str(new))}), f"number {old} -> {new}")
