"""A task's own training loop: one file that runs inside the walls in the place of the common loop.

The file is the user's and is trusted as much as the common loop, that is not at all: weights come back, and
the score is made here, by the same predictions as ever.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import PACKAGE, inside_program
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Evaluated, SupervisedTask, TaskError
from evoarch.evaluators.trace import Traced
from evoarch.evaluators.zero_cost import ZeroCost
from evoarch.sandbox.job import Program
from evoarch.sandbox.outcome import ChildOutcome


def fit_file(task: SupervisedTask) -> Path | None:
    """Where a task's own loop is, None if it has none; named relative to the file that the class is in."""
    given = getattr(task, "fit_file", None)
    return Path(inspect.getfile(type(task))).parent / given if given else None


def fit_program(task: SupervisedTask, path: Path) -> Program:
    """The common inside files and the loop. Raises TaskError for a file that has no `fit(model, context)`."""
    setting = {
        "offers": dict(task.offers),
        "loss": task.loss,
        "recipe": asdict(replace(next(iter(task.recipes.values())), steps=2, batch=4)),
        "file": path.name,
    }
    files = {
        **inside_program().files,
        "own_fit": fit_source(path),
        "own_fit_setting": f"TEXT = {json.dumps(setting)!r}\n",
    }
    return Program(files=dict(sorted(files.items())), entry=f"{PACKAGE}.fitting")


def fit_source(path: Path) -> str:
    """The text of a loop. Raises TaskError where it can't be read or defines no `fit` of two arguments."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except OSError as error:
        raise TaskError(f"{path}: expected the file of fit(model, context): {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise TaskError(f"{path}{f':{line}' if line else ''}: not Python: {error.args[0]}") from None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "fit":
            if len(node.args.posonlyargs + node.args.args) == 2:
                return text
            got = ", ".join(each.arg for each in node.args.posonlyargs + node.args.args)
            raise TaskError(f"{path}:{node.lineno}: expected fit(model, context), got fit({got})")
    raise TaskError(f"{path}: expected a function fit(model, context), got none")


class Whole:
    """Measures with a loop of the task's own, which can't be trained in parts (evaluators.own.Measuring)."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    async def dry_run(self, source: str) -> DryRunPassed | ChildOutcome:
        return await self._evaluator.dry_run(source)

    async def traces(self, sources: Sequence[str]) -> Traced:
        return await self._evaluator.traces(sources)

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        return await self._evaluator.evaluate(source, digest=digest, repeat=repeat)

    async def zero_cost(self, source: str, *, digest: str, scores: tuple[str, ...]) -> ZeroCost:
        return await self._evaluator.zero_cost(source, digest=digest, scores=scores)


def examples_of(measuring: object) -> Evaluator | None:
    """What measures models on examples, in what measures a task; None where the task has none."""
    if isinstance(measuring, Whole):
        return measuring._evaluator
    return measuring if isinstance(measuring, Evaluator) else None
