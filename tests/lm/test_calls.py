"""A call ends in the archive and gives its room back, whatever ended it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from evoarch.agent.config.tables import BudgetTable
from evoarch.agent.lm.base import LMReply, LMRequest
from evoarch.agent.lm.budget import LMBudget, OutOfBudgetError
from evoarch.agent.lm.calls import LoggedCalls
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.archive.errors import ArchiveError
from evoarch.archive.store import Store, create

ASK = LMRequest("a number", max_tokens=10)


class Waiting(ScriptedLM):
    """A call waits until `go`, and then ends as `first` says."""

    def __init__(self, first: Callable[[], LMReply]) -> None:
        super().__init__(["1"])
        self.first, self.go, self.asked = first, asyncio.Event(), asyncio.Event()

    async def complete(self, request: LMRequest) -> LMReply:
        self.asked.set()
        await self.go.wait()
        return self.first()


def raised(error: BaseException) -> Callable[[], LMReply]:
    def first() -> LMReply:
        raise error

    return first


def beyond_a_column() -> LMReply:
    return LMReply(("1",), ("stop",), 10**30, 1, 0.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return create(tmp_path / "c", name="c", seed=0)


def two_calls(store: Store, lm: Waiting, end: Callable[[asyncio.Task[LMReply]], object]) -> BaseException:
    """The error of a first call, after which a second one that waited hears that all is spent."""

    async def go() -> BaseException:
        # The first call takes all the room there is, at its upper bound.
        calls = LoggedCalls(store, lm, 1, LMBudget(store, BudgetTable(tokens=50)))
        first = asyncio.create_task(calls(ASK))
        await lm.asked.wait()
        second = asyncio.create_task(calls(LMRequest("another", max_tokens=10)))
        await asyncio.sleep(0)
        assert len(store.calls.all()) == 1
        end(first)
        (found,) = await asyncio.gather(first, return_exceptions=True)
        assert isinstance(found, BaseException)
        async with asyncio.timeout(60):  # that it hangs for ever is what must not be
            with pytest.raises(OutOfBudgetError):
                await second
        return found

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("first", "error"),
    [
        (raised(OSError(24, "Too many open files")), OSError),
        (raised(KeyError("texts")), KeyError),
        (beyond_a_column, ArchiveError),
    ],
)
def test_any_error_is_a_lost_call_and_raised_on(
    store: Store, first: Callable[[], LMReply], error: type[Exception]
) -> None:
    lm = Waiting(first)
    assert isinstance(two_calls(store, lm, lambda task: lm.go.set()), error)
    (lost,) = store.calls.all()
    assert (lost.state, lost.error) == ("lost", f"ended without an answer ({error.__name__})")
    assert lost.completion_tokens == 10


def test_a_cancelled_call_is_lost(store: Store) -> None:
    found = two_calls(store, Waiting(beyond_a_column), lambda task: task.cancel())
    assert isinstance(found, asyncio.CancelledError)
    assert [call.state for call in store.calls.all()] == ["lost"]


def test_an_archive_that_takes_nothing_more_does_not_hide_the_first_error(store: Store) -> None:
    def broken() -> LMReply:
        with closing(sqlite3.connect(store.path)) as another:
            another.execute("DROP TABLE lm_calls")
        raise KeyError("texts")

    async def go() -> None:
        lm = Waiting(broken)
        lm.go.set()
        await LoggedCalls(store, lm, 1, LMBudget(store, BudgetTable()))(ASK)

    with pytest.raises(KeyError):
        asyncio.run(go())
    with pytest.raises(ArchiveError):
        store.calls.all()
