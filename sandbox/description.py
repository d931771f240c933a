"""How much data a source holds: what could be a table of labels, or trained weights in place of parameters.

The description length of a model is its parameters and its program. A program of an ordinary architecture is
short and alike for all; one that carries data is not. Two measures, in bits, both of what the source says and
not of what it does:

- `literal_bits`: numbers by their size, text and bytes by their length, truth values by one bit, and the
  names in a long list of names or of keywords by their length. Names elsewhere and code count nothing.
- `code_bits`: the whole text that runs (sandbox/executable.py), compressed. It holds what the first leaves
  out: data in the order of statements, in the names of attributes, in the shape of expressions.
"""

from __future__ import annotations

import ast
import lzma
from collections.abc import Iterable
from dataclasses import dataclass

from evoarch.sandbox.executable import executable

LONG = 24
"""Items of a list, tuple, set, dict or call from which on the names in it count as data."""

FREE_LITERALS = 1_024
"""Bits of literal data that count nothing. Measured: at most 571 in the zoo, 561 in bred children."""

FREE_CODE = 16_384
"""Bits of compressed code that count nothing. Measured: at most 10,288 in the zoo, 5,976 in bred children."""

_FILTER = {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 18}
"""The largest source fits its window; a larger one costs time for nothing."""

_BITS = 32
"""Bits of one parameter."""


@dataclass(frozen=True)
class Description:
    """The data that a source holds, in bits."""

    literal_bits: int
    code_bits: int

    def params(self, exempt: Description | None = None) -> int:
        """What counts as parameters: the bits above the free allowances, 32 for one.

        `exempt`: the most that the user's own seeds hold, which is free where it is above an allowance.
        """
        free_literals = max(FREE_LITERALS, exempt.literal_bits if exempt else 0)
        free_code = max(FREE_CODE, exempt.code_bits if exempt else 0)
        over = max(0, self.literal_bits - free_literals, self.code_bits - free_code)
        return -(-over // _BITS)


def describe(source: str) -> Description:
    """Measures a source. Raises SyntaxError for text that is no Python."""
    runs = executable(source)
    tree = ast.parse(runs.text)
    text = runs.text.encode("utf-8", "surrogatepass")
    packed = lzma.compress(text, format=lzma.FORMAT_RAW, filters=[_FILTER])
    return Description(sum(_bits(node) for node in ast.walk(tree)), 8 * len(packed))


def most_of(sources: Iterable[str]) -> Description:
    """The most of each measure that any of `sources` holds. Raises SyntaxError."""
    found = [describe(source) for source in sources]
    return Description(
        max((each.literal_bits for each in found), default=0),
        max((each.code_bits for each in found), default=0),
    )


def _bits(node: ast.AST) -> int:
    match node:
        case ast.Constant(value=value):
            return _constant_bits(value)
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items) if len(items) >= LONG:
            return sum(8 * len(item.id) for item in items if isinstance(item, ast.Name))
        case ast.Dict(keys=keys) if len(keys) >= LONG:
            return sum(8 * len(key.id) for key in keys if isinstance(key, ast.Name))
        case ast.Call(keywords=named, args=given) if len(named) + len(given) >= LONG:
            names = [keyword.arg or "" for keyword in named]
            return 8 * sum(map(len, [*names, *(arg.id for arg in given if isinstance(arg, ast.Name))]))
    return 0


def _float_bits(value: float) -> int:
    """Four bits for a character of the shortest text that gives the number, at most the 64 that it has."""
    return min(64, 4 * len(repr(value)))


def _constant_bits(value: object) -> int:
    match value:
        case bool():
            return 1
        case int():
            return max(1, value.bit_length())
        case float():
            return _float_bits(value)
        case complex():
            return _float_bits(value.real) + _float_bits(value.imag)
        case str():
            return 8 * len(value.encode("utf-8", "surrogatepass"))
        case bytes():
            return 8 * len(value)
    return 0
