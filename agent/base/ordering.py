"""Whose turn it is to write to the archive: anybody's in a search, the recorded order in a replay."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from evoarch.agent.base.errors import UserError
from evoarch.agent.search.scheduler import Span
from evoarch.agent.search.selection import Steering

Step = tuple[str, int]
"""(kind, id): `drawn` with the batch; `admitted`, `sound`, `settled` or a rung's name with the candidate."""


class Turns(Protocol):
    """Every write that a later choice may depend on waits for its turn, and says when it is done."""

    @property
    def recorded(self) -> bool:
        """Whether the order is given; then `next` names the next step, None at the end."""
        ...

    def next(self) -> Step | None: ...

    def span(self, batch: int) -> Span:
        """The recorded span of a drawn batch."""
        ...

    def steering(self, batch: int) -> Steering:
        """What a person had said when the batch was drawn."""
        ...

    def ends(self, candidate: int) -> bool:
        """Whether the candidate will come to an outcome; a run that was killed leaves some without."""
        ...

    def measured(self, candidate: int, part: int) -> Mapping[str, float]:
        """What the machine showed in a part (from 0) of the candidate's recorded training, or nothing."""
        ...

    def passed(self, candidate: int) -> bool:
        """Whether vetting found nothing in it when it was recorded: rules may have been added since."""
        ...

    async def wait(self, step: Step) -> None: ...

    def done(self, step: Step) -> None: ...

    def watch(self, moved: Callable[[], None]) -> None:
        """`moved` is called after each step that was done."""
        ...


class FreeTurns:
    """A search: first come, first served."""

    recorded = False

    def next(self) -> Step | None:
        return None

    def span(self, batch: int) -> Span:
        raise LookupError(batch)

    def steering(self, batch: int) -> Steering:
        raise LookupError(batch)

    def ends(self, candidate: int) -> bool:
        return True

    def passed(self, candidate: int) -> bool:
        return False

    def measured(self, candidate: int, part: int) -> Mapping[str, float]:
        return {}

    async def wait(self, step: Step) -> None:
        return

    def done(self, step: Step) -> None:
        return

    def watch(self, moved: Callable[[], None]) -> None:
        return


class RecordedTurns:
    """A replay: each write waits until all that came before it in the recorded run are done.

    `unfinished` candidates were let in and have no outcome in the record: they wait until the replay ends.
    `rejected` ones were not let in.
    `measures`: by candidate, what the machine showed in each part of its training.
    """

    recorded = True

    def __init__(
        self,
        steps: Sequence[Step],
        spans: Mapping[int, Span],
        steerings: Mapping[int, Steering],
        unfinished: Collection[int] = (),
        measures: Mapping[int, Sequence[Mapping[str, float]]] | None = None,
        rejected: Collection[int] = (),
    ) -> None:
        self._left = deque(steps)
        self._known = set(steps)
        self._spans = spans
        self._steerings = steerings
        self._unfinished = unfinished
        self._rejected = rejected
        self._measures = measures or {}
        self._moved = asyncio.Event()
        self._watcher: Callable[[], None] = lambda: None

    def next(self) -> Step | None:
        return self._left[0] if self._left else None

    def span(self, batch: int) -> Span:
        return self._spans[batch]

    def steering(self, batch: int) -> Steering:
        return self._steerings[batch]

    def ends(self, candidate: int) -> bool:
        return candidate not in self._unfinished

    def passed(self, candidate: int) -> bool:
        return candidate not in self._rejected

    def measured(self, candidate: int, part: int) -> Mapping[str, float]:
        parts = self._measures.get(candidate, ())
        return parts[part] if part < len(parts) else {}

    async def wait(self, step: Step) -> None:
        if step not in self._known and not self.ends(step[1]):
            await asyncio.Event().wait()
        if step not in self._known:
            raise UserError(f"replay: the recorded run has no step {step[0]!r} for {step[1]}", code=1)
        while self.next() != step:
            await self._moved.wait()

    def done(self, step: Step) -> None:
        if self.next() == step:
            self._left.popleft()
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
            self._watcher()

    def watch(self, moved: Callable[[], None]) -> None:
        self._watcher = moved
