"""Which edit earned it: a candidate trained without each edit of its descent, beside itself.

An edit that carried the gain is one without which the error is higher (or which made the model smaller); one
along for the ride is one without which nothing changes that this many trainings could show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import mean

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.rng import stream
from evoarch.agent.confirm.run import Say
from evoarch.agent.evaluation.scaling import formed
from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.space.fill import SpaceFill, expect_optuna
from evoarch.agent.statistics.intervals import ALPHA, welch
from evoarch.agent.statistics.paired import Estimate, difference
from evoarch.agent.studies.edits import Edit, SupersededError, brings_back, edits_of, without
from evoarch.agent.studies.laboratory import Laboratory, open_laboratory
from evoarch.agent.studies.trainings import FIRST, Training, TrainingRecord
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store, open_archive
from evoarch.sandbox.genome import source_digest

TUNED_BY = 2000
"""The number of the repeat by which numbers are filled in: none that is compared later."""


SMALLER = 0.05
"""From this share of the parameters on, an edit that took them away is said to have made a model smaller."""


@dataclass(frozen=True)
class Variant:
    """One model of the study: the candidate itself, its seed, or the candidate without an `edit`.

    `source` is "" where there is no such model, for `reason`; `mended`: what shape repair did. `effect`: its
    error less that of the candidate, at a level shared among all edits; None where it was not trained.
    `saved`: its parameters less those of the candidate.
    """

    name: str
    source: str = ""
    params: int = 0
    edit: Edit | None = None
    operator: str = ""
    reason: str = ""
    mended: tuple[str, ...] = ()
    trainings: Sequence[Training] = ()
    effect: Estimate | None = None
    saved: int = 0

    @property
    def error(self) -> float | None:
        """The mean over its trainings."""
        return mean(each.error for each in self.trainings) if self.trainings else None

    @property
    def verdict(self) -> str:
        """What the interval, and the size, say of the edit."""
        if self.effect is None:
            return self.reason
        word = "carried the gain" if self.effect.low > 0 else "no effect shown"
        word = "stood in the way" if self.effect.high < 0 else word
        share = self.saved / self.params
        return f"{word}, made it {share:.0%} smaller" if share > SMALLER else word


@dataclass(frozen=True)
class Explanation:
    """What was found about candidate `identity`. `todo`: trainings that are still to be made; `seconds`: CPU
    seconds that one takes, None where that is not known; `spent`: CPU seconds of those that were made.
    """

    identity: int
    winner: Variant
    seed: Variant
    edits: Sequence[Variant]
    todo: int = 0
    seconds: float | None = None
    spent: float = 0.0


@dataclass(frozen=True)
class Study:
    """What `explain` is asked: `seeds` trainings of each model, and before them `retune` fillings of its
    numbers, one training each; `recipe`: another than the campaign's; `jobs`: trainings at a time.
    """

    seeds: int = 3
    retune: int = 0
    recipe: str = ""
    jobs: int | None = None
    unsafe: bool = False


async def explain(folder: Path, identity: int, study: Study, say: Say, *, train: bool = True) -> Explanation:
    """Trains candidate `identity` of the campaign in `folder`, its seed, and itself without each edit of its
    descent; without `train` only tries them in a dry run. What was trained before stands.

    Raises UserError or ArchiveError, each one line.
    """
    if study.retune:
        expect_optuna("--retune")
    with open_archive(folder, write=False) as store:
        line = line_of(store, identity)
    place = open_laboratory(folder, recipe=study.recipe, jobs=study.jobs, unsafe=study.unsafe, say=say)
    async with place as lab:
        found = await _variants(lab, line)
        if train:
            found = await _trained(lab, found, study)
        return _explained(found, lab.record, identity, study, lab.seconds(identity))


def line_of(store: Store, identity: int) -> list[Candidate]:
    """From the seed to the candidate, by first parents. Raises UserError where it has none, or no source."""
    line = [store.candidate(identity)]
    while line[0].parents:
        line.insert(0, store.candidate(line[0].parents[0]))
    if not line[-1].source or not line[-1].metrics:
        raise UserError(
            f"candidate {identity}: expected a scored one, got one that is {line[-1].state.value}", code=1
        )
    if len(line) == 1:
        whence = "a seed" if line[0].operator == "seed" else f"drawn by {line[0].operator}"
        raise UserError(f"candidate {identity}: expected one that was bred, got {whence}: no edit", code=1)
    return line


def stripped(line: Sequence[Candidate]) -> list[Variant]:
    """The last of the line without each edit of its descent that is left in it, the first edit first. Those
    whose sources are the same are one.
    """
    seed, winner = line[0].source, line[-1]
    found: dict[str, Variant] = {}
    for parent, child in pairwise(line):
        for edit in edits_of(child.id, parent.source, child.source):
            try:
                source = without(winner.source, child.source, edit)
            except SupersededError:
                continue
            if not brings_back(seed, winner.source, source):
                variant = Variant(f"without {edit}", source, edit=edit, operator=child.operator)
                found.setdefault(source, variant)
    return list(found.values())


async def _variants(lab: Laboratory, line: Sequence[Candidate]) -> list[Variant]:
    """The candidate, its seed, and what is left of it without each edit, each tried in a dry run."""
    winner = line[-1]
    known = {source_digest(winner.source)}
    whole = [Variant(f"#{winner.id}", winner.source), Variant(_name(line[0]), line[0].source)]
    found = [await _built(lab, each, winner.id) for each in whole]
    if not found[0].source:
        raise UserError(f"candidate {winner.id}: expected one that still builds here", code=1)
    for variant in stripped(line):
        built = await _built(lab, variant, winner.id)
        if built.source and (digest := source_digest(built.source)) in known:
            continue  # It only follows from others: shape repair puts it back.
        if built.source:
            known.add(digest)
        found.append(built)
    return found


async def _built(lab: Laboratory, variant: Variant, identity: int) -> Variant:
    form = await lab.build(variant.source, identity)
    if isinstance(form, str):
        return replace(variant, source="", reason=f"can't be taken out alone: {form}")
    return replace(variant, source=form.source, params=form.params, mended=form.repairs)


async def _trained(lab: Laboratory, found: Sequence[Variant], study: Study) -> list[Variant]:
    """All of them trained; with `retune`, each but the seed with the best of its fillings."""
    if study.retune:
        most = found[0].params
        found = [
            each if place == 1 or not each.source else await _filled(lab, each, study.retune, most)
            for place, each in enumerate(found)
        ]
    repeats = range(FIRST, FIRST + study.seeds)
    # All models once before any of them twice: a study that is stopped has something of each.
    await lab.trainer.train([(each.source, n) for n in repeats for each in found if each.source])
    return list(found)


async def _filled(lab: Laboratory, variant: Variant, retune: int, most: int) -> Variant:
    """The variant with the numbers of the lowest error, of its own and of `retune` other settings that make
    it no larger than it is, or than `most` parameters.
    """
    rng = stream(lab.seed, "explain", source_digest(variant.source))
    tried = [(await _once(lab, variant), variant)]
    for _ in range(retune):
        past = [
            Parent(n, each.source, {"error": error, "params": float(each.params)})
            for n, (error, each) in enumerate(tried, 1)
        ]
        other = await _filling(lab, variant, past, rng, max(most, variant.params))
        if other is not None:
            tried.append((await _once(lab, other), other))
    return min(tried, key=lambda pair: pair[0])[1]


async def _filling(
    lab: Laboratory, variant: Variant, past: Sequence[Parent], rng: Random, limit: int
) -> Variant | None:
    """The first of eight proposals that builds and is small enough."""
    order = Order(8, past[:1], offers=lab.offers, scored=lambda: past)
    for draft in await SpaceFill().propose(order, rng, None):
        form = await formed(lab.bench.evaluator, draft.source, lab.offers) if draft.source else None
        if form is not None and form.params <= limit:
            return replace(variant, source=form.source, params=form.params)
    return None


async def _once(lab: Laboratory, variant: Variant) -> float:
    """The error by which its numbers are chosen."""
    await lab.trainer.train([(variant.source, TUNED_BY)], "filled")
    return lab.record.of(variant.source, [TUNED_BY])[0].error


def _name(seed: Candidate) -> str:
    return f"#{seed.id} {seed.name or seed.operator}"


def _explained(
    found: Sequence[Variant], record: TrainingRecord, identity: int, study: Study, seconds: float | None
) -> Explanation:
    repeats = range(FIRST, FIRST + study.seeds)
    known = [
        replace(each, trainings=record.of(each.source, repeats) if each.source else []) for each in found
    ]
    winner, count = known[0], max(1, sum(bool(each.source) for each in known[2:]))
    effects = [
        replace(each, effect=effect_of(each, winner, 1 - ALPHA / count), saved=each.params - winner.params)
        for each in known[1:]
    ]
    models = [each for each in known if each.source]
    todo = sum(study.seeds - len(each.trainings) for each in models)
    if study.retune and todo:
        todo += (study.retune + 1) * (len(models) - 1)
    spent = sum(training.cpu_seconds for each in known for training in each.trainings)
    return Explanation(identity, winner, effects[0], effects[1:], todo, seconds, spent)


def effect_of(variant: Variant, winner: Variant, confidence: float) -> Estimate | None:
    """Error of the variant less that of the winner: paired by example where both kept what was right, else by
    the means of seeds (Welch 1947). None with fewer than two trainings of either.
    """
    ours, theirs = variant.trainings, winner.trainings
    if min(len(ours), len(theirs)) < 2:
        return None
    first, second = ([each.right for each in side] for side in (ours, theirs))
    kept = [[right for right in side if right is not None] for side in (first, second)]
    if [len(side) for side in kept] == [len(first), len(second)]:
        return difference(kept[0], kept[1], confidence)
    errors = [[each.error for each in side] for side in (ours, theirs)]
    apart = welch(errors[0], errors[1], confidence)
    return Estimate(mean(errors[0]) - mean(errors[1]), apart.low, apart.high)
