"""What the docs claim of a GPU, a check each. Each trains real children behind the walls on a device.

A stand-in, which is the CPU behind a driver's locks, goes the same way; what only a GPU can show is then
left out, with the reason.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from benchmarks.children import Block, Nursery
from benchmarks.throughput import ColdStart, write_inputs

from evoarch.archive.records import Failed, Fault, Outcome, Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.task import Evaluated, Recipe
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.device import Device
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level
from evoarch.sandbox.runner import start
from evoarch.sandbox.slots import OnDevices

STAND_IN = Device("cpu", "stand-in:0", "0", files=("/dev/zero",), reads=("/proc/devices",))
"""The CPU, with the locks of a child that has a driver's device open."""

ELSEWHERE = "GPU-00000000-0000-0000-0000-000000000000"
"""No GPU has this identity."""

CAP, BEYOND, WITHIN = 256, 512, 64
"""MiB: what a child may take of the device's memory, and what one takes that breaks it or does not."""

HUNGRY = """
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(40, 10)

    def forward(self, x):
        spare = x.new_zeros(({mib}, 262144))
        return self.layer(x.flatten(1)) + 0 * spare.sum()
"""


@dataclass(frozen=True)
class Finding:
    """What a check found. `held`: whether the claim holds; None where it could not be tried, with the reason
    in `why`.
    """

    held: bool | None
    figures: Mapping[str, object] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True)
class Kit:
    """What the checks work with: a device, the recipe of the children, how many a block has and how many
    blocks take turns.
    """

    device: Device
    recipe: Recipe
    children: int = 24
    repeats: int = 3

    @property
    def is_gpu(self) -> bool:
        """Whether the device is no stand-in."""
        return self.device.kind == "cuda"


@asynccontextmanager
async def on(*devices: Device, level: Level | None = None) -> AsyncIterator[OnDevices]:
    """Warm walls whose jobs take turns in a slot for each of `devices`."""
    runner = await start(inside_program(), level=level, devices=list(devices))
    try:
        yield OnDevices(runner, devices)
    finally:
        await runner.close()


async def _evaluated(kit: Kit, source: str, *devices: Device, level: Level | None = None) -> Evaluated:
    task = load_task("mnist1d")
    async with on(*devices, level=level) as runner:
        evaluator = Evaluator(task, kit.recipe, runner, ceiling=1.0)
        return await evaluator.evaluate(source, digest="kit", repeat=0)


def _said(outcome: Outcome) -> str:
    return outcome.reason if isinstance(outcome, Failed) else "scored"


async def walls(kit: Kit) -> Finding:
    """Training, two predictions and the score at every level of isolation that this machine has."""
    levels = [level for level in (Level.FULL, Level.LANDLOCK) if detect().level.at_least(level)]
    if not levels:
        return Finding(None, why="this machine offers no isolation")
    source, found = load_task("mnist1d").seeds["conv_base"], dict[str, object]()
    held = True
    for level in levels:
        evaluated = await _evaluated(kit, source, kit.device, level=level)
        held = held and isinstance(evaluated.outcome, Scored)
        scored = isinstance(evaluated.outcome, Scored)
        found[str(level)] = evaluated.outcome.metrics["error"] if scored else _said(evaluated.outcome)
    return Finding(held, found)


async def same_again(kit: Kit) -> Finding:
    """A training repeated from its seed: the same error, and how far its weights are apart."""
    source = load_task("mnist1d").seeds["conv_base"]
    one, other = [await _evaluated(kit, source, kit.device) for _ in range(2)]
    if not (isinstance(one.outcome, Scored) and isinstance(other.outcome, Scored)):
        return Finding(False, why=f"{_said(one.outcome)}; {_said(other.outcome)}")
    apart = max(float(np.abs(one.weights[n] - other.weights[n]).max()) for n in one.weights)
    errors = [one.outcome.metrics["error"], other.outcome.metrics["error"]]
    return Finding(errors[0] == errors[1], {"errors": errors, "weights apart by at most": apart})


async def memory(kit: Kit) -> Finding:
    """A child beyond `device_memory` fails by its own fault, with the key's name; one within it does not."""
    if not kit.is_gpu:
        return Finding(None, why="the stand-in's memory is the CPU's")
    capped = replace(kit.device, memory=CAP << 20)
    beyond = (await _evaluated(kit, HUNGRY.format(mib=BEYOND), capped)).outcome
    within = (await _evaluated(kit, HUNGRY.format(mib=WITHIN), capped)).outcome
    whole = (await _evaluated(kit, HUNGRY.format(mib=1 << 22), kit.device)).outcome
    own = [
        isinstance(each, Failed)
        and each.fault is Fault.CANDIDATE
        and "evaluation.device_memory" in each.reason
        for each in (beyond, whole)
    ]
    said = {
        f"{BEYOND} MiB of {CAP}": _said(beyond),
        f"{WITHIN} MiB of {CAP}": _said(within),
        "4 TiB": _said(whole),
    }
    return Finding(all(own) and isinstance(within, Scored), said)


async def lost(kit: Kit) -> Finding:
    """A device that does not open is the machine's fault, not the child's."""
    gone = replace(kit.device, kind="cuda", visible=ELSEWHERE)
    outcome = (await _evaluated(kit, load_task("mnist1d").seeds["conv_base"], gone)).outcome
    held = isinstance(outcome, Failed) and outcome.fault is Fault.INFRASTRUCTURE
    return Finding(held, {"said": _said(outcome)})


Grow = Callable[[int], Awaitable[Block]]


async def _in_turns(sides: Mapping[str, Grow], kit: Kit) -> dict[str, list[Block]]:
    """Blocks of each side, one after the other, after one of each that does not count."""
    found: dict[str, list[Block]] = {name: [] for name in sides}
    for repeat in range(kit.repeats + 1):
        for name, grow in sides.items():
            block = await grow(kit.children)
            if repeat:
                found[name].append(block)
    return found


def _compared(found: Mapping[str, list[Block]], first: str, second: str) -> dict[str, object]:
    """Children a minute and errors of both, and how many times as fast the first is."""
    times = sorted(one.rate / other.rate for one, other in zip(found[first], found[second], strict=True))
    figures: dict[str, object] = {}
    for name in (first, second):
        figures[f"{name}, children a minute"] = statistics.median(block.rate for block in found[name])
        figures[f"{name}, mean error"] = statistics.fmean(e for block in found[name] for e in block.errors)
    return figures | {"times as fast": statistics.median(times), "from": times[0], "to": times[-1]}


async def two_slots(kit: Kit) -> Finding:
    """Two children at a time on one device against one."""
    async with on(kit.device, kit.device) as runner:
        nursery = Nursery(runner, kit.recipe)
        found = await _in_turns(
            {"two slots": lambda n: nursery.grow(n, 2), "one slot": lambda n: nursery.grow(n, 1)}, kit
        )
    return Finding(True, _compared(found, "two slots", "one slot"))


async def throughput(kit: Kit) -> Finding:
    """Children a minute against a fresh process with a DataLoader for each, by the same recipe."""
    with tempfile.TemporaryDirectory() as top:
        write_inputs(Path(top))
        cold = ColdStart(Path(top), kit.recipe, kit.device.kind)
        async with on(kit.device, kit.device) as runner:
            nursery = Nursery(runner, kit.recipe)
            found = await _in_turns(
                {"evoarch": lambda n: nursery.grow(n, 2), "fresh processes": lambda n: cold.grow(n, 2)}, kit
            )
    figures = _compared(found, "evoarch", "fresh processes")
    return Finding(float(str(figures["times as fast"])) > 1, figures)


async def bf16(kit: Kit) -> Finding:
    """Trainings in bfloat16 against float32: what it costs in error and brings in time."""
    half = replace(kit.device, autocast=True)
    async with on(half) as one, on(kit.device) as other:
        rounded, full = Nursery(one, kit.recipe), Nursery(other, kit.recipe)
        found = await _in_turns(
            {"bfloat16": lambda n: rounded.grow(n, 1), "float32": lambda n: full.grow(n, 1)}, kit
        )
    return Finding(True, _compared(found, "bfloat16", "float32"))


async def language_model(kit: Kit) -> Finding:
    """The embedded model on the device against the CPU: tokens a second of 32 texts at once."""
    if not kit.is_gpu:
        return Finding(None, why="the stand-in computes nothing by itself")
    return await asyncio.to_thread(_sampled, kit.device.kind)


def _sampled(device: str) -> Finding:
    from evoarch.agent.lm.local.embedded import prepare
    from evoarch.agent.lm.local.sampling import Sampler

    rates: dict[str, object] = {}
    for kind in (device, "cpu"):
        sampler = Sampler(prepare(), kind)
        before = time.monotonic()
        reply = sampler.sample(
            prompt="class Model(nn.Module):\n", messages=(), n=32, temperature=0.8, top_p=1.0, seed=0,
            max_tokens=64, stop=(),
        )  # fmt: skip
        rates[f"{kind}, tokens a second"] = reply["completion_tokens"] / (time.monotonic() - before)
    return Finding(True, rates)


CHECKS: Mapping[str, tuple[str, Callable[[Kit], Awaitable[Finding]]]] = {
    "walls": ("A child is trained, predicts twice and is scored under the walls, at each level.", walls),
    "same again": ("A training repeated from its seed has the same error.", same_again),
    "memory": (
        "A child beyond its memory of the device fails by its own fault; one within is scored.",
        memory,
    ),
    "lost device": ("A device that does not open is the machine's fault and is tried again.", lost),
    "two slots": ("Two children share a device.", two_slots),
    "throughput": ("Warm children are faster than a fresh process with a DataLoader for each.", throughput),
    "bf16": ("Children can be trained in bfloat16.", bf16),
    "language model": ("A local language model computes on the same device.", language_model),
}
"""The claims, by name, each with what tries it."""
