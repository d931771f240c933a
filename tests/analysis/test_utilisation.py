"""The figures of cost and idleness, on records small enough to work out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.analysis.utilisation import costs_of, idle_of
from evoarch.archive.records import Event


def diary(*lines: tuple[float, str, int | None], workers: int = 1) -> list[Event]:
    detail = {"workers": workers}
    return [
        Event(number, time, kind, candidate, detail if kind == "run" else {})
        for number, (time, kind, candidate) in enumerate(lines, 1)
    ]


def test_a_success_costs_all_attempts_over_the_successes() -> None:
    yields = {
        "lm.rewrite": {"new": 2, "improved": 1, "cpu_s": 30.0, "tokens": 1000, "money": 0.5},
        "random": {"new": 8, "improved": 0, "cpu_s": 10.0, "tokens": 0, "money": 0.0},
    }
    costs = costs_of(yields)
    assert costs["lm.rewrite"]["new"] == {"cpu_s": 15.0, "tokens": 500.0, "money": 0.25}
    assert costs["random"]["improved"] == {"cpu_s": None, "tokens": None, "money": None}
    assert costs["all"]["new"] == {"cpu_s": 4.0, "tokens": 100.0, "money": 0.05}
    assert costs["all"]["improved"] == {"cpu_s": 40.0, "tokens": 1000.0, "money": 0.5}


def test_idle_is_what_one_slot_did_not_use_between_first_and_last_start() -> None:
    events = diary(
        (0, "run", None), (10, "started", 1), (14, "settled", 1), (15, "started", 2), (18, "duplicate", 2),
        (20, "started", 3), (29, "settled", 3), (30, "stop", None),
    )  # fmt: skip
    found = idle_of(events)
    assert found is not None
    assert (found.available, found.busy) == (10, 7)
    assert found.share == pytest.approx(0.3)


def test_idle_counts_every_slot_and_leaves_out_the_pause_after_a_kill() -> None:
    events = diary(
        (0, "run", None), (0, "started", 1), (4, "started", 2), (6, "settled", 1), (10, "started", 3),
        # killed here: 2 and 3 never left their slots
        (500, "recovered", None), (500, "run", None), (501, "started", 2), (503, "started", 3),
        (505, "settled", 2), (505, "settled", 3), (506, "started", 4),
        workers=2,
    )  # fmt: skip
    found = idle_of(events)
    assert found is not None
    assert found.available == 2 * 10 + 2 * 5
    assert found.busy == (6 + 6) + (4 + 2)


def test_between_its_processes_a_slot_is_idle_by_its_own_clock() -> None:
    events = diary(
        (0, "run", None), (10, "started", 1), (15, "settled", 1), (15, "started", 2), (20, "settled", 2),
        (20, "started", 3), (29, "settled", 3), (30, "stop", None),
    )  # fmt: skip
    found = idle_of(events, {1: 1.0, 2: 9.0})
    assert found is not None
    assert (found.available, found.busy) == (10, 1 + 5)


def test_without_two_children_there_is_no_steady_state() -> None:
    assert idle_of([]) is None
    assert idle_of(diary((0, "run", None), (1, "started", 1), (2, "settled", 1))) is None


@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0, 9)), min_size=2, max_size=20))
def test_one_slot_is_idle_for_its_gaps(children: list[tuple[float, float]]) -> None:
    lines: list[tuple[float, str, int | None]] = [(0.0, "run", None)]
    now, gaps = 1.0, 0.0
    for number, (work, gap) in enumerate(children):
        lines += [(now, "started", number), (now + work, "settled", number)]
        now += work + gap
        gaps += gap if number + 1 < len(children) else 0
    found = idle_of(diary(*lines))
    assert found is not None
    assert found.available - found.busy == pytest.approx(gaps, abs=1e-9)
