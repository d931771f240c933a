"""A campaign as one frozen value, which every view shows: its status, its settings, its history.

`agent.analysis.sections` says it in words; the terminal, the page and the reports only lay those out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evoarch.agent.analysis.history import History, Step, reference_point
from evoarch.agent.analysis.status import Status, read_status
from evoarch.agent.config.load import Config
from evoarch.agent.statistics.front import Placed, Standing, read_standing
from evoarch.agent.statistics.objectives import objectives, region_of
from evoarch.archive.lock import is_locked
from evoarch.archive.pareto import hypervolume
from evoarch.archive.store import Store

MOST_POINTS = 1500
"""Scored candidates that a figure shows; of more, one per cell of a grid is drawn."""
GRID = (50, 40)


@dataclass(frozen=True)
class Overview:
    """What a campaign adds up to at one moment.

    `examples` is the size of the validation split, 0 while unknown. `hypervolume` is of the front as it is
    now, over all training repeats, below the point `reference` and within `region`. `steps` go by means over
    all training seeds, of those that may be elites; `first_steps` by each first seed, as selection saw it;
    both are empty where nobody draws them. `scalar`: parents are the best by -(params x error). `facts` are
    what the archive says of the task.
    """

    status: Status
    task: str
    seed: int
    profile: str
    recipe: str
    objectives: tuple[str, ...]
    region: Mapping[str, tuple[float, ...]]
    scalar: bool
    reference: Mapping[str, float]
    hypervolume: float
    examples: int
    steps: Sequence[Step]
    first_steps: Sequence[Step]
    facts: Mapping[str, object]

    @property
    def plotted(self) -> tuple[str, str]:
        """The metrics that the figure of the front shows: upwards, and to the right."""
        first, second, *_ = dict.fromkeys((*self.objectives, "params", "error"))
        return first, second

    def as_json(self) -> dict[str, object]:
        """All fields as JSON has them; the front and its like stand beside `status` as well as in it."""
        from importlib.metadata import version

        whole = {"version": version("evoarch"), **asdict(self)}
        return {**{name: whole["status"][name] for name in ("front", "seeds", "best", "failures")}, **whole}


def new_history(store: Store, config: Config) -> History:
    """An empty history under the campaign's objectives and reference point."""
    goals = objectives(config.selection)
    names = [goal.name for goal in goals]
    seeds = [c.metrics for c in store.candidates(operator="seed", sources=False) if c.metrics]
    region = region_of(config.selection)
    reference = region.below(reference_point(store.facts(), names, seeds))
    return History(goals, reference, region.floor)


def read_overview(
    store: Store,
    config: Config,
    history: History | None = None,
    *,
    steps: bool = True,
    standing: Standing | None = None,
) -> Overview:
    """The campaign as its archive has it now.

    `history`, if given, is brought up to date and used. Without `steps` the history is left out: it takes
    long for many thousands of candidates, and a terminal draws no curve. `standing`: of now, where it is
    known.
    """
    goals = objectives(config.selection)
    history = history or new_history(store, config)
    if steps:
        history.extend(store.browse.trials(history.metrics, after=history.last))
    standing = standing or read_standing(store, config)
    status = read_status(store, config, standing=standing)
    noise = standing.noise
    means = history.by_means(standing.eligible(history.metrics), noise) if steps else []
    return Overview(
        status=status,
        reference=history.reference,
        hypervolume=hypervolume(
            [point.metrics for point in status.front], goals, history.reference, history.floor
        ),
        examples=noise.examples,
        steps=means,
        first_steps=list(history.steps),
        facts=store.facts(),
        **_settings(config),
    )


def not_begun(folder: Path, config: Config) -> Overview:
    """The overview of a campaign in `folder` that has no archive yet."""
    state = "running" if is_locked(folder) else "new"
    status = Status(config.campaign.name, state, config.budget.evaluations)
    return Overview(
        status,
        **_settings(config),
        reference={},
        hypervolume=0.0,
        examples=0,
        steps=(),
        first_steps=(),
        facts={},
    )


def _settings(config: Config) -> dict[str, Any]:
    return {
        "task": config.campaign.task,
        "seed": config.campaign.seed,
        "profile": config.campaign.profile,
        "recipe": config.evaluation.recipe,
        "objectives": tuple(goal.name for goal in objectives(config.selection)),
        "region": config.selection.region,
        "scalar": config.rounds is not None or config.selection.method == "scalar",
    }


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
