"""White space around keywords, put where LibCST needs it and CPython doesn't.

CPython reads `x or.5` and `x or(lambda: 0)`; LibCST (1.9) refuses the first and crashes on the second.
"""

from __future__ import annotations

import ast
import io
import keyword
import re
import tokenize
import warnings
from itertools import accumulate, pairwise

_WORDS = frozenset(keyword.kwlist) - {"None", "True", "False"}
_VALUES = {tokenize.NUMBER, tokenize.STRING, getattr(tokenize, "FSTRING_START", tokenize.STRING)}
_ANY = "|".join(sorted(_WORDS))
_BEFORE = re.compile(rf"(?<![A-Za-z_.])({_ANY})(?=[(\[{{]|\.\d)")
_BEHIND = re.compile(rf"(?<=[)\]])({_ANY})\b")


def spaced(source: str) -> str:
    """`source`, which CPython reads, with a space between each keyword and the value or bracket it touches.

    All else stays as it is. Whether the text still means the same is for the caller to check.
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return source
    # The very lines that the tokeniser counts.
    starts = [0, *accumulate(len(line) for line in io.StringIO(source))]
    pieces, done = list[str](), 0
    for left, right in pairwise(tokens):
        at = starts[right.start[0] - 1] + right.start[1]
        if left.end == right.start and _needs_space(left, right):
            pieces += [source[done:at], " "]
            done = at
        if right.type == tokenize.STRING and "f" in right.string.partition(right.string[-1])[0].lower():
            pieces += [source[done:at], _in_f_string(right.string)]
            done = at + len(right.string)
    return "".join([*pieces, source[done:]])


def _needs_space(left: tokenize.TokenInfo, right: tokenize.TokenInfo) -> bool:
    if left.string in _WORDS and left.type == tokenize.NAME:
        return right.type in _VALUES or right.string in {"(", "[", "{"}
    touches = left.type in _VALUES or left.string in {")", "]", "}"}
    return touches and right.type == tokenize.NAME and right.string in _WORDS


def _in_f_string(text: str) -> str:
    """An f-string, one token before Python 3.12, with these spaces; as it was where they would show in it."""
    new = _BEHIND.sub(r" \1", _BEFORE.sub(r"\1 ", text))
    return new if new != text and same_meaning(new, text) else text


def same_meaning(text: str, other: str) -> bool:
    """Whether both are one program to Python. False where it can't be told."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.dump(ast.parse(text)) == ast.dump(ast.parse(other))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
