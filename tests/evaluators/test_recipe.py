"""RECIPE: read within its bounds, vetted, applied by the trusted process, changed by mutation."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.tables import OperatorTable
from evoarch.agent.evaluation.bench import searched
from evoarch.agent.evaluation.vetting import findings_of
from evoarch.agent.operators.registry import build_operator
from evoarch.agent.operators.syntactic.dataflow import FlowContext
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate, mutate
from evoarch.agent.report.export import model_file
from evoarch.archive.records import FULL, Evaluation, Failed, Scored
from evoarch.archive.store import create
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.recipe import of_genome
from evoarch.evaluators.sealed import SealedConfirmer
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.prompts.render import BUILT_IN
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.job import Job
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.outcome import ChildOutcome, Finished, Killed, Usage
from evoarch.sandbox.recipe import KEYS, read
from evoarch.sandbox.vet import vet
from kit import campaigns

MODEL = """
from torch import nn

class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layer = nn.Linear(40, num_classes)

    def forward(self, x):
        return self.layer(x)
"""
OFFERS: Mapping[str, object] = {"input_shape": (40,), "num_classes": 10}
PLAIN = Recipe("fast", rate=0.02, steps=400, batch=100, searched=True)


def with_recipe(text: str) -> str:
    return MODEL.replace("class Model", f"RECIPE = {text}\n\nclass Model", 1)


def config_of(**evaluation: Any) -> Any:
    return campaigns.config_of(evaluation=evaluation)


GOOD = "{'rate_factor': 2, 'weight_decay': 0.1, 'batch_factor': 0.5, 'schedule': 'constant'}"


def test_a_recipe_within_its_bounds_changes_how_a_genome_is_trained() -> None:
    assert not vet(with_recipe(GOOD), offers=OFFERS)
    own = of_genome(PLAIN, with_recipe(GOOD))
    assert own == replace(PLAIN, rate=0.04, weight_decay=0.1, batch=50, schedule="constant")
    assert own.steps == PLAIN.steps, "the budget's, not the genome's"
    assert of_genome(PLAIN, MODEL) == PLAIN
    assert of_genome(replace(PLAIN, searched=False), with_recipe(GOOD)).rate == PLAIN.rate


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{'rate_factor': 40}", "rate_factor: expected a number from 0.25 to 4, got 40"),
        ("{'rate_factor': True}", "rate_factor: expected a number from 0.25 to 4, got True"),
        ("{'weight_decay': -1e-9}", "weight_decay: expected a number from 0 to 0.5, got -1e-09"),
        ("{'weight_decay': 1e999}", "weight_decay: expected a number from 0 to 0.5, got inf"),
        ("{'batch_factor': 2.0}", "batch_factor: expected a number from 0.25 to 1, got 2.0"),
        ("{'schedule': 'cosine'}", "schedule: expected one of 'onecycle', 'constant', got 'cosine'"),
        ("{'steps': 4000}", "steps: expected none, since all are trained for as many, got 4000"),
        ("{'rate': 0.1}", "expected keys of rate_factor, weight_decay, batch_factor, schedule, got 'rate'"),
        ("{3: 1}", "got 3"),
        ("[1]", "expected RECIPE to be a dictionary of literals"),
        ("dict(rate_factor=1.0)", "expected RECIPE to be a dictionary of literals"),
    ],
)
def test_a_recipe_out_of_its_bounds_is_found_and_never_applied(text: str, said: str) -> None:
    findings = [one for one in vet(with_recipe(text), offers=OFFERS) if one.rule == "recipe"]
    assert len(findings) == 1
    assert said in findings[0].message
    assert findings[0].line == 4
    with pytest.raises(ValueError, match="RECIPE") as error:
        of_genome(PLAIN, with_recipe(text))
    assert said in str(error.value)


def test_what_has_to_be_run_and_what_stands_twice_is_found() -> None:
    for text in ("{'rate_factor': 10 ** 2}", "{**{}}", "{'rate_factor': [].x}"):
        assert any("got what has to be run" in str(one) for one in vet(with_recipe(text), offers=OFFERS)), (
            text
        )
    twice = "{'rate_factor': 1.0, 'rate_factor': 2.0}"
    assert any("once, got it again" in str(one) for one in vet(with_recipe(twice), offers=OFFERS))
    again = with_recipe("{'rate_factor': 1.0}") + "\nRECIPE = {'rate_factor': 2.0}\n"
    assert any("expected RECIPE once" in str(one) for one in vet(again, offers=OFFERS))


def test_a_campaign_that_trains_all_alike_says_so() -> None:
    source = with_recipe("{'rate_factor': 2.0}")
    (finding,) = findings_of(source, config_of(), OFFERS)
    assert "expected no RECIPE: this campaign trains every candidate alike" in str(finding)
    assert "evaluation.recipe_search = true" in finding.hint
    assert not findings_of(source, config_of(recipe_search=True), OFFERS)


def test_the_recipe_is_part_of_what_a_genome_is() -> None:
    one, other = (source_digest(with_recipe(f"{{'rate_factor': {n}}}")) for n in (1.0, 2.0))
    assert len({one, other, source_digest(MODEL)}) == 3
    assert source_digest(with_recipe("{\n  'rate_factor' : 1.0}")) == one


class Noting:
    """A runner that notes its trainings, which all die; a model can be built."""

    level = Level.FULL

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def run(self, job: Job) -> ChildOutcome:
        if job.function == "initial_state":
            return Finished({"w": np.zeros(1, np.float32)})
        self.jobs.append(job)
        return Killed("train", "ended", Usage())

    async def close(self) -> None: ...


def test_the_evaluator_reads_the_recipe_from_the_source_alone() -> None:
    runner = Noting()
    evaluator = Evaluator(Mnist1d(), PLAIN, runner)

    def trained(source: str) -> Any:
        return asyncio.run(evaluator.evaluate(source, digest="name", repeat=0)).outcome

    trained(with_recipe("{'rate_factor': 0.5}") + "\nclass RECIPE(dict): ...\n")
    assert isinstance(trained(with_recipe(GOOD)), Failed)
    recipes: list[Any] = [job.options["recipe"] for job in runner.jobs]
    assert [recipe["rate"] for recipe in recipes] == [0.01, 0.04]
    assert recipes[1]["batch"] == 50
    refused = trained(with_recipe("{'batch_factor': 64.0}"))
    assert refused == Failed(
        "train", "line 4: RECIPE: batch_factor: expected a number from 0.25 to 1, got 64.0"
    )
    assert len(runner.jobs) == 2, "nothing was run for it"


def test_confirmation_multiplies_its_rates_by_the_genomes_own() -> None:
    runner = Noting()
    confirmer = SealedConfirmer(Mnist1d(), PLAIN, runner, limits=Limits(), campaign_seed=0, test_seed=1)
    for source in (with_recipe(GOOD), MODEL):
        asyncio.run(confirmer.select(source, digest="name", repeat=0, rate=0.01))
    recipes: list[Any] = [job.options["recipe"] for job in runner.jobs]
    assert [recipe["rate"] for recipe in recipes] == [0.02, 0.01]
    assert [recipe["schedule"] for recipe in recipes] == ["constant", "onecycle"]


def test_an_exported_model_names_its_recipe(tmp_path: Path) -> None:
    with create(tmp_path / "c", name="c", seed=0) as store:
        source = with_recipe("{'rate_factor': 0.5}")
        store.add_seed("seed", source, source_digest(source))
        store.start(1)
        store.settle(Evaluation(1, FULL, 0, Scored({"error": 0.1, "params": 410.0}), 1.0, 1.0, kind="seed"))
        config, candidate = config_of(recipe_search=True), store.candidate(1)
        text = model_file(store, config, candidate)
        assert "Trained with a RECIPE of its own: rate_factor 0.5." in text
        assert "RECIPE = {'rate_factor': 0.5}" in text
        assert source_digest(text) == candidate.source_digest


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_mutation_stays_within_the_bounds(seed: int) -> None:
    rng, source, changed = random.Random(seed), MODEL, False
    for _ in range(6):
        draft = mutate(source, rng, FlowContext(OFFERS, recipe=True))
        source = draft.source or source
        changed = changed or "RECIPE" in draft.change
        assert not [one for one in vet(source, offers=OFFERS) if one.rule == "recipe"]
        assert set(read(source)) <= set(KEYS)
    assert changed == ("RECIPE" in source)
    assert "RECIPE" not in (mutate(MODEL, rng, FlowContext(OFFERS)).source or "")


def test_only_a_campaign_that_searches_recipes_mutates_them() -> None:
    table = OperatorTable(name="syntactic.mutate")
    for wanted in (False, True):
        operator = build_operator(table, config_of(recipe_search=wanted), BUILT_IN)
        assert operator == SyntacticMutate(recipe=wanted)


def test_a_task_with_its_own_training_has_no_recipe_search() -> None:
    class Own:
        name = "own"

    task: Any = Own()
    with pytest.raises(UserError, match=r"evaluation\.recipe_search: .*; own brings its own training"):
        searched(task, PLAIN)
    assert searched(Mnist1d(), replace(PLAIN, searched=False)).searched
