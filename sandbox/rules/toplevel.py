"""The top level of a file: definitions, not work."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from evoarch.sandbox.rules.base import File, Found, Rule, below, children, dotted
from evoarch.sandbox.rules.example import model
from evoarch.sandbox.words import words

MODULE_WORK = Rule(
    "module-work",
    "A file is loaded before its model is seeded and timed. Work at the top level, in class bodies, "
    "decorators and default values runs then, so a model is built by its entry alone.",
    bad=model(before="shared = torch.zeros(40)\n\n"),
    good=model(before="WIDTH = 2 * 8\n\n"),
)

RULES = (MODULE_WORK,)

CALLS = words(
    """
    bool collections.OrderedDict collections.namedtuple dataclasses.field dict float frozenset
    functools.partial int len list max min range set str sum tuple typing.NamedTuple typing.NewType
    typing.ParamSpec typing.TypeVar
    """
)
"""Calls that make constants and types."""

DECORATORS = words(
    """
    classmethod dataclasses.dataclass functools.cache functools.cached_property functools.lru_cache
    functools.wraps property staticmethod torch.no_grad torch.enable_grad typing.final
    typing.no_type_check typing.overload
    """
)

_HINT = "move it into the entry's __init__ or forward"


def check(file: File) -> Iterator[Found]:
    for statement in file.module.body:
        yield from _statement(file, statement, "the top level")


def _statement(file: File, statement: cst.CSTNode, where: str) -> Iterator[Found]:
    if isinstance(statement, cst.FunctionDef):
        yield from _function(file, statement)
    elif isinstance(statement, cst.ClassDef):
        yield from _decorators(file, statement)
        for arg in [*statement.bases, *statement.keywords]:
            yield from _expression(file, arg.value, "a class's bases")
        for inner in statement.body.body:
            yield from _statement(file, inner, f"the body of class {statement.name.value}")
    elif isinstance(statement, cst.SimpleStatementLine):
        for small in statement.body:
            yield from _small(file, small, where)
    elif isinstance(statement, cst.If) and file.path(statement.test) == "typing.TYPE_CHECKING":
        for inner in statement.body.body:
            yield from _statement(file, inner, where)
    elif isinstance(statement, cst.BaseSmallStatement):
        yield from _small(file, statement, where)
    else:
        kind = type(statement).__name__.lower()
        yield Found(statement, MODULE_WORK, f"a statement ({kind}) at {where}", _hint_for(statement))


def _hint_for(statement: cst.CSTNode) -> str:
    if isinstance(statement, cst.If) and "__name__" in {dotted(node) for node in below(statement.test)}:
        return "remove the main block: the file is only loaded"
    return _HINT


def _small(file: File, small: cst.BaseSmallStatement, where: str) -> Iterator[Found]:
    if isinstance(small, cst.Import | cst.ImportFrom | cst.Pass | cst.Global):
        return
    if isinstance(small, cst.Expr) and small.value in file.prose:
        return
    if isinstance(small, cst.Assign | cst.AnnAssign):
        if small.value is not None:
            yield from _expression(file, small.value, where)
        return
    if isinstance(small, cst.Expr):
        if isinstance(small.value, cst.Ellipsis):
            return
        yield Found(small, MODULE_WORK, f"an expression at {where}", _HINT)
    else:
        yield Found(small, MODULE_WORK, f"a statement at {where}", _HINT)


def _function(file: File, node: cst.FunctionDef) -> Iterator[Found]:
    yield from _decorators(file, node)
    params = node.params
    for param in [*params.posonly_params, *params.params, *params.kwonly_params]:
        if param.default is not None:
            yield from _expression(file, param.default, "a default value")


def _decorators(file: File, node: cst.FunctionDef | cst.ClassDef) -> Iterator[Found]:
    for line in node.decorators:
        name = line.decorator.func if isinstance(line.decorator, cst.Call) else line.decorator
        word = dotted(name)
        known = (file.path(name) or word) in DECORATORS
        if not known and not word.endswith((".setter", ".getter", ".deleter")):
            message = (
                f"expected a decorator of {', '.join(sorted(DECORATORS))}; got {word or 'an expression'}"
            )
            yield Found(line, MODULE_WORK, message, "remove the decorator")


def _expression(file: File, value: cst.BaseExpression, where: str) -> Iterator[Found]:
    """Findings about what runs when `value` is evaluated on loading."""
    todo: list[cst.CSTNode] = [value]
    while todo:
        node = todo.pop()
        if isinstance(node, cst.Lambda):
            todo += [param.default for param in node.params.params if param.default is not None]
            continue
        if isinstance(node, cst.Call):
            word = file.path(node.func) or dotted(node.func)
            if word not in CALLS and not word.startswith("math."):
                message = f"a call ({word or 'of an expression'}) at {where}"
                yield Found(node, MODULE_WORK, message, _HINT)
                continue
        elif isinstance(node, cst.ListComp | cst.SetComp | cst.DictComp | cst.GeneratorExp):
            yield Found(node, MODULE_WORK, f"a comprehension at {where}", _HINT)
            continue
        todo += children(node)
