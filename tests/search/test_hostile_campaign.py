"""A campaign of which every second child is hostile, killed on its way, ends as the one without them does."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from evoarch.agent.evaluation import last_resort
from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.pareto import front
from evoarch.archive.records import Failed, Fault, State
from evoarch.archive.store import Store, open_archive
from kit.campaigns import config_of
from kit.hostile_campaign import BREAKS_US, hostile, run
from kit.hostile_campaign import __file__ as script


def process(folder: Path, children: int, *options: str) -> subprocess.CompletedProcess[str]:
    """One run of the script, which says nothing of a traceback."""
    command = [sys.executable, str(script), str(folder), str(children), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def ended(folder: Path, children: int) -> Mapping[str, object]:
    """What a run that nobody kills says at its end."""
    done = process(folder, children)
    assert done.returncode == 0, done.stderr
    said: Mapping[str, object] = json.loads(done.stdout)
    assert str(said["reason"]).startswith("stalled"), "the script is at its end"
    return said


def scores(store: Store) -> dict[str, tuple[float, float]]:
    """Error and parameters of what was scored, less what only a clock or a meter says."""
    return {c.source: (c.metrics["error"], c.metrics["params"]) for c in store.scored()}


def elites(store: Store) -> set[str]:
    scored = store.scored()
    rows = [candidate.metrics for candidate in scored]
    return {scored[i].source for i in front(rows, objectives(config_of().selection))}


def check(folder: Path, children: int, kills: Sequence[int]) -> None:
    asyncio.run(run(folder / "alone", children, only_honest=True))
    both = folder / "both"
    for evaluations in kills:
        killed = process(both, children, "--kill-after", str(evaluations))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended(both, children)
    ended(both, children)  # what broke evoarch itself is tried a second time

    alone, attacked = (open_archive(folder / name, write=False) for name in ("alone", "both"))
    bad = set(hostile(children // 2))
    assert scores(attacked) == scores(alone)
    assert elites(attacked) == elites(alone)
    assert len(elites(alone)) > 1
    fallen = [c for c in attacked.candidates() if c.source in bad]
    assert len(fallen) == len(bad)
    # One is nested deeper than any reader of sources goes.
    rejected = [c for c in fallen if c.state is State.REJECTED]
    assert len(rejected) <= 1
    for candidate in (c for c in fallen if c not in rejected):
        assert candidate.state is State.FAILED, (candidate.source, candidate.note)
        outcome = attacked.evaluations(candidate.id)[-1].outcome
        assert isinstance(outcome, Failed)
        ours = BREAKS_US in candidate.source
        assert outcome.fault is (Fault.INFRASTRUCTURE if ours else Fault.CANDIDATE), outcome
    assert not attacked.candidates(state=State.QUEUED)
    assert not attacked.candidates(state=State.RUNNING)
    broke = Counter(event.candidate for event in attacked.events(kind=last_resort.KIND))
    assert set(broke.values()) == {last_resort.MOST}
    assert {c.id for c in fallen if BREAKS_US in c.source} == set(broke)
    before = len(attacked.evaluations())
    attacked.close()
    alone.close()

    assert ended(both, children)["calls"] == 0
    with_another_run = open_archive(both, write=False)
    assert len(with_another_run.evaluations()) == before, "taken up again"
    with_another_run.close()


@pytest.mark.slow
def test_hostile_children_change_neither_elites_nor_scores(tmp_path: Path) -> None:
    check(tmp_path, 24, kills=[5])


@pytest.mark.slow
def test_a_hundred_hostile_children_of_two_hundred_change_nothing(tmp_path: Path) -> None:
    check(tmp_path, 200, kills=[20, 40])
