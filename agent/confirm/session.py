"""A campaign's confirmation, put together: its archive under lock, a bench, what opens the sealed tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.data_fingerprint import fingerprint, refuse_changed
from evoarch.agent.config.recorded import settings_of
from evoarch.agent.confirm.limits import limits_by_name
from evoarch.agent.confirm.record import ConfirmationRecord
from evoarch.agent.confirm.run import Confirmation, Confirmed, Say, choose, shown
from evoarch.agent.confirm.timing import reference, time_all, timed
from evoarch.agent.deploy.latency import open_timing
from evoarch.agent.evaluation.bench import Bench, choose_recipe, open_bench, plan_bench
from evoarch.archive.lock import RunLock
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store, open_archive
from evoarch.evaluators.sealed import confirming, refuse_unsealed
from evoarch.evaluators.tasks import load_task

FULL_RECIPE = "full"
"""The recipe by which a confirmation trains, where the task has one of that name."""


@dataclass(frozen=True)
class Choice:
    """Whom a confirmation is about: the `top` elites, or the candidates `ids`; and the baselines."""

    top: int = 3
    ids: tuple[int, ...] = ()

    def of(self, store: Store) -> list[Candidate]:
        """The candidates. Raises UserError where there are none, or one of `ids` is not scored."""
        return choose(store, self.top, self.ids)


def confirmation_recipe(folder: Path, recipe: str | None) -> str:
    """The recipe by which the campaign in `folder` is confirmed: `recipe`, else the task's full one, else the
    campaign's.

    Raises UserError for one that the task has not, TaskError for a task without sealed tests.
    """
    config = settings_of(folder).config
    task = load_task(config.campaign.task, folder)
    refuse_unsealed(task)
    usual = FULL_RECIPE if FULL_RECIPE in task.recipes else config.evaluation.recipe
    return choose_recipe(task, recipe or usual).name


def show_campaign(folder: Path, choice: Choice, recipe: str) -> list[Confirmed]:
    """What was found about these candidates under `recipe`; trains and opens nothing."""
    with open_archive(folder, write=False) as store:
        return shown(store, ConfirmationRecord(store, recipe), choice.of(store))


async def confirm_campaign(
    folder: Path,
    choice: Choice,
    recipe: str,
    *,
    seeds: int,
    jobs: int | None,
    force: bool,
    unsafe: bool,
    say: Say,
) -> list[Confirmed]:
    """Retrains candidates of the campaign in `folder` by the recipe of that name and opens their tests, as
    Confirmation.run does, on this machine or on the campaign's pool.

    `seeds`: trainings of each at its best rate; `jobs`: trainings at a time (None: as many as there is room
    for); `say` gets a line for each step. Raises UserError or ArchiveError, each one line.
    """
    config = settings_of(folder).config
    plan = plan_bench(config, folder, recipe=recipe)
    with RunLock(folder), open_archive(folder, write=True) as store:
        data = fingerprint(config.campaign.task, plan.task, config.campaign.seed)
        refuse_changed(store, config.campaign.task, data)
        candidates = choice.of(store)
        record = ConfirmationRecord(store, recipe)
        async with open_bench(plan, runs=folder, unsafe=unsafe) as bench:
            confirmer = confirming(
                plan.task,
                plan.recipe,
                bench.runner,
                limits=plan.limits,
                campaign_seed=config.campaign.seed,
                test_seed=record.test_seed(),
                exempt=plan.exempt,
            )
            confirmation = Confirmation(
                store,
                record,
                confirmer,
                recipe,
                plan.recipe.rate,
                seeds,
                jobs or bench.width,
                say,
                limits_by_name(plan.config, plan.task),
                config.evaluation.retries,
            )
            await _time(store, bench, candidates, say, unsafe=unsafe)
            return await confirmation.run(candidates, force=force)


async def _time(
    store: Store, bench: Bench, candidates: Sequence[Candidate], say: Say, *, unsafe: bool
) -> None:
    """Latency, of those that were not timed before. Where it can't be measured, the confirmation goes on."""
    against = reference(bench.plan.config, candidates)
    left = [candidate for candidate in candidates if timed(store, candidate.id) is None]
    # On the cores of this machine alone: a ratio on a device would be another one.
    if against is None or not left or bench.plan.devices:
        return
    try:
        async with open_timing(bench, unsafe=unsafe) as timing:
            if timing is not None:
                await time_all(store, timing, against, left, say)
    except UserError as error:
        say(f"latency is not measured: {error}")
