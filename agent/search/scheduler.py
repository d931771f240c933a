"""The plan: which operator makes the child in each slot. A slot is a child's place in the processing order.

By weights the plan is a function of the campaign seed alone; a bandit (`bandit.py`) looks at the archive.
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
    """How one operator is asked. `weight`: its share of the children, relative to the others'. `samples`:
    children of a call, which is made `lookahead` slots ahead. `slow`: it waits for a language model.
    """

    weight: float
    samples: int
    lookahead: int
    slow: bool


class Plan:
    """Divides the slots among the operators, in order.

    `shares`: one of each operator. `taken`: slots that were drawn earlier, as first slot and count. `choose`:
    gives the operator of a slot; without it, a draw by the weights that depends on `seed` and slot alone.
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
        """The spans that it is time to draw, in slot order; call `take` for each that is drawn.

        Those of a slow operator begin less than `lookahead` slots after the `settled` ones; those of a quick
        one, after `settled_or_waiting`, which also counts slots that wait for a slow operator's answer.
        """
        reach = [(settled if share.slow else settled_or_waiting) + share.lookahead for share in self._shares]
        while self._next < max(reach):
            self._extend()
        return [span for span in self._open if span.slot < reach[span.operator]]

    def take(self, span: SlotSpan) -> None:
        """`span` is drawn: `due` does not give it again."""
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
