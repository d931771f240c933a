"""What a file may import, and what it may take from what it imported."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

import libcst as cst

from evoarch.sandbox.rules.base import File, Found, Rule, dotted
from evoarch.sandbox.rules.example import model
from evoarch.sandbox.rules.torch_names import (
    FUNCTIONAL_NAMES,
    NN_NAMES,
    PART_DENIED,
    TORCH_NAMES,
    TORCH_PARTS,
)

ALLOWED = ("torch", "math", "typing", "dataclasses", "functools", "collections", "itertools", "einops")

MODULES = frozenset(
    {*ALLOWED, "torch.nn", "torch.nn.functional", "torch.fft", "torch.linalg", "torch.special"}
)

IMPORT = Rule(
    "import",
    "A model needs tensors and arithmetic. Files, network and processes are closed to it where it "
    "runs, so an import of anything else would only fail later.",
    bad="import os\n" + model(),
    good="import math\nfrom collections import OrderedDict\n" + model(),
)
RELATIVE = Rule(
    "import-relative",
    "A model is one file; it has no package to import from.",
    bad="from .layers import Block\n" + model(),
    good="from torch.nn import Conv1d\n" + model(),
)
STAR = Rule(
    "import-star",
    "A star import hides where names come from, from readers and from these rules.",
    bad="from torch.nn import *\n" + model(),
    good="from torch.nn import Linear, ReLU\n" + model(),
)
LIBRARY = Rule(
    "library-name",
    "Of torch, a model may use nn, functional, fft, linalg, special, and the functions on tensors. "
    "torch.load, torch.compile, torch.utils and the like read files, start processes or switch things "
    "for the whole process.",
    bad=model(forward="torch.save(x, 'x.pt')\n        return self.head(x.flatten(1))"),
    good=model(forward="return self.head(torch.relu(x).flatten(1))"),
)
UNKNOWN = Rule(
    "unknown-name",
    "A layer or function that torch does not have fails when the model is built; the nearest ones that it "
    "has are named.",
    bad=model(init="super().__init__()\n        self.act = nn.Relu()"),
    good=model(init="super().__init__()\n        self.act = nn.ReLU()"),
)
VALUE = Rule(
    "library-value",
    "A library under another name (`t = torch`) can't be followed, so its use can't be vetted.",
    bad=model(forward="t = torch\n        return self.head(t.relu(x).flatten(1))"),
    good=model(forward="f = torch.relu\n        return self.head(f(x).flatten(1))"),
)
MUTATION = Rule(
    "library-mutation",
    "A model that changes torch changes how it is trained and measured, not what it computes.",
    bad="import torch.nn.functional as F\n"
    + model(forward="F.relu = torch.tanh\n        return self.head(x.flatten(1))"),
    good=model(forward="self.scale = 2.0\n        return self.head(self.scale * x.flatten(1))"),
)

RULES = (IMPORT, RELATIVE, STAR, LIBRARY, UNKNOWN, VALUE, MUTATION)


def check(file: File) -> Iterator[Found]:
    yield from _imports(file)
    yield from _uses(file)
    yield from _mutations(file)


def _imports(file: File) -> Iterator[Found]:
    for statement in file.all(cst.Import):
        for alias in statement.names:
            yield from _import(file, alias, dotted(alias.name))
    for line in file.all(cst.ImportFrom):
        if line.relative:
            yield Found(line, RELATIVE, "relative import", "write the helper into this file")
            continue
        module = dotted(line.module) if line.module else ""
        if isinstance(line.names, cst.ImportStar):
            hint = f"import the names that you use: from {module} import ..."
            yield Found(line, STAR, f"star import from {module}", hint)
            continue
        for alias in line.names:
            yield from _import(file, alias, f"{module}.{dotted(alias.name)}")


def _import(file: File, node: cst.CSTNode, path: str) -> Iterator[Found]:
    root = path.partition(".")[0]
    if path == "__future__.annotations" or _is_granted(file, path):
        return
    if root not in ALLOWED:
        expected = ", ".join([*ALLOWED, *file.imports])
        hint = "remove the import and what uses it; a model needs only torch and arithmetic"
        yield Found(node, IMPORT, f"expected an import from {expected}; got {root}", hint)
    else:
        yield from _library(node, path)


def _is_granted(file: File, path: str) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in file.imports)


def _library(node: cst.CSTNode, path: str) -> Iterator[Found]:
    """Findings about one dotted path into an allowed library."""
    # Named after torch, but only its layers.
    root, *parts = path.replace("einops.layers.torch", "einops.layers").split(".")
    hidden = next((part for part in parts if part.startswith("_") or part in PART_DENIED), None)
    if hidden is None and (
        not parts or root != "torch" or parts[0] in TORCH_PARTS or _is_tensor_name(parts[0])
    ):
        if root == "torch" and parts[:1] == ["nn"]:
            yield from _unknown(node, parts[1:])
        return
    if root == "torch" and parts[0] not in TORCH_PARTS and not _is_tensor_name(parts[0]):
        hidden = parts[0]
    yield Found(
        node, LIBRARY, f"{path} is not open to a model (because of {hidden})", _nearest(root, str(hidden))
    )


def _unknown(node: cst.CSTNode, parts: Sequence[str]) -> Iterator[Found]:
    """A finding where torch.nn, or its functional, has no such name."""
    known, place = NN_NAMES, "nn"
    if parts[:1] == ["functional"]:
        known, place, parts = FUNCTIONAL_NAMES, "nn.functional", parts[1:]
    if not parts or parts[0] in known:
        return
    alike = {name.lower(): name for name in sorted(known)}
    near = [f"{place}.{alike[name]}" for name in difflib.get_close_matches(parts[0].lower(), alike, 3, 0.7)]
    hint = f"nearest: {', '.join(near)}" if near else "nothing there is called alike"
    # As Python itself says it: who mends a name looks for these words.
    yield Found(node, UNKNOWN, f"torch.{place} has no attribute {parts[0]!r}", hint)


def _is_tensor_name(name: str) -> bool:
    return name in TORCH_NAMES or (name.endswith("_") and name[:-1] in TORCH_NAMES)


def _nearest(root: str, name: str) -> str:
    if root == "torch" and name[:1].isupper():
        return f"layers are in torch.nn: torch.nn.{name}"
    near = difflib.get_close_matches(name, TORCH_NAMES, 1, 0.75) if root == "torch" else []
    known = f"; the nearest allowed name is torch.{near[0]}" if near else ""
    return f"use functions on tensors or layers of torch.nn{known}"


def _uses(file: File) -> Iterator[Found]:
    inner = {id(node.value) for node in file.all(cst.Attribute)}
    shadowed = {param.name.value for param in file.all(cst.Param)}
    for node in [*file.all(cst.Attribute), *file.all(cst.Name)]:
        if id(node) in inner:
            continue
        path = file.path(node)
        root = path.partition(".")[0]
        if not path or _is_granted(file, path) or root not in ALLOWED:
            continue
        if isinstance(node, cst.Attribute):
            yield from _library(node, path)
        elif path in MODULES and dotted(node) not in shadowed:
            hint = f"write {dotted(node)}.name where you use it"
            yield Found(node, VALUE, f"the module {path} is used as a value", hint)


def _mutations(file: File) -> Iterator[Found]:
    targets: list[cst.CSTNode] = [node.target for node in file.all(cst.AssignTarget)]
    targets += [node.target for node in file.all(cst.AugAssign)]
    targets += [node.target for node in file.all(cst.AnnAssign)]
    targets += [node.target for node in file.all(cst.For)]
    targets += [node.target for node in file.all(cst.Del)]
    targets += [node.name for node in file.all(cst.AsName)]
    while targets:
        target = targets.pop()
        if isinstance(target, cst.Tuple | cst.List):
            targets += [element.value for element in target.elements]
            continue
        stored = target
        while isinstance(target, cst.Subscript):
            target = target.value
        if (isinstance(target, cst.Attribute) or target is not stored) and (path := file.path(target)):
            hint = "call it, subclass it, or keep your own function; leave the library as it is"
            yield Found(stored, MUTATION, f"{path} is assigned to", hint)
