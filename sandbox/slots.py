"""Slots on devices: whichever is free runs the next child."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from evoarch.sandbox.device import Device
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Broken, ChildOutcome

PATIENCE = 2
"""Infrastructure faults in a row after which a slot is no longer used, unless it is the last."""


class OnDevices:
    """Implements sandbox.job.Runner over another: each job gets a free slot's device, or waits for one.

    `devices` has one entry for each slot. Belongs to the event loop that runs it.
    """

    def __init__(self, runner: Runner, devices: Sequence[Device]) -> None:
        if not devices:
            raise ValueError("devices: expected at least one slot, got none")
        self._runner = runner
        self._free: asyncio.Queue[int] = asyncio.Queue()
        self._devices = list(devices)
        self._broken = [0] * len(devices)
        self._left = len(devices)
        for slot in range(len(devices)):
            self._free.put_nowait(slot)

    @property
    def level(self) -> Level:
        return self._runner.level

    @property
    def slots(self) -> int:
        """How many are still used."""
        return self._left

    async def run(self, job: Job) -> ChildOutcome:
        slot = await self._free.get()
        kept = True
        try:
            outcome = await self._runner.run(replace(job, device=self._devices[slot]))
            self._broken[slot] = self._broken[slot] + 1 if isinstance(outcome, Broken) else 0
            if self._broken[slot] >= PATIENCE and self._left > 1:
                self._left -= 1
                kept = False
            return outcome
        finally:
            if kept:
                self._free.put_nowait(slot)

    async def close(self) -> None:
        await self._runner.close()
