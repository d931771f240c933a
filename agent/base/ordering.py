"""The order of writes to the archive: as they come in a search, as they were recorded in a replay."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evoarch.agent.base.errors import UserError

Step = tuple[str, int]
"""A write that later choices depend on, as (kind, id): `drawn` with the id of the batch; `admitted`, `sound`,
`settled` or the name of a rung with the id of the candidate; `picked` with the number of the slot.
"""


class EventOrder(Protocol):
    """Whoever is about to write a step waits for its turn with `wait`, and calls `done` after it."""

    @property
    def recorded(self) -> bool:
        """Whether this is a replay, so that the order is known."""
        ...

    def next(self) -> Step | None:
        """In a replay the next recorded step, None at its end; None in a search."""
        ...

    def span(self, batch: int) -> SlotSpan:
        """In a replay, the slots that a batch was drawn for. Raises LookupError where none is recorded."""
        ...

    def steering(self, batch: int) -> Steering:
        """In a replay, what a person had said when a batch was drawn. Raises LookupError where none is
        recorded.
        """
        ...

    def pick(self, slot: int) -> Pick:
        """In a replay, what was picked for a slot. Raises LookupError where nothing is recorded."""
        ...

    def ends(self, candidate: int) -> bool:
        """Whether a candidate comes to an outcome. False in a replay of a run that was killed before that."""
        ...

    def measured(self, candidate: int, part: int) -> Mapping[str, float]:
        """What was measured on the machine (seconds, memory, latency) in a part, from 0, of the candidate's
        recorded training; {} where none is recorded, as in a search.
        """
        ...

    def accepted(self, candidate: int) -> bool:
        """Whether the original run accepted a candidate, False in a search. In a replay such candidates skip
        vetting, so that rules added later do not change it.
        """
        ...

    async def wait(self, step: Step) -> None:
        """Returns when `step` may be written. Raises UserError where the recorded run has no such step."""
        ...

    def done(self, step: Step) -> None:
        """`step` was written; the next may follow."""
        ...

    def watch(self, moved: Callable[[], None]) -> None:
        """From now on `moved` is called after each recorded step that was made again; never in a search."""
        ...


class FreeOrder:
    """The order of a search: nobody waits."""

    recorded = False

    def next(self) -> Step | None:
        """None: nothing is recorded."""
        return None

    def span(self, batch: int) -> SlotSpan:
        """Raises LookupError."""
        raise LookupError(batch)

    def steering(self, batch: int) -> Steering:
        """Raises LookupError."""
        raise LookupError(batch)

    def pick(self, slot: int) -> Pick:
        """Raises LookupError."""
        raise LookupError(slot)

    def ends(self, candidate: int) -> bool:
        """True."""
        return True

    def accepted(self, candidate: int) -> bool:
        """False: every candidate is vetted."""
        return False

    def measured(self, candidate: int, part: int) -> Mapping[str, float]:
        """{}."""
        return {}

    async def wait(self, step: Step) -> None:
        """Returns at once."""
        return

    def done(self, step: Step) -> None:
        """Does nothing."""
        return

    def watch(self, moved: Callable[[], None]) -> None:
        """Does nothing."""
        return


class RecordedOrder:
    """The order of a replay: each write waits until all that came before it in the recorded run are done.

    `steps`: the recorded run's, in order. `spans` and `steerings`: the slots of each batch and what a person
    had said, by batch. `unfinished`: candidates that the run admitted and brought to no outcome; they wait
    until the replay ends. `measures`: by candidate, what was measured on the machine in each part of its
    training. `rejected`: candidates that vetting rejected. `picks`: by slot, what was picked for it.
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
        picks: Mapping[int, Pick] | None = None,
    ) -> None:
        self._left = deque(steps)
        self._known = set(steps)
        self._spans = spans
        self._steerings = steerings
        self._unfinished = unfinished
        self._rejected = rejected
        self._measures = measures or {}
        self._picks = picks or {}
        self._moved = asyncio.Event()
        self._watcher: Callable[[], None] = lambda: None

    def next(self) -> Step | None:
        """The next recorded step, None at the end."""
        return self._left[0] if self._left else None

    def span(self, batch: int) -> SlotSpan:
        """The slots that the batch was drawn for. Raises LookupError where it is not recorded."""
        return self._spans[batch]

    def steering(self, batch: int) -> Steering:
        """What a person had said. Raises LookupError where the batch is not recorded."""
        return self._steerings[batch]

    def pick(self, slot: int) -> Pick:
        """What was picked for the slot. Raises LookupError where nothing is recorded."""
        return self._picks[slot]

    def ends(self, candidate: int) -> bool:
        """Whether the candidate came to an outcome."""
        return candidate not in self._unfinished

    def accepted(self, candidate: int) -> bool:
        """Whether vetting did not reject the candidate."""
        return candidate not in self._rejected

    def measured(self, candidate: int, part: int) -> Mapping[str, float]:
        """What was measured in a part, from 0, of its training; {} where nothing is recorded."""
        parts = self._measures.get(candidate, ())
        return parts[part] if part < len(parts) else {}

    async def wait(self, step: Step) -> None:
        """Returns when `step` is next, and never for an unfinished candidate. Raises UserError for a step
        that was not recorded.
        """
        if step not in self._known and not self.ends(step[1]):
            await asyncio.Event().wait()
        if step not in self._known:
            raise UserError(f"replay: the recorded run has no step {step[0]!r} for {step[1]}", code=1)
        while self.next() != step:
            await self._moved.wait()

    def done(self, step: Step) -> None:
        """The next step may follow; wakes those that wait."""
        if self.next() == step:
            self._left.popleft()
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
            self._watcher()

    def watch(self, moved: Callable[[], None]) -> None:
        """From now on `moved` is called after each step."""
        self._watcher = moved


@dataclass(frozen=True)
class SlotSpan:
    """`count` slots (places in the processing order) from `slot`, which one call of one operator fills.
    `operator`: its place in `[[operators]]`, from 0. `drafts`: how many children are drawn for this slot, of
    which one is picked; 0 where whoever is drawn has the slot.
    """

    slot: int
    count: int
    operator: int
    drafts: int = 0


@dataclass(frozen=True)
class Pick:
    """What came of the drafts for a slot: the candidate that is trained, None where none of them could be.
    `guests`: children that a language model was asked for in other slots, and that were compared with them.
    """

    candidate: int | None
    guests: tuple[int, ...] = ()


@dataclass(frozen=True)
class Steering:
    """What a person had said at a draw, by id of candidate: `vetoed` are never parents, `pinned` always may
    be, and `notes` stand under a parent's metrics in prompts.
    """

    vetoed: frozenset[int] = frozenset()
    pinned: frozenset[int] = frozenset()
    notes: Mapping[int, str] = field(default_factory=dict)

    def as_json(self, parents: Sequence[int] = ()) -> dict[str, object]:
        """For a proposal's context: of the notes those on `parents`, and no key for what nobody said."""
        said = {"vetoed": self.vetoed, "pinned": self.pinned}
        notes = {str(parent): self.notes[parent] for parent in parents if parent in self.notes}
        return {word: sorted(ids) for word, ids in said.items() if ids} | ({"notes": notes} if notes else {})

    @classmethod
    def from_json(cls, context: Mapping[str, object]) -> Steering:
        """Read back from a proposal's context."""
        vetoed, pinned = (context.get(word, ()) for word in ("vetoed", "pinned"))
        assert isinstance(vetoed, Sequence)
        assert isinstance(pinned, Sequence)
        notes = context.get("notes", {})
        assert isinstance(notes, Mapping)
        return cls(frozenset(vetoed), frozenset(pinned), {int(on): str(note) for on, note in notes.items()})


NOBODY = Steering()
"""Nobody said anything."""
