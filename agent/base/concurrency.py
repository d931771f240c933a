"""Coroutines that run at the same time, all at once or a few."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs all at the same time and returns when all are done. An error in one, which is raised, or a
    cancellation cancels the others.
    """
    # A task group would wrap the one error that a person should read in a group of errors.
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def in_slots(items: Iterable[T], work: Callable[[T], Awaitable[None]], slots: int) -> None:
    """Calls `work` on the items in order, `slots` (at least one) at a time. Ends as `together` does."""
    queue = iter(items)

    async def slot() -> None:
        for item in queue:
            await work(item)

    await together(slot() for _ in range(max(1, slots)))
