"""`syntactic.crossover`: blocks of a second parent in the place of, or behind, layers of the first."""

from __future__ import annotations

import ast
import random
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, Order, operator
from evoarch.agent.operators.syntactic.dataflow import Change, FlowContext, gives_classes
from evoarch.agent.operators.syntactic.frames import CodeFrame, followed
from evoarch.agent.operators.syntactic.layers import inserted
from evoarch.agent.operators.syntactic.mutate import MAX_CHARACTERS
from evoarch.agent.operators.syntactic.view import (
    Layer,
    View,
    bound_names,
    code,
    completed,
    functional_name,
    layer_name,
    literal,
    look,
    meaning,
    self_attribute,
    with_items,
)
from evoarch.agent.operators.syntactic.vocabulary import FUNCTIONALS, SPECS, expression, layer
from evoarch.agent.operators.syntactic.walking import Edit, rewrite, walk
from evoarch.sandbox.parsing import GenomeError

LONGEST = 4
"""Most layers of the donor that travel together."""

_TRIES = 25


@dataclass(frozen=True)
class _Part:
    """One layer of the donor in its forward order, as source that stands alone but for the file's names."""

    text: str
    kind: str


class _Order(cst.CSTVisitor):
    """Calls of a forward pass in the order in which they happen: arguments before what takes them."""

    def __init__(self) -> None:
        self.calls: list[cst.Call] = []

    def leave_Call(self, original_node: cst.Call) -> None:  # noqa: N802
        self.calls.append(original_node)


class _Inliner(cst.CSTTransformer):
    """Names that stand for number literals, replaced by them."""

    def __init__(self, frame: CodeFrame) -> None:
        self.frame = frame

    def visit_Arg_keyword(self, node: cst.Arg) -> None:  # noqa: N802
        return None

    def leave_Arg(self, original_node: cst.Arg, updated_node: cst.Arg) -> cst.Arg:  # noqa: N802
        found = followed(original_node.value, self.frame)[0]
        return updated_node.with_changes(value=found) if literal(found) is not None else updated_node


def _standalone(node: cst.BaseExpression, frame: CodeFrame) -> str:
    inlined = node.visit(_Inliner(frame))
    assert isinstance(inlined, cst.BaseExpression)
    return code(inlined)


def parts(view: View, entry: str) -> list[_Part]:
    """The entry's layers in forward order: definitions behind `self.x(...)` (a Sequential item by item),
    and functional activations as layers. Class scores and what the source doesn't show stay away."""
    forward, init = view.functions.get((entry, "forward")), view.functions.get((entry, "__init__"))
    found: list[_Part] = []
    if forward is None:
        return [_part(view, found_layer.call, CodeFrame(None)) for found_layer in view.layers]
    order = _Order()
    walk(forward.body, order)
    for call in order.calls:
        attribute = self_attribute(call.func)
        defined = view.definitions.get((entry, attribute)) if attribute else None
        if defined:
            value, frame = followed(defined[-1].value, CodeFrame(init))
            if not isinstance(value, cst.Call):
                continue
            if layer_name(value, view) == "Sequential" and not any(
                arg.star or arg.keyword for arg in value.args
            ):
                found += [_part(view, arg.value, frame) for arg in value.args]
            else:
                found.append(_part(view, value, frame))
        elif functional_name(call) in FUNCTIONALS:
            found.append(_Part(layer(FUNCTIONALS[functional_name(call)]), "activation"))
    return found


def _part(view: View, node: cst.BaseExpression, frame: CodeFrame) -> _Part:
    name = layer_name(node, view) if isinstance(node, cst.Call) else ""
    return _Part(_standalone(node, frame), SPECS[name].kind if name in SPECS else name or "own")


@lru_cache(maxsize=4)
def _top(module: cst.Module) -> tuple[Set[str], Mapping[str, Set[str]]]:
    """The names that a file's top level binds, and of its classes and functions all names in them."""
    defined = {
        node.name: {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        for node in ast.parse(module.code).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    return bound_names(module), defined


def _foreign(text: str, donor: cst.Module) -> set[str] | None:
    """Top-level names of the donor that a layer needs, with what those need; None if it needs others."""
    known, defined = _top(donor)
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    if names - known - {"nn", "torch", "F", "True", "False", "None"}:
        return None
    wanted: set[str] = set()
    pending = names & known
    while pending:
        one = pending.pop()
        wanted.add(one)
        pending |= (defined.get(one, set()) & known) - wanted
    return wanted


class _Renamer(cst.CSTTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:  # noqa: N802
        return updated_node.with_changes(value=self.names.get(updated_node.value, updated_node.value))


def _carried(
    base: cst.Module, donor: cst.Module, wanted: set[str]
) -> tuple[list[cst.BaseStatement | cst.SimpleStatementLine], dict[str, str]]:
    """The donor's top-level statements for `wanted` names, renamed where the base uses the name otherwise."""
    carried, renames = list[cst.BaseStatement | cst.SimpleStatementLine](), dict[str, str]()
    if not wanted:
        return carried, renames
    taken = _top(base)[0]
    texts = {code(statement) for statement in base.body}
    for statement in donor.body:
        names = bound_names(cst.Module([statement])) & wanted
        if not names or code(statement) in texts:
            continue
        imported = isinstance(statement, cst.SimpleStatementLine) and isinstance(
            statement.body[0], cst.Import | cst.ImportFrom
        )
        if imported and names <= taken:
            continue
        for name in names & taken if not imported else ():
            renames[name] = next(f"{name}{n}" for n in range(2, 99) if f"{name}{n}" not in taken)
        carried.append(statement)
    renamer = _Renamer(renames)
    return [statement.visit(renamer) for statement in carried], renames  # type: ignore[misc]


def _placed(module: cst.Module, carried: list[cst.BaseStatement | cst.SimpleStatementLine]) -> cst.Module:
    """Carried imports behind the base's last import, other statements before its first class or function."""
    body = list(module.body)
    imports = [
        s
        for s in carried
        if isinstance(s, cst.SimpleStatementLine) and isinstance(s.body[0], cst.Import | cst.ImportFrom)
    ]
    first = next((i for i, s in enumerate(body) if isinstance(s, cst.ClassDef | cst.FunctionDef)), len(body))
    others = [s for s in carried if s not in imports]
    blank = [cst.EmptyLine(indent=False), cst.EmptyLine(indent=False)]
    spaced = [s.with_changes(leading_lines=blank) for s in others]
    return module.with_changes(body=[*body[:first], *imports, *spaced, *body[first:]])


def _segment(
    rng: random.Random, donor: list[_Part], donor_module: cst.Module
) -> tuple[list[_Part], set[str]] | None:
    start = rng.randrange(len(donor))
    chosen: list[_Part] = []
    wanted: set[str] = set()
    for part in donor[start : start + rng.randint(1, LONGEST)]:
        names = _foreign(part.text, donor_module)
        if names is None or part.kind in ("flatten", "attention", "ModuleList"):
            break
        text = f"Recurrent({part.text})" if part.kind == "recurrent" else part.text
        chosen.append(_Part(text, part.kind))
        wanted |= names
    return (chosen, wanted) if chosen else None


def _exchange(
    base: View, block: str, items: list[str], rng: random.Random, context: FlowContext
) -> Change | None:
    """The block in the place of a layer or a run of items of the base, or behind a layer."""
    sites = [site for site in base.layers if site.spec.kind not in ("attention", "flatten")]
    if not sites:
        return None
    site = rng.choice(sites)
    scores = bool(site.spec.gives) and gives_classes(base, site, context)
    where = site.attribute or site.name
    if site.container is not None and not scores and rng.random() < 0.7:
        return Change(_spliced(base, site, items, rng, context), f"{', '.join(items)} in place of {where}")
    if not scores and (site.spec.kind == "recurrent" or rng.random() < 0.5):
        along = site.spec.kind == "recurrent" and "nn.Linear" not in block
        module = inserted(base, site, expression(block), "block", along_length=along)
        return Change(module, f"{block} behind {where}") if module else None
    if scores or (
        site.spec.kind in ("activation", "dropout") and site.container is None and not site.attribute
    ):
        return None
    return Change(rewrite(base.module, {site.call: expression(block)}), f"{block} in place of {where}")


def _spliced(
    base: View, site: Layer, items: list[str], rng: random.Random, context: FlowContext
) -> cst.Module:
    assert site.container is not None
    old = [arg.value for arg in site.container.args]
    fixed = {
        id(other.call) for other in base.layers if other.spec.gives and gives_classes(base, other, context)
    }
    end = site.index + 1
    while end < len(old) and end - site.index < LONGEST and id(old[end]) not in fixed and rng.random() < 0.5:
        end += 1
    new = [*old[: site.index], *(expression(item) for item in items), *old[end:]]
    edits: dict[cst.CSTNode, Edit | cst.CSTNode] = {site.container: with_items(site.container, new)}
    return rewrite(base.module, edits)


def cross(source: str, donor_source: str, rng: random.Random, context: FlowContext) -> Draft:
    """A copy of `source` with a block of `donor_source`, or a draft that says why there is none."""
    try:
        base, donor = look(source), look(donor_source)
    except GenomeError as error:
        return Draft("", problem=f"nothing to exchange: {error}")
    offered = parts(donor, context.entry)
    scores = {code(one.call) for one in donor.layers if one.spec.gives and gives_classes(donor, one, context)}
    offered = [part for part in offered if part.text not in scores]
    parent = meaning(source)
    for _ in range(_TRIES if offered else 0):
        picked = _segment(rng, offered, donor.module)
        if picked is None:
            continue
        chosen, wanted = picked
        carried, renames = _carried(base.module, donor.module, wanted)
        renamer = _Renamer(renames)
        items = [code(expression(part.text).visit(renamer)) for part in chosen]  # type: ignore[arg-type]
        block = items[0] if len(items) == 1 else f"nn.Sequential({', '.join(items)})"
        change = _exchange(base, block, items, rng, context)
        if change is None:
            continue
        child = completed(_placed(change.module, carried))
        if meaning(child) == parent or len(child) > max(MAX_CHARACTERS, len(source)):
            continue
        return Draft(child, change=" ".join(change.what.split())[:200])
    return Draft("", problem="nothing to exchange: no layer of one parent fits a place in the other")


@operator
class SyntacticCrossover:
    """The operator; the first parent is the base. Deterministic in (order, rng); needs no language model."""

    name = "syntactic.crossover"
    arity = 2
    samples = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts (see Operator.propose)."""
        context = FlowContext(order.offers, order.entry)
        base, donor = order.parents[0].source, order.parents[-1].source
        return [cross(base, donor, rng, context) for _ in range(order.count)]
