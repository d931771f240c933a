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
from evoarch.sandbox.outcome import ChildOutcome, Finished, Raised, Usage
from evoarch.sandbox.parsing import GenomeError
from evoarch.sandbox.talk import Talk

_NAMED = re.compile(rf"^{MARKER} = ['\"]([0-9a-f]+)['\"]", re.MULTILINE)


TRACES = "traces"
"""The function of jobs with many genomes (evaluators/tracer.py)."""


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
        if job.function == TRACES:
            return await self._traces(job)
        filled = self._filled(job)
        return filled if isinstance(filled, Raised) else await self._runner.run(filled)

    async def close(self) -> None:
        """Closes the inner runner."""
        await self._runner.close()

    async def _traces(self, job: Job) -> ChildOutcome:
        """Those over frozen modules each in a child of its own; where one of several dies, so has the
        group.
        """
        sources = job.options["sources"]
        assert isinstance(sources, list)
        plain = [n for n, source in enumerate(sources) if self._seed(source) is None]
        groups = [*([plain] if plain else []), *([n] for n in range(len(sources)) if n not in plain)]
        found: dict[int, object] = {}
        usage, steady = Usage(), True
        for group in groups:
            one = replace(job, options={**job.options, "sources": [sources[n] for n in group]})
            if group is not plain:
                filled = self._filled(replace(job, genome=sources[group[0]]))
                if isinstance(filled, Raised):
                    raised = {"kind": filled.kind, "message": filled.message, "line": filled.line}
                    found[group[0]] = {"stage": "build", "raised": raised}
                    continue
                one = replace(filled, genome="", options={**job.options, "sources": [filled.genome]})
            outcome = await self._runner.run(one)
            usage += outcome.usage
            said = outcome.notes.get("traces") if isinstance(outcome, Finished) else None
            if not isinstance(outcome, Finished) or not isinstance(said, list) or len(said) != len(group):
                return replace(outcome, usage=usage)
            steady = steady and outcome.notes.get("steady") is True
            found |= zip(group, said, strict=True)
        return Finished({}, {"traces": [found[n] for n in range(len(sources))], "steady": steady}, usage)

    def _seed(self, source: str) -> FrozenSeed | None:
        named = _NAMED.search(source)
        return self._seeds.get(named[1]) if named else None

    def _filled(self, job: Job) -> Job | Raised:
        seed = self._seed(job.genome)
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
