"""Changes to a genome's RECIPE, in campaigns that search recipes too: one key, within its bounds."""

from __future__ import annotations

import random

import libcst as cst

from evoarch.agent.operators.syntactic.dataflow import Change, FlowContext
from evoarch.agent.operators.syntactic.view import View
from evoarch.sandbox.recipe import KEYS, NAME, Choice, Number, read
from evoarch.sandbox.rules.base import dotted

FACTORS = (0.5, 0.7, 1.4, 2.0)
"""What a number is multiplied by; one that is zero, or was not there, begins at its start."""

STARTS = {"rate_factor": 1.0, "batch_factor": 1.0, "weight_decay": 0.02}


def recipe(view: View, rng: random.Random, context: FlowContext) -> Change | None:
    """Another value for one key, which need not be there yet."""
    if not context.recipe:
        return None
    try:
        old = read(view.module.code)
    except ValueError:
        return None
    key = rng.choice(list(KEYS))
    value = _other(KEYS[key], key, old.get(key), rng)
    if value == old.get(key):
        return None
    text = f"{NAME} = { ({**old, key: value})!r}"
    return Change(_written(view.module, text), f"{NAME} {key} {old.get(key, 'as the recipe')} -> {value}")


def _other(bound: Number | Choice, key: str, old: object, rng: random.Random) -> object:
    if isinstance(bound, Choice):
        return rng.choice([name for name in bound.names if name != old])
    value = old if isinstance(old, int | float) and old else STARTS[key]
    return min(bound.most, max(bound.least, round(float(value) * rng.choice(FACTORS), 4)))


def _written(module: cst.Module, text: str) -> cst.Module:
    """In the place of the RECIPE that is there, or before the first class or function."""
    line = cst.ensure_type(cst.parse_statement(text + "\n"), cst.SimpleStatementLine)
    body = list(module.body)
    at = next((n for n, statement in enumerate(body) if _is_recipe(statement)), None)
    if at is not None:
        body[at] = line
    else:
        first = (n for n, each in enumerate(body) if isinstance(each, cst.ClassDef | cst.FunctionDef))
        body.insert(next(first, len(body)), line)
    return module.with_changes(body=body)


def _is_recipe(statement: cst.BaseStatement) -> bool:
    if not (isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1):
        return False
    small = statement.body[0]
    if isinstance(small, cst.Assign):
        return any(dotted(target.target) == NAME for target in small.targets)
    return isinstance(small, cst.AnnAssign) and dotted(small.target) == NAME
