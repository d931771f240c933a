"""A user's own model, fitted to a campaign's task: which way of handing over the examples it runs with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.recorded import settings_for_run
from evoarch.agent.evaluation.bench import Bench, on_this_machine, open_bench, plan_bench
from evoarch.agent.seeding.add import Prepared, Seed, Wanted, check_free, prepare, seed_findings
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.replies import DryRunPassed
from evoarch.sandbox.outcome import Raised


@dataclass(frozen=True)
class FittedSeed:
    """A seed that passed its dry run, not yet written. `note`: what the user may want to change, "" if
    nothing.
    """

    prepared: Prepared
    seed: Seed
    note: str = ""


async def fitted_seed(folder: Path, wanted: Wanted, *, unsafe: bool) -> FittedSeed:
    """Inlines what is `wanted`, vets it, and finds how the task of the campaign in `folder` fits it, by dry
    runs on this machine's cores; writes nothing.

    Raises UserError (SeedError is one) where it can't be inlined, has findings, or passes no dry run.
    """
    config = settings_for_run(folder).config
    # `run` makes the dry run again, where the campaign computes.
    plan = plan_bench(on_this_machine(config, device="cpu"), folder)
    prepared = prepare(wanted, config.sandbox.imports)
    check_free(folder, prepared.wanted.name)
    built = list(prepared.seeds(plan.task.offers))
    if problems := seed_findings(built[0], plan.task.offers, config.sandbox.imports):
        raise UserError("\n".join(problems), code=1)
    async with open_bench(plan, runs=None, unsafe=unsafe) as bench:
        seed = await _fitting(bench, built)
    drawn = any(table.name == "random" for table in config.operators)
    note = "operator random draws whole files of its own, which no patch can return; remove it"
    return FittedSeed(prepared, seed, note if wanted.evolve and drawn else "")


async def _fitting(bench: Bench, seeds: Sequence[Seed]) -> Seed:
    """The first seed that passes the dry run. Raises UserError: the failure of the first, at its place."""
    first = ""
    for each in seeds:
        result = await bench.evaluator.dry_run(each.genome)
        if isinstance(result, DryRunPassed):
            return each
        line = result.line if isinstance(result, Raised) else 0
        place = each.place(line) if line else f"{each.record.file}:1"
        first = first or f"{place}: {failure_of(result).reason}"
    tried = ", ".join(each.layout.name for each in seeds)
    raise UserError(f"{first}; examples were handed over {tried}", code=1)
