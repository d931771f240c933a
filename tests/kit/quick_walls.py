"""Walls that run nothing, for campaigns whose children need not be trained: answers made of the source."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import ChildOutcome, Finished


class QuickWalls:
    """Implements sandbox.job.Runner: every source is sound, and its model is a random linear one."""

    level = Level.FULL

    def __init__(self) -> None:
        self.jobs: list[str] = []

    async def run(self, job: Job) -> ChildOutcome:
        self.jobs.append(job.function)
        offers = job.options["offers"]
        assert isinstance(offers, dict)
        shape = (int(np.prod(offers["input_shape"])), int(offers["num_classes"]))
        seed = int.from_bytes(hashlib.sha256(job.genome.encode()).digest()[:4], "big")
        weights = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
        if job.function == "dry_run":
            return Finished({"w": weights})
        if job.function == "train":
            return Finished({"0/w": weights})
        assert job.function == "predict"
        inputs = job.arrays["inputs"].astype(np.float64).reshape(-1, shape[0])
        layer = job.arrays["0/w"].astype(np.float64)
        return Finished({"logits": (inputs @ layer).astype(np.float32)[None]})

    async def close(self) -> None:
        return


def quick_walls(monkeypatch: pytest.MonkeyPatch) -> QuickWalls:
    """From here on, campaigns of this test train nothing."""
    walls = QuickWalls()

    async def start(*arguments: object, **named: object) -> Runner:
        return walls

    monkeypatch.setattr("evoarch.agent.evaluation.walls.start", start)
    return walls
