"""A campaign's pool on a Ray cluster, as its configuration asks for it, and the nodes of any pool."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import FILE, Config
from evoarch.agent.config.measuring import EvaluationTable, SandboxTable, SlotTable
from evoarch.agent.config.recorded import settings_of
from evoarch.evaluators.pools.ray_cluster import connect
from evoarch.evaluators.pools.seam import Need, Node, PoolError, Walls
from evoarch.evaluators.pools.slots import SlotPool
from evoarch.evaluators.registry import program_for
from evoarch.evaluators.task import Task
from evoarch.sandbox.frozen import FrozenModules
from evoarch.sandbox.job import Program
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level


def need_of(table: SlotTable) -> Need:
    """What a slot takes of a node; the table has MiB, Ray wants bytes."""
    return Need(table.cpus, table.gpus, table.memory << 20, dict(table.resources), dict(table.labels))


async def open_ray(
    stack: contextlib.AsyncExitStack,
    config: Config,
    task: Task,
    *,
    unsafe: bool,
    frozen: FrozenModules | None = None,
) -> SlotPool:
    """A pool with at least one warm slot, which is closed with `stack`; its zygotes hold `frozen`. Raises
    UserError.
    """
    table, sandbox = config.evaluation, config.sandbox
    modules = (*sandbox.imports, *sandbox.preload)
    least = Level(sandbox.level)
    exactly = Level.NONE if unsafe and least is Level.NONE else None
    walls = Walls(program_for(task), least, unsafe, exactly, modules, sandbox.python, frozen)
    # What Ray has to say of nodes it prints, and a command's standard output is its result.
    stack.enter_context(contextlib.redirect_stdout(sys.stderr))
    try:
        cluster = connect(table.address, walls, need_of(table.slot))
        pool = SlotPool(cluster, most=table.workers)
        stack.push_async_callback(pool.close)
        await pool.start()
    except PoolError as error:
        raise UserError(str(error), code=1) from None
    return pool


def survey(address: str, need: Need, least: Level) -> Sequence[Node]:
    """The nodes of the Ray cluster at `address`, as a pool would use them. Raises UserError."""

    async def look() -> Sequence[Node]:
        cluster = connect(address, Walls(Program({}, ""), least), need)
        try:
            return await cluster.nodes()
        finally:
            await cluster.close()

    try:
        return asyncio.run(look())
    except PoolError as error:
        raise UserError(str(error), code=1) from None


def nodes_of(folder: Path, address: str | None) -> Sequence[Node]:
    """The nodes that the campaign in `folder` would use, or those at `address`. Raises UserError."""
    evaluation, sandbox = EvaluationTable(), SandboxTable()
    if (folder / FILE).exists():
        config = settings_of(folder).config
        evaluation, sandbox = config.evaluation, config.sandbox
    if address is None and evaluation.pool == "local":
        return [this_machine(Level(sandbox.level))]
    return survey(address or evaluation.address, need_of(evaluation.slot), Level(sandbox.level))


def this_machine(least: Level) -> Node:
    """The one node of the local pool."""
    report, cores = detect(), len(os.sched_getaffinity(0))
    enough = report.level is not Level.NONE and report.level.at_least(least)
    refused = "" if enough else f"sandbox.level: expected at least {least}, it offers {report.level}"
    return Node(
        "local",
        platform.node(),
        cores if enough else 0,
        refused,
        report.level,
        report.reasons,
        {"cpus": float(cores)},
    )
