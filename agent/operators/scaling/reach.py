"""Which number literals of a file reach a place in it, such as the width of a layer: through names, defaults
of parameters, arguments of the file's own functions and classes, and loops over tables.

It reads the syntax alone; what it does not know leads nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import libcst as cst

from evoarch.agent.operators.syntactic.view import literal, self_attribute

Path = tuple[int | None, ...]
"""What of a value is meant: an item by its number, or each item (None), and so on inside of that."""

EACH: Path = (None,)


@dataclass(frozen=True)
class Expression:
    """A part (`path`) of an expression in `scope`: a function's name, with its class's before it."""

    node: cst.BaseExpression
    scope: str
    path: Path = ()


@dataclass
class _Names(cst.CSTVisitor):
    """Where each name of each scope gets its value, and what the file's own functions are called with."""

    bound: dict[tuple[str, str], list[Expression]] = field(default_factory=lambda: defaultdict(list))
    parameters: dict[str, Sequence[str]] = field(default_factory=dict)
    """Of a function or class by name, without self."""
    bodies: dict[str, str] = field(default_factory=dict)
    """The scope of what is called by a name."""
    calls: list[tuple[str, cst.Call]] = field(default_factory=list)
    scopes: list[str] = field(default_factory=lambda: [""])
    classes: list[str] = field(default_factory=list)

    @property
    def scope(self) -> str:
        return self.scopes[-1]

    def visit_ClassDef(self, node: cst.ClassDef) -> None:  # noqa: N802
        self.classes.append(node.name.value)

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:  # noqa: N802
        self.classes.pop()

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:  # noqa: N802
        name = node.name.value
        scope = f"{self.classes[-1]}.{name}" if self.classes else name
        given = [param for param in node.params.params if param.name.value != "self"]
        called = self.classes[-1] if self.classes and name == "__init__" else name
        self.parameters[called] = [param.name.value for param in given]
        self.bodies[called] = scope
        for param in [*given, *node.params.kwonly_params]:
            self.bound[scope, param.name.value] += (
                [Expression(param.default, self.scope)] if param.default is not None else []
            )
        self.scopes.append(scope)

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:  # noqa: N802
        self.scopes.pop()

    def visit_Assign(self, node: cst.Assign) -> None:  # noqa: N802
        for target in node.targets:
            self._bind(target.target, Expression(node.value, self.scope))

    def visit_For(self, node: cst.For) -> None:  # noqa: N802
        self._bind(node.target, Expression(node.iter, self.scope, EACH))

    def visit_CompFor(self, node: cst.CompFor) -> None:  # noqa: N802
        self._bind(node.target, Expression(node.iter, self.scope, EACH))

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        self.calls.append((self.scope, node))

    def _bind(self, target: cst.BaseExpression, value: Expression) -> None:
        if isinstance(target, cst.Tuple):
            for number, element in enumerate(target.elements):
                part = Expression(value.node, value.scope, (*value.path, number))
                self._bind(element.value, part)
        elif isinstance(target, cst.Name):
            self.bound[self.scope, target.value].append(value)
        elif attribute := self_attribute(target):
            self.bound[f"self of {self.scope.partition('.')[0]}", attribute].append(value)


@dataclass(frozen=True)
class Reached:
    """A number literal. `through`: the name whose default it is, or is part of; "": it stands in the place
    itself.
    """

    node: cst.BaseNumber
    through: str


class Reach:
    """What reaches what in one file. `offers`: names of entry parameters whose values are the task's."""

    def __init__(self, module: cst.Module, offers: Iterable[str]) -> None:
        self._names = _Names()
        self._offers = set(offers)
        module.visit(self._names)

    @property
    def calls(self) -> Sequence[tuple[str, cst.Call]]:
        """Every call with its scope, in the order of the source."""
        return self._names.calls

    def of(self, places: Iterable[Expression]) -> list[Reached]:
        """The number literals that reach `places`, each once. A number inside a calculation is a ratio, and
        none of them: what is multiplied there may be.
        """
        found: dict[cst.CSTNode, Reached] = {}
        seen: set[tuple[int, Path]] = set()
        left = [(place, "", True) for place in places]
        while left:
            place, through, bare = left.pop()
            node = place.node
            if (id(node), place.path) in seen:
                continue
            seen.add((id(node), place.path))
            if isinstance(node, cst.Integer | cst.Float) and literal(node) is not None:
                if bare:
                    found.setdefault(node, Reached(node, through))
                continue
            left += self._sources(place, through, bare=bare)
        return list(found.values())

    def _sources(self, place: Expression, through: str, *, bare: bool) -> list[tuple[Expression, str, bool]]:
        node, scope, path = place.node, place.scope, place.path

        def same(*nodes: cst.BaseExpression, part: Path = path, alone: bool = bare):
            return [(Expression(each, scope, part), through, alone) for each in nodes]

        if isinstance(node, cst.Name):
            return self._named(node.value, scope, path)
        if attribute := self_attribute(node):
            owner = f"self of {scope.partition('.')[0]}"
            return [(_part(e, path), attribute, True) for e in self._names.bound.get((owner, attribute), ())]
        if isinstance(node, cst.Tuple | cst.List):
            items = [element.value for element in node.elements if isinstance(element, cst.Element)]
            step = path[0] if path else None
            return same(*(items if step is None else items[step : step + 1]), part=path[1:])
        if isinstance(node, cst.Subscript):
            index = node.slice[0].slice if len(node.slice) == 1 else None
            number = literal(index.value) if isinstance(index, cst.Index) else None
            chosen = number if isinstance(number, int) and number >= 0 else None
            part = (chosen, *path) if isinstance(index, cst.Index) else path
            return same(node.value, part=part)
        if isinstance(node, cst.IfExp):
            return same(node.body, node.orelse)
        if isinstance(node, cst.BinaryOperation):
            return same(node.left, node.right, alone=False)
        if isinstance(node, cst.ListComp | cst.GeneratorExp):
            return same(node.elt, part=path[1:])
        if isinstance(node, cst.Call):
            return self._called(node, scope, path, through)
        return []

    def _called(
        self, node: cst.Call, scope: str, path: Path, through: str
    ) -> list[tuple[Expression, str, bool]]:
        name = node.func.value if isinstance(node.func, cst.Name) else ""
        given = [arg.value for arg in node.args if not arg.star]
        if name == "enumerate" and len(path) > 1:
            return [(Expression(given[0], scope, (None, *path[2:])), through, True)] if path[1] == 1 else []
        if name == "zip" and len(path) > 1 and path[1] is not None:
            return [(Expression(e, scope, (None, *path[2:])), through, True) for e in given[path[1] :][:1]]
        if name in ("tuple", "list", "reversed", "sorted"):
            return [(Expression(each, scope, path), through, True) for each in given[:1]]
        return [(Expression(each, scope), through, False) for each in given]

    def _named(self, name: str, scope: str, path: Path) -> list[tuple[Expression, str, bool]]:
        names = self._names
        if name in self._offers:
            return []
        where = scope if (scope, name) in names.bound else ""
        found = [(_part(each, path), name, True) for each in names.bound.get((where, name), ())]
        for called, parameters in names.parameters.items():
            if names.bodies[called] == where and name in parameters:
                found += [(_part(each, path), name, True) for each in self._given(called, name)]
        return found

    def _given(self, called: str, parameter: str) -> list[Expression]:
        """What calls of a function or class of the file hand over for a parameter."""
        place = list(self._names.parameters[called]).index(parameter)
        found = []
        for scope, call in self._names.calls:
            if not (isinstance(call.func, cst.Name) and call.func.value == called):
                continue
            plain = [arg for arg in call.args if arg.keyword is None]
            named = [arg for arg in call.args if arg.keyword is not None and arg.keyword.value == parameter]
            if not any(arg.star for arg in plain):
                named += plain[place : place + 1]
            found += [Expression(arg.value, scope) for arg in named]
        return found


def _part(value: Expression, path: Path) -> Expression:
    return Expression(value.node, value.scope, (*value.path, *path))
