"""The limits of a retraining: those of the campaign, which were set for its own recipe."""

from __future__ import annotations

from collections.abc import Mapping

from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.external_trainer import trains_by_command
from evoarch.evaluators.task import Recipe, Task

CHILD = ("wall_clock", "cpu_seconds", "memory", "output", "device_memory", "slots_per_device")
PROGRAM = ("wall_clock", "memory", "output")


def with_time(config: Config, searched: Recipe, confirmed: Recipe) -> Config:
    """`config` with its clocks as much longer as `confirmed` has more steps than the recipe of the search;
    never shorter.
    """
    longer = max(1.0, confirmed.steps / searched.steps)
    child, program = config.evaluation, config.trainer
    clocks = {"wall_clock": child.wall_clock * longer, "cpu_seconds": child.cpu_seconds * longer}
    return config.model_copy(
        update={
            "evaluation": child.model_copy(update=clocks),
            "trainer": program.model_copy(update={"wall_clock": program.wall_clock * longer}),
        }
    )


def limits_by_name(config: Config, task: Task) -> Mapping[str, object]:
    """What may end a training of this campaign, as the record keeps it."""
    found: dict[str, object] = {f"evaluation.{name}": getattr(config.evaluation, name) for name in CHILD}
    if trains_by_command(config, task):
        found |= {f"trainer.{name}": getattr(config.trainer, name) for name in PROGRAM}
    return found
