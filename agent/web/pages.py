"""What each page shows, read from the archive anew for every request; its overview is of a moment ago."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evoarch.agent.analysis.descent import descent
from evoarch.agent.analysis.failures import STEPS, failure_reasons, flows
from evoarch.agent.analysis.families import family_of
from evoarch.agent.analysis.population import narrowed, read_population, traits_of
from evoarch.agent.analysis.sections import Fact, sections
from evoarch.agent.analysis.side_by_side import MOST as MOST_COMPARED
from evoarch.agent.analysis.status import Status
from evoarch.agent.analysis.under_way import in_words, under_way
from evoarch.agent.base.formatting import cell, command, finalised
from evoarch.agent.config.load import Config
from evoarch.agent.config.recorded import settings_of
from evoarch.agent.report.curves import lines_as_json
from evoarch.agent.report.figures import curves_figure, curves_together, front_figure
from evoarch.agent.report.lineage import MOST, draw_tree, lay_out
from evoarch.agent.report.spreadsheet import as_csv
from evoarch.agent.report.svg import draw
from evoarch.agent.statistics.front import run_state
from evoarch.agent.statistics.noise import read_noise
from evoarch.agent.surrogate.labels import shares_of
from evoarch.agent.web.candidate import candidate_view
from evoarch.agent.web.comparing import comparison_view, read_ids
from evoarch.agent.web.current import CurrentOverview
from evoarch.agent.web.listing import ListQuery, listing, page_number, read_query
from evoarch.agent.web.waiting import UNDECIDED, among, queue_view
from evoarch.archive.errors import ArchiveError
from evoarch.archive.filters import FilterError
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store, open_archive


class Missing(Exception):  # noqa: N818 - it reads as what it says
    """There is no such candidate or page."""


MOST_LINES = 2000
"""Candidates that parallel coordinates draw."""

REASONS = 100
"""Kinds of reasons that the page of failures shows."""


class Pages:
    """Renders the pages of one campaign. Safe to call from many threads."""

    def __init__(self, folder: Path, token: str, root: str = "") -> None:
        """`root`: what stands before the paths of all its addresses, "" or one that begins with a slash."""
        self._folder = folder
        self._token = token
        self._root = root
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader("evoarch.agent.web"), PackageLoader("evoarch.agent.report")]),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=finalised,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"cell": cell, "when": _when}
        self._environment.globals |= {"root": root, "command": command, "folder": folder}
        self._name = self._config().campaign.name
        self._current = CurrentOverview(folder, self._config, self._link)

    def _open(self) -> Store:
        return open_archive(self._folder, write=False)

    def _config(self) -> Config:
        return settings_of(self._folder).config

    def _link(self, identity: int) -> str:
        """The address of a candidate's page."""
        return f"{self._root}/candidates/{identity}"

    def _fact(self, fact: Fact) -> Markup:
        """A fact of a section: a candidate is a link."""
        if fact.candidate is not None:
            return Markup('<a href="{}">{}</a>').format(self._link(fact.candidate), fact.text)
        return Markup('<strong class="unsafe">{}</strong>' if fact.warning else "{}").format(fact.text)

    def _render(self, template: str, store: Store | None, **context: object) -> str:
        last = store.last_event() if store else None
        waiting = store.browse.count(UNDECIDED) if store else 0
        shared = {
            "undecided": waiting,
            "token": self._token,
            "name": self._name,
            "last": last.id if last else 0,
        }
        return self._environment.get_template(template).render({**shared, **context})

    def problem(self, message: str) -> str:
        """Reads neither the archive nor the configuration: either may be the problem."""
        return self._render("problem.html.j2", None, message=message)

    def events(self) -> Mapping[str, object]:
        """The newest event's id: a page that has seen less is out of date."""
        with self._open() as store:
            last = store.last_event()
            return {"last": last.id if last else 0}

    def overview(self, query: Mapping[str, str]) -> str:
        """The first page: the overview's sections and charts. Of the front `query` may name the metrics `x`
        and `y`, and the `axis` of y, "log" or "linear"; what is not known counts as not said.
        """
        with self._open() as store, store.snapshot():
            seen = self._current.soon(store)
            if seen is None:
                return self._first(store)
            parts = sections(seen.overview)
            known = store.browse.metrics()
            y_name, x_name = (
                query[key] if query.get(key) in known else usual
                for key, usual in zip("yx", seen.overview.plotted, strict=True)
            )
            front, *others = seen.charts
            if {"x", "y", "axis"} & query.keys():
                points = store.browse.points((y_name, x_name))
                log = {"log": True, "linear": False}.get(query.get("axis", ""))
                chart = front_figure(seen.overview, points, log=log, plotted=(y_name, x_name))
                front = chart, draw(chart, self._link)
            return self._render(
                "overview.html.j2",
                store,
                last=seen.last,
                status=seen.overview.status,
                summary=parts[:2],
                details=parts[2:],
                charts=[front, *others],
                metrics=known,
                plotted=(x_name, y_name),
                now=in_words(seen.overview.status),
                training=under_way(store) if seen.overview.status.state == "running" else [],
                slots=store.last_event_detail("run").get("workers", 1),
                show=self._fact,
            )

    def _first(self, store: Store) -> str:
        """The first page of a large archive until its numbers are added up; it then follows by itself."""
        config, (state, reason) = self._config(), run_state(store)
        spent = store.totals.entered_training()
        status = Status(self._name, state, config.budget.evaluations, reason, evaluations=spent)
        words = f"{store.browse.last_id():,} candidates are being read; the numbers follow in a moment."
        empty: dict[str, list[object]] = {"summary": [], "details": [], "charts": [], "training": []}
        return self._render("overview.html.j2", store, last=0, status=status, now=[words], **empty)

    def population(self) -> bytes:
        """Every scored candidate as JSON columns with the edges of the tree (`read_population`,
        `read_tree`).
        """
        with self._open() as store, store.snapshot():
            return self._current.whole(store).population

    def tree(self) -> str:
        """The whole population as a tree, and the way to the lowest of each objective."""
        with self._open() as store, store.snapshot():
            status = self._current.whole(store).overview.status
            noise = read_noise(store)
            bests = {name: store.candidate(best.id) for name, best in status.bests.items()}
            paths = [
                (name, best, descent(store, best, noise)) for name, best in bests.items() if best.parents
            ]
            once = {best.id: (name, best, steps) for name, best, steps in reversed(paths)}
            return self._render("tree.html.j2", store, paths=list(once.values())[::-1])

    def parallel(self, query: Mapping[str, str]) -> str:
        """Parallel coordinates of the scored candidates that fit the filter `q`."""
        with self._open() as store, store.snapshot():
            asked, first = self._asked(store, {"q": query.get("q", "")})
            total = store.browse.count(replace(asked.chosen, state="scored"))
            return self._render(
                "parallel.html.j2", store, asked=asked, total=total, most=MOST_LINES, first=first[0]
            )

    def parallel_data(self, query: Mapping[str, str]) -> Mapping[str, object]:
        """What they are drawn from: at most MOST_LINES of the population, with traits."""
        with self._open() as store, store.snapshot():
            overview = self._current.whole(store).overview
            asked, _ = self._asked(store, {"q": query.get("q", "")})
            whole = read_population(store, overview, self._current.entered, asked.chosen)
            found = narrowed(whole, MOST_LINES)
            return {**found, "traits": traits_of(store, found["id"])}

    def curves(self, texts: Sequence[str]) -> Mapping[str, object]:
        """The training losses of candidates as lines; of one, with its parent's. Raises Missing."""
        with self._open() as store, store.snapshot():
            found = [self.find(store, identity) for identity in read_ids(texts)]
            shares = shares_of(self._config().evaluation.rungs)
            groups = [store.evaluations(candidate.id) for candidate in found]
            if len(found) == 1:
                parent = store.evaluations(found[0].parents[0]) if found[0].parents else []
                chart = curves_figure(groups[0], shares, parent)
            else:
                chart = curves_together(groups, shares)
            if chart is None:
                raise Missing("none of these has told of its training")
            return lines_as_json(chart)

    def candidates(self, query: Mapping[str, str]) -> str:
        """A page of the list; `query` filters and sorts it, and what it does not know counts as not said."""
        with self._open() as store, store.snapshot():
            return self._render("candidates.html.j2", store, **listing(store, *self._asked(store, query)))

    def candidates_csv(self, query: Mapping[str, str]) -> str:
        """All that a page of the list is a part of, as CSV. Raises FilterError."""
        with self._open() as store, store.snapshot():
            asked, _ = self._asked(store, query)
            if asked.problem:
                raise FilterError(asked.problem)
            return as_csv(store, asked.chosen, asked.order, descending=asked.descending)

    def _asked(self, store: Store, query: Mapping[str, str]) -> tuple[ListQuery, Sequence[str]]:
        """What a list is asked for, and the metrics that it shows first: those that the campaign
        minimises.
        """
        return read_query(store, query, lambda: self._current.elites(store)), self._current.metrics

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
            elites = store.browse.some(self._current.elites(store))
            return self._render(
                "candidate.html.j2", store, **candidate_view(store, self._config(), candidate, elites)
            )

    def _ranked(self, store: Store) -> list[int]:
        """The front, the best first: by the first objective."""
        name, found = self._current.metrics[0], store.browse.some(self._current.elites(store))
        return [each.id for each in sorted(found, key=lambda each: (each.metrics[name], each.id))]

    def lineage(self, identity: int | None) -> str:
        """The family of one candidate, or of the front for None. Raises Missing."""
        with self._open() as store, store.snapshot():
            elites = self._ranked(store)
            if identity is not None:
                self.find(store, identity)
            family = family_of(store, identity, elites, most=MOST)
            marked = frozenset(elites if identity is None else [identity])
            tree = draw_tree(lay_out(family.members), self._link, marked)
            return self._render(
                "lineage.html.j2", store, tree=tree, identity=identity, family=family, elites=elites
            )

    def compare(self, texts: Sequence[str]) -> str:
        """A few candidates beside each other; `texts`: their numbers, between commas. Raises Missing."""
        ids = read_ids(texts)
        with self._open() as store, store.snapshot():
            candidates = [self.find(store, identity) for identity in ids]
            shown = (
                comparison_view(store, self._config(), candidates)
                if len(ids) > 1
                else {"found": None, "most": MOST_COMPARED}
            )
            return self._render("compare.html.j2", store, ids=ids, **shown)

    def failures(self, where: str) -> str:
        """Where children are lost, and why; `where`: of which candidates. Raises FilterError."""
        with self._open() as store, store.snapshot():
            asked, _ = self._asked(store, {"q": where})
            reasons = failure_reasons(store, asked.chosen)
            return self._render(
                "failures.html.j2",
                store,
                asked=asked,
                steps=STEPS,
                flows=flows(store, asked.chosen),
                reasons=reasons[:REASONS],
                kinds=len(reasons),
                failed=sum(reason.count for reason in reasons),
            )

    def queue(self, query: Mapping[str, str]) -> str:
        """Who waits for a person's verdict: a page of them that fits the filter `q`, and the card of one."""
        with self._open() as store, store.snapshot():
            elites = store.browse.some(self._current.elites(store))
            asked, _ = self._asked(store, {"q": query.get("q", "")})
            at = query.get("at", "")
            shown = queue_view(
                store,
                self._config(),
                elites,
                page=page_number(query.get("page", "1")),
                at=page_number(at) if at else None,
                terms=asked.chosen.terms,
            )
            last = page_number(query["undo"]) if query.get("undo") else None
            return self._render("queue.html.j2", store, asked=asked, undo=last, **shown)

    def waiting(self, store: Store, where: str) -> list[int]:
        """The ids of all that wait and fit the filter `where`. Raises FilterError."""
        asked, _ = self._asked(store, {"q": where})
        if asked.problem:
            raise FilterError(asked.problem)
        return [c.id for c in store.browse.page(among(asked.chosen.terms), limit=-1)]


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
