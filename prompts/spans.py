"""The places of a model file that a language model is asked to write again, found by LibCST."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import libcst as cst
import libcst.matchers as m
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from sandbox.genome import parse

LAYER = "layer"
STATEMENT = "statement"
INSERT = "insert"

ROLES = ("conv", "norm", "act", "pool", "drop")
"""Endings of a new layer's name: a base model takes the hint and writes a layer of that kind."""


@dataclass(frozen=True)
class Call:
    """Where a layer is called: the line after that statement (from 0), its indent and its target's name."""

    after: int
    indent: str
    target: str


@dataclass(frozen=True)
class Span:
    """Lines `start` to `end` (from 0, `end` outside) of a file, and what a completion begins with.

    `kind`: `layer` (an assignment in `__init__`), `statement` (one of `forward`), or `insert`: an empty
    span behind a layer, for a new layer `name` that is called behind that layer's call.
    """

    kind: str
    start: int
    end: int
    indent: str
    text: str
    lead: str
    name: str = ""
    call: Call | None = None


def find(source: str, entry: str) -> tuple[Span, ...]:
    """All spans of the file, in order: each layer, each statement of `forward`, each place for a new layer.

    Helper classes count as the entry does. Raises sandbox.genome.GenomeError for text that is no Python.
    """
    wrapper = MetadataWrapper(parse(source), unsafe_skip_copy=True)
    positions = cast(Mapping[cst.CSTNode, CodeRange], wrapper.resolve(PositionProvider))
    spans: list[Span] = []
    for statement in wrapper.module.body:
        if isinstance(statement, cst.ClassDef):
            spans += _of_class(statement, wrapper.module, positions)
    return tuple(sorted(spans, key=lambda span: (span.start, span.kind)))


def splice(source: str, span: Span, text: str) -> str:
    """`source` with `text` (statements without indent) in the span's place; a new layer gets its call."""
    lines = source.split("\n")
    call = span.call
    if span.kind == INSERT and call is not None:
        line = f"{call.indent}{call.target} = self.{span.name}({call.target})"
        lines[call.after : call.after] = [line]  # behind the span: forward stands below __init__
    lines[span.start : span.end] = textwrap.indent(text, span.indent).split("\n")
    return "\n".join(lines)


def _of_class(
    node: cst.ClassDef, module: cst.Module, positions: Mapping[cst.CSTNode, CodeRange]
) -> list[Span]:
    methods = {
        each.name.value: each
        for each in node.body.body
        if isinstance(each, cst.FunctionDef) and isinstance(each.body, cst.IndentedBlock)
    }
    spans: list[Span] = []
    calls, returned = _calls(methods.get("forward"), positions)
    for name, method in methods.items():
        if name not in ("__init__", "forward"):
            continue
        for line in method.body.body:
            if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
                continue
            place, text = positions[line], module.code_for_node(line.body[0])
            if "super().__init__" in text:
                continue
            first, last, indent = place.start.line - 1, place.end.line, " " * place.start.column
            kind = LAYER if name == "__init__" else STATEMENT
            attribute = _attribute(line.body[0])
            # A norm's one number follows its input, a head's last one the task: nothing to choose there.
            settled = kind == LAYER and (attribute in returned or "Norm" in text)
            if not settled:
                spans += [Span(kind, first, last, indent, text, lead) for lead in _leads(text)]
            call = calls.get(attribute)
            if kind == LAYER and call is not None and call.after > last:
                for role in ROLES:
                    new = _free(f"{attribute}_{role}", module.code)
                    spans.append(Span(INSERT, last, last, indent, "", f"self.{new} = nn.", new, call))
    return spans


def _calls(
    forward: cst.FunctionDef | None, positions: Mapping[cst.CSTNode, CodeRange]
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
        elif m.matches(statement, m.Assign(targets=[m.AssignTarget(m.Name())])):
            target = cst.ensure_type(cst.ensure_type(statement, cst.Assign).targets[0].target, cst.Name)
            call = Call(place.end.line, " " * place.start.column, target.value)
            found |= dict.fromkeys(called, call)
    return found, returned


def _attribute(statement: cst.BaseSmallStatement) -> str:
    """`name` of a statement `self.name = call(...)`, else ""."""
    pattern = m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))], value=m.Call())
    if not m.matches(statement, pattern):
        return ""
    target = cst.ensure_type(statement, cst.Assign).targets[0].target
    return cst.ensure_type(target, cst.Attribute).attr.value


def _leads(text: str) -> list[str]:
    """What may stay of a statement: its target, and `nn.` or `F.`; of a layer also its kind and input."""
    if text.startswith("return"):
        return ["return"]
    target, equals, value = text.partition(" = ")
    if not equals or "(" in target or "\n" in target:
        return []
    if value.startswith("F."):
        return [f"{target} = F."]
    if not value.startswith("nn."):
        return [f"{target} ="]
    kept = re.match(r"nn\.\w+\([^,()=]+,", value)
    return [f"{target} = nn.", *([f"{target} = {kept.group()}"] if kept else [])]


def _free(name: str, source: str) -> str:
    """`name`, with a number if the file has it already."""
    number = 2
    free = name
    while free in source:
        free, number = f"{name}{number}", number + 1
    return free
