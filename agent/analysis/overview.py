"""A campaign as one frozen value: status, front with intervals, history, failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

from evoarch.agent.analysis.history import History, Step, reference_point
from evoarch.agent.analysis.status import FrontPoint, Status, read_status
from evoarch.agent.config.load import Config
from evoarch.agent.statistics.intervals import Interval
from evoarch.agent.statistics.noise import read_noise
from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.pareto import hypervolume
from evoarch.archive.store import Store

MOST_POINTS = 1500
"""Scored candidates that a figure shows; of more, one per cell of a grid is drawn."""
GRID = (50, 40)


@dataclass(frozen=True)
class Elite:
    """A candidate of the front or a seed; `interval`: its error's, at 95%, over seeds and examples."""

    id: int
    name: str
    operator: str
    error: float | None
    params: float | None
    seeds: int
    interval: Interval | None
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Overview:
    """`examples` is the size of the validation split, 0 while unknown. `hypervolume` is of the front as it is
    now, over all training repeats; `steps` are as it was first scored.
    """

    status: Status
    task: str
    seed: int
    profile: str
    recipe: str
    version: str
    objectives: tuple[str, ...]
    reference: Mapping[str, float]
    hypervolume: float
    examples: int
    front: Sequence[Elite]
    seeds: Sequence[Elite]
    best: Elite | None
    failures: Mapping[str, int]
    steps: Sequence[Step]
    facts: Mapping[str, object]

    @property
    def plotted(self) -> tuple[str, str]:
        """What the figure of the front shows, upwards and to the right."""
        first, second, *_ = dict.fromkeys((*self.objectives, "params", "error"))
        return first, second

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def new_history(store: Store, config: Config) -> History:
    """An empty history under the campaign's objectives and reference point."""
    goals = objectives(config.selection)
    names = [goal.name for goal in goals]
    seeds = [c.metrics for c in store.candidates(operator="seed", sources=False) if c.metrics]
    return History(goals, reference_point(store.facts(), names, seeds))


def read_overview(store: Store, config: Config, history: History | None = None) -> Overview:
    """The campaign as its archive has it now. `history`, if given, is brought up to date and used."""
    goals = objectives(config.selection)
    names = [goal.name for goal in goals]
    history = history or new_history(store, config)
    history.extend(store.browse.trials(history.metrics, after=history.last))
    status = read_status(store, config)
    shown = {c.id: c.metrics for c in store.browse.some([p.id for p in (*status.front, *status.seeds)])}
    if status.best and status.best.id not in shown:
        shown |= {c.id: c.metrics for c in store.browse.some([status.best.id])}
    count = read_noise(store).examples

    def elite(point: FrontPoint) -> Elite:
        return Elite(
            point.id,
            point.name,
            point.operator,
            point.error,
            point.params,
            point.seeds,
            point.interval,
            shown[point.id],
        )

    front = [elite(point) for point in status.front]
    return Overview(
        status=status,
        task=config.campaign.task,
        seed=config.campaign.seed,
        profile=config.campaign.profile,
        recipe=config.evaluation.recipe,
        version=version("evoarch"),
        objectives=tuple(names),
        reference=history.reference,
        hypervolume=hypervolume([e.metrics for e in front], goals, history.reference),
        examples=count,
        front=front,
        seeds=[elite(point) for point in status.seeds],
        best=elite(status.best) if status.best else None,
        failures=store.browse.failures(),
        steps=list(history.steps),
        facts=store.facts(),
    )


Placed = tuple[int, tuple[float, ...], int]


def thinned(points: Sequence[Placed], keep: frozenset[int], *, log: Sequence[bool]) -> list[Placed]:
    """`points` (id, values, seeds), one per cell of a grid where there are too many; `keep` are all there."""
    if len(points) <= MOST_POINTS:
        return list(points)
    import numpy as np

    values = np.array([point[1][:2] for point in points], dtype=float)
    for column in range(2):
        if log[column]:
            values[:, column] = np.log10(np.maximum(values[:, column], 1.0))
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    cells = ((values - low) / np.where(span > 0, span, 1) * np.array(GRID)).astype(int)
    _, firsts = np.unique(cells, axis=0, return_index=True)
    chosen = {int(place) for place in firsts}
    return [point for place, point in enumerate(points) if place in chosen or point[0] in keep]
