"""The bench: all that measures a campaign's model files, put together in one place.

task -> recipe -> isolation, or a pool -> training program -> evaluator. `plan_bench` chooses and checks, and
starts no process; `open_bench` starts the processes and ends them. `run`, `confirm`, `seed add` and
`evaluate` all take theirs from here.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.devices import devices_of, worker_count
from evoarch.agent.evaluation.external_trainer import trains_by_command, whole, with_trainer
from evoarch.agent.evaluation.halving import held
from evoarch.agent.evaluation.ray_pool import open_ray
from evoarch.agent.evaluation.recipe_changes import changed
from evoarch.agent.evaluation.walls import choose_level, open_walls
from evoarch.agent.seeding.record import FrozenSeed, frozen_seeds
from evoarch.agent.seeding.runner import over
from evoarch.evaluators.latency import Timing
from evoarch.evaluators.metrics.base import Metric
from evoarch.evaluators.pools.slots import SlotPool
from evoarch.evaluators.registry import Measuring, measuring
from evoarch.evaluators.task import Recipe, SupervisedTask, Task
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.description import Description, most_of
from evoarch.sandbox.device import Device
from evoarch.sandbox.frozen import FrozenModules, merged
from evoarch.sandbox.job import InteractiveRunner, Runner
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.parsing import GenomeError, gate


@dataclass(frozen=True)
class BenchPlan:
    """What a bench is to hold.

    `config`: the campaign's, with clocks as long as `recipe` needs. `files`: the folder of the campaign's own
    files, which a training program may be one of. `devices`: one for each slot; empty where children compute
    on cores. `metrics`: what is measured beside the error and the parameters.
    """

    config: Config
    files: Path
    task: Task
    recipe: Recipe
    devices: Sequence[Device]
    metrics: Sequence[Metric] = ()
    exempt: Description | None = None
    """The data that the campaign's own seeds hold, which is free (sandbox/description.py)."""
    seeds: Sequence[FrozenSeed] = ()
    """The seeds from repositories, whose frozen modules children have."""
    fresh_seed: int | None = None
    """What draws the examples that show a table of the validation labels; None: no such check."""

    @property
    def limits(self) -> Limits:
        """The limits of each child."""
        return self.config.evaluation.limits()

    @property
    def frozen(self) -> FrozenModules | None:
        """What zygotes hold of users' code. Raises UserError for two modules of one name."""
        try:
            return merged(seed.modules for seed in self.seeds) if self.seeds else None
        except ValueError as error:
            raise UserError(f"seeds.files: {error}; a campaign holds one of them", code=1) from None

    def evaluator(self, runner: Runner) -> Measuring:
        """What measures this task's genomes by this recipe, in children of `runner`."""
        return measuring(
            self.task,
            self.recipe,
            runner,
            limits=self.limits,
            campaign_seed=self.config.campaign.seed,
            ceiling=self.config.constraints.error,
            metrics=self.metrics,
            exempt=self.exempt,
            fresh_seed=self.fresh_seed,
        )


@dataclass(frozen=True)
class Bench:
    """An open bench. `children` runs every child, on this machine or in the slots of `pool`; `runner` is the
    same with the campaign's training program around it, where there is one.
    """

    plan: BenchPlan
    children: Runner
    runner: Runner
    evaluator: Measuring
    pool: SlotPool | None = None

    @property
    def level(self) -> Level:
        """The weakest isolation that a genome has here."""
        return self.runner.level

    @property
    def workers(self) -> int:
        """How many children a search runs at a time; of a pool, as many as it has slots now."""
        return self.pool.slots if self.pool else worker_count(self.plan.config, self.plan.devices)

    @property
    def width(self) -> int:
        """How many children there is room for while nothing else computes: one for each slot that the pool's
        nodes offer, else for each device, else for each core.
        """
        if self.pool is None:
            return len(self.plan.devices) or len(os.sched_getaffinity(0))
        offered = sum(node.slots for node in self.pool.nodes())
        return max(1, min(offered, self.plan.config.evaluation.workers or offered))


def plan_bench(config: Config, folder: Path, *, recipe: str = "", files: Path | None = None) -> BenchPlan:
    """Chooses task, recipe and devices for the campaign in `folder`, and starts nothing.

    `recipe`: the name of another recipe than the campaign's, which is then trained in one go, beside any
    rungs, and gets the time that it needs. `files`: where the campaign's own files are, if not in `folder`.
    Raises UserError, or TaskError for a task that can't be loaded, each one line.
    """
    task = load_task(config.campaign.task, folder)
    usual = choose_recipe(task, config.evaluation.recipe)
    chosen = choose_recipe(task, recipe) if recipe else usual
    config = with_time(config, usual, chosen)
    if config.evaluation.recipe_search:
        chosen = searched(task, chosen)
    chosen = whole(changed(chosen, config, task), config, task)
    if config.evaluation.rungs and not recipe:
        chosen = held(chosen, config.evaluation.rungs)
    exempt = _held_by_seeds(folder, config)
    seeds = frozen_seeds(folder, config.seeds.files)
    if seeds and trains_by_command(config, task):
        raise UserError(
            f"seeds.files: {seeds[0].record.name} comes from a repository, and the program of [trainer] "
            "takes one file; train it with the common loop",
            code=1,
        )
    return BenchPlan(
        config, files or folder, task, chosen, devices_of(config.evaluation), exempt=exempt, seeds=seeds
    )


def _held_by_seeds(folder: Path, config: Config) -> Description:
    """The most data that any seed of the campaign holds. One that is no model file is refused elsewhere."""
    sources = []
    for file in config.seeds.files:
        with suppress(OSError, UnicodeDecodeError, GenomeError):
            source = (folder / file).read_text(encoding="utf-8-sig")
            gate(source)
            sources.append(source)
    return most_of(sources)


@asynccontextmanager
async def open_bench(plan: BenchPlan, *, runs: Path | None, unsafe: bool = False) -> AsyncIterator[Bench]:
    """Starts what `plan` needs, and ends it with the block.

    `runs`: the folder in which a training program's runs get theirs; None: nothing is to be trained, and no
    such program is looked for. `unsafe`: the user accepts a system without isolation. Raises UserError.
    """
    config = plan.config
    async with AsyncExitStack() as stack:
        pool: SlotPool | None = None
        children: Runner
        if config.evaluation.pool == "ray":
            pool = await open_ray(stack, config, plan.task, unsafe=unsafe, frozen=plan.frozen)
            children = over(pool, plan.seeds)
        else:
            children = await _open_here(stack, plan, unsafe=unsafe)
        runner = children
        if runs is not None:
            runner = with_trainer(stack, children, config, plan.task, runs, unsafe=unsafe, files=plan.files)
        yield Bench(plan, children, runner, plan.evaluator(runner), pool)


@asynccontextmanager
async def open_timing(bench: Bench, *, unsafe: bool = False) -> AsyncIterator[Timing | None]:
    """What measures latency on this machine's cores, whatever pool the bench is on.

    None where it can't be: children that compute on a device, for which a ratio would be another one, and
    tasks that are no tasks of examples. Raises UserError where a pool's driver offers no isolation.
    """
    async with AsyncExitStack() as stack:
        children = await _open_here(stack, bench.plan, unsafe=unsafe) if bench.pool else bench.children
        evaluator = bench.plan.evaluator(children)
        able = isinstance(children, InteractiveRunner) and isinstance(evaluator, Timing)
        yield evaluator if able and isinstance(evaluator, Timing) else None


async def _open_here(stack: AsyncExitStack, plan: BenchPlan, *, unsafe: bool) -> Runner:
    """A warm runner on this machine, which `stack` closes."""
    sandbox = plan.config.sandbox
    level = choose_level(detect(), sandbox.level, unsafe=unsafe)
    runner = await open_walls(level, plan.task, sandbox, plan.devices, plan.frozen)
    stack.push_async_callback(runner.close)
    return over(runner, plan.seeds)


def on_this_machine(config: Config, **more: object) -> Config:
    """`config` without its pool; `more` are other keys of [evaluation]."""
    evaluation = config.evaluation.model_copy(update={"pool": "local", **more})
    return config.model_copy(update={"evaluation": evaluation})


def with_time(config: Config, usual: Recipe, chosen: Recipe) -> Config:
    """`config` with its clocks as much longer as `chosen` has more steps than the `usual` recipe, for which
    they were set; never shorter.
    """
    longer = max(1.0, chosen.steps / usual.steps)
    child, program = config.evaluation, config.trainer
    clocks = {"wall_clock": child.wall_clock * longer, "cpu_seconds": child.cpu_seconds * longer}
    return config.model_copy(
        update={
            "evaluation": child.model_copy(update=clocks),
            "trainer": program.model_copy(update={"wall_clock": program.wall_clock * longer}),
        }
    )


def choose_recipe(task: Task, name: str) -> Recipe:
    """The task's recipe called `name`. Raises UserError that names the nearest."""
    if name not in task.recipes:
        raise UserError(
            f"recipe {name!r}: task {task.name} has no such recipe; {nearest(name, task.recipes)}"
        )
    return task.recipes[name]


def searched(task: Task, recipe: Recipe) -> Recipe:
    """`recipe`, which a genome's own RECIPE changes. Raises UserError for a task with its own training."""
    if not isinstance(task, SupervisedTask):
        raise UserError(
            "evaluation.recipe_search: expected a task that the common evaluator trains; "
            f"{task.name} brings its own training"
        )
    return replace(recipe, searched=True)


def refuse_untimed(key: str, bench: Bench) -> None:
    """Raises UserError where latency, which `key` asks for, can't be measured during a run."""
    if not isinstance(bench.evaluator, Timing):
        name = bench.plan.task.name
        raise UserError(f"{key}: expected a task of examples, got {name}: its latency can't be measured")
    if not isinstance(bench.runner, InteractiveRunner):
        raise UserError(
            f"{key}: latency is measured on this machine's cores; expected no pool and no device but these"
        )
