"""Repairs of code around the layers: constructor arguments, additions, views, tuples, names, the output."""

from __future__ import annotations

import re
from math import gcd

import libcst as cst

from evoarch.agent.operators.shape_repair.locate import Edits, Fix, Trouble, on_line
from evoarch.agent.operators.syntactic.dataflow import capped
from evoarch.agent.operators.syntactic.view import (
    Layer,
    argument,
    code,
    line_of,
    with_argument,
    with_items,
    without_argument,
)
from evoarch.agent.operators.syntactic.vocabulary import SPECS, expression


def _layers_on_line(trouble: Trouble, *kinds: str) -> list[Layer]:
    """Layers of these kinds that are constructed on the failing line; those that begin there first."""
    nodes = on_line(trouble.view, trouble.failure.line) if trouble.failure.line else []
    found = [layer for layer in trouble.view.layers if layer.spec.kind in kinds]
    return [layer for node in reversed(nodes) for layer in found if layer.call is node]


def groups(trouble: Trouble) -> Fix | None:
    """The most groups that divide both widths and don't exceed what was asked for."""
    edits: Edits = {}
    for layer in _layers_on_line(trouble, "conv", "upconv"):
        asked = layer.number("groups")
        shared = gcd(layer.number("in_channels") or 1, layer.number("out_channels") or 1)
        if layer.text("groups") and (asked is None or asked < 1 or shared % asked):
            fitting = [n for n in range(1, (asked or 1) + 1) if shared % n == 0]
            edits[layer.call] = layer.with_argument("groups", fitting[-1] if fitting else 1)
    return Fix(edits, "groups that divide the channels") if edits else None


def norm_groups(trouble: Trouble) -> Fix | None:
    """Groups that divide the channels."""
    edits: Edits = {
        layer.call: layer.with_argument("num_groups", gcd(layer.number("num_groups") or 1, channels))
        for layer in _layers_on_line(trouble, "norm")
        if layer.name == "GroupNorm" and (channels := layer.number("num_channels") or 1)
    }
    return Fix(edits, "num_groups that divides the channels") if edits else None


def heads(trouble: Trouble) -> Fix | None:
    """Heads that divide the width of an attention layer."""
    edits: Edits = {}
    for layer in _layers_on_line(trouble, "attention"):
        heads_name = layer.spec.parameters[1]
        width = layer.number(layer.spec.takes) or 1
        edits[layer.call] = layer.with_argument(heads_name, gcd(layer.number(heads_name) or 1, width))
    return Fix(edits, "heads that divide the width") if edits else None


def dropout(trouble: Trouble) -> Fix | None:
    """A rate of 0.5 in the place of one outside 0 to 1."""
    edits: Edits = {
        layer.call: layer.with_argument("p", 0.5) for layer in _layers_on_line(trouble, "dropout")
    }
    return Fix(edits, "dropout rate -> 0.5") if edits else None


def addition(trouble: Trouble) -> Fix | None:
    """A residual addition of unlike shapes: the shortcut is cropped or zero-padded to the branch."""
    nodes = on_line(trouble.view, trouble.failure.line)
    sums = [
        n
        for n in nodes
        if isinstance(n, cst.BinaryOperation) and isinstance(n.operator, cst.Add | cst.Multiply)
    ]
    statement = next((n for n in nodes if isinstance(n, cst.SimpleStatementLine)), None)
    if not sums:
        return _augmented(statement)
    if statement is None:
        return None
    found = sums[-1]
    sides = {True: found.left, False: found.right}
    fitted = "fit(" in code(found)
    if fitted:
        return None
    shortcut_left = isinstance(found.left, cst.Name) or not isinstance(found.right, cst.Name)
    shortcut, branch = sides[shortcut_left], sides[not shortcut_left]
    edits: Edits = {}
    like = code(branch)
    if not isinstance(branch, cst.Name):
        line = line_of(f"branch = {like}")
        edits[statement] = lambda old: cst.FlattenSentinel([line, old])
        edits[branch] = cst.Name("branch")
        like = "branch"
    edits[shortcut] = expression(f"fit({code(shortcut)}, {like})")
    return Fix(edits, "shortcut fitted to the branch")


def _augmented(statement: cst.CSTNode | None) -> Fix | None:
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return None
    body = statement.body[0]
    if not isinstance(body, cst.AugAssign) or "fit(" in code(body.value):
        return None
    return Fix({body.value: expression(f"fit({code(body.value)}, {code(body.target)})")}, "addend fitted")


def view(trouble: Trouble) -> Fix | None:
    """A view with a wrong size becomes a flatten; one that isn't contiguous a reshape."""
    for node in reversed(on_line(trouble.view, trouble.failure.line)):
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
            continue
        if node.func.attr.value not in ("view", "reshape"):
            continue
        if "not compatible" in trouble.failure.message:
            func = node.func.with_changes(attr=cst.Name("reshape"))
            return Fix({node: node.with_changes(func=func)}, "view -> reshape")
        if len(node.args) == 2:
            new = cst.Call(node.func.with_changes(attr=cst.Name("flatten")), [cst.Arg(cst.Integer("1"))])
            return Fix({node: new}, f"{node.func.attr.value} -> flatten")
    return None


def outputs(trouble: Trouble) -> Fix | None:
    """A recurrent layer's (outputs, state) used as if it were the outputs."""
    for layer in trouble.view.layers:
        if layer.spec.kind != "recurrent" and layer.name != "MultiheadAttention":
            continue
        if layer.container is not None:
            items = [arg.value for arg in layer.container.args]
            after = items[layer.index + 1] if layer.index + 1 < len(items) else None
            if after is None or not code(after).startswith("Outputs("):
                items.insert(layer.index + 1, expression("Outputs()"))
                return Fix({layer.container: with_items(layer.container, items)}, f"outputs of {layer.name}")
        bare = _bare_uses(trouble, layer)
        if bare:
            edits: Edits = {use: expression(f"{code(use)}[0]") for use in bare}
            return Fix(edits, f"outputs of {layer.attribute}")
    return None


class _Bare(cst.CSTVisitor):
    """Calls that are neither unpacked nor indexed."""

    def __init__(self) -> None:
        self.taken: list[cst.CSTNode] = []

    def visit_Assign(self, node: cst.Assign) -> None:  # noqa: N802
        if isinstance(node.targets[0].target, cst.Tuple | cst.List):
            self.taken.append(node.value)

    def visit_Subscript(self, node: cst.Subscript) -> None:  # noqa: N802
        self.taken.append(node.value)


def _bare_uses(trouble: Trouble, layer: Layer) -> list[cst.Call]:
    visitor = _Bare()
    trouble.view.module.visit(visitor)
    uses = trouble.view.uses.get((layer.owner, layer.attribute), []) if layer.attribute else []
    return [use for use in uses if not any(use is node for node in visitor.taken)]


def unpacked(trouble: Trouble) -> Fix | None:
    """`x, _ = self.layer(x)` of a layer that gives one tensor."""
    for node in on_line(trouble.view, trouble.failure.line):
        if not isinstance(node, cst.SimpleStatementLine) or not isinstance(node.body[0], cst.Assign):
            continue
        target = node.body[0].targets[0]
        if (
            isinstance(target.target, cst.Tuple)
            and target.target.elements
            and isinstance(node.body[0].value, cst.Call)
        ):
            first = target.with_changes(target=target.target.elements[0].value)
            return Fix({target: first}, "one output")
    return None


_REDUCES = ("mean", "amax", "max", "sum", "transpose", "permute", "squeeze", "flatten", "softmax")


def dimension(trouble: Trouble) -> Fix | None:
    """A reduction or transposition over a dimension that isn't there (any more) is left out."""
    for node in reversed(on_line(trouble.view, trouble.failure.line)):
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.args:
            name, receiver = node.func.attr.value, node.func.value
            if name in _REDUCES and code(receiver) not in ("torch", "F"):
                return Fix({node: receiver}, f"{name} left out")
            if name in _REDUCES:
                return Fix({node: node.args[0].value}, f"{name} left out")
    return None


def attribute(trouble: Trouble) -> Fix | None:
    """A layer that is called but nowhere defined is left out of the forward pass."""
    name = trouble.match[1]
    for (_, used), uses in trouble.view.uses.items():
        plain = [use for use in uses if len(use.args) == 1 and not use.args[0].star]
        if used == name and plain:
            edits: Edits = dict.fromkeys(plain, _first_argument)
            return Fix(edits, f"undefined {name} left out")
    return None


def _first_argument(node: cst.CSTNode) -> cst.CSTNode:
    assert isinstance(node, cst.Call)
    return node.args[0].value


def name(trouble: Trouble) -> Fix | None:
    """A missing import (added as the file is completed), or an offer that the entry doesn't name yet."""
    wanted = trouble.match[1]
    if wanted in ("torch", "nn", "F", "math"):
        return Fix({}, f"import of {wanted}")
    init = trouble.view.functions.get((trouble.entry, "__init__")) or trouble.view.functions.get(
        ("", trouble.entry)
    )
    if wanted not in trouble.offers or init is None:
        return None
    if any(param.name.value == wanted for param in [*init.params.params, *init.params.kwonly_params]):
        return None
    first = (
        init.params.params[:1] if init.params.params and init.params.params[0].name.value == "self" else ()
    )
    params = init.params.with_changes(
        params=[*first, cst.Param(cst.Name(wanted)), *init.params.params[len(first) :]]
    )
    return Fix({init.params: params}, f"parameter {wanted}")


def keyword(trouble: Trouble) -> Fix | None:
    """An argument that the layer doesn't know is left out."""
    for node in reversed(on_line(trouble.view, trouble.failure.line)):
        if isinstance(node, cst.Call):
            given = next((a for a in node.args if a.keyword and a.keyword.value == trouble.match[1]), None)
            if given is not None:
                return Fix({node: without_argument(node, given)}, f"argument {trouble.match[1]} left out")
    return None


_DEFAULTS = {
    "kernel_size": 3,
    "out_features": 32,
    "out_channels": 32,
    "hidden_size": 16,
    "num_heads": 1,
    "nhead": 1,
}


def missing(trouble: Trouble) -> Fix | None:
    """Arguments that a layer needs and wasn't given."""
    wanted = re.findall(r"'(\w+)'", trouble.failure.message)
    for layer in _layers_on_line(trouble, *{spec.kind for spec in SPECS.values()}):
        needed = [parameter for parameter in wanted if parameter in layer.spec.parameters]
        call = layer.call
        for parameter in needed:
            if argument(call, layer.spec.parameters, parameter) is None:
                call = with_argument(call, layer.spec.parameters, parameter, _DEFAULTS.get(parameter, 1))
        if call is not layer.call:
            return Fix({layer.call: call}, f"{', '.join(needed)} of {layer.attribute or layer.name} given")
    return None


class _Returns(cst.CSTVisitor):
    def __init__(self) -> None:
        self.found: list[cst.Return] = []

    def visit_Return(self, node: cst.Return) -> None:  # noqa: N802
        self.found.append(node)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:  # noqa: N802
        return False


def first_output(trouble: Trouble) -> Fix | None:
    """A forward pass that returns more than the class scores."""
    forward = trouble.view.functions.get((trouble.entry, "forward"))
    recurrent = outputs(trouble)
    if recurrent is not None or forward is None:
        return recurrent
    return _returned(forward, "[0]", "first of the outputs")


def output(trouble: Trouble) -> Fix | None:
    """A wrong output shape: the length is averaged away, then the last layer gives the classes."""
    wants = [int(n) for n in re.findall(r"\d+", trouble.match["wants"])]
    got = [int(n) for n in re.findall(r"\d+", trouble.match["got"])]
    if not wants:
        return None
    classes = wants[-1]
    forward = trouble.view.functions.get((trouble.entry, "forward"))
    if len(got) > 2 and forward is not None:
        axis = 1 if got[-1] == classes and got[1] != classes else -1
        return _returned(forward, f".mean({axis})", "mean over the length of the output")
    if len(got) != 2:
        return None
    last = next((layer for layer in reversed(trouble.view.layers) if layer.spec.gives), None)
    if last is not None and last.spec.kind == "linear" and last.number("out_features") == got[1]:
        return Fix(
            {last.call: last.with_argument("out_features", classes)}, f"out_features {got[1]} -> {classes}"
        )
    return _with_head(trouble, forward, got[1], classes)


def _returned(forward: cst.FunctionDef, suffix: str, what: str) -> Fix | None:
    returns = _Returns()
    forward.body.visit(returns)
    edits: Edits = {}
    for found in returns.found:
        if found.value is not None:
            text = code(found.value)
            simple = isinstance(found.value, cst.Name | cst.Call | cst.Attribute | cst.Subscript)
            edits[found.value] = expression(f"{text if simple else f'({text})'}{suffix}")
    return Fix(edits, what) if edits else None


def _with_head(trouble: Trouble, forward: cst.FunctionDef | None, width: int, classes: int) -> Fix | None:
    """One more linear layer around what forward returns."""
    init = trouble.view.functions.get((trouble.entry, "__init__"))
    if forward is None or init is None or not isinstance(init.body, cst.IndentedBlock):
        return None
    owned = {attribute for owner, attribute in trouble.view.definitions if owner == trouble.entry}
    free = next(n for n in ("head", *(f"head{i}" for i in range(2, len(owned) + 3))) if n not in owned)
    returns = _Returns()
    forward.body.visit(returns)
    edits: Edits = {
        found.value: expression(f"self.{free}({code(found.value)})") for found in returns.found if found.value
    }
    line = line_of(f"self.{free} = nn.Linear({width}, {capped(classes)})")
    edits[init.body] = init.body.with_changes(body=[*init.body.body, line])
    return Fix(edits, f"linear layer {width} -> {classes} at the output") if len(edits) > 1 else None
