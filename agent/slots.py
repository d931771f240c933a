"""A few things at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def in_slots(items: Sequence[T], work: Callable[[T], Awaitable[None]], slots: int) -> None:
    """`work` on each item in order, `slots` at a time. The first error, and a cancellation, end all."""
    queue = iter(items)

    async def slot() -> None:
        for item in queue:
            await work(item)

    # A task group would wrap the one error that a person should read in a group of errors.
    tasks = [asyncio.create_task(slot()) for _ in range(max(1, slots))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
