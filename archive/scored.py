"""The scored candidates in memory: after the first time only what the diary says has changed is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evoarch.archive.records import Candidate, State

if TYPE_CHECKING:
    from evoarch.archive.store import Store


class ScoredView:
    """Every candidate with metrics, by id, without sources, as `store.scored(sources=False)` has them.

    Each change of a state or a score has its event, so that a long campaign need not be read whole for each
    draw. What candidates cost is as of their last event.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: int | None = None
        self._by_id: dict[int, Candidate] = {}
        self._all: list[Candidate] = []

    def read(self) -> list[Candidate]:
        """As of now; the same list where nothing has changed. Not to be called after a write of one's own in
        a transaction that may yet be undone.
        """
        if self._last is None:
            newest = self._store.last_event()
            self._last = newest.id if newest else 0
            self._by_id = {each.id: each for each in self._store.scored(sources=False)}
        else:
            self._last, touched = self._store.touched(self._last)
            found = {each.id: each for each in self._store.browse.some(touched)}
            scored = {i: each for i, each in found.items() if each.state is State.SCORED}
            gone = self._by_id.keys() & (found.keys() - scored.keys())
            if not scored and not gone:
                return self._all
            self._by_id |= scored
            for identity in gone:
                del self._by_id[identity]
        self._all = [self._by_id[identity] for identity in sorted(self._by_id)]
        return self._all
