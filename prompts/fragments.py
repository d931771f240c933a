"""Pieces of an answer that stand beside its file: helpers and imports in code blocks of their own."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace

from evoarch.prompts.outline import Outline, outline
from evoarch.sandbox.parsing import GenomeError, gate


def with_fragments(text: str, others: Sequence[str], around: Outline, entry: str) -> tuple[Outline, str]:
    """`around` with those helpers and imports of the blocks `others` that `text` needs, and a note on these.

    A helper of the answer takes the place of one with its name in `around`. Blocks that are no Python are
    passed over. Raises GenomeError where `text` is no Python.
    """
    helpers, imports = dict[str, str](), dict[str, str]()
    for other in others:
        try:
            found = outline(other, entry)
        except GenomeError:
            continue
        helpers |= found.helpers
        imports |= {name: line for line in found.imports for name in _bound(line)}
    chosen = _needed(text, helpers)
    code = "\n".join([text, *chosen.values()])
    known = {name for line in around.imports for name in _bound(line)} | _bound(text)
    lines = [line for name, line in imports.items() if name in _free(code) - known]
    if not chosen and not lines:
        return around, ""
    kept = {name: value for name, value in around.helpers.items() if name not in chosen}
    note = "taken from other code blocks: " + ", ".join([*chosen, *dict.fromkeys(lines)])
    return replace(around, imports=(*around.imports, *dict.fromkeys(lines)), helpers={**kept, **chosen}), note


def is_known(text: str, around: Outline, entry: str) -> bool:
    """Whether `text` defines the entry just as one of the models does that `around` was made of."""
    own = _entry(text, entry)
    return bool(own) and own in {_entry(each, entry) for each in around.entries}


def _entry(text: str, entry: str) -> str:
    try:
        nodes = [node for node in gate(text).body if getattr(node, "name", "") == entry]
    except GenomeError:
        return ""
    return ast.dump(nodes[0]) if nodes else ""


def _needed(text: str, helpers: Mapping[str, str]) -> dict[str, str]:
    """Those that `text` reads and does not bind, and those that these read."""
    wanted, chosen = _free(text), set[str]()
    while new := {name for name in helpers if name in wanted - chosen}:
        chosen |= new
        wanted |= set[str]().union(*(_free(helpers[name]) for name in new))
    return {name: helper for name, helper in helpers.items() if name in chosen}


def _free(text: str) -> set[str]:
    """Names that `text` reads and binds nowhere."""
    reads = {node.id for node in ast.walk(gate(text)) if isinstance(node, ast.Name)}
    return reads - _bound(text)


def _bound(text: str) -> set[str]:
    """All names that `text` binds somewhere: by assignment, definition, import or as an argument."""
    found = set[str]()
    for node in ast.walk(gate(text)):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
    return found
