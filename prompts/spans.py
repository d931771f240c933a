"""The places of a model file that a language model is asked to write again, found by LibCST."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import libcst as cst
import libcst.matchers as m
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from evoarch.sandbox.parsing import gate, parse

LAYER = "layer"
STATEMENT = "statement"
INSERT = "insert"
CALLED_LAYER = "called layer"
METHOD = "method"

ROLES = ("conv", "norm", "act", "pool", "drop")
"""Endings of a new layer's name: a base model takes the hint and writes a layer of that kind."""


@dataclass(frozen=True)
class Call:
    """Where a layer is called: the statement's lines `start` to `after` (from 0, `after` outside), its
    indent, its target's name and its text.
    """

    start: int
    after: int
    indent: str
    target: str
    text: str


@dataclass(frozen=True)
class SourceSpan:
    """Lines `start` to `end` (from 0, `end` outside) of a file, and what a completion begins with.

    `kind`: `layer` (an assignment in `__init__`), `statement` (one of `forward`), `called layer` (both at
    once: the layer and the statement that calls it), `method` (a whole one), or `insert`: an empty span
    behind a layer, for a new layer `name` that is called behind that layer's call. Of a layer, `name` is
    its attribute; of a method, its name.
    """

    kind: str
    start: int
    end: int
    indent: str
    text: str
    lead: str
    name: str = ""
    call: Call | None = None
    called: str = ""
    """Of `insert`: how the new layer is called ("": on the target of the call it stands behind)."""

    @property
    def shown(self) -> str:
        """What is to be replaced, as an instructed model sees it."""
        both = self.kind == CALLED_LAYER and self.call is not None
        return f"{self.text}\n{self.call.text}" if both and self.call else self.text


def find(source: str, entry: str, *, settled: bool = False, dotted: bool = False) -> tuple[SourceSpan, ...]:
    """All spans of the file, in order: each layer, alone and with its call, each statement of `forward`, each
    method, each place for a new layer.

    Helper classes count as the entry does. Layers that follow from their surroundings (a norm's width, a
    head's) are left out unless `settled`. A lead ends before the layer's kind, where tokens end too; with
    `dotted` behind its `nn.`, where they mostly do not. Raises sandbox.genome.GenomeError for text that is no
    Python.
    """
    wrapper = MetadataWrapper(parse(source), unsafe_skip_copy=True)
    positions = cast(Mapping[cst.CSTNode, CodeRange], wrapper.resolve(PositionProvider))
    spans: list[SourceSpan] = []
    for statement in wrapper.module.body:
        if isinstance(statement, cst.ClassDef):
            spans += _of_class(statement, wrapper.module, positions, settled=settled, dotted=dotted)
    return tuple(sorted(spans, key=lambda span: (span.start, span.kind)))


def splice(source: str, span: SourceSpan, text: str) -> str:
    """`source` with `text` (statements without indent) in the span's place.

    A new layer gets its call. Of a called layer's text, assignments to attributes stand in the layer's place
    and the rest in the call's; without a rest the call stays as it is.
    """
    lines = source.split("\n")
    call = span.call
    if span.kind == INSERT and call is not None:
        called = span.called or f"{call.target} = self.{span.name}({call.target})"
        # Behind the span: forward stands below __init__.
        lines[call.after : call.after] = textwrap.indent(called, call.indent).split("\n")
    if span.kind == CALLED_LAYER and call is not None:
        text, rest = _layers_and_rest(text)
        if rest:
            lines[call.start : call.after] = textwrap.indent(rest, call.indent).split("\n")
    lines[span.start : span.end] = textwrap.indent(text, span.indent).split("\n")
    return "\n".join(lines)


def with_calls(source: str, spans: Sequence[SourceSpan]) -> str:
    """`source` with each called layer's call behind it as a comment, on the layer's last line."""
    lines = source.split("\n")
    for span in spans:
        if span.kind == CALLED_LAYER and span.call is not None and "\n" not in span.call.text:
            lines[span.end - 1] = f"{span.indent}{span.text}".split("\n")[-1] + f"  # {span.call.text}"
    return "\n".join(lines)


def _layers_and_rest(text: str) -> tuple[str, str]:
    """Statements that assign to attributes, and the others. Raises GenomeError for text that is no Python."""
    layers, rest = list[str](), list[str]()
    for node in gate(text).body:
        assigns = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
        # Not its lines: another statement may stand on them too.
        (layers if assigns else rest).append(ast.get_source_segment(text, node) or "")
    return "\n".join(layers), "\n".join(rest)


def _of_class(
    node: cst.ClassDef,
    module: cst.Module,
    positions: Mapping[cst.CSTNode, CodeRange],
    *,
    settled: bool,
    dotted: bool,
) -> list[SourceSpan]:
    methods = {
        each.name.value: each
        for each in node.body.body
        if isinstance(each, cst.FunctionDef) and isinstance(each.body, cst.IndentedBlock)
    }
    calls, returned = _calls(methods.get("forward"), module, positions)
    spans = [_method(method, module, positions) for method in methods.values() if not method.decorators]
    for name in ("__init__", "forward"):
        for line in methods[name].body.body if name in methods else ():
            if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
                continue
            place, text = positions[line], module.code_for_node(line.body[0])
            if "super().__init__" in text:
                continue
            first, last, indent = place.start.line - 1, place.end.line, " " * place.start.column
            if name == "forward":
                spans += [
                    SourceSpan(STATEMENT, first, last, indent, text, lead) for lead in _leads(text, dotted)
                ]
                continue
            attribute = _attribute(line.body[0])
            # A norm's one number follows its input, a head's last one the task: nothing to choose there.
            free = settled or not (attribute in returned or "Norm" in text)
            leads = _leads(text, dotted) if free else []
            spans += [SourceSpan(LAYER, first, last, indent, text, lead, attribute) for lead in leads]
            call = calls.get(attribute)
            if call is None or call.start < last:
                continue
            if leads:
                spans.append(SourceSpan(CALLED_LAYER, first, last, indent, text, leads[0], attribute, call))
            for role in ROLES:
                new = unused(f"{attribute}_{role}", module.code)
                lead = f"self.{new} = nn." if dotted else f"self.{new} ="
                spans.append(SourceSpan(INSERT, last, last, indent, "", lead, new, call))
    return spans


def _method(
    node: cst.FunctionDef, module: cst.Module, positions: Mapping[cst.CSTNode, CodeRange]
) -> SourceSpan:
    place = positions[node]
    indent = " " * place.start.column
    text = module.code_for_node(node.with_changes(leading_lines=[], lines_after_decorators=[])).rstrip()
    returns = f" -> {module.code_for_node(node.returns.annotation)}" if node.returns else ""
    head = f"def {node.name.value}({' '.join(module.code_for_node(node.params).split())}){returns}:"
    start = place.start.line - 1
    return SourceSpan(METHOD, start, start + text.count("\n") + 1, indent, text, head, node.name.value)


def _calls(
    forward: cst.FunctionDef | None, module: cst.Module, positions: Mapping[cst.CSTNode, CodeRange]
) -> tuple[dict[str, Call], set[str]]:
    """Layers called in a statement `name = ...`, by attribute; and those called in a `return`."""
    found: dict[str, Call] = {}
    returned: set[str] = set()
    for line in forward.body.body if forward is not None else ():
        if not isinstance(line, cst.SimpleStatementLine):
            continue
        statement, place = line.body[0], positions[line]
        called = {
            cst.ensure_type(cst.ensure_type(call, cst.Call).func, cst.Attribute).attr.value
            for call in m.findall(statement, m.Call(func=m.Attribute(value=m.Name("self"))))
        }
        if isinstance(statement, cst.Return):
            returned |= called
        elif (target := _target(statement)) is not None:
            text = module.code_for_node(statement)
            call = Call(place.start.line - 1, place.end.line, " " * place.start.column, target.value, text)
            found |= dict.fromkeys(called, call)
    return found, returned


def _target(statement: cst.BaseSmallStatement) -> cst.Name | None:
    """`x` of a statement `x = ...` or `x, _ = ...`."""
    if not m.matches(statement, m.Assign(targets=[m.AssignTarget(m.Name() | m.Tuple())])):
        return None
    target: cst.BaseExpression = cst.ensure_type(statement, cst.Assign).targets[0].target
    if isinstance(target, cst.Tuple) and target.elements:
        target = target.elements[0].value
    return target if isinstance(target, cst.Name) else None


def _attribute(statement: cst.BaseSmallStatement) -> str:
    """`name` of a statement `self.name = call(...)`, else ""."""
    pattern = m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))], value=m.Call())
    if not m.matches(statement, pattern):
        return ""
    target = cst.ensure_type(statement, cst.Assign).targets[0].target
    return cst.ensure_type(target, cst.Attribute).attr.value


def _leads(text: str, dotted: bool) -> list[str]:
    """What may stay of a statement: its target, with `dotted` and `nn.` or `F.`; of a layer also its kind and
    input.
    """
    if text.startswith("return"):
        return ["return"]
    target, equals, value = text.partition(" = ")
    if not equals or "(" in target or "\n" in target:
        return []
    if value.startswith("F."):
        return [f"{target} = F."] if dotted else [f"{target} ="]
    if not value.startswith("nn."):
        return [f"{target} ="]
    kept = re.match(r"nn\.\w+\([^,()=]+,", value)
    return [f"{target} = nn." if dotted else f"{target} =", *([f"{target} = {kept.group()}"] if kept else [])]


def unused(name: str, source: str) -> str:
    """`name`, with a number if the file has it already."""
    number = 2
    free = name
    while free in source:
        free, number = f"{name}{number}", number + 1
    return free
