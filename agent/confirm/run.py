"""A confirmation from its choice of candidates to the tests. What is done stands in the diary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from agent.confirm.decision import Estimate, Right, difference, estimate
from agent.confirm.record import Opening, Record, Retrained
from agent.elites import stand
from agent.errors import UserError
from agent.noise import read_noise
from agent.slots import in_slots
from archive.pareto import Objective, fitness
from archive.records import Candidate, Failed, Fault, Scored
from archive.store import Store
from archive.weights import load_weights, save_weights
from evaluators.sealed import Confirmer, Graded

RATES = (0.5, 1.0, 2.0)
"""Multiples of the recipe's learning rate that are tried for every candidate alike, with one seed each."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Confirmed:
    """One row: `rate` is the best of those tried, `selection` the mean error there over `trainings` seeds.

    `tests`: error with interval by test; `over`: the difference to the best baseline, by test, negative where
    this one is better. `reason`: why it could not be retrained. `opening`: the one whose results these are.
    """

    candidate: Candidate
    baseline: bool
    rate: float = 0.0
    selection: float | None = None
    seeds: int = 0
    params: int = 0
    tests: dict[str, Estimate] = field(default_factory=dict)
    over: dict[str, Estimate] = field(default_factory=dict)
    opening: Opening | None = None
    openings: int = 0
    reason: str = ""


def choose(store: Store, top: int, ids: Sequence[int] = ()) -> list[Candidate]:
    """The `top` elites by -(params x error), or these candidates, and every scored baseline.

    Raises UserError for an id that is not scored.
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
        standing = stand(rows, counts, goals, read_noise(store), needed=1, final=True)
        elites = [scored[place] for place in standing.places]
        bred = [candidate for candidate in elites if candidate.operator != "seed"]
        chosen = sorted(bred, key=lambda c: (-fitness(c.metrics), c.id))[:top]
    return [*chosen, *(seed for seed in seeds if seed not in chosen)]


@dataclass(frozen=True)
class Confirmation:
    """One confirmation's parts. `seeds`: trainings at the best rate; `jobs`: children at a time."""

    store: Store
    record: Record
    confirmer: Confirmer
    recipe: str
    rate: float
    seeds: int
    jobs: int
    say: Say

    async def run(self, candidates: Sequence[Candidate], *, force: bool) -> list[Confirmed]:
        """Retrains, ranks on the selection split, opens the tests once for each; the best first.

        Who was tested before keeps that result, unless `force`. Raises UserError before anything is trained
        where that leaves nobody.
        """
        if not force and all(self._tested(candidate) for candidate in candidates):
            opened = self.record.openings(candidates[0].id)[0]
            raise UserError(
                f"candidate {candidates[0].id}: its sealed test was opened on {opened.when}, and so were "
                "those of all others here; `--show` shows what was found, `--force` opens them again and "
                "says so",
                code=1,
            )
        await self._train_all([(c, rate * self.rate, 0) for rate in RATES for c in candidates], "rates")
        best = {c.id: self._best_rate(c) for c in candidates}
        able = [c for c in candidates if best[c.id] is not None]
        more = [(c, best[c.id] or 0.0, repeat) for repeat in range(1, self.seeds) for c in able]
        await self._train_all(more, "seeds")
        ranked = sorted(able, key=lambda c: (self._selection(c, best[c.id] or 0.0), c.id))
        for number, candidate in enumerate(ranked, start=1):
            if force or not self._tested(candidate):
                await self._test(candidate, best[candidate.id] or 0.0, force=force)
            self.say(f"tested {number}/{len(ranked)}: candidate {candidate.id}")
        return shown(self.store, self.record, candidates)

    async def _train_all(self, wanted: Sequence[tuple[Candidate, float, int]], what: str) -> None:
        todo = [(c, rate, repeat) for c, rate, repeat in wanted if not self._has(c, rate, repeat)]
        done = len(wanted) - len(todo)

        async def train(item: tuple[Candidate, float, int]) -> None:
            nonlocal done
            await self._train(*item)
            done += 1
            self.say(f"{what}: {done}/{len(wanted)} retrained")

        await in_slots(todo, train, self.jobs)

    def _has(self, candidate: Candidate, rate: float, repeat: int) -> bool:
        return any((t.rate, t.repeat) == (rate, repeat) for t in self.record.retrained(candidate.id))

    async def _train(self, candidate: Candidate, rate: float, repeat: int) -> None:
        found = await self.confirmer.select(
            candidate.source, digest=candidate.source_digest or "", repeat=repeat, rate=rate
        )
        outcome = found.outcome
        if isinstance(outcome, Scored):
            params = int(outcome.metrics["params"])
            training = Retrained(rate, repeat, outcome.metrics["error"], params, found.cpu_seconds)
            save_weights(self._folder, candidate.id, self._rung(rate), repeat, found.weights)
        elif outcome.fault is Fault.INFRASTRUCTURE:
            raise UserError(f"candidate {candidate.id}: {outcome.reason}; the same command goes on", code=1)
        else:
            reason = f"{outcome.stage}: {outcome.reason}"
            training = Retrained(rate, repeat, None, 0, found.cpu_seconds, reason)
        self.record.add(candidate.id, training)

    def _best_rate(self, candidate: Candidate) -> float | None:
        return _best_rate(self.record.retrained(candidate.id))

    def _selection(self, candidate: Candidate, rate: float) -> float:
        found = [t.error for t in self.record.retrained(candidate.id) if t.rate == rate]
        # A training that failed counts as an error of 1: a model that sometimes fails is no better for it.
        return mean(1.0 if error is None else error for error in found)

    def _tested(self, candidate: Candidate) -> bool:
        return any(opening.done for opening in self.record.openings(candidate.id))

    async def _test(self, candidate: Candidate, rate: float, *, force: bool) -> None:
        openings = self.record.openings(candidate.id)
        started = [opening for opening in openings if not opening.done]
        able = [
            t.repeat
            for t in self.record.retrained(candidate.id)
            if t.rate == rate and t.error is not None and t.repeat < self.seeds
        ]
        if started:
            number = started[0].number
        else:
            number = self.record.open(candidate.id, rate, len(able), forced=force and bool(openings))
        graded: dict[int, Mapping[str, Graded]] = {}

        async def answer(repeat: int) -> None:
            weights = load_weights(self._folder, candidate.id, self._rung(rate), repeat)
            digest = candidate.source_digest or ""
            found = await self.confirmer.open(
                candidate.source, weights, digest=digest, repeat=repeat, rate=rate
            )
            if isinstance(found, Failed):
                reason = f"{found.stage}: {found.reason}"
                raise UserError(f"candidate {candidate.id}: its test failed: {reason}", code=1)
            graded[repeat] = found

        # The first one alone: it makes the tests, which the others share.
        await answer(able[0])
        await in_slots(able[1:], answer, self.jobs)
        self.record.add_results(candidate.id, number, [graded[repeat] for repeat in able])

    @property
    def _folder(self) -> Path:
        return Path(self.store.folder)

    def _rung(self, rate: float) -> str:
        return f"confirm-{self.recipe}-{rate:g}"


def shown(store: Store, record: Record, candidates: Sequence[Candidate]) -> list[Confirmed]:
    """What the diary has of these candidates, by selection error; those without a result come last."""
    rows = []
    bits: dict[int, dict[str, list[Right]]] = {}
    for candidate in candidates:
        trainings = record.retrained(candidate.id)
        openings = record.openings(candidate.id)
        done = [opening for opening in openings if opening.done]
        if done:
            bits[candidate.id] = record.results(candidate.id, done[-1].number)
        rate = _best_rate(trainings)
        if rate is None:
            reason = trainings[0].reason if trainings else "not retrained yet"
            rows.append(Confirmed(candidate, candidate.operator == "seed", reason=reason))
            continue
        errors = [1.0 if t.error is None else t.error for t in trainings if t.rate == rate]
        rows.append(
            Confirmed(
                candidate,
                candidate.operator == "seed",
                rate,
                mean(errors),
                len(errors),
                max(t.params for t in trainings),
                {name: estimate(found) for name, found in bits.get(candidate.id, {}).items()},
                {},
                done[-1] if done else None,
                len(openings),
            )
        )
    rows.sort(key=lambda row: (row.selection is None, row.selection or 0.0, row.candidate.id))
    baseline = next((row for row in rows if row.baseline and row.candidate.id in bits), None)
    if baseline is None:
        return rows
    against = bits[baseline.candidate.id]
    return [
        row if row is baseline else replace(row, over=_over(bits.get(row.candidate.id, {}), against))
        for row in rows
    ]


def _best_rate(trainings: Sequence[Retrained]) -> float | None:
    """The rate whose first seed had the lowest error on the selection split; None where all failed."""
    tried = [(t.error, t.rate) for t in trainings if t.repeat == 0 and t.error is not None]
    return min(tried)[1] if tried else None


def _over(own: Mapping[str, list[Right]], against: Mapping[str, list[Right]]) -> dict[str, Estimate]:
    return {name: difference(own[name], against[name]) for name in own if name in against}
