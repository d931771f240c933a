"""Latency as a ratio to a reference model, timed in the trusted process.

Both models live in a child each and are asked by turns, with fresh inputs that nobody knew before. In a run
each is asked a few times, and its quickest answer counts: on a busy machine most answers wait for a processor
first. Ratios are of neighbours in time, so what slows the machine down slows both; their median is reported
when its interval is narrow enough.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from evoarch.archive.records import Failed, Fault
from evoarch.evaluators.failures import failure_of
from evoarch.sandbox.job import InteractiveRunner, Job
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished, Usage
from evoarch.sandbox.talk import Talk, TalkError

BATCH = 32
"""Examples of a question: few enough to be waited for, enough that the models take longer than the pipes."""

BEST_OF = 10
"""Answers of each model in a run."""

CHUNK = 10
"""Runs between two looks at the interval, which is looked at from twice as many on. The first run is thrown
away: what is compiled or loaded on first use is no latency."""

MOST = 200
"""Runs after which the interval is as it is."""

WIDTH = 0.05
"""How wide the interval may be, relative to the median."""

MEDIAN_CONFIDENCE = 0.99
"""Of the interval. It is looked at more than once, so less than 95% would be left of 95%."""

CHECKED = 32
"""Answers that are compared with those of a child that nobody timed."""

SHARE = 0.5
"""Of a child's wall clock, what the questions may take."""

PATIENCE = 2.0
"""Seconds for an answer when that is spent, and for a child to end when it is told to."""


@dataclass(frozen=True)
class Latency:
    """The median of `runs` ratios, and its interval. `cpu_seconds`: what all children took."""

    ratio: float
    low: float
    high: float
    runs: int
    cpu_seconds: float = 0.0


@runtime_checkable
class Timing(Protocol):
    """An evaluator that can tell how long a model takes."""

    async def latency(self, source: str, reference: str) -> Latency | Failed:
        """As a ratio to the model `reference`. Never raises for what a genome does."""
        ...


@dataclass(frozen=True)
class Timer:
    """Times genomes of one task. `options` are those of every child: entry, offers, kwargs."""

    runner: InteractiveRunner
    options: Mapping[str, object]
    shape: tuple[int, ...]
    outputs: tuple[int, ...]
    limits: Limits
    disagree: Callable[[NDArray[np.float32], NDArray[np.float32]], str]

    async def compare(self, source: str, reference: str) -> Latency | Failed:
        """The latency of `source` over that of `reference`."""
        seed = int(np.random.default_rng().integers(1 << 62))
        jobs = [Job("serve", text, {}, self._options, seed, self.limits) for text in (source, reference)]
        talks = (Talk(), Talk())
        run = self.runner.converse
        children = [asyncio.create_task(run(job, talk)) for job, talk in zip(jobs, talks, strict=True)]
        asked = _Asked(self, talks)
        try:
            while asked.goes_on():
                await _in_thread(asked)
            for talk in talks:
                talk.finish()
            await asyncio.wait(children, timeout=PATIENCE)
        except TalkError as error:
            return await self._broken_off(children, asked, str(error))
        finally:
            for child in children:
                child.cancel()
            ended = await asyncio.gather(*children, return_exceptions=True)
            for talk in talks:
                talk.close()
        usages = [each.usage for each in ended if not isinstance(each, BaseException)]
        checked = await self._check(jobs[0], asked)
        if isinstance(checked, Failed):
            return checked
        low, high = interval(asked.ratios)
        return Latency(
            float(np.median(asked.ratios)),
            low,
            high,
            len(asked.ratios),
            cpu_seconds=sum(each.cpu_seconds for each in [*usages, checked]),
        )

    @property
    def _options(self) -> dict[str, object]:
        return {**self.options, "batch": BATCH}

    async def _broken_off(
        self, children: list[asyncio.Task[ChildOutcome]], asked: _Asked, problem: str
    ) -> Failed:
        """Who broke off, and why: what became of the child tells more than its silence."""
        await asyncio.wait(children, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
        child = children[asked.who]
        lost = bool(asked.who)
        if child.done() and not isinstance(outcome := child.result(), Finished):
            problem, lost = failure_of(outcome).reason, lost or isinstance(outcome, Broken)
        whose = "the reference's" if asked.who else "its"
        fault = Fault.INFRASTRUCTURE if lost else Fault.CANDIDATE
        return Failed("static", f"{whose} latency can't be measured: {problem}", fault)

    async def _check(self, job: Job, asked: _Asked) -> Usage | Failed:
        """What a child that nobody times answers must be what was answered in time."""
        questions, answers = zip(*asked.kept, strict=True)
        inputs, given = np.stack(questions), np.concatenate(answers).reshape(-1, *self.outputs)
        outcome = await self.runner.run(
            Job("answer", job.genome, {"inputs": inputs}, self._options, job.seed, self.limits)
        )
        if not isinstance(outcome, Finished):
            failed = failure_of(outcome)
            return Failed("static", f"its latency can't be measured: {failed.reason}", failed.fault)
        logits, expected = outcome.arrays.get("logits"), (len(inputs), BATCH, *self.outputs)
        if logits is None or logits.shape != expected or logits.dtype != np.float32:
            got = "nothing" if logits is None else f"{logits.dtype} {logits.shape}"
            return Failed("static", f"the reply must hold float32 logits {expected}, got {got}")
        if not np.isfinite(given).all():
            return Failed("static", "its latency can't be measured: the logits are not finite")
        if problem := self.disagree(given, np.asarray(logits, np.float32).reshape(given.shape)):
            return Failed("static", f"when it is timed it answers otherwise than when it is not ({problem})")
        return outcome.usage


class _Asked:
    """The runs so far. `chunk` works in a thread: the event loop's own work must not stand in the times."""

    def __init__(self, timer: Timer, talks: tuple[Talk, Talk]) -> None:
        self.talks = talks
        self._timer = timer
        self._draw = np.random.default_rng()
        self._left = SHARE * timer.limits.wall_clock
        self._count = itertools.count()
        self.kept: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        """Some questions, each as likely as any, and what the candidate answered."""
        self.ratios: list[float] = []
        self.who = 0
        """Whose turn it was: 0 the candidate's, 1 the reference's."""

    def _question(self) -> NDArray[np.float32]:
        """Inputs of one batch; a table's columns of category codes hold codes."""
        question = self._draw.standard_normal((BATCH, *self._timer.shape), dtype=np.float32)
        offers = self._timer.options["offers"]
        if isinstance(offers, Mapping) and "vocab_size" in offers:
            return self._draw.integers(offers["vocab_size"], size=question.shape).astype(np.float32)
        sizes = offers.get("categories", ()) if isinstance(offers, Mapping) else ()
        for column, size in enumerate(sizes):
            if size:
                question[:, column] = self._draw.integers(size, size=BATCH)
        return question

    def goes_on(self) -> bool:
        return len(self.ratios) < 2 * CHUNK or (not settled(self.ratios) and self._left > 0)

    def chunk(self) -> None:
        """Raises TalkError, with `who` it was."""
        for _ in range(CHUNK):
            best = [math.inf, math.inf]
            for _ in range(BEST_OF):
                number = next(self._count)
                question = self._question()
                # Who goes first changes, so that neither has the warmer machine.
                for self.who in (0, 1) if number % 2 else (1, 0):
                    took, answer = self._ask(question.tobytes())
                    best[self.who] = min(best[self.who], took)
                    if self.who == 0:
                        self._keep(number, question, answer)
            if number >= BEST_OF:
                self.ratios.append(best[0] / best[1])
        for self.who in (0, 1):
            self.talks[self.who].expect_silence()

    def _keep(self, number: int, question: NDArray[np.float32], answer: bytes) -> None:
        """A sample of what passes by (Vitter 1985, algorithm R)."""
        place = number if number < CHECKED else int(self._draw.integers(number + 1))
        if place < CHECKED:
            read = np.frombuffer(answer, np.float32).reshape(BATCH, -1)
            self.kept[place : place + 1] = [(question, read)]

    def _ask(self, question: bytes) -> tuple[float, bytes]:
        size, patience = 4 * BATCH * math.prod(self._timer.outputs), max(PATIENCE, self._left)
        took, answer = self.talks[self.who].ask(question, size, patience)
        self._left -= took
        return took, answer


async def _in_thread(asked: _Asked) -> None:
    """One chunk; cancelling waits for the thread, which must not meet closed descriptors."""
    work = asyncio.ensure_future(asyncio.to_thread(asked.chunk))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        for talk in asked.talks:
            talk.stop()
        await asyncio.wait({work})
        raise


def settled(ratios: Sequence[float]) -> bool:
    """Whether the interval is narrow enough, or more runs are not worth it."""
    if len(ratios) < 2 * CHUNK:
        return False
    low, high = interval(ratios)
    return high - low <= WIDTH * float(np.median(ratios)) or len(ratios) >= MOST


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Of the median, at MEDIAN_CONFIDENCE, for any distribution: two order statistics, by the binomial."""
    from scipy.stats import binom  # half a second to load, which `evoarch tasks` need not wait for

    ordered = sorted(ratios)
    place = max(1, int(binom.ppf((1.0 - MEDIAN_CONFIDENCE) / 2.0, len(ordered), 0.5)))
    return ordered[place - 1], ordered[-place]
