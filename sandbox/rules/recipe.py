"""RECIPE: a dictionary of literals, each key within its bounds (sandbox.recipe)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from evoarch.sandbox.recipe import KEYS, NAME, wrong
from evoarch.sandbox.rules.base import File, Found, Rule, dotted
from evoarch.sandbox.rules.example import model

RECIPE = Rule(
    "recipe",
    "RECIPE says how its model is trained, in a campaign that searches recipes too. It is read, not run: one "
    "dictionary of literals with these keys: "
    + "; ".join(f"`{key}`, {bound.expected}: {bound.why}" for key, bound in KEYS.items())
    + ".",
    bad=model(before="RECIPE = {'rate_factor': 10 ** 2, 'steps': 4000}\n\n"),
    good=model(before="RECIPE = {'rate_factor': 0.5, 'weight_decay': 0.1, 'schedule': 'constant'}\n\n"),
)

RULES = (RECIPE,)

_HINT = "write every key and value out: RECIPE = {'rate_factor': 0.5}"


def check(file: File) -> Iterator[Found]:
    found = _recipes(file)
    if found and not file.recipe:
        message = "expected no RECIPE: this campaign trains every candidate alike"
        yield Found(found[0], RECIPE, message, "remove it, or set evaluation.recipe_search = true")
        return
    for again in found[1:]:
        yield Found(again, RECIPE, "expected RECIPE once, got it again", "keep one of them")
    for recipe in found:
        if isinstance(recipe.value, cst.Dict):
            yield from _entries(recipe.value)
        else:
            yield Found(
                recipe, RECIPE, "expected RECIPE to be a dictionary of literals with text keys", _HINT
            )


def _entries(value: cst.Dict) -> Iterator[Found]:
    keys: list[object] = []
    for element in value.elements:
        try:
            if not isinstance(element, cst.DictElement):
                raise ValueError("an unpacking")
            key, entry = (_literal(part) for part in (element.key, element.value))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            yield Found(element, RECIPE, "expected literals in RECIPE, got what has to be run", _HINT)
            continue
        problem = f"expected {key!r} once, got it again" if key in keys else wrong(key, entry)
        keys.append(key)
        if problem:
            yield Found(element, RECIPE, f"{NAME}: {problem}", _hint(key))


def _literal(node: cst.BaseExpression) -> object:
    return ast.literal_eval(cst.Module([]).code_for_node(node).strip())


def _hint(key: object) -> str:
    bound = KEYS.get(key) if isinstance(key, str) else None
    return f"{key}: {bound.expected}, {bound.why}" if bound else f"remove it; known keys: {', '.join(KEYS)}"


def _recipes(file: File) -> list[cst.Assign | cst.AnnAssign]:
    lines = [line for line in file.module.body if isinstance(line, cst.SimpleStatementLine)]
    found: list[cst.Assign | cst.AnnAssign] = []
    for small in (small for line in lines for small in line.body):
        if isinstance(small, cst.Assign) and any(dotted(t.target) == NAME for t in small.targets):
            found.append(small)
        if isinstance(small, cst.AnnAssign) and dotted(small.target) == NAME:
            found.append(small)
    return found
