"""What each page shows, read from the archive anew for every request."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evoarch.agent.analysis.overview import Overview, new_history, read_overview
from evoarch.agent.analysis.sections import Fact, sections
from evoarch.agent.analysis.verdict import judge
from evoarch.agent.base.formatting import cell, finalised
from evoarch.agent.config.load import Config
from evoarch.agent.config.recorded import settings_of
from evoarch.agent.evaluation.vetting import found_about
from evoarch.agent.report.diff import compare
from evoarch.agent.report.figures import charts, curve_figure
from evoarch.agent.report.highlight import highlight
from evoarch.agent.report.lineage import MOST, draw_tree, lay_out
from evoarch.agent.report.svg import draw
from evoarch.agent.statistics.front import run_state
from evoarch.agent.statistics.noise import read_noise
from evoarch.archive.browse import ORDERS, Filter
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Candidate, Failed, State
from evoarch.archive.store import Store, open_archive

PAGE = 50
"""Candidates on one page of the list."""
MOST_COUNTED = 1000
"""A list says `more than` this many instead of counting on."""


class Missing(Exception):  # noqa: N818 - it reads as what it says
    """There is no such candidate or page."""


PATIENCE = 5.0
"""An overview is computed anew at most after so many times what computing it took."""


@dataclass(frozen=True)
class Seen:
    """The overview as of event `last`; `cost` seconds to compute, done `at` (monotonic)."""

    last: int
    overview: Overview
    charts: tuple[tuple[str, Markup], ...]
    at: float
    cost: float


def candidate_link(identity: int) -> str:
    """The address of a candidate's page."""
    return f"/candidates/{identity}"


class Pages:
    """Renders the pages of one campaign. Safe to call from many threads."""

    def __init__(self, folder: Path, token: str) -> None:
        self._folder = folder
        self._token = token
        self._lock = threading.Lock()
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader("evoarch.agent.web"), PackageLoader("evoarch.agent.report")]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=finalised,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"cell": cell, "when": _when}
        self._name = self._config().campaign.name
        with self._open() as store, store.snapshot():
            self._history = new_history(store, self._config())
            self._seen = self._look(store)

    def _open(self) -> Store:
        return open_archive(self._folder, write=False)

    def _config(self) -> Config:
        return settings_of(self._folder).config

    def _render(self, template: str, store: Store | None, **context: object) -> str:
        last = store.last_event() if store else None
        shared = {"token": self._token, "name": self._name, "last": last.id if last else 0}
        return self._environment.get_template(template).render({**shared, **context})

    def problem(self, message: str) -> str:
        """Reads neither the archive nor the configuration: either may be the problem."""
        return self._render("problem.html.j2", None, message=message)

    def events(self) -> Mapping[str, object]:
        """The newest event's id: a page that has seen less is out of date."""
        with self._open() as store:
            last = store.last_event()
            return {"last": last.id if last else 0}

    def _look(self, store: Store) -> Seen:
        """Everything that the overview shows, computed from the archive."""
        began = time.monotonic()
        if not self._history.steps:
            # The reference point follows from the seeds' scores, which may have come since the start.
            self._history = new_history(store, self._config())
        overview = read_overview(store, self._config(), self._history)
        points = store.browse.points(overview.plotted)
        drawn = tuple((chart.title, draw(chart, candidate_link)) for chart in charts(overview, points))
        last = store.last_event()
        ended = time.monotonic()
        return Seen(last.id if last else 0, overview, drawn, ended, ended - began)

    def _overview(self, store: Store) -> Seen:
        """The overview as of now, or of a moment ago where the archive is large and grows."""
        last = store.last_event()
        with self._lock:
            seen = self._seen
            fresh = last is None or seen.last >= last.id
            if not fresh and time.monotonic() - seen.at >= PATIENCE * seen.cost:
                self._seen = seen = self._look(store)
            # Whether a run is going on stands in no event.
            state, reason = run_state(store)
            status = replace(seen.overview.status, state=state, reason=reason)
            return replace(seen, overview=replace(seen.overview, status=status))

    def overview(self) -> str:
        """The first page: the overview's sections and charts."""
        with self._open() as store, store.snapshot():
            seen = self._overview(store)
            parts = sections(seen.overview)
            return self._render(
                "overview.html.j2",
                None,
                last=seen.last,
                status=seen.overview.status,
                summary=parts[:2],
                details=parts[2:],
                charts=seen.charts,
                show=_shown_fact,
            )

    def candidates(self, query: Mapping[str, str]) -> str:
        """A page of the list; `query` filters and sorts it, and what it does not know counts as not said."""
        chosen, order, descending, page = _read_query(query)
        with self._open() as store, store.snapshot():
            found = store.browse.page(
                chosen,
                order_by=order,
                descending=descending,
                limit=PAGE + 1,
                offset=(page - 1) * PAGE,
            )
            shown = found[:PAGE]
            noise = read_noise(store)
            intervals = {c.id: noise.interval(c.metrics.get("error"), c.seeds) for c in shown}

            def url(**changes: object) -> str:
                given = {
                    **{key: getattr(chosen, key) for key in ("state", "operator", "text", "judged")},
                    "sort": order,
                    "way": "down" if descending else "up",
                    **changes,
                }
                return "?" + urlencode({key: value for key, value in given.items() if value})

            return self._render(
                "candidates.html.j2",
                store,
                chosen=chosen,
                order=order,
                descending=descending,
                page=page,
                more=len(found) > PAGE,
                total=None if chosen.text else store.browse.count(chosen, most=MOST_COUNTED + 1),
                most=MOST_COUNTED,
                candidates=shown,
                intervals=intervals,
                costs=store.browse.costs([c.id for c in shown]),
                states=[str(state) for state in State],
                operators=store.browse.operators(),
                vetoed=store.verdicts.vetoed(),
                pinned=store.verdicts.pinned(),
                url=url,
            )

    def find(self, store: Store, identity: int) -> Candidate:
        """Raises Missing."""
        try:
            return store.candidate(identity)
        except ArchiveError:
            raise Missing(f"no candidate {identity}; there are 1 to {store.browse.last_id()}") from None

    def candidate(self, identity: int) -> str:
        """All about one candidate. Raises Missing."""
        with self._open() as store, store.snapshot():
            candidate = self.find(store, identity)
            config = self._config()
            evaluations = store.evaluations(identity)
            elites = store.browse.some(self._overview(store).overview.status.elites)
            noise = read_noise(store)
            root = store.browse.root(identity)
            bases = dict.fromkeys([*candidate.parents, *([root] if root != identity else [])])
            proposal = store.browse.proposal_of(identity)
            change, text = store.change(identity)
            standing = (
                "veto"
                if identity in store.verdicts.vetoed()
                else "pin"
                if identity in store.verdicts.pinned()
                else ""
            )
            return self._render(
                "candidate.html.j2",
                store,
                candidate=candidate,
                interval=noise.interval(candidate.metrics.get("error"), candidate.seeds),
                examples=noise.examples,
                judgement=judge(store, config, candidate, elites, noise),
                source=highlight(candidate.source),
                diffs=[
                    (base, base == root, compare(store.candidate(base).source, candidate.source))
                    for base in bases
                ],
                evaluations=[
                    (
                        e,
                        e.outcome if isinstance(e.outcome, Failed) else None,
                        draw(chart) if chart else Markup(""),
                    )
                    for e in evaluations
                    for chart in [curve_figure(e)]
                ],
                layers=next((e.detail["layers"] for e in evaluations if "layers" in e.detail), ()),
                proposal=proposal,
                calls=store.calls.all(batch=proposal.batch) if proposal else [],
                change=change,
                reply=text,
                findings=found_about(store, identity) if candidate.state is State.REJECTED else [],
                children=store.children(identity),
                cost=store.browse.costs([identity])[identity],
                verdicts=store.verdicts.all(identity),
                standing=standing,
                on_front=identity in {elite.id for elite in elites},
            )

    def lineage(self, identity: int | None) -> str:
        """The family of one candidate, or of the front for None. Raises Missing."""
        with self._open() as store, store.snapshot():
            if identity is None:
                marked = frozenset(self._overview(store).overview.status.elites)
                family = store.browse.ancestors(sorted(marked), most=MOST)
            else:
                self.find(store, identity)
                marked = frozenset([identity])
                above = store.browse.ancestors([identity], most=MOST // 2)
                known = {c.id for c in above}
                below = [c for c in store.browse.descendants(identity, most=MOST // 2) if c.id not in known]
                family = [*above, *below]
            tree = draw_tree(lay_out(family), candidate_link, marked)
            return self._render(
                "lineage.html.j2", store, tree=tree, identity=identity, shown=len(family), most=MOST
            )

    def queue(self) -> str:
        """The candidates that wait for a person's verdict."""
        with self._open() as store, store.snapshot():
            waiting = store.browse.page(Filter(state=State.AWAITING_REVIEW), limit=PAGE)
            decided = store.verdicts.approved() | store.verdicts.vetoed()
            return self._render("queue.html.j2", store, waiting=[c for c in waiting if c.id not in decided])


def _read_query(query: Mapping[str, str]) -> tuple[Filter, str, bool, int]:
    """Anything that a list does not know counts as not said."""
    state = query.get("state", "")
    judged = query.get("judged", "")
    order = query.get("sort", "id")
    page = query.get("page", "1")
    chosen = Filter(
        state=state if state in set(State) else "",
        operator=query.get("operator", ""),
        text=query.get("text", "")[:200],
        judged=judged if judged in ("approve", "veto", "pin", "note") else "",
    )
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 8 else 1
    return chosen, order if order in ORDERS else "id", query.get("way") == "down", max(1, number)


def _shown_fact(fact: Fact) -> Markup:
    """A fact of a section: a candidate is a link."""
    if fact.candidate is not None:
        return Markup('<a href="{}">{}</a>').format(candidate_link(fact.candidate), fact.text)
    return Markup('<strong class="unsafe">{}</strong>' if fact.warning else "{}").format(fact.text)


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
