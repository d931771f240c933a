"""Scored candidates that lack a value for an objective: they stand in no comparison, and nothing breaks."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from evoarch.agent.analysis.verdict import judge
from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import Steering
from evoarch.agent.config.tables import SelectionTable
from evoarch.agent.search.selection import select
from evoarch.agent.statistics.front import elites
from evoarch.agent.statistics.noise import read_noise
from evoarch.archive.records import Candidate, Scored, State
from evoarch.evaluators.fakes import StubEvaluator, hashed_score
from kit.campaigns import archive_of, config_of, run
from kit.scale_models import MODEL

SEED = MODEL.format(scale=1.5)
RUNGS = {"rungs": [{"share": 0.25, "keep": 0.5}]}


def score(source: str) -> Scored:
    """`warmth` beside the usual for the seed and every other child."""
    outcome = hashed_score(source)
    assert isinstance(outcome, Scored)
    has = source == SEED or outcome.metrics["params"] % 2
    return Scored({**outcome.metrics, **({"warmth": outcome.metrics["params"]} if has else {})})


@pytest.mark.parametrize("evaluation", [{"repeats": 1}, {"repeats": 2, "race": 4}, {**RUNGS, "repeats": 1}])
@pytest.mark.parametrize("method", ["pareto", "uniform"])
def test_a_campaign_goes_on_over_candidates_without_an_objective(
    tmp_path: Path, evaluation: dict[str, Any], method: str
) -> None:
    with archive_of(tmp_path, SEED) as store:
        selection = {"objectives": ["error", "warmth"], "method": method}
        config = config_of(budget={"evaluations": 30}, evaluation=evaluation, selection=selection)
        assert run(store, config, StubEvaluator(score=score)).complete
        scored = store.scored()
        lacking = [each for each in scored if "warmth" not in each.metrics]
        assert lacking
        assert len(lacking) < len(scored)
        front = elites(store, config)
        assert not {each.id for each in front} & {each.id for each in lacking}
        for each in lacking:
            judged = judge(store, config, each, front, read_noise(store))
            assert judged is not None
            assert not judged.dominated_by
        if method == "pareto":
            parents = {parent for proposal in store.proposals() for parent in proposal.parents}
            assert not parents & {each.id for each in lacking}


def test_one_without_an_objective_is_no_parent_though_it_is_pinned() -> None:
    table = SelectionTable(objectives=("error", "flops"))
    view = [
        Candidate(1, "seed", State.SCORED, metrics={"error": 0.3, "params": 10.0, "flops": 10.0}),
        Candidate(2, "seed", State.SCORED, metrics={"error": 0.1, "params": 10.0}),
    ]
    chosen = select(view, 2, random.Random(0), table, Steering(pinned=frozenset([2])))
    assert [each.id for each in chosen] == [1]
    assert select(view[1:], 2, random.Random(0), table) == []


def test_where_nobody_has_all_objectives_a_run_says_so(tmp_path: Path) -> None:
    def either(source: str) -> Scored:
        known = "warmth" if source == SEED else "cold"
        return Scored({"error": 0.1, "params": 9.0, known: 1.0})

    config = config_of(selection={"objectives": ["warmth", "cold"]})
    with archive_of(tmp_path, SEED) as store:
        store.add_seed("other", MODEL.format(scale=2.5), "other")
        with pytest.raises(UserError, match="no candidate was measured in all of warmth, cold"):
            run(store, config, StubEvaluator(score=either))
