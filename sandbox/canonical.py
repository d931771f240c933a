"""The canonical form of a genome, step by step.

What LibCST can't read is no genome: it is what vets and edits them. Names and imports are settled on
Python's own tree, where every variable's places can be known, and `ast.unparse` writes one layout without
comments. Each step keeps what the code does; where that can't be shown for a name, the name stays.
"""

from __future__ import annotations

import ast
import warnings

from evoarch.sandbox.canonical_imports import ROOTS, settle_imports
from evoarch.sandbox.canonical_names import rename
from evoarch.sandbox.canonical_prose import without_prose
from evoarch.sandbox.canonical_scopes import all_nodes, shape
from evoarch.sandbox.parsing import check_size, gate, parse_gated


def canonical_form(source: str, entry: str) -> str:
    """One pass of `evoarch.sandbox.genome.canonical`. Raises GenomeError."""
    return first_pass(source, entry)[0]


def first_pass(source: str, entry: str) -> Pass:
    """The form of a source. Raises GenomeError."""
    tree = gate(source)
    parse_gated(source)
    return _settled(tree, source, entry)


def next_pass(last: Pass, entry: str) -> Pass:
    """The form of a form, which may have changed once more. Raises GenomeError."""
    form, tree = last
    if tree is None:
        tree = gate(form)
    else:
        check_size(form, tree)
    return _settled(tree, form, entry)


Pass = tuple[str, ast.Module | None]
"""A form, and Python's tree of it, which the next pass changes; None where it was not read again."""


def _settled(tree: ast.Module, source: str, entry: str) -> Pass:
    tree.body = _tidy(tree.body, empty_ok=True)
    shadowed = typed = False
    for node in all_nodes(tree):
        if isinstance(node, ast.Constant):
            node.kind = None
        elif isinstance(node, ast.Name):
            shadowed = shadowed or (node.id in ROOTS and not isinstance(node.ctx, ast.Load))
        elif isinstance(node, ast.arg):
            shadowed = shadowed or node.arg in ROOTS
        typed = typed or bool(getattr(node, "type_params", None))
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and node is not tree:
                setattr(node, name, _tidy(block, empty_ok=name != "body"))
    if not typed:
        if shadowed:
            # A variable called like a module would keep that module's imports as they are. Attributes wait
            # for the imports, since only full paths tell whose they are.
            rename(tree, entry, attributes=False)
        settle_imports(tree, entry)
        rename(tree, entry, attributes=True)
    return _write(tree) or (without_prose(parse_gated(source)).code, None)


def _tidy(block: list[ast.stmt], *, empty_ok: bool) -> list[ast.stmt]:
    """Without statements that do nothing."""
    kept = [
        statement
        for statement in block
        if not isinstance(statement, ast.Pass)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]
    return kept or ([] if empty_ok else [ast.Pass()])


def _write(tree: ast.Module) -> Pass | None:
    """The tree's text, None where `ast.unparse` can't write exactly this tree (some nested f-strings)."""
    try:
        text = ast.unparse(tree) + "\n"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = ast.parse(text)
    except (ValueError, SyntaxError, RecursionError):
        return None
    return (text, again) if shape(again) == shape(tree) else None
