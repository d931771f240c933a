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

HIDDEN = Rule(
    "hidden-text",
    "A person who reads a model must see what runs: characters that have no picture, that turn the direction "
    "of text, or that pass for another letter have no place in it.",
    bad=model(forward="y = x.flatten(1)  # \u2066 flat \u2069\n        return self.head(y)"),
    good=model(forward="y = x.flatten(1)  # flat\n        return self.head(y)"),
)

RULES = (SYNTAX, SIZE, HIDDEN)
