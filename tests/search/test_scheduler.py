"""The plan of slots: a function of the seed, in order, resumable, with operators in their shares."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.base.ordering import SlotSpan
from evoarch.agent.base.rng import stream
from evoarch.agent.search.scheduler import Plan, Share

SHARES = (Share(4.0, 8, 24, slow=True), Share(3.0, 1, 2, slow=False), Share(1.0, 1, 2, slow=False))


def drawn(plan: Plan, steps: int) -> list[SlotSpan]:
    spans = []
    for settled in range(steps):
        for span in plan.due(settled, settled):
            plan.take(span)
            spans.append(span)
    return spans


@given(st.integers(0, 2**32), st.integers(1, 120))
def test_spans_cover_the_slots_once_and_are_the_same_again(seed: int, steps: int) -> None:
    spans = drawn(Plan(SHARES, seed, {}), steps)
    slots = [span.slot + i for span in spans for i in range(span.count)]
    assert len(slots) == len(set(slots))
    assert set(range(steps)) <= set(slots)
    assert spans == drawn(Plan(SHARES, seed, {}), steps)


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 60))
def test_a_resumed_plan_goes_on_as_the_first_would_have(seed: int, before: int, after: int) -> None:
    whole = drawn(Plan(SHARES, seed, {}), before + after)
    first = drawn(Plan(SHARES, seed, {}), before)
    resumed = Plan(SHARES, seed, {span.slot: span.count for span in first})
    rest = []
    for settled in range(before - 1, before + after):
        for span in resumed.due(settled, settled):
            resumed.take(span)
            rest.append(span)
    assert first + rest == whole


def test_children_come_in_the_shares_that_the_weights_say() -> None:
    counts: Counter[int] = Counter()
    for span in drawn(Plan(SHARES, 1, {}), 20_000):
        counts[span.operator] += span.count
    total = counts.total()
    assert abs(counts[0] / total - 0.5) < 0.03
    assert abs(counts[1] / total - 0.375) < 0.03


def test_a_slow_operator_is_asked_ahead_and_a_quick_one_just_in_time() -> None:
    due = Plan(SHARES, 3, {}).due(0, 0)
    quick = [s.slot for s in due if s.operator != 0]
    slow = [s.slot for s in due if s.operator == 0]
    assert all(slot < 2 for slot in quick)
    assert max(slow) >= 8


def test_streams_with_other_names_differ() -> None:
    assert stream(1, "draw", 2).random() == stream(1, "draw", 2).random()
    assert len({stream(1, "draw", n).random() for n in range(100)}) == 100
