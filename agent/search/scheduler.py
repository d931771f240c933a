"""The plan: which operator makes the child in each slot. A slot is a child's place in the processing order.

By weights the plan is a function of the campaign seed alone; a bandit (`portfolio.py`) looks at the archive.
Operators that take long (an LM) are asked some slots ahead of their turn, the quick ones just before it, so
that evaluation waits for neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evoarch.agent.base.ordering import SlotSpan
from evoarch.agent.base.rng import stream


@dataclass(frozen=True)
class Share:
    """What one operator gets: `weight` of the children, `samples` per call, asked `lookahead` slots ahead.

    `slow` operators wait for something outside (an LM); the others are computed on the spot.
    """

    weight: float
    samples: int
    lookahead: int
    slow: bool


class Plan:
    """Spans of slots in order. `taken`: first slots and counts of spans drawn earlier. `choose`: who fills a
    slot, by default a draw by the weights that is a function of the seed.
    """

    def __init__(
        self,
        shares: Sequence[Share],
        seed: int,
        taken: Mapping[int, int],
        choose: Callable[[int], int] | None = None,
    ) -> None:
        self._shares = shares
        self._seed = seed
        self._taken = dict(taken)
        self._choose = choose or self._by_weight
        self._next = 0
        self._open: list[SlotSpan] = []

    def due(self, settled: int, settled_or_waiting: int) -> list[SlotSpan]:
        """The open spans within their operator's reach, in slot order; `take` them to draw them.

        A slow operator reaches `lookahead` slots past `settled`; a quick one past `settled_or_waiting`,
        which also counts the slots that a slow one has yet to answer for, so that it works meanwhile.
        """
        reach = [(settled if share.slow else settled_or_waiting) + share.lookahead for share in self._shares]
        while self._next < max(reach):
            self._extend()
        return [span for span in self._open if span.slot < reach[span.operator]]

    def take(self, span: SlotSpan) -> None:
        """`span` is being drawn and is open no longer."""
        self._open.remove(span)

    def _extend(self) -> None:
        slot = self._next
        if slot in self._taken:
            self._next += self._taken[slot]
            return
        operator = self._choose(slot)
        gap = min((taken - slot for taken in self._taken if taken > slot), default=1 << 30)
        span = SlotSpan(slot, min(self._shares[operator].samples, gap), operator)
        self._open.append(span)
        self._next += span.count

    def _by_weight(self, slot: int) -> int:
        weights = [share.weight / share.samples for share in self._shares]
        return stream(self._seed, "plan", slot).choices(range(len(self._shares)), weights)[0]
