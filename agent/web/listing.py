"""The list of candidates: what an address asks for, and what its page shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from evoarch.agent.statistics.noise import read_noise
from evoarch.archive.browse import ORDERS
from evoarch.archive.filters import WORDS, Filter, FilterError, check_metrics, parse
from evoarch.archive.records import State
from evoarch.archive.store import Store

PAGE = 50
"""Candidates on one page of the list."""


@dataclass(frozen=True)
class ListQuery:
    """What a list is asked for. `where`: the filter as it was typed; `problem`: why it can't be read."""

    chosen: Filter
    where: str = ""
    problem: str = ""
    order: str = "id"
    descending: bool = False
    page: int = 1

    def url(self, **changes: object) -> str:
        """The query of an address that asks for the same but these changes."""
        given = {
            **{key: getattr(self.chosen, key) for key in ("state", "operator", "text", "judged")},
            "q": self.where,
            "sort": self.order,
            "way": "down" if self.descending else "up",
            **changes,
        }
        return "?" + urlencode({key: value for key, value in given.items() if value})


def read_query(store: Store, query: Mapping[str, str], front: Callable[[], Sequence[int]]) -> ListQuery:
    """A filter that can't be read is told; anything else that a list does not know counts as not said.
    `front`: the ids of the elites, asked for where the filter names them.
    """
    state, judged = query.get("state", ""), query.get("judged", "")
    order, where = query.get("sort", "id"), query.get("q", "")
    known = store.browse.metrics()
    problem, terms = "", parse("")
    try:
        terms = parse(where)
        check_metrics(terms, known)
    except FilterError as error:
        problem, terms = str(error), parse("")
    chosen = Filter(
        state=state if state in set(State) else "",
        operator=query.get("operator", ""),
        text=query.get("text", "")[:200],
        judged=judged if judged in ("approve", "veto", "pin", "note", "none") else "",
        terms=terms,
        front=frozenset(front() if any(term.key == "front" for term in terms) else ()),
    )
    return ListQuery(
        chosen,
        where,
        problem,
        order if order in ORDERS or order in known else "id",
        query.get("way") == "down",
        page_number(query.get("page", "1")),
    )


def page_number(text: str) -> int:
    """From 1; what is no number is the first page."""
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 8 else 1


def listing(store: Store, asked: ListQuery, first: Sequence[str]) -> dict[str, object]:
    """What the template of the list shows. `first`: metrics that stand before the others."""
    offset = (asked.page - 1) * PAGE
    shown = store.browse.page(
        asked.chosen, order_by=asked.order, descending=asked.descending, limit=PAGE, offset=offset
    )
    noise = read_noise(store)
    ids = [candidate.id for candidate in shown]
    metrics = dict.fromkeys(["error", "params", *first, *store.browse.metrics()])
    return {
        "asked": asked,
        "chosen": asked.chosen,
        "begin": offset + 1 if shown else 0,
        "end": offset + len(shown),
        "total": store.browse.count(asked.chosen),
        "candidates": shown,
        "intervals": {c.id: noise.interval(c.metrics.get("error"), c.seeds) for c in shown},
        "metrics": [name for name in metrics if name != "error"],
        "endings": store.browse.endings(ids),
        "costs": store.browse.costs(ids),
        "states": [str(state) for state in State],
        "operators": store.browse.operators(),
        "vetoed": store.verdicts.vetoed(),
        "pinned": store.verdicts.pinned(),
        "words": WORDS,
    }
