"""One spelling for imports: known modules are imported whole and their parts are written out in full.

`from torch import nn`, `import torch.nn as nn` and `import torch` then read alike. That holds only for
modules whose parts are known, and only where no other variable could be taken for the module.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from evoarch.sandbox.canonical_scopes import Scopes, Variable
from evoarch.sandbox.words import words

PRELOADED = words(
    """
    torch torch.nn torch.nn.functional torch.nn.init torch.nn.parameter torch.nn.utils
    torch.nn.utils.parametrizations torch.nn.utils.parametrize torch.nn.utils.rnn torch.fft torch.linalg
    torch.special
    """
)
"""Modules that `import torch` alone makes reachable (a test holds this against torch)."""

LAZY = frozenset({"torch.nn.backends", "torch.nn.cpp", "torch.nn.utils.prune", "collections.abc"})
"""Modules below a known one that must be imported by their own name."""

FLAT = words("math typing dataclasses functools itertools collections collections.abc")
"""Modules without further modules below them, but for those in LAZY."""

EINOPS = {
    "einops": words("rearrange reduce repeat einsum pack unpack asnumpy parse_shape"),
    "einops.layers.torch": words("Rearrange Reduce EinMix"),
}
"""What may be taken from einops; its other names may be modules that are not loaded."""

ROOTS = frozenset(path.partition(".")[0] for path in PRELOADED | FLAT | EINOPS.keys())
"""Names that known modules begin with."""


@dataclass(frozen=True)
class _Part:
    """What an imported name stands for: `path`, reachable once `module` is imported."""

    path: str
    module: str


def settle_imports(tree: ast.Module, entry: str) -> None:
    """Rewrites the imports at the head of the file, in place, and drops those that nothing uses."""
    head = 0
    while head < len(tree.body) and isinstance(tree.body[head], ast.Import | ast.ImportFrom):
        head += 1
    scopes = Scopes(tree)
    futures: set[str] = set()
    kept: list[tuple[str, ast.stmt]] = []
    needed: set[str] = set()
    replaced: dict[ast.AST, str] = {}
    whole = {alias for line in tree.body[:head] if isinstance(line, ast.Import) for alias in line.names}
    movable = True
    for statement in tree.body[:head]:
        assert isinstance(statement, ast.Import | ast.ImportFrom)
        for alias in statement.names:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                futures.add(alias.name)
                continue
            variable = scopes.of[alias]
            movable = movable and (_once(variable) or (alias in whole and not alias.asname))
            single = _single(statement, alias)
            if alias.name == "*":
                movable = False
            elif variable.name != entry and not variable.ambiguous and not variable.loads and _once(variable):
                continue
            part = _part(statement, alias)
            if part is None or variable.name == entry or not _settled(part, variable, scopes, whole):
                kept.append((ast.unparse(single), single))
                continue
            if variable.loads:
                needed.add("torch" if part.module in PRELOADED else part.module)
            replaced.update(dict.fromkeys(variable.loads, part.path))
    if not movable:
        return
    lines = dict(kept) | {f"import {name}": ast.Import([ast.alias(name)]) for name in needed}
    future = [ast.ImportFrom("__future__", [ast.alias(name)], 0) for name in sorted(futures)]
    tree.body[:head] = [*future, *(lines[line] for line in sorted(lines))]
    _Spell(replaced).visit(tree)


def _single(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
    name = ast.alias(alias.name, alias.asname if alias.asname != alias.name else None)
    if isinstance(statement, ast.Import):
        return ast.Import([ast.alias(alias.name, alias.asname)])
    return ast.ImportFrom(statement.module, [name], statement.level)


def _once(variable: Variable) -> bool:
    return variable.kinds == ["import"]


def _part(statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> _Part | None:
    """What the alias stands for, or None where that is not known for sure."""
    if isinstance(statement, ast.Import):
        known = _is_module(alias.name)
        path = alias.name if alias.asname else alias.name.partition(".")[0]
        return _Part(path, alias.name) if known else None
    module = statement.module or ""
    path = f"{module}.{alias.name}"
    if statement.level or not _is_module(module) or path in LAZY:
        return None
    if module in EINOPS and alias.name not in EINOPS[module]:
        return None
    return _Part(path, module)


def _is_module(path: str) -> bool:
    return path in PRELOADED or path in FLAT or path in EINOPS


def _settled(part: _Part, variable: Variable, scopes: Scopes, whole: set[ast.alias]) -> bool:
    """Whether every place of `variable` is this import, and the root's name means the root everywhere.

    `whole` are the aliases of the head's plain `import` statements.
    """
    root = part.path.partition(".")[0]
    plain = variable.name == root and part.path == root
    if variable.ambiguous or not (set(variable.kinds) == {"import"} if plain else _once(variable)):
        return False
    if root in scopes.free:
        return False
    return all(_is_root(other, scopes, whole) for other in scopes.variables if other.name == root)


def _is_root(variable: Variable, scopes: Scopes, whole: set[ast.alias]) -> bool:
    """Whether `variable` is bound by plain imports at the head of the file and by nothing else."""
    plain = all(
        isinstance(node, ast.alias) and node in whole and node.asname is None for node in variable.nodes
    )
    return plain and variable.scope is scopes.module and not variable.ambiguous


class _Spell(ast.NodeTransformer):
    """Writes the dotted path where the imported name stood."""

    def __init__(self, replaced: dict[ast.AST, str]) -> None:
        self._replaced = replaced

    def visit_Name(self, node: ast.Name) -> ast.expr:
        path = self._replaced.get(node)
        if path is None:
            return node
        root, *parts = path.split(".")
        spelled: ast.expr = ast.Name(root, ast.Load())
        for part in parts:
            spelled = ast.Attribute(spelled, part, ast.Load())
        return spelled
