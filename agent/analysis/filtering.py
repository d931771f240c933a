"""What a list is asked for in words, as the archive takes it."""

from __future__ import annotations

from evoarch.agent.base.errors import UserError, nearest
from evoarch.archive.filters import Filter, FilterError, check_metrics, parse
from evoarch.archive.records import State
from evoarch.archive.store import Store

ORDERS = {"id": "id", "depth": "generation", "generation": "generation", "cpu": "cpu_seconds"}
"""What `--sort` calls what the archive sorts by, metrics apart."""


def chosen_by(
    store: Store, where: str, state: str, operator: str, text: str, front: frozenset[int]
) -> Filter:
    """The filter that arguments mean. Raises UserError for what nothing here has, with the nearest known
    word.
    """
    if state and state not in set(State):
        raise UserError(f"--state {state}: unknown state; {nearest(state, [str(s) for s in State])}")
    if operator and operator not in (known := store.browse.operators()):
        raise UserError(f"--operator {operator}: made no candidate here; {nearest(operator, known)}")
    try:
        terms = parse(where)
        check_metrics(terms, store.browse.metrics())
    except FilterError as error:
        raise UserError(f"filter: {error}") from None
    return Filter(state=state, operator=operator, text=text, terms=terms, front=front)


def order_of(store: Store, sort: str) -> str:
    """What the archive sorts by. Raises UserError for what no candidate has."""
    known = store.browse.metrics()
    if sort not in ORDERS and sort not in known:
        raise UserError(f"--sort {sort}: nothing here has that; {nearest(sort, [*ORDERS, *known])}")
    return ORDERS.get(sort, sort)
