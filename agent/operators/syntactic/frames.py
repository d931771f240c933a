"""What a name in a constructor stands for: its local value, its default, or the argument of the call."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from evoarch.agent.operators.syntactic.view import argument
from evoarch.agent.operators.syntactic.walking import walk


@dataclass(frozen=True)
class CodeFrame:
    """A constructor at work: the function, and the call that entered it with its own frame."""

    function: cst.FunctionDef | None
    call: cst.Call | None = None
    outer: CodeFrame | None = None


def parameters(function: cst.FunctionDef) -> list[str]:
    """Names of the positional parameters, without self."""
    names = [param.name.value for param in [*function.params.posonly_params, *function.params.params]]
    return names[1:] if names and names[0] == "self" else names


def _default(function: cst.FunctionDef, name: str) -> cst.BaseExpression | None:
    params = [*function.params.posonly_params, *function.params.params, *function.params.kwonly_params]
    return next((param.default for param in params if param.name.value == name), None)


class Locals(cst.CSTVisitor):
    """The last plain assignment to each local name of a function, and what it returns."""

    def __init__(self) -> None:
        self.values: dict[str, cst.BaseExpression] = {}
        self.returned: cst.BaseExpression | None = None

    def visit_Assign(self, node: cst.Assign) -> None:  # noqa: N802
        """Notes the value of a plain name."""
        target = node.targets[0].target
        if isinstance(target, cst.Name):
            self.values[target.value] = node.value

    def visit_Return(self, node: cst.Return) -> None:  # noqa: N802
        """Notes what is returned."""
        self.returned = node.value


def followed(expr: cst.BaseExpression, frame: CodeFrame) -> tuple[cst.BaseExpression, CodeFrame]:
    """The expression behind a name: a local's value, or the argument that the constructor was given."""
    for _ in range(8):
        if not isinstance(expr, cst.Name) or frame.function is None:
            break
        name, function = expr.value, frame.function
        names = parameters(function)
        if name in names or _default(function, name) is not None:
            arg = argument(frame.call, tuple(names), name) if frame.call is not None else None
            if arg is not None and frame.outer is not None:
                expr, frame = arg.value, frame.outer
                continue
            default = _default(function, name)
            if default is None:
                break
            return default, frame
        found = Locals()
        walk(function.body, found)
        if name not in found.values:
            break
        expr = found.values[name]
    return expr, frame
