"""The limits of a retraining: those of the campaign, which were set for its own recipe."""

from __future__ import annotations

from collections.abc import Mapping

from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.external_trainer import trains_by_command
from evoarch.evaluators.task import Task

CHILD = ("wall_clock", "cpu_seconds", "memory", "output", "device_memory", "slots_per_device")
PROGRAM = ("wall_clock", "memory", "output")


def limits_by_name(config: Config, task: Task) -> Mapping[str, object]:
    """What may end a training of this campaign, as the record keeps it."""
    found: dict[str, object] = {f"evaluation.{name}": getattr(config.evaluation, name) for name in CHILD}
    if trains_by_command(config, task):
        found |= {f"trainer.{name}": getattr(config.trainer, name) for name in PROGRAM}
    return found
