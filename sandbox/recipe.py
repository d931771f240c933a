"""RECIPE: what a genome may say of its own training, within which bounds, and how it is read: never run.

The one place for keys and bounds: vetting, the evaluator and the operators ask here. Steps are not among
them, and a batch only gets smaller: no genome trains longer, or on more examples, than its rivals.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from evoarch.sandbox.parsing import gate

NAME = "RECIPE"


@dataclass(frozen=True)
class Number:
    """A number from `least` to `most`, both included."""

    least: float
    most: float
    why: str

    @property
    def expected(self) -> str:
        return f"a number from {self.least:g} to {self.most:g}"

    def accepts(self, value: object) -> bool:
        # bool is an int: True as a factor would pass for 1. A NaN is in no interval.
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and self.least <= value <= self.most
        )


@dataclass(frozen=True)
class Choice:
    """One of these texts."""

    names: tuple[str, ...]
    why: str

    @property
    def expected(self) -> str:
        return f"one of {', '.join(map(repr, self.names))}"

    def accepts(self, value: object) -> bool:
        return isinstance(value, str) and value in self.names


KEYS: Mapping[str, Number | Choice] = {
    "rate_factor": Number(0.25, 4.0, "the recipe's learning rate times this"),
    "weight_decay": Number(0.0, 0.5, "AdamW's, in the place of the recipe's"),
    "batch_factor": Number(0.25, 1.0, "the recipe's batch times this, for as many steps"),
    "schedule": Choice(("onecycle", "constant"), "of the learning rate, in the place of the recipe's"),
}


def wrong(key: object, value: object) -> str:
    """What is wrong with an entry, with key, expected and got; "" if nothing."""
    if key == "steps":
        return "steps: expected none, since all are trained for as many, got " + repr(value)
    bound = KEYS.get(key) if isinstance(key, str) else None
    if bound is None:
        return f"expected keys of {', '.join(KEYS)}, got {key!r}"
    return "" if bound.accepts(value) else f"{key}: expected {bound.expected}, got {value!r}"


def statement_of(tree: ast.Module) -> ast.Assign | ast.AnnAssign | None:
    """The last assignment to RECIPE at the top level."""
    found: ast.Assign | ast.AnnAssign | None = None
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        named = any(isinstance(target, ast.Name) and target.id == NAME for target in targets)
        if named and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            found = node
    return found


def read(source: str) -> dict[str, object]:
    """RECIPE as it stands in `source`, {} where there is none.

    Raises ValueError, whose text says what was expected and got, where it is no dictionary of literals or an
    entry is out of bounds; GenomeError, which is one, for text that is no Python file.
    """
    found = statement_of(gate(source))
    if found is None or found.value is None:
        return {}
    try:
        recipe = ast.literal_eval(found.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        recipe = None
    if not isinstance(recipe, dict):
        raise ValueError(f"line {found.lineno}: expected RECIPE to be a dictionary of literals")
    for key, value in recipe.items():
        if problem := wrong(key, value):
            raise ValueError(f"line {found.lineno}: RECIPE: {problem}")
    return recipe
