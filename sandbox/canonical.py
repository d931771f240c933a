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
from evoarch.sandbox.canonical_scopes import all_nodes
from evoarch.sandbox.parsing import gate, parse_gated


def canonical_form(source: str, entry: str, *, again: bool = False) -> str:
    """See `evoarch.sandbox.genome.canonical`. Raises GenomeError.

    `again`: `source` is such a form already, so that LibCST need not look at it once more.
    """
    tree = gate(source)
    if not again:
        parse_gated(source)
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
    return _write(tree) or without_prose(parse_gated(source)).code


def _tidy(block: list[ast.stmt], *, empty_ok: bool) -> list[ast.stmt]:
    """Without statements that do nothing."""
    kept = [
        statement
        for statement in block
        if not isinstance(statement, ast.Pass)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]
    return kept or ([] if empty_ok else [ast.Pass()])


def _write(tree: ast.Module) -> str:
    """The tree's text, or "" where `ast.unparse` can't write exactly this tree (some nested f-strings)."""
    ast.fix_missing_locations(tree)
    try:
        text = ast.unparse(tree) + "\n"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = ast.parse(text)
    except (ValueError, SyntaxError, RecursionError):
        return ""
    return text if ast.dump(again) == ast.dump(tree) else ""
