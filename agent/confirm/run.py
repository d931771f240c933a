"""A confirmation from its choice of candidates to the tests. What is done stands in the diary."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import TypeVar

from evoarch.agent.base.concurrency import in_slots
from evoarch.agent.base.errors import UserError
from evoarch.agent.confirm.record import ConfirmationRecord, Retrained, TestOpening
from evoarch.agent.confirm.timing import timed
from evoarch.agent.statistics.front import front_of
from evoarch.agent.statistics.noise import read_noise
from evoarch.agent.statistics.paired import Estimate, Right, difference, estimate
from evoarch.archive.pareto import Objective, fitness
from evoarch.archive.records import Candidate, Failed, Fault, Scored
from evoarch.archive.store import Store
from evoarch.archive.weights import load_weights, save_weights
from evoarch.evaluators.latency import Latency
from evoarch.evaluators.sealed import Confirmer, Graded
from evoarch.evaluators.task import Evaluated

RATES = (0.5, 1.0, 2.0)
"""Multiples of the recipe's learning rate that are tried for every candidate alike, with one seed each."""

Say = Callable[[str], None]
T = TypeVar("T")


MORE = 0.1
"""Error beyond twice that of the search from which on a candidate is doubted."""


@dataclass(frozen=True)
class Confirmed:
    """One row, all of one recipe but `openings`, which counts over all. `rate` is the best of those tried,
    `selection` the mean error there, `spread` that of the best and of the worst training; of one that was
    tested, as they stood when its test was opened.
    `seeds`: how many trainings were tested, or are there to be.

    `flops`: of one example, if they can be counted; `latency`: a ratio to a baseline's, if it was timed.
    `tests`: error with interval by test; `over`: the difference to the best baseline, by test, negative where
    this one is better. `opening`: the one whose results these are. `reason`: why it has none.
    """

    candidate: Candidate
    baseline: bool
    rate: float = 0.0
    selection: float | None = None
    spread: tuple[float, float] | None = None
    seeds: int = 0
    params: int = 0
    flops: float | None = None
    latency: Latency | None = None
    tests: dict[str, Estimate] = field(default_factory=dict)
    over: dict[str, Estimate] = field(default_factory=dict)
    opening: TestOpening | None = None
    openings: int = 0
    reason: str = ""

    @property
    def doubt(self) -> str:
        """Why its error in the search is not to be trusted, "" if nothing speaks against it.

        A longer training on more data errs less. One that errs more than twice as often where no search
        looked, and by ten points, may know the validation split by heart.
        """
        searched = self.candidate.metrics.get("error")
        if self.selection is None or searched is None or self.selection <= 2 * searched + MORE:
            return ""
        return (
            f"error {searched:.1%} in the search, {self.selection:.1%} where no search looked: it may hold a "
            "table of labels; read its code first"
        )


def choose(store: Store, top: int, ids: Sequence[int] = ()) -> list[Candidate]:
    """The `top` elites by -(params x error), or these candidates, and every scored baseline.

    Raises UserError for an id that is not scored, and where nobody is.
    """
    scored = store.scored()
    seeds = [candidate for candidate in scored if candidate.operator == "seed"]
    if ids:
        known = {candidate.id: candidate for candidate in scored}
        for identity in ids:
            if identity not in known:
                raise UserError(f"--candidate {identity}: expected a scored candidate of this campaign")
        chosen = [known[identity] for identity in dict.fromkeys(ids)]
    else:
        goals = (Objective("error"), Objective("params", log=True))
        rows, counts = [c.metrics for c in scored], [c.seeds for c in scored]
        standing = front_of(rows, counts, goals, read_noise(store), needed=1, final=True)
        elites = [scored[place] for place in standing.places]
        bred = [candidate for candidate in elites if candidate.operator != "seed"]
        chosen = sorted(bred, key=lambda c: (-fitness(c.metrics), c.id))[:top]
    if not chosen and not seeds:
        raise UserError("no scored candidate to confirm", code=1)
    return [*chosen, *(seed for seed in seeds if seed not in chosen)]


@dataclass(frozen=True)
class Confirmation:
    """One confirmation's parts. `seeds`: trainings at the best rate; `jobs`: children at a time; `limits`:
    those of a training, by name; `retries`: how often a child that the infrastructure lost is run again.
    """

    store: Store
    record: ConfirmationRecord
    confirmer: Confirmer
    recipe: str
    rate: float
    seeds: int
    jobs: int
    say: Say
    limits: Mapping[str, object] = field(default_factory=dict)
    retries: int = 0

    async def run(self, candidates: Sequence[Candidate], *, force: bool) -> list[Confirmed]:
        """Retrains, ranks on the selection split, opens the tests once for each; the best first.

        Who was tested before under this recipe keeps that result, unless `force`. Raises UserError before
        anything is trained where that leaves nobody, or would open a test again without it.
        """
        if not force:
            self._refuse(candidates)
        todo = [c for c in candidates if force or self.record.tested(c.id) is None]
        # An opening that was not finished goes on as it was made: its ranking is behind it.
        started = [(c, opening) for c in todo if (opening := self._started(c))]
        fresh = [c for c in todo if not self._started(c)]
        for number, (candidate, opening) in enumerate(started, start=1):
            await self._test(candidate, opening)
            self._tell(number, len(todo), candidate)
        for number, (candidate, rate) in enumerate(await self._ranked(fresh, force=force), len(started) + 1):
            await self._test(candidate, self._open(candidate, rate))
            self._tell(number, len(todo), candidate)
        return shown(self.store, self.record, candidates)

    def _refuse(self, candidates: Sequence[Candidate]) -> None:
        """Raises UserError where nobody is left to test, or a test was opened under another recipe alone."""
        tested = [opening for c in candidates if (opening := self.record.tested(c.id))]
        if tested and len(tested) == len(candidates):
            raise UserError(
                f"candidate {tested[0].candidate}: its sealed test was opened on {tested[0].when}, and so "
                f"were those of all others here; `--recipe {self.recipe} --show` shows what was found, "
                "`--force` opens them again and says so",
                code=1,
            )
        last = [self.record.openings(c.id)[-1:] for c in candidates if not self.record.own(c.id)]
        opened = [opening for openings in last for opening in openings]
        if opened:
            first, others = opened[0], len(opened) - 1
            beside = f", and {others} more here under another than {self.recipe}" if others else ""
            found = f"`--recipe {first.recipe} --show` shows what was found"
            if not first.done:
                found = f"it is not finished, and `--recipe {first.recipe}` goes on with it"
            raise UserError(
                f"candidate {first.candidate}: its sealed test was opened on {first.when} under recipe "
                f"{first.recipe}{beside}; {found}, `--force` opens it again under {self.recipe} and says so",
                code=1,
            )

    async def _ranked(self, candidates: Sequence[Candidate], *, force: bool) -> list[tuple[Candidate, float]]:
        """All of them retrained, with the best rate of each, by the error on the selection split."""
        rates = [(c, rate * self.rate, 0) for rate in RATES for c in candidates]
        await self._train_all(rates, "rates", force=force)
        best = {c.id: _best_rate(self.record.retrained(c.id)) for c in candidates}
        able = [(c, rate) for c in candidates if (rate := best[c.id]) is not None]
        more = [(c, rate, repeat) for repeat in range(1, self.seeds) for c, rate in able]
        await self._train_all(more, "seeds", force=force)
        return sorted(able, key=lambda one: (_selection(self._trainings(*one)), one[0].id))

    async def _train_all(
        self, wanted: Sequence[tuple[Candidate, float, int]], what: str, *, force: bool
    ) -> None:
        todo = [(c, rate, repeat) for c, rate, repeat in wanted if not self._has(c, rate, repeat, force)]
        done = len(wanted) - len(todo)

        async def train(item: tuple[Candidate, float, int]) -> None:
            nonlocal done
            await self._train(*item)
            done += 1
            self.say(f"{what}: {done}/{len(wanted)} retrained")

        await in_slots(todo, train, self.jobs)

    def _has(self, candidate: Candidate, rate: float, repeat: int, force: bool) -> bool:
        """Whether it need not be trained. What failed under other limits may not fail under these."""
        return any(
            (t.rate, t.repeat) == (rate, repeat)
            and (t.error is not None or (t.limits == self.limits and not force))
            for t in self.record.retrained(candidate.id)
        )

    async def _train(self, candidate: Candidate, rate: float, repeat: int) -> None:
        digest = candidate.source_digest or ""
        found = await self._asked(
            lambda: self.confirmer.select(candidate.source, digest=digest, repeat=repeat, rate=rate)
        )
        outcome = found.outcome
        if isinstance(outcome, Scored):
            params = int(outcome.metrics["params"])
            error = outcome.metrics["error"]
            training = Retrained(rate, repeat, error, params, found.cpu_seconds, limits=self.limits)
            save_weights(self._folder, candidate.id, self._rung(rate), repeat, found.weights)
        elif outcome.fault is Fault.INFRASTRUCTURE:
            raise UserError(f"candidate {candidate.id}: {outcome.reason}; the same command goes on", code=1)
        else:
            reason = f"{outcome.stage}: {outcome.reason}"
            training = Retrained(rate, repeat, None, 0, found.cpu_seconds, reason, self.limits)
        self.record.add(candidate.id, training)

    def _trainings(self, candidate: Candidate, rate: float) -> list[Retrained]:
        """Those at this rate that count: a run with more seeds may have left further ones."""
        return _at(self.record.retrained(candidate.id), rate, self.seeds)

    def _started(self, candidate: Candidate) -> TestOpening | None:
        return next((opening for opening in self.record.own(candidate.id) if not opening.done), None)

    def _open(self, candidate: Candidate, rate: float) -> TestOpening:
        well = [t for t in self._trainings(candidate, rate) if t.error is not None]
        again = bool(self.record.openings(candidate.id))
        return self.record.open(candidate.id, rate, len(well), trainings=self.seeds, forced=again)

    async def _test(self, candidate: Candidate, opening: TestOpening) -> None:
        trainings = _at(self.record.retrained(candidate.id, opening), opening.rate, opening.trainings)
        repeats = sorted(t.repeat for t in trainings if t.error is not None)[: opening.seeds]
        graded: dict[int, Mapping[str, Graded]] = {}
        failed: list[str] = []

        async def answer(repeat: int) -> None:
            if failed:
                return
            weights = load_weights(self._folder, candidate.id, self._rung(opening.rate), repeat)
            digest = candidate.source_digest or ""
            found = await self._asked(
                lambda: self.confirmer.open(
                    candidate.source, weights, digest=digest, repeat=repeat, rate=opening.rate
                )
            )
            if not isinstance(found, Failed):
                graded[repeat] = found
            elif found.fault is Fault.INFRASTRUCTURE:
                raise UserError(
                    f"candidate {candidate.id}: its test: {found.reason}; the same command goes on", code=1
                )
            else:
                failed.append(f"{found.stage}: {found.reason}")

        # The first one alone: it makes the tests, which the others share.
        await answer(repeats[0])
        await in_slots(repeats[1:], answer, self.jobs)
        if failed:
            self.record.add_failure(candidate.id, opening.number, failed[0])
        else:
            self.record.add_results(candidate.id, opening.number, [graded[repeat] for repeat in repeats])

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer; where the infrastructure lost the child, that of a further try, while there are any."""
        found = await ask()
        for _ in range(self.retries):
            outcome = found.outcome if isinstance(found, Evaluated) else found
            if not (isinstance(outcome, Failed) and outcome.fault is Fault.INFRASTRUCTURE):
                break
            found = await ask()
        return found

    def _tell(self, number: int, count: int, candidate: Candidate) -> None:
        tested = self.record.tested(candidate.id)
        failed = f"; {_failure(tested)}" if tested and tested.reason else ""
        self.say(f"tested {number}/{count}: candidate {candidate.id}{failed}")

    @property
    def _folder(self) -> Path:
        return Path(self.store.folder)

    def _rung(self, rate: float) -> str:
        return f"confirm-{self.recipe}-{rate:g}"


def shown(store: Store, record: ConfirmationRecord, candidates: Sequence[Candidate]) -> list[Confirmed]:
    """What the diary has of these candidates under the record's recipe, by selection error; those without a
    result come last. Raises ArchiveError where the files of their tests are not there.
    """
    bits: dict[int, dict[str, list[Right]]] = {}
    for candidate in candidates:
        tested = record.tested(candidate.id)
        if tested and not tested.reason:
            bits[candidate.id] = record.results(candidate.id, tested.number)
    rows = [
        replace(_row(record, each, bits.get(each.id, {})), latency=timed(store, each.id))
        for each in candidates
    ]
    rows.sort(key=lambda row: (row.selection is None, row.selection or 0.0, row.candidate.id))
    baseline = next((row for row in rows if row.baseline and row.candidate.id in bits), None)
    if baseline is None:
        return rows
    against = bits[baseline.candidate.id]
    return [
        row if row is baseline else replace(row, over=_over(bits.get(row.candidate.id, {}), against))
        for row in rows
    ]


def _row(record: ConfirmationRecord, candidate: Candidate, bits: Mapping[str, list[Right]]) -> Confirmed:
    """One candidate, not yet beside the others. What was trained after its test was opened stays out."""
    opened, tested = record.openings(candidate.id), record.tested(candidate.id)
    row = Confirmed(
        candidate,
        candidate.operator == "seed",
        flops=candidate.metrics.get("flops"),
        opening=tested,
        openings=len(opened),
    )
    trainings = record.retrained(candidate.id, tested)
    rate = tested.rate if tested else _best_rate(trainings)
    if rate is None:
        return replace(row, reason=trainings[0].reason if trainings else _untrained(record.recipe, opened))
    counted = _at(trainings, rate, tested.trainings if tested else None)
    return replace(
        row,
        rate=rate,
        selection=_selection(counted),
        spread=(min(_errors(counted)), max(_errors(counted))),
        seeds=tested.seeds if tested else len(counted),
        params=max(t.params for t in trainings),
        tests={name: estimate(found) for name, found in bits.items()},
        reason=_failure(tested) if tested and tested.reason else "",
    )


def _untrained(recipe: str, opened: Sequence[TestOpening]) -> str:
    others = list(dict.fromkeys(opening.recipe for opening in opened if opening.done))
    elsewhere = f"; tested under {', '.join(others)}: `--recipe {others[-1]} --show`" if others else ""
    return f"not retrained yet under {recipe}{elsewhere}"


def _failure(tested: TestOpening) -> str:
    return f"its test failed: {tested.reason}"


def _at(trainings: Sequence[Retrained], rate: float, count: int | None) -> list[Retrained]:
    """Those at a rate; with a `count`, of so many seeds."""
    return [t for t in trainings if t.rate == rate and (count is None or t.repeat < count)]


def _errors(trainings: Sequence[Retrained]) -> list[float]:
    """A training that failed counts as an error of 1: a model that sometimes fails is no better for it."""
    return [1.0 if t.error is None else t.error for t in trainings]


def _selection(trainings: Sequence[Retrained]) -> float:
    return mean(_errors(trainings))


def _best_rate(trainings: Sequence[Retrained]) -> float | None:
    """The rate whose first seed had the lowest error on the selection split; None where all failed."""
    tried = [(t.error, t.rate) for t in trainings if t.repeat == 0 and t.error is not None]
    return min(tried)[1] if tried else None


def _over(own: Mapping[str, list[Right]], against: Mapping[str, list[Right]]) -> dict[str, Estimate]:
    return {name: difference(own[name], against[name]) for name in own if name in against}
