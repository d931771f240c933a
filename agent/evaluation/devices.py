"""`evaluation.device` as slots: checked against what this machine has, before anything is spent."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.config.measuring import EvaluationTable
from evoarch.agent.evaluation.external_trainer import slots
from evoarch.sandbox.device import Device
from evoarch.sandbox.nvidia import Gpu, gpus

SHARED = 0.9
"""The part of a GPU's memory that its slots share: each child's context lies in the rest."""


def devices_of(table: EvaluationTable, found: Callable[[], Sequence[Gpu]] = gpus) -> list[Device]:
    """One device for each slot, in the order in which they are taken; empty on the CPU.

    Raises UserError with one line that names what there is.
    """
    if table.device == "cpu":
        return []
    there = {gpu.index: gpu for gpu in found()}
    if not there:
        raise UserError(
            f'evaluation.device: expected a CUDA device for "{table.device}", got none: '
            'torch sees no GPU here (`evoarch doctor`); device = "cpu" uses the cores'
        )
    wanted = table.gpus or tuple(there)
    if missing := [index for index in wanted if index not in there]:
        raise UserError(
            f'evaluation.device: "{table.device}" names cuda:{missing[0]}; there are '
            + ", ".join(f"cuda:{gpu.index} ({gpu.name})" for gpu in there.values())
        )
    for gpu in (there[index] for index in wanted):
        if gpu.problem:
            raise UserError(f"evaluation.device: cuda:{gpu.index} ({gpu.name}): {gpu.problem}")
        most = int(gpu.memory * SHARED / table.slots_per_device) >> 20
        if table.device_memory > most:
            raise UserError(
                f"evaluation.device_memory: expected at most {most} MiB for each of "
                f"{table.slots_per_device} slots on cuda:{gpu.index} ({gpu.name}), got {table.device_memory}"
            )
    chosen = [
        replace(
            there[index].device,
            share=SHARED / table.slots_per_device,
            memory=table.device_memory << 20,
            autocast=table.autocast == "bf16",
        )
        for index in wanted
    ]
    # Every device gets its first child before one gets its second.
    return [device for _ in range(table.slots_per_device) for device in chosen]


def worker_count(config: Config, devices: Sequence[Device] = ()) -> int:
    """The configured number; or one per slot of the devices; or one per core this process may use, less one
    where an LM computes here.
    """
    if config.evaluation.workers:
        return config.evaluation.workers
    if config.trainer.command:
        return slots(config.trainer, len(os.sched_getaffinity(0)), os.environ)
    if devices:
        return len(devices)
    local = any(lm.backend in ("embedded", "transformers") for lm in config.lm)
    return max(1, len(os.sched_getaffinity(0)) - local)
