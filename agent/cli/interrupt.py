"""Commands that Ctrl-C stops, and that go on when they are given again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import INTERRUPTED

T = TypeVar("T")


def until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Runs `work` to its end and returns what it does. SIGINT and SIGTERM cancel it, so that it cleans up;
    then raises UserError whose code tells the signal.
    """
    came = [signal.SIGINT]

    async def watched() -> T:
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        assert main is not None

        def stop(number: signal.Signals) -> None:
            came.append(number)
            main.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        raise UserError("stopped; the same command goes on from here", code=INTERRUPTED + came[-1]) from None
