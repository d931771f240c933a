"""Names by order of appearance, for every variable and attribute that nothing outside the file can look up.

A name is only ever replaced at all of its places at once, by one that stands nowhere else, so that the
renamed file differs from the original in nothing but names. What follows decides which names are safe.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Sequence
from dataclasses import dataclass, field

from evoarch.sandbox.canonical_classes import SelfAttributes
from evoarch.sandbox.canonical_scopes import FUNCTION, Scopes, Site, Variable, all_nodes, arguments
from evoarch.sandbox.words import words

KEPT = frozenset({"RECIPE"})

LOOKUPS = words(
    """
    attrgetter delattr dir eval exec get_buffer get_parameter get_submodule getattr globals hasattr
    locals methodcaller setattr vars
    """
)
"""Names that find a variable or attribute by a computed name: in such a file nothing is renamed."""


@dataclass
class _Words:
    """Every word of the file that may name something without being a variable."""

    keywords: set[str] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    spread: bool = False
    """Some call takes `**mapping`, so that its keywords can't be read off the file."""


def rename(tree: ast.Module, entry: str, *, attributes: bool) -> None:
    """Renames variables, and attributes if wanted, in place."""
    scopes, nodes = Scopes(tree), all_nodes(tree)
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    used |= {node.attr for node, _, _ in scopes.attributes}
    used |= {node.name for node in nodes if isinstance(node, ast.alias)}
    if used & LOOKUPS:
        return
    words = _words(nodes)
    fixed = _entry_arguments(nodes, entry)
    groups: list[tuple[str, list[Site]]] = []
    for variable in scopes.variables:
        if _is_free_to_rename(variable, entry, words, fixed):
            groups.append(("g" if variable.scope.kind == "module" else "v", variable.sites))
    if attributes:
        groups += [("a", sites) for sites in SelfAttributes(nodes, scopes, words.strings).groups()]
    _number(nodes, groups, words)


def _number(nodes: Sequence[ast.AST], groups: list[tuple[str, list[Site]]], words: _Words) -> None:
    for _, sites in groups:
        for site in sites:
            site.write("")
    taken = words.keywords | words.strings | _identifiers(nodes)
    count = {"g": 0, "v": 0, "a": 0}
    for prefix, sites in sorted(groups, key=lambda group: min(site.order for site in group[1])):
        while (name := f"{prefix}_{count[prefix]}") in taken:
            count[prefix] += 1
        count[prefix] += 1
        for site in sites:
            site.write(name)


def _identifiers(nodes: Sequence[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        for name in node._fields:
            value = getattr(node, name, None)
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, str):
                    found.update(item.split("."))
    return found


def _words(nodes: Sequence[ast.AST]) -> _Words:
    words = _Words()
    for node in nodes:
        if isinstance(node, ast.keyword):
            words.spread = words.spread or node.arg is None
            words.keywords.add(node.arg or "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            words.strings.update("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
        elif isinstance(node, ast.MatchClass):
            words.keywords.update(node.kwd_attrs)
    return words


def _is_free_to_rename(variable: Variable, entry: str, words: _Words, fixed: set[ast.arg] | None) -> bool:
    name, kind = variable.name, variable.scope.kind
    if variable.ambiguous or "import" in variable.kinds or name.startswith("__"):
        return False
    if kind == "module":
        looked_up = name in {entry, *KEPT} or name in words.strings or hasattr(builtins, name)
        return bool(variable.kinds) and not looked_up
    if kind == "class":
        return False  # an attribute: see canonical_classes
    if "param" in variable.kinds:
        return _is_free_parameter(variable, words, fixed)
    return True


def _is_free_parameter(variable: Variable, words: _Words, fixed: set[ast.arg] | None) -> bool:
    """Whether no call can pass it by its name."""
    function = variable.scope.node
    assert isinstance(function, FUNCTION | ast.Lambda)
    args = function.args
    mine = [arg for arg in arguments(args) if arg.arg == variable.name]
    if any(arg in (args.vararg, args.kwarg) or arg in args.posonlyargs for arg in mine):
        return True
    if fixed is None or any(arg in fixed or arg in args.kwonlyargs for arg in mine):
        return False
    if words.spread or variable.name in words.keywords or variable.name in words.strings:
        return False
    # torch passes optional arguments of a layer by name (`src_mask=`, `is_causal=`), the required ones never.
    required = args.args[: len(args.args) - len(args.defaults)]
    return all(arg in required for arg in mine) or not _in_class(variable)


def _in_class(variable: Variable) -> bool:
    parent = variable.scope.parent
    return parent is not None and parent.kind == "class"


def _entry_arguments(nodes: Sequence[ast.AST], entry: str) -> set[ast.arg] | None:
    """The parameters that the task fills by name. None: unknown, so every parameter may be one."""
    named: dict[str, list[FUNCTION | ast.ClassDef]] = {}
    for statement in nodes:
        if isinstance(statement, FUNCTION | ast.ClassDef):
            named.setdefault(statement.name, []).append(statement)
    fixed: set[ast.arg] = set()
    todo, seen = [entry], set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        definitions = named.get(name, [])
        if name == entry and not definitions:
            return None
        for definition in definitions:
            if definition.decorator_list:
                return None
            if isinstance(definition, FUNCTION):
                fixed.update(arguments(definition.args))
            else:
                plain = all(isinstance(base, ast.Name | ast.Attribute) for base in definition.bases)
                if definition.keywords or not plain:
                    return None
                todo += [base.id for base in definition.bases if isinstance(base, ast.Name)]
                for method in definition.body:
                    if isinstance(method, FUNCTION) and method.name in ("__init__", "__new__", "forward"):
                        given = arguments(method.args)[1:]
                        # One input is always passed by place; a task may pass several by name.
                        fixed.update(given if method.name != "forward" or len(given) > 1 else [])
    return fixed
