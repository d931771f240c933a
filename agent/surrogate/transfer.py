"""Labels of other campaigns: read from their archives, and used while they help."""

from __future__ import annotations

import glob
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.measuring import RungTable
from evoarch.agent.statistics.correlation import rank_correlation
from evoarch.agent.surrogate.features import SIZES, features
from evoarch.agent.surrogate.forest import Row, fit
from evoarch.agent.surrogate.labels import Labelled, shares_of, traces_of
from evoarch.archive.errors import ArchiveError
from evoarch.archive.schema import FILE
from evoarch.archive.store import Store, open_archive
from evoarch.evaluators.trace import Trace, Tracer

OWN_WEIGHT = 4.0
"""What a row of the campaign itself counts, where one of another campaign counts 1."""

MOST_TRACED = 4000
"""Models of other campaigns that are built anew because their archive holds no trace of them: the newest."""


async def foreign_labels(folder: Path, archives: Sequence[str], seed: int, tracer: Tracer) -> list[Labelled]:
    """The labels of the campaigns in `archives`: archive.db or its folder, or a pattern of such, relative to
    `folder`. Of what a pattern finds, a campaign of this one's own `seed` is left out: its labels are of the
    same validation examples.

    Archives are only read. Models without a trace are built by `tracer`, as this campaign's task calls them;
    those that do not fit it are left out. Raises UserError for what is no archive.
    """
    found: list[Labelled] = []
    for place, named in _places(folder, archives):
        try:
            with open_archive(place, write=False) as store:
                if named or store.facts().get("seed") != seed:
                    found += await _labelled(store, tracer)
        except ArchiveError as error:
            raise UserError(f"surrogate.archives: {error}") from None
    return found


def _places(folder: Path, archives: Sequence[str]) -> list[tuple[Path, bool]]:
    """Folders of archives, each with whether it was named outright. Raises UserError where there is none."""
    found = []
    for name in archives:
        paths = sorted(Path(each) for each in glob.glob(str(folder / name)))
        if not paths:
            raise UserError(f"surrogate.archives: expected an archive.db or its folder, got no {name!r}")
        found += [
            (path.parent if path.name == FILE else path, str(path) == str(folder / name)) for path in paths
        ]
    return found


async def _labelled(store: Store, tracer: Tracer) -> list[Labelled]:
    shares = _shares(store)
    labels = [label for label in store.labels.after(0) if label.rung in shares]
    candidates = list(dict.fromkeys(label.candidate for label in labels))
    traces = traces_of(store, candidates)
    missing = [each for each in candidates if each not in traces][-MOST_TRACED:]
    if missing:
        outcome = await tracer.traces([store.candidate(each).source for each in missing])
        traces |= {
            each: trace
            for each, trace in zip(missing, outcome.results, strict=True)
            if isinstance(trace, Trace)
        }
    known = {candidate: features(trace) for candidate, trace in traces.items()}
    return [
        Labelled(label, known[label.candidate], shares[label.rung])
        for label in labels
        if label.candidate in known
    ]


def _shares(store: Store) -> dict[str, float]:
    """The rungs of a campaign, as its last run was configured."""
    config = store.last_event_detail("session").get("config")
    evaluation = config.get("evaluation", {}) if isinstance(config, dict) else {}
    rungs = evaluation.get("rungs", []) if isinstance(evaluation, dict) else []
    return shares_of([RungTable.model_validate(rung) for rung in rungs])


def helps(own: Sequence[Row], foreign: Sequence[Row], seed: int) -> bool:
    """Whether labels of other campaigns rank a campaign's first candidates better than a size alone does.

    Compared on the share of training that most of `own` speak of, by Spearman's rank correlation.
    """
    shares = [row.share for row in own]
    judged = [row for row in own if row.share == max(set(shares), key=lambda s: (shares.count(s), -s))]
    if len(judged) < 4 or not foreign:
        return False
    values = [row.value for row in judged]
    guesses = fit(foreign, seed).guesses([row.features for row in judged], judged[0].share)
    # Of models that are larger a smaller error is expected.
    alone = [[-_size(row, place) for row in judged] for place in range(SIZES - 1)]

    def rank(scores: Sequence[float]) -> float:
        if len(set(scores)) < 2 or len(set(values)) < 2:
            return 0.0
        return rank_correlation(scores, values)

    return rank(np.log(guesses).mean(axis=1).tolist()) > max(rank(scores) for scores in alone)


def _size(row: Row, place: int) -> float:
    size = row.features[place]
    return 0.0 if math.isnan(size) else size
