"""Which of some drafts is worth training: by a model where there is one, else by its size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.statistics.objectives import objectives, region_of
from evoarch.agent.surrogate.acquisition import Matrix, improvements
from evoarch.agent.surrogate.features import Features, features
from evoarch.agent.surrogate.labels import shares_of
from evoarch.agent.surrogate.strata import nearest
from evoarch.agent.surrogate.surrogate import EXACT, Foretold, Model, Surrogate, foretold
from evoarch.archive.records import Prediction, State
from evoarch.archive.store import Store
from evoarch.evaluators.trace import Trace

STRATA = "size strata"
"""The model's name where sizes are picked in equal shares."""

UNDER_WAY = (State.QUEUED, State.RUNNING, State.AWAITING_REVIEW)


@dataclass(frozen=True)
class Choice:
    """The place of the draft that is picked, by which model, with how many rows of labels.

    `told` and `value`: what the model foretells of it, and what it is expected to add to the front's
    hypervolume; None without a model.
    `detail`: for the archive: what is expected of each objective, the chance of a score, and the error on
    each rung.
    """

    place: int
    model: str = STRATA
    rows: int = 0
    told: Foretold | None = None
    value: float | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


class Chooser:
    """`reference`: the point, by objective, that hypervolumes are measured from. What lies beyond the region
    of `[selection]` does not count.
    """

    def __init__(
        self, store: Store, config: Config, surrogate: Surrogate, reference: Mapping[str, float]
    ) -> None:
        self._store, self._seed, self._surrogate = store, config.campaign.seed, surrogate
        self._goals = objectives(config.selection)
        self._names = [goal.name for goal in self._goals]
        self._shares = shares_of(config.evaluation.rungs)
        self._region = region_of(config.selection)
        limit, floor = self._region.below(reference), self._region.floor
        self._reference = np.array([[limit[name] for name in self._names]])
        self._floor = np.array([floor.get(name, -np.inf) for name in self._names])
        self._under_way = self._still(store.predictions.all())

    def choose(self, slot: int, drafts: Sequence[Trace], *, unscreened: bool) -> Choice:
        """The pick for a slot; the first draft where it goes `unscreened`, whatever is foretold of it."""
        model = self._surrogate.model()
        if model is None:
            return Choice(0 if unscreened else self._by_size(slot, drafts))
        rows = [features(draft) for draft in drafts]
        guesses = model.guesses(drafts, rows, self._names)
        chances = model.chances(rows)
        # Only who comes to a score adds anything; who comes there is better than those that were stopped.
        values = self._values(guesses) * chances
        place = 0 if unscreened else int(np.argmax(values))
        if not unscreened and not (model.trusted and values[place] > 0):
            # Nothing is expected of any of them, or nothing believed: what is left to learn is of sizes.
            place = self._by_size(slot, drafts)
        predicted = next(name for name in self._names if name not in EXACT)
        return Choice(
            place,
            model.name if model.trusted else STRATA,
            model.rows,
            foretold(guesses[place, :, self._names.index(predicted)]),
            float(values[place]),
            {
                "expected": self._expected(guesses[place]),
                "chance": float(chances[place]),
                "rungs": self._on_rungs(model, drafts[place], rows[place], predicted),
            },
        )

    def picked(self, prediction: Prediction) -> None:
        """From now on it is under way: what is expected of it counts as if it were on the front."""
        self._under_way.append(prediction)

    def _by_size(self, slot: int, drafts: Sequence[Trace]) -> int:
        offset = stream(self._seed, "strata").random()
        far = [self._region.distance({"params": each.params, "flops": each.flops or 0}) for each in drafts]
        places = [place for place, distance in enumerate(far) if distance == min(far)]
        return places[nearest([math.log10(1 + drafts[place].params) for place in places], slot, offset)]

    def _values(self, guesses: Matrix) -> Matrix:
        """What each draft is expected to add to the front's hypervolume."""
        self._under_way = self._still(self._under_way)
        points = [list(values) for _, values, _ in self._store.browse.points(self._names)]
        for prediction in self._under_way:
            expected = prediction.detail.get("expected")
            if isinstance(expected, Mapping) and all(name in expected for name in self._names):
                points.append([float(expected[name]) for name in self._names])
        front = np.array(points, dtype=np.float64).reshape(len(points), len(self._names))
        return improvements(self._scaled(guesses), self._scaled(front), self._scaled(self._reference)[0])

    def _still(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """Those whose candidates have no outcome yet."""
        found = self._store.browse.some([each.candidate for each in predictions])
        open_ = {candidate.id for candidate in found if candidate.state in UNDER_WAY}
        return [each for each in predictions if each.candidate in open_]

    def _scaled(self, points: Matrix) -> Matrix:
        log = np.array([goal.log for goal in self._goals])
        points = np.maximum(points, self._floor)
        return np.where(log, np.log10(np.maximum(points, 1.0)), points)

    def _expected(self, guesses: Matrix) -> dict[str, float]:
        means = np.exp(np.log(np.maximum(guesses, 1e-12)).mean(axis=0))
        return dict(zip(self._names, map(float, means), strict=True))

    def _on_rungs(self, model: Model, draft: Trace, row: Features, predicted: str) -> dict[str, list[float]]:
        found = {}
        for rung, share in self._shares.items():
            told = foretold(model.guesses([draft], [row], [predicted], share)[0, :, 0])
            found[rung] = [told.mean, told.low, told.high]
        return found
