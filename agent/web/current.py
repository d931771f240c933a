"""The overview of a campaign as it was a moment ago, computed beside the requests that show it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from markupsafe import Markup

from evoarch.agent.analysis.overview import Overview, new_history, read_overview
from evoarch.agent.analysis.population import read_population, read_tree
from evoarch.agent.config.load import Config
from evoarch.agent.report.figures import charts
from evoarch.agent.report.svg import Chart, draw
from evoarch.agent.statistics.front import read_standing, run_state
from evoarch.archive.store import Store, open_archive

PATIENCE = 5.0
"""An overview is computed anew at most after so many times what computing it took."""

LARGE = 5000
"""Of more candidates the overview is not waited for: it is shown as it was meanwhile."""


@dataclass(frozen=True)
class Seen:
    """The overview as of event `last`; `cost` seconds to compute, done `at` (monotonic). `population`: every
    scored candidate as JSON columns with the edges of the tree.
    """

    last: int
    overview: Overview
    charts: Sequence[tuple[Chart, Markup]]
    population: bytes
    at: float
    cost: float


@dataclass(frozen=True)
class Coming:
    """What a thread computes: first who stands on the front, then all."""

    elites: Future[Sequence[int]] = field(default_factory=Future)
    whole: Future[Seen] = field(default_factory=Future)


class CurrentOverview:
    """What a campaign adds up to, kept until its archive moves. Safe to ask from many threads.

    Computing begins at once; one thread at a time computes.
    """

    def __init__(self, folder: Path, config: Callable[[], Config], link: Callable[[int], str]) -> None:
        """`config` reads the settings; `link`: a candidate's address. Raises ArchiveError, UserError."""
        self._folder, self._config, self._link = folder, config, link
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._coming: Coming | None = None
        with open_archive(folder, write=False) as store:
            self._history = new_history(store, config())
        with self._lock:
            self._start()

    @property
    def metrics(self) -> Sequence[str]:
        """What the campaign minimises, and the error."""
        return self._history.metrics

    @property
    def entered(self) -> Mapping[int, tuple[int, float]]:
        """By candidate, the evaluations and CPU seconds at which it was first scored."""
        return self._history.entered

    def whole(self, store: Store) -> Seen:
        """The overview as of now, or of a moment ago where the archive is large. Raises what reading the
        archive raises.
        """
        seen, coming = self._known(store)
        if coming and (seen is None or store.browse.last_id() <= LARGE):
            seen = coming.whole.result()
        assert seen is not None
        return _as_of_now(store, seen)

    def soon(self, store: Store) -> Seen | None:
        """The same, or None where a large archive has never been read yet."""
        seen, coming = self._known(store)
        if seen is None and coming and not coming.whole.done() and store.browse.last_id() > LARGE:
            return None
        return self.whole(store)

    def elites(self, store: Store) -> Sequence[int]:
        """Who stands on the front: known before all the rest is."""
        seen, coming = self._known(store)
        if seen is None and coming:
            return coming.elites.result()
        return self.whole(store).overview.status.elites

    def _known(self, store: Store) -> tuple[Seen | None, Coming | None]:
        """What is there, and what is being computed as it is out of date; one of them at least."""
        last = store.last_event()
        with self._lock:
            seen = self._seen
            fresh = seen is not None and (last is None or seen.last >= last.id)
            if seen and (fresh or time.monotonic() - seen.at < PATIENCE * seen.cost):
                return seen, None
            return seen, self._start()

    def _start(self) -> Coming:
        """With the lock held."""
        if self._coming is None:
            self._coming = Coming()
            threading.Thread(target=self._compute, args=(self._coming,), daemon=True).start()
        return self._coming

    def _compute(self, coming: Coming) -> None:
        try:
            with open_archive(self._folder, write=False) as store, store.snapshot():
                seen = self._look(store, coming)
        except Exception as error:  # noqa: BLE001 - raised again where it is asked for
            with self._lock:
                self._coming = None
            for each in (coming.elites, coming.whole):
                if not each.done():
                    each.set_exception(error)
        else:
            with self._lock:
                self._coming, self._seen = None, seen
            coming.whole.set_result(seen)

    def _look(self, store: Store, coming: Coming) -> Seen:
        began = time.monotonic()
        config = self._config()
        if not self._history.steps:
            # The reference point follows from the seeds' scores, which may have come since the start.
            self._history = new_history(store, config)
        standing = read_standing(store, config)
        coming.elites.set_result(standing.ids)
        overview = read_overview(store, config, self._history, standing=standing)
        points = store.browse.points(overview.plotted)
        drawn = [(chart, draw(chart, self._link)) for chart in charts(overview, points)]
        found = read_tree(store, read_population(store, overview, self.entered))
        last = store.last_event()
        ended = time.monotonic()
        return Seen(
            last.id if last else 0,
            overview,
            drawn,
            json.dumps(found, separators=(",", ":")).encode(),
            ended,
            ended - began,
        )


def _as_of_now(store: Store, seen: Seen) -> Seen:
    # Whether a run is going on stands in no event.
    state, reason = run_state(store)
    status = replace(seen.overview.status, state=state, reason=reason)
    return replace(seen, overview=replace(seen.overview, status=status))
