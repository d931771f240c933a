"""The arithmetic of benchmarks/halving.py; what it measures is for a quiet machine."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from evoarch.agent.base.decision import Decision
from evoarch.agent.config.measuring import RungTable
from evoarch.agent.evaluation.halving import ladder
from kit.paths import BENCHMARKS

RUNGS = ladder([RungTable(share=0.1, keep=0.5), RungTable(share=0.25, keep=0.5)], 400)


@pytest.fixture(scope="module")
def halving() -> dict[str, Any]:
    return runpy.run_path(str(BENCHMARKS / "halving.py"))


def test_a_policy_pays_for_what_it_ran_and_wins_with_what_came_through(halving: dict[str, Any]) -> None:
    def child(first: float, second: float, last: float, full: float, decisions: list[Decision]) -> Any:
        rungs = [({"error": first}, 1.0), ({"error": second}, 2.0)]
        return halving["Child"]("digest", 0.5, {"error": full}, 9.5, rungs, ({"error": last}, 7.0), decisions)

    promoted, stopped = Decision.PROMOTED, Decision.STOPPED
    children = [
        child(0.5, 0.4, 0.3, 0.25, [promoted, promoted]),
        child(0.6, 0.3, 0.1, 0.2, [stopped, promoted]),
        child(0.4, 0.5, 0.2, 0.3, [promoted, stopped]),
    ]
    result = halving["result_of"](children)
    # Dry runs 1.5; rungs 3, 1 and 3; one goes on to the end: 15.5 of 30. The best of the others was 0.2.
    assert result.cpu_ratio == pytest.approx(15.5 / 30)
    assert result.regret == pytest.approx(0.3 - 0.2)
    assert result.promoted == pytest.approx(1 / 3)
    assert halving["replayed"](children, RUNGS, {rung.name: 0.5 for rung in RUNGS}) == result
    first_alone = halving["replayed"](children, RUNGS, {"rung1": 0.5})
    assert first_alone.regret == pytest.approx(0.0)
    everybody = halving["replayed"](children, RUNGS, {})
    assert everybody.regret == pytest.approx(0.1 - 0.2)
    assert everybody.promoted == 1.0
