"""A campaign on a real Ray of three nodes: a node is killed, another added, the driver killed and rerun."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.paths import TESTS

pytest.importorskip("ray")

from benchmarks.kill import alive, offspring, trained

from evoarch.agent.analysis.status import read_status
from evoarch.agent.config.load import load
from evoarch.archive.store import open_archive
from kit.ray_nodes import ray_nodes

DRIVER = [sys.executable, str(TESTS / "kit" / "tiny_driver.py")]
TINY = (
    "evaluation.recipe=tiny",
    "evaluation.repeats=1",
    "constraints.error=1.0",
    "constraints.params=20000",
)
EVALUATIONS = 60
PATIENCE = 300.0
"""Seconds after which a step of this test counts as hung."""


def settings(*more: str) -> list[str]:
    return [part for setting in (*TINY, *more) for part in ("--set", setting)]


def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s: {what}"
        time.sleep(0.1)


def slots_of(raylet: int) -> dict[int, str]:
    """The slots of a node, and everything that they started."""
    found: dict[int, str] = {}
    for pid, start in offspring(raylet).items():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(b"ray::SlotHost"):
            found |= {pid: start, **offspring(pid)}
    return found


@pytest.mark.slow
def test_sixty_children_outlive_a_node_and_their_driver(tmp_path: Path) -> None:
    folder, again = tmp_path / "campaign", tmp_path / "again"
    subprocess.run(
        [*DRIVER, "init", str(folder), "--lm", "none", "--evaluations", str(EVALUATIONS)], check=True
    )
    with (tmp_path / "log").open("w") as log, ray_nodes() as nodes:
        first, second = nodes.add(1), nodes.add(1)
        on_ray = settings("evaluation.pool=ray", f"evaluation.address={nodes.address}")

        def run() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [*DRIVER, "run", str(folder), *on_ray], start_new_session=True, stdout=log, stderr=log
            )

        def reached(count: int) -> bool:
            assert driver.poll() is None, (tmp_path / "log").read_text()[-2000:]
            return trained(folder) >= count

        driver = run()
        until(lambda: reached(15), "15 evaluations")
        until(lambda: slots_of(nodes.raylet(first)), "a slot on the first node")
        gone = slots_of(nodes.raylet(first))
        nodes.kill(first)
        assert not alive(gone, PATIENCE), "the dead node's slots left something behind"
        third = nodes.add(1)
        until(lambda: slots_of(nodes.raylet(third)), "a slot on the new node")
        until(lambda: reached(35), "35 evaluations")
        family = slots_of(nodes.raylet(second)) | slots_of(nodes.raylet(third))
        assert family
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        assert not alive(family, PATIENCE), "the dead driver's slots left something behind"
        driver = run()
        assert driver.wait(PATIENCE * 2) == 0, (tmp_path / "log").read_text()[-2000:]
        left = slots_of(nodes.raylet(second)) | slots_of(nodes.raylet(third))
        assert not alive(left, PATIENCE), "the finished driver's slots left something behind"
    with sqlite3.connect(f"file:{folder}/archive.db?mode=ro", uri=True) as db:
        twice = db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM evaluations WHERE fault IS NOT 'infrastructure'"
            " GROUP BY candidate, rung, seed HAVING count(*) > 1)"
        ).fetchone()[0]
    status = read_status(open_archive(folder, write=False), load(folder))
    assert (status.state, status.evaluations, twice) == ("complete", EVALUATIONS, 0)
    subprocess.run(
        [*DRIVER, "run", str(again), "--replay", str(folder), "--set", "evaluation.pool=local"],
        check=True,
        capture_output=True,
    )
    assert found(again) == found(folder)


def found(folder: Path) -> list[object]:
    """What a campaign's candidates are and what became of them."""
    candidates = open_archive(folder, write=False).candidates()
    return [(c.id, c.operator, c.state, c.source_digest, json.dumps(dict(c.metrics))) for c in candidates]
