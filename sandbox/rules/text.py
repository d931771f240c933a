"""What can be said about a file before its tree is looked at."""

from __future__ import annotations

from evoarch.sandbox.rules.base import Rule
from evoarch.sandbox.rules.example import model

MAX_BYTES = 64 << 10
MAX_LINES = 2000

SYNTAX = Rule(
    "syntax",
    "A file that Python can't read can't be run, and no other rule can look at it.",
    bad=model(forward="return self.head(x.flatten(1)"),
    good=model(),
)
SIZE = Rule(
    "size",
    f"A model file is at most {MAX_BYTES >> 10} kB and {MAX_LINES} lines long; the baselines are below "
    "200 lines.",
    bad=model() + "\n" * MAX_LINES,
    good=model(),
)

RULES = (SYNTAX, SIZE)
