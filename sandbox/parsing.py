"""The two parsers that look at every source.

CPython's is the gate, because LibCST's native parser overflows the machine's stack (a crash, not an
exception) on deep nesting that CPython refuses with an error; it also says whether this interpreter could run
the file at all. LibCST then gives the tree that keeps the text. It takes 0.2 s to load, so it is imported
when a source is first read by it: many callers need the gate alone.
"""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING

from evoarch.sandbox.spacing import same_meaning, spaced

if TYPE_CHECKING:
    import libcst as cst

MAX_BYTES = 200_000
"""Size of the largest source that is looked at, in UTF-8 bytes."""


_MOST_KEPT = 20_000
"""The longest source, in characters, whose tree is kept for a while."""

MAX_DEPTH = 200
"""Deepest nesting of syntax nodes. Hand-written model files stay below 40."""


class GenomeError(ValueError):
    """A source that can't be a genome. `line` counts from 1, `column` from 0, as Python's own errors do."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        self.column = column
        self.message = message


def gate(source: str) -> ast.Module:
    """Python's own tree of `source`, which compiles, is at most MAX_BYTES long and MAX_DEPTH deep.

    Raises GenomeError, and nothing else, for any other text.
    """
    _check_length(source)
    try:
        with warnings.catch_warnings():
            # An odd escape or comparison in a genome is not this process's concern.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            _check_depth(tree)
            compile(source, "<genome>", "exec", dont_inherit=True)
    except SyntaxError as error:
        line = max(error.lineno or 1, 1)
        raise GenomeError(line, max((error.offset or 1) - 1, 0), error.msg or "invalid syntax") from None
    except (RecursionError, MemoryError):
        raise GenomeError(1, 0, f"nested too deep: expected at most {MAX_DEPTH} levels of syntax") from None
    except (ValueError, OverflowError) as error:  # NUL bytes, numbers out of range
        raise GenomeError(1, 0, str(error)) from None
    return tree


def check_size(source: str, tree: ast.Module) -> None:
    """What `gate` says of a text's length and its tree's depth, of one that is known to be Python.

    Raises GenomeError.
    """
    _check_length(source)
    _check_depth(tree)


def _check_length(source: str) -> None:
    try:
        size = len(source.encode())
    except UnicodeEncodeError as error:
        line = source.count("\n", 0, error.start) + 1
        column = error.start - (source.rfind("\n", 0, error.start) + 1)
        raise GenomeError(line, column, f"expected UTF-8 text, got {source[error.start]!r}") from None
    if size > MAX_BYTES:
        raise GenomeError(1, 0, f"expected at most {MAX_BYTES} bytes, got {size}")


def _check_depth(tree: ast.Module) -> None:
    """Walks without recursion: the tree may be deeper than the interpreter's stack."""
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        below: list[ast.AST] = []
        for node in level:
            # As ast.iter_child_nodes has them, several times as fast.
            for value in vars(node).values():
                if type(value) is list:
                    below += [each for each in value if isinstance(each, ast.AST)]
                elif isinstance(value, ast.AST):
                    below.append(value)
        if not below:
            return
        level = below
    line, column = next(
        ((node.lineno, node.col_offset) for node in level if isinstance(node, ast.expr | ast.stmt)), (1, 0)
    )
    raise GenomeError(line, column, f"nested too deep: expected at most {MAX_DEPTH} levels of syntax")


def parse(source: str) -> cst.Module:
    """The LibCST tree of `source`. Raises GenomeError, and nothing else, for text that is no Python file.

    See `parse_gated` for how the tree's text may differ.
    """
    check(source)
    return parse_gated(source)


@lru_cache(maxsize=64)
def check(source: str) -> None:
    """As `gate`, without its tree: what passed it lately is not looked at again."""
    gate(source)


def parse_gated(source: str) -> cst.Module:
    """The LibCST tree of a source that has passed `gate`. Raises GenomeError where LibCST can't read it.

    Where it can't, but could with spaces around the keywords, the tree is of the source with these spaces
    (`sandbox.spacing`): the same lines and the same meaning, a few columns further right.
    """
    try:
        return _tree(source)
    except GenomeError:
        text = spaced(source)
        if text == source or not same_meaning(text, source):
            raise
    return _tree(text)


def _tree(source: str) -> cst.Module:
    return _kept(source) if len(source) <= _MOST_KEPT else _read(source)


@lru_cache(maxsize=32)
def _kept(source: str) -> cst.Module:
    """The trees of the last few sources: one child is edited, vetted and digested in a row."""
    return _read(source)


def _read(source: str) -> cst.Module:
    import libcst as cst

    try:
        return cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise GenomeError(max(error.raw_line, 1), max(error.raw_column, 0), error.message) from None
    except BaseException as error:  # a crash of LibCST is about the file; a panic of its Rust is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        why = f"LibCST can't read it, though Python can: {type(error).__name__}"
        raise GenomeError(1, 0, why) from None
