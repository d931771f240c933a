"""Traces of many sources from few children, read with distrust; one that dies or hangs fails alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evoarch.archive.records import Failed
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.flow import DRY_RUN_SEED
from evoarch.evaluators.trace import Trace, Traced, TraceError, Untraced
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished, Usage
from evoarch.sandbox.runner import raised_of

BATCH = 32
"""Sources of one child: their traces have room in one answer, and one that ends it costs so many."""

SECONDS = 2.0
"""CPU seconds of each source, after which it is stopped inside."""

START, SHARE, WAIT = 4.0, 0.5, 4.0
"""CPU seconds of a child are `START` and `SHARE` for each source; so many times as long it may take by the
clock. Sources that all need more than that are asked again in smaller groups."""

Result = Trace | Failed


@dataclass(frozen=True)
class BatchTracer:
    """Implements evaluators.trace.Tracer. `options`: what every child of the task is told; `limits`: of one
    child, as for any other.
    """

    runner: Runner
    options: Mapping[str, object]
    limits: Limits

    async def traces(self, sources: Sequence[str]) -> Traced:
        """Equal sources are asked for once."""
        found: dict[str, Result] = {}
        unique, spent = list(dict.fromkeys(sources)), 0.0
        for at in range(0, len(unique), BATCH):
            spent += await self._ask(unique[at : at + BATCH], found)
        return Traced([found[source] for source in sources], spent)

    async def _ask(self, group: Sequence[str], found: dict[str, Result], *, again: bool = False) -> float:
        """CPU seconds; `found` gets a result for each of `group`. `again`: a child of theirs has died."""
        outcome = await self.runner.run(self._job(group))
        spent = outcome.usage.cpu_seconds
        if isinstance(outcome, Broken):
            found |= dict.fromkeys(group, failure_of(outcome))
        elif (answers := _answers(outcome, len(group))) is not None:
            found |= zip(group, answers, strict=True)
        elif len(group) == 1:
            found[group[0]] = _alone(outcome)
        else:
            # The child's word on who was last is a hint: nobody fails by it, and it is taken once.
            last = None if again else _last(outcome, len(group))
            middle = len(group) // 2
            parts = [group[:middle], group[middle:]]
            if last is not None:
                parts = [[group[last]], [*group[:last], *group[last + 1 :]]]
            for part in parts:
                spent += await self._ask(part, found, again=True)
        return spent

    def _job(self, group: Sequence[str]) -> Job:
        seconds = START + SHARE * len(group)
        limits = replace(
            self.limits,
            cpu_seconds=min(seconds, self.limits.cpu_seconds),
            wall_clock=min(WAIT * seconds, self.limits.wall_clock),
        )
        options = {**self.options, "sources": list(group), "seconds": SECONDS, "seed": DRY_RUN_SEED}
        return Job("traces", "", options=options, seed=DRY_RUN_SEED, limits=limits)


def _answers(outcome: ChildOutcome, count: int) -> list[Result] | None:
    """A result for each source; None where the child died, kept to no form, or was not itself any more."""
    if not isinstance(outcome, Finished):
        return None
    said = outcome.notes.get("traces")
    if not isinstance(said, list) or len(said) != count:
        return None
    if outcome.notes.get("steady") is not True and count > 1:
        return None
    return [_answer(each) for each in said]


def _answer(said: object) -> Result:
    if not isinstance(said, dict):
        return Failed("dry_run", "the child's answer has no trace")
    if "trace" in said:
        try:
            return Trace.from_json(said["trace"])
        except TraceError as error:
            return Failed("dry_run", f"the child's trace: {error}")
    stage = "build" if said.get("stage") == "build" else "dry_run"
    if isinstance(raised := said.get("raised"), dict):
        outcome = raised_of(stage, raised, Usage())
        failed = failure_of(outcome)
        return Untraced(failed.stage, failed.reason, raised=outcome)
    if said.get("late"):
        return Failed(stage, f"stopped after {SECONDS:g} s of CPU time for a few examples")
    return Failed(stage, "it needed more memory than a child may take")


def _alone(outcome: ChildOutcome) -> Failed:
    if isinstance(outcome, Finished):
        return Failed("dry_run", "the child's answer has no trace")
    return failure_of(outcome)


def _last(outcome: ChildOutcome, count: int) -> int | None:
    """The source at which the child said that it was, if it did."""
    number = getattr(outcome, "stage", "").removeprefix("trace ")
    return int(number) if number.isdecimal() and len(number) < 4 and int(number) < count else None
