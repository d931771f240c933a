"""Objectives beside error and params: in selection, in prompts and their targets, and as limits."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections import Counter

import pytest

from evoarch.agent.base.ordering import Steering
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.agent.config.tables import SelectionTable
from evoarch.agent.evaluation.constraints import completed, excess, wanted
from evoarch.agent.search.selection import METHODS, select, targets
from evoarch.agent.search.variation import order_of
from evoarch.agent.statistics.objectives import deciding, objectives, region_of
from evoarch.archive.pareto import hypervolume
from evoarch.archive.records import Candidate, Failed, Proposal, Scored, State
from evoarch.evaluators.task import Evaluated
from evoarch.prompts.render import metrics_text
from kit.campaigns import config_of


def candidate(identity: int, **metrics: float) -> Candidate:
    return Candidate(
        id=identity, operator="seed", state=State.SCORED, source="x = 1\n", metrics=metrics, parents=()
    )


def test_selection_ranks_by_the_objectives_that_are_asked_for() -> None:
    table = SelectionTable(objectives=("macro_f1_loss", "latency"))
    best = candidate(1, error=0.9, params=9e9, macro_f1_loss=0.1, latency=0.5)
    worse = candidate(2, error=0.1, params=1.0, macro_f1_loss=0.2, latency=0.6)
    unmeasured = candidate(3, error=0.0, params=1.0, macro_f1_loss=0.0)
    drawn = [select([best, worse, unmeasured], 1, random.Random(seed), table)[0].id for seed in range(40)]
    assert set(drawn) == {1, 2}
    assert drawn.count(1) > drawn.count(2)


def crowd() -> list[Candidate]:
    """90 near 20,000 parameters, and two smaller ones, all on the front; one that much dominates."""
    large = [candidate(n, error=0.3 - n / 1000, params=20_000.0 + n) for n in range(1, 91)]
    small = [candidate(91, error=0.5, params=150.0), candidate(92, error=0.4, params=1500.0)]
    return [*large, *small, *(candidate(93 + n, error=0.49, params=5000.0 + n) for n in range(20))]


def test_strata_draw_parents_of_each_size_alike() -> None:
    table = SelectionTable(method="strata")
    drawn = Counter(select(crowd(), 1, random.Random(seed), table)[0].id for seed in range(400))
    assert 90 < drawn[91] < 180
    assert 90 < drawn[92] < 180
    assert sum(drawn[n] for n in range(1, 91)) > 90
    assert not [n for n in drawn if n > 95], "dominated by many"
    several = [select(crowd(), 4, random.Random(seed), table) for seed in range(20)]
    assert all(len({each.id for each in found}) == 4 for found in several)
    assert [c.id for c in select(crowd()[:1], 2, random.Random(0), table)] == [1]
    assert select([], 2, random.Random(0), table) == []


def test_a_pinned_candidate_stands_in_its_stratum_whoever_dominates_it() -> None:
    steering = Steering(pinned=frozenset({112}))
    table = SelectionTable(method="strata")
    drawn = {select(crowd(), 1, random.Random(seed), table, steering)[0].id for seed in range(60)}
    assert 112 in drawn


@pytest.mark.parametrize("method", METHODS)
def test_parents_come_from_the_region(method: str) -> None:
    everyone = [candidate(n, error=0.1, params=float(10**n)) for n in range(6)]
    everyone += [candidate(10 + n, error=0.2 - n / 100, params=1000.0 + n) for n in range(8)]
    table = SelectionTable(method=method, region={"params": (900.0, 2000.0)}, survivors=100)
    drawn = {select(everyone, 1, random.Random(seed), table)[0].id for seed in range(200)}
    assert drawn <= {3, *range(10, 18)}
    assert len(drawn) > 1
    empty = SelectionTable(method=method, region={"params": (9e6, 1e7)}, survivors=100)
    drawn = {select(everyone, 1, random.Random(seed), empty)[0].id for seed in range(200)}
    assert drawn <= {5, 4, 17, 16}, "the nearest where none is inside"


def test_a_region_counts_no_more_than_its_own_part_of_the_volume() -> None:
    table = SelectionTable(region={"params": (1e3, 1e4)})
    region, goals = region_of(table), objectives(table)
    reference = region.below({"error": 1.0, "params": 1e6})
    assert reference == {"error": 1.0, "params": 1e4}

    def volume(*rows: tuple[float, float]) -> float:
        return hypervolume([{"error": e, "params": p} for e, p in rows], goals, reference, region.floor)

    assert volume((0.2, 1e3)) == pytest.approx(0.8)
    assert volume((0.2, 10.0)) == pytest.approx(0.8)
    assert volume((0.2, 1e5)) == 0.0
    assert volume((0.5, 10.0), (0.2, 10**3.5)) == pytest.approx(0.5 + 0.5 * 0.3)
    assert region.distance({"params": 1e5}) == pytest.approx(1.0)
    assert region.distance({"params": 2e3}) == 0.0
    assert region.distance({}) == math.inf


def test_every_built_in_method_is_one_that_the_configuration_knows() -> None:
    from evoarch.agent.config.tables import METHODS as NAMED

    assert set(METHODS) == set(NAMED)


def test_prompts_ask_for_the_objectives_and_show_them() -> None:
    rows = [
        {"error": 0.2, "params": 1000.0, "auroc_loss": 0.1},
        {"error": 0.3, "params": 500.0, "auroc_loss": 0.05},
    ]
    assert targets(rows, ("auroc_loss", "params")) == {"auroc_loss": pytest.approx(0.045), "params": 400.0}
    assert targets(rows, ("auroc_loss", "latency")).keys() == {"auroc_loss"}, "what not all have is not asked"
    assert deciding(SelectionTable(objectives=("auroc_loss",))) == ("auroc_loss",)
    assert deciding(SelectionTable(method="scalar", objectives=("auroc_loss",))) == ("params", "error")
    shown = metrics_text({"error": 0.2, "params": 1000.0, "auroc_loss": 0.04567, "flops": 123456.0})
    assert shown == '{"params": "1000", "val_error": "0.200", "auroc_loss": "0.04567", "flops": "123456"}'


def test_an_order_shows_of_a_parent_what_it_asks_for() -> None:
    context = ProposalContext(
        metrics={1: {"error": 0.2, "params": 10.0, "train_seconds": 3.3, "auroc_loss": 0.1}},
        targets={"auroc_loss": 0.09, "params": 9.0},
    )
    proposal = Proposal(0, 2, "random", (1,), batch=1, ordinal=0, saw=0, context=context.as_json())
    order = order_of([proposal], [candidate(1)], {})
    assert dict(order.parents[0].metrics) == {"params": 10.0, "auroc_loss": 0.1}
    assert dict(order.targets) == {"auroc_loss": 0.09, "params": 9.0}


def test_a_limit_on_a_metric_holds_at_the_end_and_not_at_a_rung() -> None:
    limited = config_of(constraints={"metrics": {"auroc_loss": 0.1}}, evaluation={"metrics": ["auroc"]})
    assert wanted(limited, "auroc_loss") == "constraints.metrics.auroc_loss"
    assert excess(limited.constraints, {"auroc_loss": 0.1}) == ""
    evaluated = Evaluated(Scored({"error": 0.2, "params": 5.0, "auroc_loss": 0.2}), 0.0, 0.0)
    outcome = completed(evaluated, limited, 5, {}, {}).outcome
    assert isinstance(outcome, Failed)
    assert outcome.reason == (
        "expected at most 0.1 auroc_loss, got 0.2: 0.1 (100.0%) above; limit constraints.metrics.auroc_loss"
    )
    assert isinstance(completed(evaluated, limited, 5, {}, {}, partly=True).outcome, Scored)
    lacking = Evaluated(Scored({"error": 0.2, "params": 5.0}), 0.0, 0.0)
    outcome = completed(lacking, limited, 5, {}, {}).outcome
    assert isinstance(outcome, Failed)
    assert "this task tells no auroc_loss" in outcome.reason


def test_a_limit_of_nothing_is_a_limit() -> None:
    limited = config_of(constraints={"metrics": {"top5_error": 0.0}})
    assert "expected at most 0 top5_error, got 0.01: 0.01 above" in excess(
        limited.constraints, {"top5_error": 0.01}
    )


def test_the_public_contract_classes_need_no_pytest() -> None:
    code = (
        "import sys, evoarch\n"
        "for kind in ('Operator', 'LM', 'Task', 'Metric'): getattr(evoarch, f'{kind}Contract')\n"
        "print('pytest' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
