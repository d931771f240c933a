"""The canonical form of a genome, step by step.

LibCST reads the text and takes the prose out. Names and imports are then settled on Python's own tree,
where every variable's places are known, and `ast.unparse` writes one layout. Each step keeps what the code
does; where that can't be shown for a name, the name stays.
"""

from __future__ import annotations

import ast
import warnings

from sandbox.canonical_imports import settle_imports
from sandbox.canonical_names import rename
from sandbox.canonical_prose import without_prose
from sandbox.genome import GenomeError, gate, parse


def canonical_form(source: str, entry: str) -> str:
    """See `sandbox.genome.canonical`. Raises GenomeError."""
    bare = without_prose(parse(source)).code
    tree = gate(bare)
    tree.body = _tidy(tree.body, empty_ok=True)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.kind = None
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and node is not tree:
                setattr(node, name, _tidy(block, empty_ok=name != "body"))
    if not any(getattr(node, "type_params", None) for node in ast.walk(tree)):
        # A variable called like a module keeps that module's imports as they are, so it is renamed first;
        # attributes wait for the imports, since only full paths tell whose they are.
        rename(tree, entry, attributes=False)
        settle_imports(tree, entry)
        rename(tree, entry, attributes=True)
    return _write(tree) or bare


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
            again = gate(text)
    except (ValueError, RecursionError, GenomeError):
        return ""
    return text if ast.dump(again) == ast.dump(tree) else ""
