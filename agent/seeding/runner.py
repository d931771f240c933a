"""Children of seeds from repositories: each job gets its genome's open definitions in their files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from evoarch.agent.seeding.frozen import MARKER
from evoarch.agent.seeding.record import FrozenSeed
from evoarch.agent.seeding.splice import SpliceError, splice
from evoarch.sandbox.job import InteractiveRunner, Job, Runner
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import ChildOutcome, Raised
from evoarch.sandbox.parsing import GenomeError
from evoarch.sandbox.talk import Talk

_NAMED = re.compile(rf"^{MARKER} = ['\"]([0-9a-f]+)['\"]", re.MULTILINE)


class FrozenRunner:
    """Implements sandbox.job.Runner over another whose zygote holds the frozen modules of `seeds`."""

    def __init__(self, runner: Runner, seeds: Sequence[FrozenSeed]) -> None:
        self._runner = runner
        self._seeds = {seed.record.frozen: seed for seed in seeds}

    @property
    def level(self) -> Level:
        """The inner runner's."""
        return self._runner.level

    async def run(self, job: Job) -> ChildOutcome:
        """As sandbox.job.Runner; a genome that can't be put into its files has failed to build."""
        filled = self._filled(job)
        return filled if isinstance(filled, Raised) else await self._runner.run(filled)

    async def close(self) -> None:
        """Closes the inner runner."""
        await self._runner.close()

    def _filled(self, job: Job) -> Job | Raised:
        named = _NAMED.search(job.genome)
        seed = self._seeds.get(named[1]) if named else None
        if seed is None:
            return job
        try:
            made = splice(seed, job.genome)
        except SpliceError as error:
            return Raised("build", "SpliceError", error.message, error.line)
        except GenomeError as error:
            return Raised("build", "SyntaxError", error.message, error.line)
        return replace(job, genome=made.program, frozen=made.frozen(seed))


class InteractiveFrozenRunner(FrozenRunner):
    """The same over a runner whose children may be talked with."""

    def __init__(self, runner: InteractiveRunner, seeds: Sequence[FrozenSeed]) -> None:
        super().__init__(runner, seeds)
        self._interactive = runner

    async def converse(self, job: Job, talk: Talk) -> ChildOutcome:
        """As sandbox.job.InteractiveRunner."""
        filled = self._filled(job)
        if isinstance(filled, Raised):
            talk.release()
            return filled
        return await self._interactive.converse(filled, talk)


def over(runner: Runner, seeds: Sequence[FrozenSeed]) -> Runner:
    """`runner`, for a campaign that has these seeds from repositories."""
    if not seeds:
        return runner
    if isinstance(runner, InteractiveRunner):
        return InteractiveFrozenRunner(runner, seeds)
    return FrozenRunner(runner, seeds)
