"""A process that stood still takes that time off the clocks that it keeps."""

from __future__ import annotations

import itertools
import json
import os
import select

import pytest

from evoarch.sandbox import keeper, talk
from evoarch.sandbox.talk import Talk, TalkError


class Clock:
    """Time that goes on by `steps`, one at each look, and then by the last of them."""

    def __init__(self, *steps: float) -> None:
        self.now = 0.0
        self._steps = itertools.chain(steps, itertools.repeat(steps[-1]))

    def monotonic(self) -> float:
        self.now += next(self._steps)
        return self.now

    perf_counter = monotonic

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Silence:
    """A poller on which nothing is heard."""

    def register(self, *_: object) -> None:
        return

    def poll(self, milliseconds: float) -> list[object]:
        return []


@pytest.mark.parametrize("stood_still", [0.0, 3600.0])
def test_a_suspended_machine_is_on_no_programs_clock(
    monkeypatch: pytest.MonkeyPatch, stood_still: float
) -> None:
    clock = Clock(0.0, 0.1, 0.1 + stood_still, 0.1)
    ticks = iter(range(10_000))

    class Poller(Silence):
        def poll(self, milliseconds: float) -> list[object]:
            next(ticks)
            return []

    monkeypatch.setattr(keeper, "time", clock)
    monkeypatch.setattr(keeper.select, "poll", Poller)
    monkeypatch.setattr(keeper.Keeper, "start", lambda self, control: "")
    monkeypatch.setattr(keeper.Keeper, "watch", lambda self: None)
    monkeypatch.setattr(keeper.Keeper, "reap", lambda self: False)
    kept = keeper.Keeper({"wall": 3.0, "parent": os.getppid()})
    report = kept.run(0)
    assert report["struck"] == "wall_clock"
    assert 28 <= next(ticks) <= 32, "it was struck before it had its time"
    json.dumps(report)


def test_an_answer_is_not_late_because_the_machine_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Talk()
    clock = Clock(0.0, 0.0, 0.2, 3600.0, 0.2)
    looks = iter(range(10_000))

    class Poller(Silence):
        def poll(self, milliseconds: float) -> list[object]:
            next(looks)
            return []

    monkeypatch.setattr(talk, "time", clock)
    one._hearing = Poller()  # type: ignore[assignment]
    with pytest.raises(TalkError, match="in time"):
        one.ask(b"", 1, patience=2.0)
    assert next(looks) >= 10, "the hour was on its clock"
    one.close()
    assert select.poll is not None
