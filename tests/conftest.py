"""What many tests begin with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from evoarch.evaluators.program import inside_program
from evoarch.sandbox.job import Runner
from evoarch.sandbox.runner import start


@pytest.fixture(scope="module")
def walls() -> Iterator[tuple[asyncio.Runner, Runner]]:
    """The evaluators' program behind the best walls that there are here, warm, and the loop it lives in."""
    with asyncio.Runner() as loop:
        runner = loop.run(start(inside_program()))
        yield loop, runner
        loop.run(runner.close())
