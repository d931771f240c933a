"""The pool on a real Ray of three nodes on one machine."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray")

from evoarch.evaluators.pools.contract import LIMITS, PROGRAM, WAITS, PoolContract
from evoarch.evaluators.pools.ray_cluster import RaySlot, connect
from evoarch.evaluators.pools.seam import Need, Walls
from evoarch.evaluators.pools.slots import SlotPool
from evoarch.sandbox.job import Job
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.outcome import Broken, Finished
from kit.command import evoarch_process, new_campaign
from kit.ray_nodes import Nodes, ray_nodes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with ray_nodes(1, 1) as found:
        yield found


@pytest.fixture(scope="module")
def pool(nodes: Nodes, loop: asyncio.Runner) -> Iterator[SlotPool]:
    pool = SlotPool(connect(nodes.address, Walls(PROGRAM), Need()))
    loop.run(pool.start())
    yield pool
    loop.run(pool.close())


class TestRayPool(PoolContract):
    """What every pool must do."""


def test_a_killed_worker_is_no_fault_of_the_child(nodes: Nodes, pool: SlotPool, loop: asyncio.Runner) -> None:
    async def kill_one() -> None:
        endless = Job("call", WAITS, limits=Limits(600.0, 600.0, 512 << 20, 8 << 20))
        task = asyncio.create_task(pool.run(endless))
        await asyncio.wait({task}, timeout=0.5)
        (slot,) = [slot for slot in pool._owner if slot not in pool._free]
        assert isinstance(slot, RaySlot)
        slot._ray.kill(slot._actor)
        lost = await asyncio.wait_for(task, 60)
        assert isinstance(lost, Broken)
        assert lost.reason.startswith("node ")
        again = await pool.run(Job("draw", "", limits=LIMITS))
        assert isinstance(again, Finished)

    loop.run(kill_one())


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool") / "campaign"
    new_campaign(folder, "--evaluations", "3")
    file = folder / "campaign.toml"
    file.write_text(file.read_text().replace('level = "landlock"', 'level = "full"'))
    return folder


@pytest.mark.skipif(detect().level is not Level.FULL, reason="bubblewrap does not work here")
def test_doctor_shows_a_node_below_the_level_which_gets_nothing(nodes: Nodes, campaign: Path) -> None:
    # bubblewrap is not on the path of this node.
    bare = nodes.add(1, env_vars={"PATH": str(Path(sys.executable).parent)})
    try:
        done = evoarch_process("doctor", str(campaign), "--pool", "--address", nodes.address, "--json")
    finally:
        nodes.kill(bare)
    assert done.returncode == 0, done.stderr
    shown = {node["id"]: node for node in json.loads(done.stdout)["rows"]}
    assert shown[bare.node_id]["slots"] == 0
    assert shown[bare.node_id]["level"] == "landlock"
    assert "sandbox.level: expected at least full, it offers landlock" in shown[bare.node_id]["refused"]
    assert [node["slots"] for id_, node in shown.items() if id_ != bare.node_id].count(1) == 2


def test_a_cluster_without_what_a_slot_takes_is_told_which(nodes: Nodes, campaign: Path) -> None:
    settings = ("evaluation.pool=ray", f"evaluation.address={nodes.address}", "evaluation.slot.gpus=2")
    done = evoarch_process("run", str(campaign), *[part for each in settings for part in ("--set", each)])
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("evoarch: ")]
    assert "evaluation.slot: gpus: a slot needs 2, the most of any node is 0" in line
    assert "Traceback" not in done.stderr
