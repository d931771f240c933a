"""Wall clock over kills: a run counts up to its own last event, whatever others write before the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from evoarch.archive.records import LMCall
from evoarch.archive.store import Store, create, open_archive

KILLED = 110.0
"""When the first run had its last event, ten seconds after it began."""


@pytest.fixture
def told(tmp_path: Path) -> Iterator[tuple[Store, list[float]]]:
    """An archive whose first run was killed, and its clock."""
    now = [100.0]
    create(tmp_path, name="t", seed=0).close()
    with open_archive(tmp_path, write=True, clock=lambda: now[0]) as store:
        seed = store.add_seed("a", "source", "digest").id
        store.event("session")
        store.event("run")
        now[0] = KILLED
        store.start(seed)
        now[0] = 9000.0
        yield store, now


def _judged(store: Store) -> None:
    store.verdicts.add(1, "pin")


def _checked(store: Store) -> None:
    call = store.calls.sent(LMCall(0, "smol", "abc", "prompt", {"n": 1, "max_tokens": 5}))
    store.calls.failed(call, "refused")


@pytest.mark.parametrize(
    "later",
    [
        _judged,
        _checked,
        lambda store: store.add_seed("b", "other", "another"),
        lambda store: store.event("session"),
        lambda store: store.event("confirm.timed", 1),
        lambda store: store.event("sealed.opened", 1),
    ],
)
def test_nothing_that_is_written_after_a_kill_makes_the_killed_run_longer(
    told: tuple[Store, list[float]], later: Callable[[Store], object]
) -> None:
    store, _ = told
    later(store)
    assert store.totals.elapsed() == KILLED - 100.0


def test_the_time_between_a_kill_and_the_next_run_is_nobodys(told: tuple[Store, list[float]]) -> None:
    store, now = told
    _judged(store)
    _checked(store)
    store.event("session")
    store.recover()
    store.event("run")
    assert store.totals.elapsed() == 10.0
    now[0] += 5.0
    call = store.calls.sent(LMCall(1, "smol", "abc", "prompt", {"n": 1, "max_tokens": 5}))
    assert store.totals.elapsed() == 15.0
    _judged(store)
    now[0] += 2.0
    store.calls.failed(call, "refused")
    assert store.totals.elapsed() == 17.0


def test_what_a_run_put_back_as_it_broke_off_is_its_own(told: tuple[Store, list[float]]) -> None:
    store, now = told
    store.recover()
    now[0] = 20000.0
    store.event("session")
    store.event("run")
    assert store.totals.elapsed() == 9000.0 - 100.0
