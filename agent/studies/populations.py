"""Families as populations: random settings of a candidate's knobs, trained, beside another population."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

import numpy as np

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.rng import stream
from evoarch.agent.config.recorded import settings_of
from evoarch.agent.confirm.run import Say
from evoarch.agent.operators.base import Order
from evoarch.agent.operators.random_draw import RandomDraw
from evoarch.agent.operators.space.draws import Bounds, drawn, parsed
from evoarch.agent.operators.space.family import Family, Knob, Value, bounds, lifted
from evoarch.agent.studies.distributions import Comparison, beyond_size, compared, likely_best
from evoarch.agent.studies.laboratory import Laboratory, open_laboratory
from evoarch.agent.studies.trainings import FIRST, Training
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store, open_archive
from evoarch.evaluators.tasks import load_task

RANDOM = "random"
"""What a family is compared with where it is no other one: draws of the operator of that name."""

FEWEST = 10
"""Models from which on narrower bounds are proposed."""

NARROWER = 2 / 3
"""Bounds are proposed where they keep at most this share of a range (of a width in its logarithm)."""

TRIES = 4
"""Draws in all, as a multiple of the models that are wanted."""


@dataclass(frozen=True)
class Model:
    """One member of a population. `values`: of its knobs; `mended`: whether shape repair had to help;
    `training`: None as long as it was not trained.
    """

    source: str
    params: int
    mended: bool
    values: Mapping[str, Value]
    training: Training | None = None


@dataclass(frozen=True)
class Population:
    """The models that were drawn and passed a dry run; `tried`: draws that it took. `family`: None of random
    draws; `within`: bounds of its knobs that a person gave.
    """

    name: str
    models: Sequence[Model]
    tried: int
    family: Family | None = None
    within: Bounds | None = None

    @property
    def trained(self) -> list[Model]:
        """The models that have an error."""
        return [each for each in self.models if each.training is not None]

    @property
    def errors(self) -> list[float]:
        """Of the models that were trained; 1 where a training failed."""
        return [each.training.error for each in self.models if each.training is not None]

    @property
    def params(self) -> list[int]:
        """Of the models that were trained."""
        return [each.params for each in self.trained]

    def range_of(self, knob: Knob) -> tuple[float, float]:
        """What the knob was drawn from."""
        return (self.within or {}).get(knob.name) or bounds(knob)

    def proposals(self) -> dict[str, tuple[float, float]]:
        """By knob narrower bounds in which its best value lies with 95% at equal size, where there are."""
        if self.family is None or len(self.trained) < FEWEST:
            return {}
        ranks = beyond_size(self.errors, self.params).tolist()
        found = {}
        for knob in self.family.knobs:
            if knob.kind == "activation":
                continue
            values = [float(each.values[knob.name]) for each in self.trained]
            low, high = likely_best(values, ranks, np.random.default_rng(0))
            if _share(knob, (low, high), self.range_of(knob)) <= NARROWER:
                found[knob.name] = (low, high)
        return found


@dataclass(frozen=True)
class SpaceStudy:
    """What `space` is asked: `samples` models of the family of candidate `identity`, its knobs within
    `bounds` (NAME=LOW:HIGH each), beside those of `against`, another candidate's id or RANDOM ("": none).
    """

    identity: int
    samples: int = 30
    bounds: Sequence[str] = ()
    against: str = ""
    recipe: str = ""
    jobs: int | None = None
    unsafe: bool = False


@dataclass(frozen=True)
class Spaces:
    """What was found. `todo`: trainings still to be made; `seconds`: CPU seconds of one, None where unknown;
    `spent`: CPU seconds of those that were made.
    """

    populations: Sequence[Population]
    comparison: Comparison | None
    todo: int
    seconds: float | None
    spent: float


async def explore(folder: Path, study: SpaceStudy, say: Say, *, train: bool = True) -> Spaces:
    """Draws and trains the populations of a study, one training a model; without `train` only builds them.
    What was trained before stands. Raises UserError or ArchiveError, each one line.
    """
    with open_archive(folder, write=False) as store:
        candidate = _candidate(store, study.identity, "ID")
        other = None
        if study.against and study.against != RANDOM:
            if not study.against.isdigit():
                raise UserError(f"--against: expected an id or {RANDOM}, got {study.against!r}")
            other = _candidate(store, int(study.against), "--against")
    offers = load_task(settings_of(folder).config.campaign.task, folder).offers
    family = _family(candidate, offers)
    within = parsed(study.bounds, family)
    place = open_laboratory(folder, recipe=study.recipe, jobs=study.jobs, unsafe=study.unsafe, say=say)
    async with place as lab:
        found = [await _drawn(lab, candidate, family, within, study.samples)]
        if other is not None:
            found.append(await _drawn(lab, other, _family(other, offers), {}, study.samples))
        elif study.against:
            found.append(await _random(lab, candidate, study.samples))
        if train:
            # One of each in turn: a study that is stopped has as much of both.
            pairs = zip_longest(*(one.models for one in found))
            await lab.trainer.train([(each.source, FIRST) for pair in pairs for each in pair if each])
        return _found([_known(lab, each) for each in found], lab.seconds(study.identity))


def _candidate(store: Store, identity: int, place: str) -> Candidate:
    found = store.candidate(identity)
    if not found.source:
        state = found.state.value
        raise UserError(
            f"{place} {identity}: expected a candidate with a source, got one that is {state}", code=1
        )
    return found


def _family(candidate: Candidate, offers: Mapping[str, object]) -> Family:
    """The family of a candidate. Raises UserError where it has one member alone."""
    family = lifted(candidate.source, offers)
    if not family.knobs:
        raise UserError(
            f"candidate {candidate.id}: expected a model with numbers to turn, got a family of one", code=1
        )
    return family


async def _drawn(
    lab: Laboratory, candidate: Candidate, family: Family, within: Bounds, samples: int
) -> Population:
    """`samples` settings of the family that build. Raises UserError where too few do."""
    models: dict[str, Model] = {}
    tried = 0
    names = (
        "space",
        family.digest,
        *(f"{name}={low:g}:{high:g}" for name, (low, high) in sorted(within.items())),
    )
    while len(models) < samples and tried < TRIES * samples:
        rng = stream(lab.seed, *names, tried)
        tried += 1
        values = drawn(family, rng, within)
        form = await lab.build(family.filled(values), candidate.id)
        if not isinstance(form, str):
            model = Model(form.source, form.params, bool(form.repairs), values)
            models.setdefault(form.source, model)
    narrowed = f", {', '.join(names[2:])}" if within else ""
    return _enough(
        Population(f"family of #{candidate.id}{narrowed}", [*models.values()], tried, family, within)
    )


async def _random(lab: Laboratory, candidate: Candidate, samples: int) -> Population:
    """`samples` architectures drawn from nothing that build."""
    models: dict[str, Model] = {}
    tried = 0
    while len(models) < samples and tried < TRIES * samples:
        rng = stream(lab.seed, "space", RANDOM, tried)
        tried += 1
        (draft,) = await RandomDraw().propose(Order(1, [], offers=lab.offers), rng, None)
        form = await lab.build(draft.source, candidate.id) if draft.source else draft.problem
        if not isinstance(form, str):
            models.setdefault(form.source, Model(form.source, form.params, bool(form.repairs), {}))
    return _enough(Population("random draws", [*models.values()], tried))


def _enough(found: Population) -> Population:
    if len(found.models) < 2:
        raise UserError(
            f"{found.name}: expected models that build, got {len(found.models)} in {found.tried} draws",
            code=1,
        )
    return found


def _known(lab: Laboratory, population: Population) -> Population:
    trained = [lab.record.of(each.source, [FIRST]) for each in population.models]
    models = [
        replace(model, training=made[0] if made else None)
        for model, made in zip(population.models, trained, strict=True)
    ]
    return replace(population, models=models)


def _found(populations: Sequence[Population], seconds: float | None) -> Spaces:
    made = [each.training for one in populations for each in one.models if each.training is not None]
    todo = sum(len(one.models) for one in populations) - len(made)
    comparison = None
    if len(populations) == 2 and all(len(one.trained) > 1 for one in populations):
        first, second = populations
        rng = np.random.default_rng(0)
        comparison = compared((first.errors, second.errors), (first.params, second.params), rng)
    return Spaces(populations, comparison, todo, seconds, sum(each.cpu_seconds for each in made))


def _share(knob: Knob, part: tuple[float, float], whole: tuple[float, float]) -> float:
    """How much of a range a part of it keeps; whole numbers count from their lower to their upper half."""
    rounding = 0.0 if knob.kind == "dropout" else 0.5

    def length(span: tuple[float, float]) -> float:
        low, high = span[0] - rounding, span[1] + rounding
        return math.log(high / low) if knob.kind == "width" else high - low

    return length(part) / length(whole) if length(whole) > 0 else 1.0
