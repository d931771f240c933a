"""Slots that come and go, on a cluster without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.evaluators.pools.fakes import FakeCluster, FakeSlot
from evoarch.evaluators.pools.fits import fits, shortage
from evoarch.evaluators.pools.seam import Need, Node, PoolError
from evoarch.evaluators.pools.shelf import LARGE, Shelf
from evoarch.evaluators.pools.slots import SlotPatience, SlotPool
from evoarch.sandbox.job import Job
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished

QUICK = SlotPatience(answer=0.2, slot=0.2, first=1.0, look=0.01, again=0.01, most=0.05)
JOB = Job("f", "", limits=Limits(wall_clock=0.1))


def with_pool(cluster: FakeCluster, work: Callable[[SlotPool], Awaitable[None]], most: int = 0) -> None:
    async def go() -> None:
        pool = SlotPool(cluster, most=most, patience=QUICK)
        try:
            await pool.start()
            await asyncio.wait_for(work(pool), 20)
        finally:
            await pool.close()
        assert cluster.closed
        assert all(slot.closed for slot in cluster.slots)

    asyncio.run(go())


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.001)


def test_as_many_at_a_time_as_there_are_slots() -> None:
    running, most = 0, 0

    class Counted(FakeCluster):
        async def open(self, node: Node) -> FakeSlot:
            slot = await super().open(node)
            run = slot.run

            async def counted(ticket: int, job: Job) -> tuple[int, ChildOutcome]:
                nonlocal running, most
                running += 1
                most = max(most, running)
                try:
                    return await run(ticket, job)
                finally:
                    running -= 1

            slot.run = counted  # type: ignore[method-assign]
            return slot

    cluster = Counted(0.001)
    cluster.add("a", 2)
    cluster.add("b", 1)

    async def work(pool: SlotPool) -> None:
        await until(lambda: pool.slots == 3)
        outcomes = await asyncio.gather(*(pool.run(JOB) for _ in range(30)))
        assert all(isinstance(outcome, Finished) for outcome in outcomes)
        assert most == 3

    with_pool(cluster, work)


def test_the_most_slots_are_spread_over_the_nodes() -> None:
    cluster = FakeCluster()
    cluster.add("a", 8)
    cluster.add("b", 8)

    async def work(pool: SlotPool) -> None:
        await until(lambda: pool.slots == 4)
        assert sorted(slot.node for slot in cluster.slots) == ["a", "a", "b", "b"]

    with_pool(cluster, work, most=4)


def test_a_lost_node_is_the_infrastructures_fault_and_the_retry_goes_elsewhere() -> None:
    cluster = FakeCluster(5.0)
    cluster.add("a")
    cluster.add("b")

    async def work(pool: SlotPool) -> None:
        await until(lambda: pool.slots == 2)
        under_way = [asyncio.create_task(pool.run(JOB)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cluster.remove("a")
        done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        (lost,) = [task.result() for task in done]
        assert isinstance(lost, Broken)
        assert lost.reason == "node a: a died"
        await until(lambda: pool.slots == 1)
        cluster.seconds = 0.0
        cluster.add("c")
        await until(lambda: pool.slots == 2)
        again = await pool.run(JOB)
        assert isinstance(again, Finished)
        assert again.notes["node"] == "c"
        for task in under_way:
            task.cancel()

    with_pool(cluster, work)


def test_an_answer_that_comes_too_late_is_dropped_with_its_slot() -> None:
    cluster = FakeCluster(0.0)
    cluster.add("a")

    async def work(pool: SlotPool) -> None:
        slow = cluster.slots[0]
        slow._seconds = 60.0
        got = await pool.run(JOB)
        assert isinstance(got, Broken)
        assert "no answer within 0.3 s" in got.reason
        await until(lambda: slow.closed)
        assert isinstance(await pool.run(JOB), Finished)
        cluster.slots[-1].shift = -1
        late = await pool.run(JOB)
        assert isinstance(late, Broken)
        assert "late answer, to attempt 2 and not 3" in late.reason
        assert pool.late == 1

    with_pool(cluster, work)


def test_a_slot_whose_walls_break_is_given_up_and_another_opened() -> None:
    broken = [True]

    def answer(slot: FakeSlot, job: Job) -> ChildOutcome:
        return Broken("no fork") if broken else Finished({})

    cluster = FakeCluster(0.0, answer)
    cluster.add("a")

    async def work(pool: SlotPool) -> None:
        assert isinstance(await pool.run(JOB), Broken)
        broken.clear()
        assert isinstance(await pool.run(JOB), Finished)
        assert len(cluster.slots) == 2

    with_pool(cluster, work)


def test_where_no_slot_is_left_a_child_does_not_wait_for_ever() -> None:
    cluster = FakeCluster(0.0)
    cluster.add("a")

    async def work(pool: SlotPool) -> None:
        cluster.remove("a")
        await until(lambda: pool.slots == 0)
        got = await pool.run(JOB)
        assert isinstance(got, Broken)
        assert "no slot within 0.2 s" in got.reason

    with_pool(cluster, work)


def test_a_cancelled_child_takes_its_slot_along_and_a_waiting_one_none() -> None:
    cluster = FakeCluster(30.0)
    cluster.add("a")

    async def work(pool: SlotPool) -> None:
        first, second = (asyncio.create_task(pool.run(JOB)) for _ in range(2))
        await until(lambda: len(pool._waiting) == 1)
        cluster.seconds = 0.0
        second.cancel()
        first.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
        await until(lambda: cluster.slots[0].closed)
        assert isinstance(await pool.run(JOB), Finished)
        assert len(cluster.slots) == 2

    with_pool(cluster, work)


def test_a_node_below_the_level_gets_nothing_and_the_weakest_level_counts() -> None:
    cluster = FakeCluster(0.0)
    cluster.add("weak", 4, level=Level.NONE, refused="sandbox.level: expected at least landlock, got none")
    cluster.add("a", level=Level.FULL)
    cluster.add("b", level=Level.LANDLOCK)

    async def work(pool: SlotPool) -> None:
        await until(lambda: pool.slots == 2)
        assert pool.level is Level.LANDLOCK
        got = await asyncio.gather(*(pool.run(JOB) for _ in range(8)))
        assert {one.notes["node"] for one in got if isinstance(one, Finished)} == {"a", "b"}

    with_pool(cluster, work)


@pytest.mark.parametrize("cold", [False, True])
def test_a_start_without_any_slot_says_why(cold: bool) -> None:
    cluster = FakeCluster(0.0)
    if cold:
        cluster.add("a")
        cluster.cold.add("a")
    else:
        cluster.add("a", refused="evaluation.slot: gpus: a slot needs 1, the most of any node is 0 (1 nodes)")

    async def work(pool: SlotPool) -> None:
        raise AssertionError("it started")

    with pytest.raises(PoolError, match="node a: it does not warm up" if cold else "gpus: a slot needs 1"):
        with_pool(cluster, work)


# What fits


@given(cpus=st.integers(1, 64), parts=st.integers(1, 16))
def test_fractions_of_a_gpu_fill_it_exactly(cpus: int, parts: int) -> None:
    node = Node("a", "a", devices={"cpus": float(cpus), "gpus": 2.0})
    need = Need(cpus=0.01, gpus=1 / parts)
    assert fits(node, need) == min(2 * parts, 100 * cpus)


def test_a_shortage_names_what_is_short() -> None:
    nodes = [
        Node("a", "a", devices={"cpus": 8.0, "memory": float(16 << 30)}, labels={"zone": "x"}),
        Node("b", "b", devices={"cpus": 2.0, "gpus": 1.0, "memory": float(4 << 30)}),
    ]
    assert shortage(nodes, Need()) == ""
    assert "gpus: a slot needs 2, the most of any node is 1 (2 nodes)" in shortage(nodes, Need(gpus=2))
    assert "fast: a slot needs 1, the most of any node is 0" in shortage(nodes, Need(resources={"fast": 1}))
    assert "memory: a slot needs 32768 MiB, the most of any node is 16384 MiB" in shortage(
        nodes, Need(memory=32 << 30)
    )
    assert "labels.zone: a slot needs 'y', got x" in shortage(nodes, Need(labels={"zone": "y"}))
    assert "no node has cpus 4, gpus 1 at once" in shortage(nodes, Need(cpus=4, gpus=1))


def test_an_array_is_put_once_by_its_content() -> None:
    puts: list[object] = []
    shelf = Shelf(lambda array: puts.append(array) or len(puts))  # type: ignore[func-returns-value]
    one, same, other = (np.full(LARGE, value, np.uint8) for value in (1, 1, 2))
    assert shelf.place(one) is None, "it may still change"
    for array in (one, same, other):
        array.setflags(write=False)
    first = shelf.place(one)
    assert first is not None
    assert shelf.place(one) == shelf.place(same) == first != shelf.place(other)
    assert len(puts) == 2
    small = np.zeros(3)
    small.setflags(write=False)
    assert shelf.place(small) is None
