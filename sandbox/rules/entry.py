"""The entry: there, once, callable with what the task offers, and a module that works as one."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from evoarch.sandbox.rules.base import File, Found, Rule, below, dotted
from evoarch.sandbox.rules.example import model

FUNCTION_MODEL = """from torch import nn

def Model(input_shape, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(input_shape[0] * input_shape[1], num_classes))
"""

ENTRY = Rule(
    "entry",
    "The entry is what the task calls to build the model: one class or function of that name at the "
    "top level.",
    bad=model(name="Net"),
    good=FUNCTION_MODEL,
)
ARGUMENTS = Rule(
    "entry-arguments",
    "The entry is called with those of the task's offers that its signature names; nothing else can "
    "be filled in.",
    bad=model(parameters="num_classes, width"),
    good=model(parameters="num_classes, width=16"),
)
MODULE = Rule(
    "entry-module",
    "What the entry builds is trained and called as a torch.nn.Module.",
    bad="class Model:\n    def __init__(self, num_classes):\n        self.n = num_classes\n",
    good=model(),
)
FORWARD = Rule(
    "forward",
    "A module without forward fails when it is called; a model's forward takes a batch of inputs.",
    bad="from torch import nn\n\nclass Model(nn.Module):\n    def __init__(self, num_classes):\n"
    "        super().__init__()\n        self.head = nn.Linear(40, num_classes)\n",
    good=model(),
)
SUPER = Rule(
    "super-init",
    "A module whose __init__ does not call super().__init__() can't hold layers: assigning the first "
    "one fails.",
    bad=model(init="self.width = 16"),
    good=model(init="super().__init__()"),
)

RULES = (ENTRY, ARGUMENTS, MODULE, FORWARD, SUPER)


def check(file: File) -> Iterator[Found]:
    yield from _entry(file)
    bases = {dotted(arg.value) for node in file.all(cst.ClassDef) for arg in node.bases}
    for node in file.all(cst.ClassDef):
        if is_module(file, node) is not True:
            continue
        if not _method(file, node, "forward") and _only_module(file, node) and node.name.value not in bases:
            message = f"class {node.name.value} defines no forward"
            yield Found(node.name, FORWARD, message, "define forward(self, x) and return the outputs")
        init = _own(node, "__init__")
        if init is not None and not _calls_super(init):
            message = f"{node.name.value}.__init__ never calls super().__init__()"
            yield Found(init.name, SUPER, message, "make super().__init__() the first statement of __init__")


def _entry(file: File) -> Iterator[Found]:
    definitions = [node for node in file.module.body if isinstance(node, cst.ClassDef | cst.FunctionDef)]
    named = [node for node in definitions if node.name.value == file.entry]
    assigned = [
        target.target
        for line in file.module.body
        if isinstance(line, cst.SimpleStatementLine)
        for statement in line.body
        if isinstance(statement, cst.Assign)
        for target in statement.targets
        if isinstance(target.target, cst.Name) and target.target.value == file.entry
    ]
    if not named:
        there = ", ".join(node.name.value for node in definitions) or "no class or function"
        place: cst.CSTNode = assigned[0] if assigned else file.module
        message = f"expected a class or function named {file.entry} at the top level, got {there}"
        yield Found(place, ENTRY, message, f"name the class that the task should build {file.entry}")
        return
    for again in [*named[1:], *assigned]:
        message = f"{file.entry} is defined more than once"
        yield Found(again, ENTRY, message, f"keep one {file.entry} and rename the other")
    entry = named[0]
    if isinstance(entry, cst.FunctionDef):
        yield from _arguments(file, entry, entry.params, skip=0)
        return
    init = _method(file, entry, "__init__")
    if init is not None:
        yield from _arguments(file, init, init.params, skip=1)
    if is_module(file, entry) is False:
        message = f"class {file.entry} is no torch.nn.Module"
        yield Found(entry.name, MODULE, message, f"write class {file.entry}(nn.Module)")
    forward = _method(file, entry, "forward")
    if forward is not None and is_module(file, entry):
        yield from _some_input(forward)


def _arguments(file: File, node: cst.FunctionDef, params: cst.Parameters, skip: int) -> Iterator[Found]:
    offered = ", ".join(file.offers) or "nothing"
    positional = [*params.posonly_params, *params.params][skip:]
    for param in [*positional, *params.kwonly_params]:
        if param.default is not None:
            continue
        name = param.name.value
        if name not in file.offers:
            message = f"the task does not offer the required parameter {name}; it offers {offered}"
            yield Found(param, ARGUMENTS, message, f"give {name} a default value, or take one of: {offered}")
        elif param in params.posonly_params:
            message = f"{name} is positional-only, and offers are passed by name"
            yield Found(param, ARGUMENTS, message, "remove the / from the signature")


def _some_input(forward: cst.FunctionDef) -> Iterator[Found]:
    params = forward.params
    positional = [*params.posonly_params, *params.params]
    static = any(dotted(decorator.decorator) == "staticmethod" for decorator in forward.decorators)
    if len(positional) < (1 if static else 2) and not isinstance(params.star_arg, cst.Param):
        got = ", ".join(param.name.value for param in positional)
        message = f"expected forward(self, x, ...), a batch of inputs first; got forward({got})"
        yield Found(forward.name, FORWARD, message, "take the inputs as parameters after self")


def is_module(file: File, node: cst.ClassDef, seen: tuple[str, ...] = ()) -> bool | None:
    """Whether a class is a torch.nn.Module by its bases; None where a base can't be told."""
    known: list[bool | None] = []
    for base in node.bases:
        path = file.path(base.value)
        name = dotted(base.value)
        if path.startswith("torch.nn."):
            return True
        if name in file.classes and name not in seen and file.classes[name] is not node:
            known.append(is_module(file, file.classes[name], (*seen, node.name.value)))
        else:
            known.append(False if name == "object" else None)
    if True in known:
        return True
    return None if None in known else False


def _only_module(file: File, node: cst.ClassDef) -> bool:
    """Whether no library class but nn.Module itself stands above, so that no forward is inherited."""
    todo, seen = [node], []
    while todo:
        node = todo.pop()
        seen.append(node)
        for base in node.bases:
            name = dotted(base.value)
            if name in file.classes and file.classes[name] not in seen:
                todo.append(file.classes[name])
            elif file.path(base.value) != "torch.nn.Module" and name != "object":
                return False
    return True


def _own(node: cst.ClassDef, name: str) -> cst.FunctionDef | None:
    for statement in node.body.body:
        if isinstance(statement, cst.FunctionDef) and statement.name.value == name:
            return statement
    return None


def _method(file: File, node: cst.ClassDef, name: str) -> cst.FunctionDef | None:
    """The method that a class has by itself or from a class of this file."""
    todo, seen = [node], []
    while todo:
        node = todo.pop(0)
        seen.append(node)
        method = _own(node, name)
        if method is not None:
            return method
        for base in node.bases:
            above = file.classes.get(dotted(base.value))
            if above is not None and above not in seen:
                todo.append(above)
    return None


def _calls_super(init: cst.FunctionDef) -> bool:
    for node in below(init.body):
        if (
            isinstance(node, cst.Call)
            and isinstance(node.func, cst.Attribute)
            and node.func.attr.value == "__init__"
        ):
            return True
    return False
