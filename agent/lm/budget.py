"""LM calls under a budget of tokens and money: a call is sent only while what is spent and what is under way
leave room, so that the budget is passed by at most the call that spent the last of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.tables import BudgetTable
from evoarch.archive.store import Store


class OutOfBudgetError(Exception):
    """No further call may be sent under this budget. What was to ask for it is made by a later run."""


class LMBudget:
    """Counts from the archive alone; calls under way stand there at their upper bound.

    `prices` are the config's `[[lm]]` tables by name.
    """

    def __init__(
        self,
        store: Store,
        table: BudgetTable,
        prices: Mapping[str, LMSettings] | None = None,
        *,
        unlimited: bool = False,
    ) -> None:
        self._store = store
        self._tokens = 0 if unlimited else table.tokens
        self._money = 0.0 if unlimited else table.money
        self._prices = prices or {}
        self._changed = asyncio.Event()
        self._watcher: Callable[[], None] = lambda: None

    def spent(self) -> str:
        """Why no further call may be sent, or ""; calls under way are not counted."""
        if self._tokens and self._store.totals.tokens().total >= self._tokens:
            return f"the budget's {self._tokens} LM tokens are spent"
        if self._money and self._store.totals.price() >= self._money:
            return f"the budget's {self._money:g} of money are spent"
        return ""

    def price(self, lm: str, prompt_tokens: int, completion_tokens: int) -> float:
        """Money for so many tokens of the model that the config calls `lm`."""
        known = self._prices.get(lm)
        if known is None:
            return 0.0
        return (prompt_tokens * known.price_prompt + completion_tokens * known.price_completion) / 1e6

    async def room(self) -> None:
        """Returns when a call may be sent; log it before anything else is awaited.

        Raises OutOfBudgetError where the budget is spent.
        """
        while not self._fits():
            if self.spent():
                raise OutOfBudgetError(self.spent())
            await self._changed.wait()

    def settled(self) -> None:
        """A call came to its end: those that wait look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._watcher()

    def watch(self, changed: Callable[[], None]) -> None:
        """`changed` is called after each call that came to its end."""
        self._watcher = changed

    def _fits(self) -> bool:
        tokens, money = self._store.totals.tokens_under_way(), self._store.totals.price(under_way=True)
        return not (
            (self._tokens and self._store.totals.tokens().total + tokens >= self._tokens)
            or (self._money and money >= self._money)
        )
