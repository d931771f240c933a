"""A user's own model, fitted to a campaign's task: which way of calling it runs, and a proof that it is the
same.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.measuring import SandboxTable
from evoarch.agent.config.recorded import settings_for_run
from evoarch.agent.evaluation.bench import Bench, BenchPlan, on_this_machine, open_bench, plan_bench
from evoarch.agent.seeding.adapter import Fit, layouts
from evoarch.agent.seeding.add import (
    Prepared,
    Seed,
    Wanted,
    check_free,
    fitting_share,
    prepare,
    seed_findings,
)
from evoarch.agent.seeding.runner import over
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.program import PACKAGE
from evoarch.evaluators.replies import DryRunPassed
from evoarch.sandbox.environment import environment_of
from evoarch.sandbox.frozen import FrozenImportError
from evoarch.sandbox.job import Job
from evoarch.sandbox.outcome import Array, ChildOutcome, Finished, Raised

MOST_MISSING = 40
"""Modules that turn out to be imported by name, each of which needs another start."""

PROOF_SECONDS = 600
_MISSING = re.compile(r"No module named '([\w.]+)'")
_ARGUMENT = re.compile(r"unexpected keyword argument|multiple values for (keyword )?argument")


@dataclass(frozen=True)
class FittedSeed:
    """A seed that passed its dry run and its proof, not yet written. `proof`: what was compared; `note`:
    what the user may want to change, "" if nothing.
    """

    prepared: Prepared
    seed: Seed
    proof: str
    note: str = ""


async def fitted_seed(
    folder: Path, wanted: Wanted, *, unsafe: bool, given: str = "", allow: Callable[[Sequence[str]], None]
) -> FittedSeed:
    """Finds what travels of what is `wanted`, and how the task of the campaign in `folder` fits it, by dry
    runs on this machine's cores; writes nothing.

    `given`: how the model takes examples, where it isn't its first argument. `allow` is called once with
    the packages that frozen code imports, before anything of it runs, and raises where they may not be.
    Raises UserError (SeedError is one) with a line for each obstacle.
    """
    config = settings_for_run(folder).config
    # `run` makes the dry run again, where the campaign computes.
    plan = plan_bench(on_this_machine(config, device="cpu"), folder)
    environment = environment_of(config.sandbox.python)
    asked: set[str] = set()
    for _ in range(MOST_MISSING):
        prepared = prepare(wanted, environment)
        check_free(folder, prepared.wanted.name)
        if fresh := [name for name in prepared.third_parties if name not in asked]:
            allow(fresh)
            asked.update(fresh)
        fits = list(fits_of(prepared, plan.task.offers, given))
        first = prepared.seed(plan.task.offers, fits[0])
        if problems := seed_findings(first, plan.task.offers):
            raise UserError("\n".join(problems), code=1)
        try:
            seed, ours = await _searched(plan, prepared, first, fits, unsafe=unsafe)
        except _MissingError as missing:
            if missing.name in wanted.more:
                raise UserError(str(missing), code=1) from None
            wanted = replace(wanted, more=(*wanted.more, missing.name))
            continue
        proof = await asyncio.to_thread(_proved, seed, ours, config.sandbox, plan.task.offers)
        drawn = any(table.name == "random" for table in config.operators)
        note = "operator random draws whole files of its own, which no patch can return; remove it"
        return FittedSeed(prepared, seed, proof, note if wanted.evolve and drawn else "")
    raise UserError(f"{prepared.entry.source.place}:1: imports too many modules by name", code=1)


class _MissingError(Exception):
    """A module that did not travel is imported by name."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(said)
        self.name = name


def fits_of(prepared: Prepared, offers: Mapping[str, object], given: str) -> Iterator[Fit]:
    """The ways of calling an entry that are tried, in turn. `given`: how examples are passed, "" where the
    user did not say. `offers`: the arguments of the task.
    """
    shape = offers.get("input_shape", ())
    first = given or prepared.entry.given
    ways = list(layouts(shape if isinstance(shape, list | tuple) else (), prepared.wanted.kwargs))
    for guess in prepared.entry.guesses:
        # Tokens are handed over as they are.
        for layout in ways[:1] if "vocab_size" in offers else ways:
            if layout.told and "input_shape" not in prepared.entry.signature.names:
                continue
            yield Fit(layout, guess, given=first)


async def _searched(
    plan: BenchPlan, prepared: Prepared, first: Seed, fits: Sequence[Fit], *, unsafe: bool
) -> tuple[Seed, ChildOutcome]:
    """The first seed that passes the dry run, and what it computes in float64. Raises UserError: the
    failure of the first, at its place.
    """
    whole = replace(plan, seeds=(*plan.seeds, first.frozen))
    try:
        async with open_bench(whole, runs=None, unsafe=unsafe) as bench:
            seed, passed = await fitting(bench, prepared, fits)
            _check_weights(seed, passed, wanted=prepared.wanted)
            return seed, await _asked(bench, seed, "proof")
    except UserError as error:
        cause = error.__cause__
        if isinstance(cause, FrozenImportError) and cause.missing:
            raise _MissingError(cause.missing, str(error)) from None
        raise


async def fitting(bench: Bench, prepared: Prepared, fits: Sequence[Fit]) -> tuple[Seed, DryRunPassed]:
    """The seed for the first of `fits` that passes the dry run, in children of `bench`, which have its frozen
    files. Raises UserError: the failure of the first, at its place.
    """
    offers = bench.plan.task.offers
    first, refused = "", set[tuple[str, ...]]()
    tried: list[str] = []
    for fit in fits:
        if fit.guess in refused:
            continue
        seed = prepared.seed(offers, fit)
        result = await _dry_run(bench, seed)
        if isinstance(result, Raised) and "must return a tensor" in result.message:
            for pick in await _picks(bench, seed):
                seed = prepared.seed(offers, replace(fit, pick=pick))
                result = await _dry_run(bench, seed)
                if isinstance(result, DryRunPassed):
                    break
        if isinstance(result, DryRunPassed):
            return seed, result
        said = result.message if isinstance(result, Raised) else ""
        if missing := _MISSING.search(said):
            raise _MissingError(missing[1], f"{prepared.entry.source.place}:1: {said}")
        if isinstance(result, Raised) and _ARGUMENT.search(result.message):
            refused.add(fit.guess)
        line = result.line if isinstance(result, Raised) else 0
        place = seed.place(line) if line else f"{seed.record.file}:{seed.record.line}"
        first = first or f"{place}: {failure_of(result).reason}"
        tried.append(fit.layout.name)
    ways = ", ".join(dict.fromkeys(tried))
    raise UserError(f"{first}; examples were handed over {ways}", code=1)


def _check_weights(seed: Seed, passed: DryRunPassed, *, wanted: Wanted) -> None:
    """Raises UserError for a checkpoint that fits nowhere."""
    if wanted.weights and passed.signature:
        state = {name: shape for name, (_, shape) in passed.signature.tensors.items()}
        if not fitting_share(seed.frozen.weights, state):
            has, wants = next(iter(seed.frozen.weights), "nothing"), next(iter(state))
            raise UserError(
                f"--weights {wanted.weights}: fits nowhere: it has {has}, the model wants {wants} "
                f"of shape {state[wants]}",
                code=1,
            )


async def _dry_run(bench: Bench, seed: Seed) -> DryRunPassed | ChildOutcome:
    return await bench.plan.evaluator(over(bench.children, [seed.frozen])).dry_run(seed.genome)


async def _picks(bench: Bench, seed: Seed) -> list[str]:
    """The texts that take logits out of an answer. What the child says is only tried."""
    found = await _asked(bench, seed, "answers")
    picks = found.notes.get("picks", []) if isinstance(found, Finished) else []
    texts = [pick for pick in picks if isinstance(pick, str)] if isinstance(picks, list) else []
    return [text for text in texts if re.fullmatch(r"(\[\d+\]|\['[\w ./-]+'\]|\.\w+)+", text)]


async def _asked(bench: Bench, seed: Seed, function: str) -> ChildOutcome:
    runner = over(bench.children, [seed.frozen])
    evaluator = bench.plan.evaluator(runner)
    options = evaluator.options if isinstance(evaluator, Evaluator) else {}
    return await runner.run(Job(function, seed.genome, options=options, limits=bench.plan.limits))


def _proved(seed: Seed, ours: ChildOutcome, table: SandboxTable, offers: Mapping[str, object]) -> str:
    """Compares what the seed computes behind the walls with what the user's own files compute where they are.

    Raises UserError where they differ.
    """
    if not isinstance(ours, Finished):
        return f"not compared in float64: {failure_of(ours).reason}"
    theirs = original(seed, table, offers)
    if isinstance(theirs, str):
        return f"the original can't be compared: {theirs}"
    return compared(ours.arrays, theirs, f"{seed.record.file}:{seed.record.line}")


def compared(ours: Mapping[str, Array], theirs: Mapping[str, Array], place: str) -> str:
    """What is the same. Raises UserError, with `place`, where anything differs."""
    mine, other = int(ours["elements"].sum()), int(theirs["elements"].sum())
    if mine != other:
        raise UserError(f"{place}: the seed has {mine} numbers in its state, the original {other}", code=1)
    outputs = sorted(name for name in theirs if name != "elements")
    for name in outputs:
        if name not in ours or not np.array_equal(ours[name], theirs[name], equal_nan=True):
            raise UserError(f"{place}: the seed's outputs in float64 are not the original's", code=1)
    return f"its patch is empty; parameters ({mine:,}) and float64 outputs are the original's, bit for bit"


_OUTSIDE = """
import json, sys
program, adapter, offers, roots, preload = json.loads(sys.argv[1])
sys.path[:0] = roots
for name in preload:
    __import__(name)
scope = {}
exec(compile(sys.stdin.read(), "<measure>", "exec"), scope)
import torch, inspect
def make():
    genome = {"torch": torch, "__name__": "genome"}
    exec(chr(10).join([*program, adapter]), genome)
    entry = genome["Model"]
    named = {k: tuple(v) if isinstance(v, list) else v for k, v in offers.items()}
    return entry(**{k: v for k, v in named.items() if k in inspect.signature(entry).parameters})
found = scope["measured"](make, offers)
import numpy
numpy.savez(sys.argv[2], **{k: v.numpy() for k, v in found.items()})
"""


def original(seed: Seed, table: SandboxTable, offers: Mapping[str, object]) -> Mapping[str, Array] | str:
    """What the user's own files compute where they stand, in the interpreter of [sandbox]; or why that can't
    be told.
    """
    record = seed.record
    roots = _roots(seed)
    text = resources.files(PACKAGE).joinpath("measure.py").read_text(encoding="utf-8")
    plain = {k: v for k, v in offers.items() if isinstance(v, int | float | str | list | tuple)}
    asked = json.dumps([record.program, record.adapter, plain, roots, table.preload])
    with tempfile.TemporaryDirectory(prefix="evoarch-proof-") as folder:
        target = Path(folder) / "found.npz"
        command = [table.python or sys.executable, "-c", _OUTSIDE, asked, str(target)]
        try:
            done = subprocess.run(
                command, input=text, capture_output=True, text=True, timeout=PROOF_SECONDS, check=False
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"{type(error).__name__}: {error}"
        if done.returncode or not target.is_file():
            return (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        with np.load(target) as found:
            return {name: found[name] for name in found.files}


def _roots(seed: Seed) -> list[str]:
    """The folders from which the repository's own files import each other."""
    record = seed.record
    found: dict[str, None] = {}
    for name, (path, package) in record.modules.items():
        parts = path.split("/")
        depth = name.count(".") + (2 if package and path.endswith("__init__.py") else 1)
        if depth <= len(parts):
            found[str(Path(record.repository).joinpath(*parts[: len(parts) - depth]))] = None
    return list(found)
