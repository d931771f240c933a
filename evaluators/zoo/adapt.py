"""Rewrites a family's file: for inputs with fewer dimensions, and with other defaults.

The rewriting is of text, so that comments and layout stay; `ast` finds the places.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from typing import Any

ENTRY = "Model"

_ONE_DIMENSION = (
    (
        re.compile(
            r"\b((?:Conv|BatchNorm|MaxPool|AvgPool|AdaptiveAvgPool|AdaptiveMaxPool|Dropout)|\w+_pool)2d\b"
        ),
        r"\g<1>1d",
    ),
    (re.compile(r"\(\(2, 3\)(, keepdim=True)?\)"), r"(2\1)"),
    (re.compile(r"\[:, :, None, None\]"), "[:, :, None]"),
    (re.compile(r"\(0, 0, 0, 0, 0, "), "(0, 0, 0, "),  # padding with channels
)
"""What a network of images has for two dimensions, and the same for one."""


def adapted(source: str, rank: int, ranks: Collection[int]) -> str | None:
    """`source` for examples of `rank` dimensions, where its networks take examples of `ranks`.

    Rank 3 is an image with its channels, 2 a sequence with its channels, 1 plain numbers, which are read as
    a sequence of one channel. None: there is no way to write it.
    """
    if rank in ranks:
        return source
    if rank not in (1, 2):
        return None
    if 2 not in ranks:
        for pattern, replacement in _ONE_DIMENSION:
            source = pattern.sub(replacement, source)
    return _with_channel(source) if rank == 1 else source


def _with_channel(source: str) -> str:
    """`source` with a first dimension of one channel before all else that the entry does."""
    entry = _entry(ast.parse(source))
    places = {
        "__init__": "input_shape = (1, *input_shape)",
        "forward": "x = x.unsqueeze(1)",
    }
    lines = source.splitlines(keepends=True)
    for method in reversed(_methods(entry)):
        if method.name in places:
            first = method.body[1] if method.name == "__init__" else method.body[0]
            lines.insert(first.lineno - 1, " " * first.col_offset + places[method.name] + "\n")
    return "".join(lines)


def with_defaults(source: str, values: Mapping[str, Any]) -> str:
    """`source` whose entry has `values` as the defaults of its arguments.

    Where a default is a name of the module, such as a table of stages, what it names is written anew.
    """
    tree = ast.parse(source)
    named = {
        target.id: each.value
        for each in tree.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    init = next(method for method in _methods(_entry(tree)) if method.name == "__init__")
    positional = init.args.args[len(init.args.args) - len(init.args.defaults) :]
    edits: list[tuple[int, int, str]] = []
    starts = _line_starts(source)
    for argument, default in zip(positional, init.args.defaults, strict=True):
        if argument.arg not in values:
            continue
        node = named.get(default.id, default) if isinstance(default, ast.Name) else default
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        edits.append((start, end, repr(_tuples(values[argument.arg])).replace("'", '"')))
    data = source.encode()  # ast counts columns in bytes
    for start, end, text in sorted(edits, reverse=True):
        data = data[:start] + text.encode() + data[end:]
    return data.decode()


def _entry(tree: ast.Module) -> ast.ClassDef:
    return next(each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == ENTRY)


def _methods(entry: ast.ClassDef) -> list[ast.FunctionDef]:
    return [each for each in entry.body if isinstance(each, ast.FunctionDef)]


def _line_starts(source: str) -> list[int]:
    """The byte at which each line begins."""
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _tuples(value: Any) -> Any:
    """`value` with tuples for lists, as the files write them."""
    return tuple(_tuples(each) for each in value) if isinstance(value, list | tuple) else value
