"""Whose turn it is to write to the archive: anybody's in a search, the recorded order in a replay."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evoarch.agent.base.errors import UserError

Step = tuple[str, int]
"""(kind, id): `drawn` with the batch; `admitted`, `sound`, `settled` or a rung's name with the candidate."""


class EventOrder(Protocol):
    """Every write that a later choice may depend on waits for its turn, and says when it is done."""

    @property
    def recorded(self) -> bool:
        """Whether the order is given; then `next` names the next step, None at the end."""
        ...

    def next(self) -> Step | None: ...

    def span(self, batch: int) -> SlotSpan:
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


class FreeOrder:
    """A search: first come, first served."""

    recorded = False

    def next(self) -> Step | None:
        return None

    def span(self, batch: int) -> SlotSpan:
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


class RecordedOrder:
    """A replay: each write waits until all that came before it in the recorded run are done.

    `unfinished` candidates were let in and have no outcome in the record: they wait until the replay ends.
    `rejected` ones were not let in.
    `measures`: by candidate, what the machine showed in each part of its training.
    """

    recorded = True

    def __init__(
        self,
        steps: Sequence[Step],
        spans: Mapping[int, SlotSpan],
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

    def span(self, batch: int) -> SlotSpan:
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


@dataclass(frozen=True)
class SlotSpan:
    """`count` slots from `slot` that one call of one operator (an index into the shares) fills."""

    slot: int
    count: int
    operator: int


@dataclass(frozen=True)
class Steering:
    """What a person said, as of a draw: `vetoed` are never parents, `pinned` always may be, `notes` stand
    under a parent's metrics in prompts.
    """

    vetoed: frozenset[int] = frozenset()
    pinned: frozenset[int] = frozenset()
    notes: Mapping[int, str] = field(default_factory=dict)

    def as_json(self, parents: Sequence[int] = ()) -> dict[str, object]:
        """Nothing where nobody said anything, so that a campaign nobody steers is the same as ever.

        Of the notes those on `parents`, since no others can matter to the proposal.
        """
        said = {"vetoed": self.vetoed, "pinned": self.pinned}
        notes = {str(parent): self.notes[parent] for parent in parents if parent in self.notes}
        return {word: sorted(ids) for word, ids in said.items() if ids} | ({"notes": notes} if notes else {})

    @classmethod
    def from_json(cls, context: Mapping[str, object]) -> Steering:
        """Read back from a proposal's context."""
        vetoed, pinned = (context.get(word, ()) for word in ("vetoed", "pinned"))
        assert isinstance(vetoed, Sequence)
        assert isinstance(pinned, Sequence)
        return cls(frozenset(vetoed), frozenset(pinned), notes_in(context))


NOBODY = Steering()
"""Nobody said anything."""


def notes_in(context: Mapping[str, object]) -> dict[int, str]:
    """The notes on parents that a proposal's context holds."""
    notes = context.get("notes", {})
    assert isinstance(notes, Mapping)
    return {int(parent): str(note) for parent, note in notes.items()}
