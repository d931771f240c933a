"""From a model file back to its derivation, where it is in the grammar."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

from evoarch.agent.operators.grammar.terms import Term, Value

ACTIVATIONS = ("ReLU", "GELU", "SiLU", "Tanh", "Sigmoid", "ELU", "Hardswish", "LeakyReLU")


class NotInGrammarError(ValueError):
    """A source is not a derivation as `writing` writes it; one line names what is not."""


def read(source: str, entry: str = "Model") -> Term:
    """The derivation of a model file: what its `self.net = ...` says. Raises NotInGrammarError."""
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise NotInGrammarError(f"does not parse: {error}") from None
    for node in module.body:
        if isinstance(node, ast.ClassDef) and node.name == entry:
            return _net(node)
    raise NotInGrammarError(f"there is no class {entry}")


def _net(entry: ast.ClassDef) -> Term:
    functions = {node.name: node for node in entry.body if isinstance(node, ast.FunctionDef)}
    forward, made = functions.get("forward"), functions.get("__init__")
    if set(functions) != {"forward", "__init__"} or forward is None or made is None:
        raise NotInGrammarError("the entry is not made of __init__ and forward")
    if ast.unparse(forward.body[-1]) != "return self.net(x)" or len(forward.body) != 1:
        raise NotInGrammarError("forward does more than call self.net")
    assigned = [node for node in made.body if isinstance(node, ast.Assign)]
    if len(assigned) != 1 or ast.unparse(assigned[0].targets[0]) != "self.net" or len(made.body) != 2:
        raise NotInGrammarError("__init__ does more than set self.net")
    return _term(assigned[0].value)


def _term(node: ast.expr) -> Term:
    if not isinstance(node, ast.Call):
        raise NotInGrammarError(f"not a term: {ast.unparse(node)}")
    name = ast.unparse(node.func)
    reader = _READERS.get(name)
    if reader is None:
        raise NotInGrammarError(f"the grammar has no {name}")
    try:
        return reader(name, node)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, NotInGrammarError):
            raise
        raise NotInGrammarError(f"not as the grammar writes it: {ast.unparse(node)}") from None


def _literals(node: ast.Call) -> tuple[list[Value], dict[str, Value]]:
    positional = [_literal(argument) for argument in node.args]
    return positional, {word.arg: _literal(word.value) for word in node.keywords if word.arg}


def _literal(node: ast.expr) -> Value:
    value = ast.literal_eval(node)
    if not isinstance(value, int | float | str | bool):
        raise NotInGrammarError(f"not a plain value: {ast.unparse(node)}")
    return value


def _inner(kind: str, count: int = -1) -> Callable[[str, ast.Call], Term]:
    def reader(name: str, node: ast.Call) -> Term:
        inner = tuple(_term(argument) for argument in node.args)
        if node.keywords or count not in (-1, len(inner)):
            raise NotInGrammarError(f"{name}: expected {count} terms, got {len(inner)}")
        return Term(kind, (), inner)

    return reader


def _conv(name: str, node: ast.Call) -> Term:
    (came_in, out, kernel), words = _literals(node)
    if set(words) - {"stride", "padding", "dilation", "groups"}:
        raise NotInGrammarError(f"{name} with {', '.join(words)}")
    groups = words.get("groups", 1)
    depthwise = groups != 1
    if depthwise and not groups == came_in == out:
        raise NotInGrammarError(f"{name}: groups of more than one channel")
    own = (words.get("stride", 1), words.get("padding", 0), words.get("dilation", 1))
    if not all(type(size) is int for size in (out, kernel, *own)):
        raise NotInGrammarError(f"{name}: sizes of several sides")
    return Term("conv", (out, kernel, *own, depthwise))


def _linear(name: str, node: ast.Call) -> Term:
    (_, out), words = _literals(node)
    if words or type(out) is not int:
        raise NotInGrammarError(name)
    return Term("linear", (out,))


def _recurrent(name: str, node: ast.Call) -> Term:
    (cell,) = node.args
    if not isinstance(cell, ast.Call):
        raise NotInGrammarError(name)
    kind = ast.unparse(cell.func).removeprefix("nn.")
    (_, hidden), words = _literals(cell)
    both = words.pop("bidirectional", False)
    if kind not in ("GRU", "LSTM") or words != {"batch_first": True} or type(hidden) is not int:
        raise NotInGrammarError(f"{name} of {ast.unparse(cell)}")
    return Term("recurrent", (kind, hidden, bool(both)))


def _excite(name: str, node: ast.Call) -> Term:
    squeeze, _ = node.args
    if not isinstance(squeeze, ast.Call):
        raise NotInGrammarError(name)
    return Term("excite", _linear(name, squeeze).values)


def _attentive(name: str, node: ast.Call) -> Term:
    (score,) = node.args
    if not isinstance(score, ast.Call) or _conv(name, score) != Term("conv", (1, 1, 1, 0, 1, False)):
        raise NotInGrammarError(f"{name} of {ast.unparse(score)}")
    return Term("attentive")


def _group_norm(name: str, node: ast.Call) -> Term:
    (groups, _), _words = _literals(node)
    return Term("norm", ({1: "layer", 4: "group"}[int(groups)],))


def _pool(name: str, node: ast.Call) -> Term:
    (size,), words = _literals(node)
    kind = "Max" if "Max" in name else "Avg"
    if words or type(size) is not int:
        raise NotInGrammarError(name)
    return Term("adaptive" if "Adaptive" in name else "pool", (kind, size))


def _dropout(name: str, node: ast.Call) -> Term:
    (rate,), _ = _literals(node)
    return Term("dropout", (float(rate),))


def _unflatten(name: str, node: ast.Call) -> Term:
    sizes = ast.literal_eval(node.args[1])
    if ast.literal_eval(node.args[0]) != 1 or len(sizes) != 2:
        raise NotInGrammarError(name)
    return Term("unflatten", (int(sizes[0]),))


def _plain(kind: str, *values: Value, arguments: bool = False) -> Callable[[str, ast.Call], Term]:
    def reader(name: str, node: ast.Call) -> Term:
        if node.keywords or bool(node.args) is not arguments:
            raise NotInGrammarError(ast.unparse(node))
        return Term(kind, values)

    return reader


_READERS: Mapping[str, Callable[[str, ast.Call], Term]] = {
    "nn.Sequential": _inner("seq"),
    "Add": _inner("add", 2),
    "Mul": _inner("mul", 2),
    "Concat": _inner("concat", 2),
    "Split": _inner("split", 2),
    "Attend": _inner("attend", 3),
    "nn.Conv1d": _conv,
    "nn.Conv2d": _conv,
    "nn.Linear": _linear,
    "Recurrent": _recurrent,
    "SqueezeExcite": _excite,
    "AttentionPool": _attentive,
    **{f"nn.{name}": _plain("activation", name) for name in ACTIVATIONS},
    "nn.BatchNorm1d": _plain("norm", "batch", arguments=True),
    "nn.BatchNorm2d": _plain("norm", "batch", arguments=True),
    "nn.LayerNorm": _plain("norm", "layer", arguments=True),
    "nn.GroupNorm": _group_norm,
    **{
        f"nn.{adaptive}{kind}Pool{rank}d": _pool
        for adaptive in ("", "Adaptive")
        for kind in ("Max", "Avg")
        for rank in (1, 2)
    },
    "nn.Dropout": _dropout,
    "Positions": _plain("positions", arguments=True),
    "Transpose": _plain("transpose"),
    "nn.Flatten": _plain("flatten"),
    "nn.Unflatten": _unflatten,
    "nn.Identity": _plain("identity"),
}
