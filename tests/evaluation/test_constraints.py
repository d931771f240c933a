"""Hard limits: what breaks one is never an elite, and what could be known before training is not trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.config.tables import ConstraintsTable
from evoarch.agent.evaluation.constraints import excess
from evoarch.agent.search.components import Ending
from evoarch.archive.records import Candidate, Failed, Scored, State
from evoarch.archive.store import Store
from evoarch.evaluators.fakes import StubEvaluator
from evoarch.evaluators.latency import Latency
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.segments import Segment
from evoarch.evaluators.task import Evaluated
from kit import campaigns
from kit.campaigns import archive_of, config_of
from kit.listed import Listed

MODEL = """
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(40, {size})

    def forward(self, x):
        return self.layer(x)
"""


class Sized(StubEvaluator):
    """Models whose size is a number in their source: so many parameters, ten times the FLOPs, CPU seconds of
    a hundredth and MiB of a tenth. What was trained is kept.
    """

    def __init__(
        self, *, counts: bool = True, unreached: Mapping[int, tuple[str, ...]] | None = None
    ) -> None:
        super().__init__(
            score=lambda source: Scored({"error": 1.0 / size_of(source), "params": size_of(source)})
        )
        self.trained: list[float] = []
        self._counts, self._unreached = counts, unreached or {}

    async def dry_run(self, source: str) -> DryRunPassed:
        size = size_of(source)
        flops = int(10 * size) if self._counts else None
        unreached = self._unreached.get(int(size), ())
        return DryRunPassed(
            "", int(size), flops=flops, no_flops="the counter met a wall", unreached=unreached
        )

    async def latency(self, source: str, reference: str) -> Latency:
        ratio = size_of(source) / size_of(reference)
        return Latency(ratio, ratio, ratio, 20, cpu_seconds=1.0)

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        self.trained.append(size_of(source))
        found = await super().evaluate(source, digest=digest, repeat=repeat)
        used = {"cpu_seconds": size_of(source) / 100, "memory": size_of(source) / 10}
        return replace(found, detail={"training": used})

    async def evaluate_segment(self, source: str, *, digest: str, repeat: int, segment: Segment) -> Evaluated:
        found = await super().evaluate_segment(source, digest=digest, repeat=repeat, segment=segment)
        share = (segment.stop - segment.start) / self.steps
        used = {"cpu_seconds": share * size_of(source) / 100, "memory": size_of(source) / 10}
        return replace(found, detail={"training": used})


def size_of(source: str) -> float:
    return float(source.partition("nn.Linear(40, ")[2].partition(")")[0])


def run(
    folder: Path, sizes: Sequence[int], evaluator: Sized, seeds: Sequence[int] = (20,), **tables: Any
) -> tuple[Store, Ending]:
    store = archive_of(folder, *(MODEL.format(size=size) for size in seeds), seed=0)
    tables["evaluation"] = {"repeats": 1, "workers": 1, **tables.get("evaluation", {})}
    config = config_of(seed=0, budget={"evaluations": len(sizes), "stall": len(sizes)}, **tables)
    operator = Listed(MODEL.format(size=size) for size in sizes)
    return store, campaigns.run(store, config, evaluator, [operator])


def settled(store: Store) -> list[Candidate]:
    return [each for each in store.candidates() if each.state in (State.SCORED, State.FAILED)]


SIZES = (30, 90, 40, 110, 50, 70)
LIMITS: dict[str, tuple[dict[str, float], bool, str]] = {
    "params": (
        {"params": 60},
        True,
        "expected at most 60 parameters, got 90: 30 (50.0%) above; limit constraints.params",
    ),
    "flops": (
        {"flops": 600},
        True,
        "expected at most 600 FLOPs an example, got 900: 300 (50.0%) above; limit constraints.flops",
    ),
    "latency": (
        {"latency": 3.0},
        True,
        "expected at most 3 x the latency of the reference, got 4.5: 1.5 (50.0%) above; limit constraints."
        "latency",
    ),
    "memory": (
        {"memory": 6.0},
        False,
        "expected at most 6 MiB of memory in training, got 9: 3 (50.0%) above; limit constraints.memory",
    ),
    "seconds": (
        {"seconds": 0.6},
        False,
        "expected at most 0.6 CPU seconds of training, got 0.9: 0.3 (50.0%) above; limit constraints.seconds",
    ),
}


@pytest.mark.parametrize("rungs", [False, True], ids=["whole", "rungs"])
@pytest.mark.parametrize("kind", LIMITS)
def test_no_scored_candidate_breaks_a_limit(tmp_path: Path, kind: str, rungs: bool) -> None:
    table, static, reason = LIMITS[kind]
    evaluator = Sized()
    evaluation = {"rungs": [{"share": 0.5, "keep": 1.0, "reject_steps": 0}]} if rungs else {}
    store, _ = run(tmp_path, SIZES, evaluator, constraints=table, evaluation=evaluation)
    bred = [each for each in settled(store) if each.parents]
    assert {size_of(c.source): c.state for c in bred} == {
        size: State.SCORED if size <= 60 else State.FAILED for size in SIZES
    }
    broken = next(c for c in bred if size_of(c.source) == 90)
    outcomes = [e.outcome for e in store.evaluations(broken.id)]
    assert outcomes[-1] == Failed("static" if static else "constraint", reason)
    assert (90 in evaluator.trained) is not static
    assert all(c.metrics["flops"] == 10 * c.metrics["params"] for c in store.scored())
    assert all(c.metrics["train_seconds"] == size_of(c.source) / 100 for c in store.scored())
    assert store.totals.entered_training() == (3 if static else 6)


def test_every_broken_limit_is_named() -> None:
    found = excess(ConstraintsTable(params=10, flops=10), {"params": 11.0, "flops": 20.0})
    assert "limit constraints.params; expected at most 10 FLOPs" in found
    assert not excess(ConstraintsTable(params=10, flops=10), {"params": 10.0})


def test_where_there_is_no_count_a_flop_limit_fails_before_training(tmp_path: Path) -> None:
    evaluator = Sized(counts=False)
    _, ending = run(tmp_path, SIZES, evaluator, constraints={"flops": 10**9})
    assert ending.error
    assert not evaluator.trained
    assert "seed1: static: its FLOPs can't be counted: the counter met a wall" in ending.reason
    free, _ = run(tmp_path / "free", SIZES[:2], evaluator)
    assert all("flops" not in c.metrics for c in free.scored())


def test_a_seed_beyond_a_limit_is_no_parent_and_others_breed(tmp_path: Path) -> None:
    evaluator = Sized()
    store, ending = run(tmp_path, SIZES[:1], evaluator, seeds=(20, 200), constraints={"params": 60})
    assert ending.complete
    states = {c.name: c.state for c in store.candidates(operator="seed")}
    assert states == {"seed1": State.SCORED, "seed2": State.FAILED}
    assert 200 not in evaluator.trained
    child = next(c for c in store.candidates() if c.operator != "seed")
    assert [store.candidate(p).name for p in child.parents] == ["seed1"]


def test_seeds_that_all_break_a_limit_end_the_run_with_the_reason(tmp_path: Path) -> None:
    _, ending = run(tmp_path, SIZES, Sized(), seeds=(200, 300), constraints={"params": 60})
    assert ending.error
    assert ending.reason == (
        "no seed was scored: there is nothing to breed from; seed1: static: expected at most 60 "
        "parameters, got 200: 140 (233.3%) above; limit constraints.params (and 1 more)"
    )


def test_a_parameter_that_no_gradient_reaches_fails_a_child_unless_a_seed_has_it(tmp_path: Path) -> None:
    unreached = {20: ("old.weight",), 30: ("old.weight",), 40: ("old.weight", "new.bias")}
    store, _ = run(tmp_path, (30, 40), Sized(unreached=unreached))
    states = {size_of(c.source): c for c in settled(store)}
    assert states[30].state is State.SCORED
    (failed,) = [e.outcome for e in store.evaluations(states[40].id)]
    assert isinstance(failed, Failed)
    assert (failed.stage, failed.reason.partition(":")[0]) == ("dry_run", "no gradient reaches new.bias")


def test_flops_may_be_an_objective(tmp_path: Path) -> None:
    store, ending = run(tmp_path, SIZES, Sized(), selection={"objectives": ["error", "flops"]})
    assert ending.complete
    assert len(store.scored()) == 7
