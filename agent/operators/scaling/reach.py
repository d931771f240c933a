"""Which number literals of a file reach a place in it, such as the width of a layer: through names, defaults
of parameters, arguments of the file's own functions and classes, and loops over tables.

It reads the syntax alone; what it does not know leads nowhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import libcst as cst

from evoarch.agent.operators.syntactic.view import dotted, literal, self_attribute

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
    itself. `plain`: it comes there as it is, and not only as a part of a calculation.
    """

    node: cst.BaseNumber
    through: str
    plain: bool


SAME = ("max", "min", "round", "int", "abs")
"""Functions that leave a number about what it was; a literal among their arguments is a bound."""


@dataclass(frozen=True)
class _Step:
    """An expression on the way back from a place. `named`: a literal there would be a value of its own, and
    no part of a calculation or a bound.
    """

    place: Expression
    through: str = ""
    plain: bool = True
    named: bool = True

    def to(self, path: Path, nodes: Iterable[cst.BaseExpression], *, inside: bool = False) -> list[_Step]:
        """Parts of this expression; `inside` a calculation."""
        own = isinstance(self.place.node, cst.BinaryOperation | cst.Call)
        return [
            _Step(Expression(node, self.place.scope, path), self.through, self.plain and not inside, not own)
            for node in nodes
        ]

    def via(self, name: str, value: Expression) -> _Step:
        """What is bound to `name`, of which this expression is a part."""
        place = Expression(value.node, value.scope, (*value.path, *self.place.path))
        return _Step(place, name, self.plain)


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
        """The number literals that reach `places`, each once. One that stands in a calculation itself, such
        as the 2 of `2 * width`, is none of them.
        """
        found: dict[cst.CSTNode, Reached] = {}
        seen: set[tuple[int, Path, bool]] = set()
        left = [_Step(place) for place in places]
        while left:
            step = left.pop()
            node = step.place.node
            if (id(node), step.place.path, step.plain) in seen:
                continue
            seen.add((id(node), step.place.path, step.plain))
            if isinstance(node, cst.Integer | cst.Float):
                known = found.get(node)
                if step.named and (known is None or step.plain):
                    found[node] = Reached(node, step.through, step.plain)
                continue
            left += self._sources(step)
        return list(found.values())

    def _sources(self, step: _Step) -> list[_Step]:
        """What an expression is made of: one step back."""
        node, path = step.place.node, step.place.path
        if isinstance(node, cst.Name):
            return self._named(step, node.value)
        if attribute := self_attribute(node):
            owner = f"self of {step.place.scope.partition('.')[0]}"
            return [step.via(attribute, each) for each in self._names.bound.get((owner, attribute), ())]
        if isinstance(node, cst.Tuple | cst.List):
            items = [element.value for element in node.elements if isinstance(element, cst.Element)]
            chosen = path[0] if path else None
            return step.to(path[1:], items if chosen is None else items[chosen : chosen + 1])
        if isinstance(node, cst.Subscript):
            index = node.slice[0].slice if len(node.slice) == 1 else None
            if not isinstance(index, cst.Index):
                return step.to(path, [node.value])
            number = literal(index.value)
            return step.to(((number if isinstance(number, int) else None), *path), [node.value])
        if isinstance(node, cst.IfExp):
            return step.to(path, [node.body, node.orelse])
        if isinstance(node, cst.BinaryOperation):
            return step.to(path, [node.left, node.right], inside=True)
        if isinstance(node, cst.ListComp | cst.GeneratorExp):
            return step.to(path[1:], [node.elt])
        return self._called(step, node) if isinstance(node, cst.Call) else []

    def _called(self, step: _Step, node: cst.Call) -> list[_Step]:
        name, path = dotted(node.func), step.place.path
        given = [arg.value for arg in node.args if not arg.star]
        if name == "len":
            return []
        if name == "enumerate" and len(path) > 1:
            return step.to((None, *path[2:]), given[:1]) if path[1] == 1 else []
        if name == "zip" and len(path) > 1 and path[1] is not None:
            return step.to((None, *path[2:]), given[path[1] : path[1] + 1])
        if name in ("tuple", "list", "reversed", "sorted"):
            return step.to(path, given[:1])
        return step.to((), given, inside=name not in SAME)

    def _named(self, step: _Step, name: str) -> list[_Step]:
        names, scope = self._names, step.place.scope
        if name in self._offers:
            return []
        where = scope if (scope, name) in names.bound else ""
        found = list(names.bound.get((where, name), ()))
        for called, parameters in names.parameters.items():
            if names.bodies[called] == where and name in parameters:
                found += self._given(called, name)
        return [step.via(name, each) for each in found]

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
