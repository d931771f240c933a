"""The queue: one candidate that waits for a person at a time, with what a decision needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evoarch.agent.config.load import Config
from evoarch.agent.web.candidate import candidate_view
from evoarch.agent.web.listing import PAGE
from evoarch.archive.filters import Filter, FilterTerm
from evoarch.archive.records import Candidate, State
from evoarch.archive.store import Store

UNDECIDED = Filter(state=State.AWAITING_REVIEW, judged="none")
"""Who waits for a person's verdict."""


def queue_view(
    store: Store,
    config: Config,
    elites: Sequence[Candidate],
    *,
    page: int,
    at: int | None,
    terms: tuple[FilterTerm, ...] = (),
) -> dict[str, object]:
    """A page of those that wait and fit `terms`, from 1, and the card of candidate `at`, or of the first on
    the page.

    `at` may have been decided meanwhile: the card is then of the next one that waits.
    """
    undecided = among(terms)
    total = store.browse.count(undecided)
    if at is not None:
        before = store.browse.count(_beside(terms, "<", at))
        page = min(before, total - 1) // PAGE + 1 if total else 1
    found = store.browse.page(undecided, limit=PAGE, offset=(page - 1) * PAGE)
    chosen = next((c for c in found if at is None or c.id >= at), found[-1] if found else None)
    shown: dict[str, object] = {"card": None}
    if chosen is not None:
        later = store.browse.page(_beside(terms, ">", chosen.id), limit=1)
        earlier = store.browse.page(_beside(terms, "<", chosen.id), descending=True, limit=1)
        shown = {
            "card": candidate_view(store, config, store.candidate(chosen.id), elites),
            "place": store.browse.count(_beside(terms, "<", chosen.id)) + 1,
            "next": later[0].id if later else None,
            "previous": earlier[0].id if earlier else None,
            "parents": store.browse.some(chosen.parents),
            "seconds": store.totals.mean_seconds(),
        }
    others = [c for c in found if chosen is None or c.id != chosen.id]
    return {**shown, "waiting": others, "shown": len(found), "total": total, "page": page, "size": PAGE}


def among(terms: tuple[FilterTerm, ...]) -> Filter:
    """Who waits for a person's verdict and fits."""
    return replace(UNDECIDED, terms=terms)


def _beside(terms: tuple[FilterTerm, ...], relation: str, identity: int) -> Filter:
    return among((*terms, FilterTerm("id", relation, (identity,))))
