"""A campaign whose seeds are sizes of one candidate of another campaign: what `evoarch scale` writes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.edit import edited
from evoarch.agent.config.edit import rewrite as write
from evoarch.agent.config.load import FILE, Config
from evoarch.agent.config.recorded import settings_of
from evoarch.agent.evaluation.bench import on_this_machine, open_bench, plan_bench
from evoarch.agent.evaluation.scaling import Scaling, Size, scaling_of
from evoarch.agent.evaluation.vetting import findings_of, in_one_line
from evoarch.agent.search.named_seeds import budget_of
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.archive.records import Candidate
from evoarch.archive.store import open_archive
from evoarch.evaluators.tasks import load_task, moved

LONGEST = 20.0
"""A larger model gets as much longer clocks as it has more FLOPs, up to this factor."""

KEPT = ("recipe", "recipe_search", "device", "autocast", "wall_clock", "cpu_seconds", "memory", "output")
"""Keys of [evaluation] that the sizes are measured by as their origin was."""


def candidate_of(folder: Path, identity: int) -> Candidate:
    """The candidate of the campaign in `folder`. Raises UserError or ArchiveError."""
    with open_archive(folder, write=False) as store:
        found = store.candidate(identity)
    if not found.source:
        raise UserError(
            f"candidate {identity}: expected one with a source; it is {found.state.value}", code=1
        )
    return found


def budgets_of(text: str, params: int) -> list[int]:
    """The sizes that --params names, such as 15k,150k, or multiples of `params`, such as 10x; the smallest
    first. Raises UserError.
    """
    budgets = []
    for word in (each.strip() for each in text.split(",")):
        if found := re.fullmatch(r"(\d{1,6}(?:\.\d+)?)[xX]", word):
            budget = round(float(found[1]) * params)
        else:
            budget = budget_of(word)
        if budget <= params:
            raise UserError(f"--params: expected more than the {params:,} that it has, got {word!r}")
        budgets.append(budget)
    if len(set(budgets)) < len(budgets):
        raise UserError(f"--params: expected each size once, got {text!r}")
    return sorted(budgets)


async def scale_candidate(
    folder: Path, candidate: Candidate, params: str | None, *, depth: float, finer: int, unsafe: bool
) -> tuple[Scaling, list[Size]]:
    """What of a candidate can be scaled, and its forms at the sizes `params` (None: none), each grown from
    the one before where it can be. Raises UserError.
    """
    config = settings_of(folder).config
    plan = plan_bench(on_this_machine(config, device="cpu"), folder)
    async with open_bench(plan, runs=None, unsafe=unsafe) as bench:
        scaling = await scaling_of(candidate.source, bench.evaluator, plan.task.offers)
        if depth > 1 and not scaling.depths:
            raise UserError("--depth: expected a model with a block that can be repeated; found none", code=1)
        if finer > len(scaling.strides):
            known = len(scaling.strides)
            raise UserError(f"--finer: expected at most {known}, the strides that can be halved; got {finer}")
        sizes: list[Size] = []
        for budget in budgets_of(params, scaling.start.params) if params else ():
            size = await scaling.size(budget, depth=depth, finer=finer)
            if findings := findings_of(size.form.source, config, plan.task.offers):
                raise UserError(f"{budget:,} parameters: {in_one_line(findings)}", code=1)
            sizes.append(await scaling.grown_from(sizes[-1].form if sizes else scaling.start, size))
    return scaling, sizes


def write_sizes(
    folder: Path, target: Path, candidate: Candidate, scaling: Scaling, sizes: Sequence[Size], *, grown: bool
) -> list[Path]:
    """A new campaign in `target`, on the task and by the recipe of that in `folder`, whose seeds are the
    candidate and its `sizes`; the paths written. `grown`: each size begins with the weights of the one
    before. Raises UserError.
    """
    config = settings_of(folder).config
    task = load_task(config.campaign.task, folder)
    forms = [scaling.start, *(size.form for size in sizes)]
    digits = len(str(len(forms)))
    seeds = {f"size{n:0{digits}}_{form.params}": form.source for n, form in enumerate(forms, start=1)}
    written = write_campaign(
        target,
        task,
        task_name=moved(config.campaign.task, folder, target),
        name=f"{config.campaign.name}-{candidate.id}",
        seed=config.campaign.seed,
        evaluations=1,
        lm="none",
        seeds=seeds,
    )
    known = [form.flops for form in (forms[0], forms[-1]) if form.flops]
    longer = min(LONGEST, max(1.0, known[1] / known[0])) if len(known) == 2 else LONGEST
    write(target / FILE, edited(target / FILE, lambda tables: _as_there(tables, config, longer, grown=grown)))
    return list(written.paths)


def _as_there(tables: Any, config: Config, longer: float, *, grown: bool) -> None:
    there: Mapping[str, Any] = config.evaluation.model_dump(mode="json")
    for key in KEPT:
        tables["evaluation"][key] = (
            there[key] * longer if key in ("wall_clock", "cpu_seconds") else there[key]
        )
    tables["sandbox"]["level"] = config.sandbox.model_dump(mode="json")["level"]
    tables["sandbox"]["imports"] = list(config.sandbox.imports)
    if grown:
        tables["seeds"]["grown"] = True
