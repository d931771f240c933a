"""What every task of examples must do, as one importable test class.

Subclass it in a test module and give one fixture, `task`:

    class TestMyTask(evoarch.TaskContract):
        @pytest.fixture
        def task(self):
            return evoarch.load_task("my_task.py:MyTask")
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np

from evoarch.archive.records import Failed, Scored
from evoarch.evaluators.checks import check_splits, input_shape, outputs
from evoarch.evaluators.facts import task_facts
from evoarch.evaluators.registry import measuring, program_for
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.sealed import SealedTask, selection_of, tests_of
from evoarch.evaluators.task import Evaluated, Recipe, Split, SupervisedTask
from evoarch.sandbox.runner import start
from evoarch.sandbox.vet import vet

STEPS = 20
"""Optimiser steps that the baselines are trained for here."""

SHARED = 0.1
"""The largest share of held out examples that may be among the training examples too (real data repeat)."""


class TaskContract:
    """All tests but `test_baselines_train_behind_the_walls` are quick; that one starts locked processes."""

    def test_it_says_what_a_campaign_needs(self, task: SupervisedTask) -> None:
        assert isinstance(task, SupervisedTask), "expected offers, loss, recipes, seeds, ceiling and splits"
        assert task.name
        assert input_shape(task)
        assert outputs(task)
        assert all(isinstance(recipe, Recipe) for recipe in task.recipes.values())
        assert "fast" in task.recipes, 'expected a recipe "fast", which campaigns begin with'
        assert 0 < task.ceiling <= 1

    def test_it_can_be_described(self, task: SupervisedTask) -> None:
        facts = task_facts(task, task.recipes["fast"])
        assert all((facts.about, facts.interface, facts.data, facts.training, facts.score))
        assert str(outputs(task)) in facts.interface
        assert not any("\n" in line for line in facts.lines)

    def test_splits_hold_and_are_a_function_of_the_seed(self, task: SupervisedTask) -> None:
        first, same = (check_splits(task, task.splits(3)) for _ in range(2))
        for one, other in ((first.train, same.train), (first.validation, same.validation)):
            np.testing.assert_array_equal(one.inputs, other.inputs)
            np.testing.assert_array_equal(one.targets, other.targets)

    def test_what_is_held_out_was_not_trained_on(self, task: SupervisedTask) -> None:
        splits = task.splits(0)
        _apart(splits.train, splits.validation, "validation")

    def test_every_class_is_trained_on(self, task: SupervisedTask) -> None:
        if task.loss == "cross_entropy":
            found = np.unique(task.splits(0).train.targets)
            missing = sorted(set(range(outputs(task))) - set(found.tolist()))
            assert not missing, f"no training example of the classes {missing}"

    def test_baselines_pass_vetting(self, task: SupervisedTask) -> None:
        assert task.seeds, "expected at least one baseline model file"
        for name, source in task.seeds.items():
            findings = vet(source, entry="Model", offers=task.offers)
            assert not findings, f"{name}: {'; '.join(map(str, findings))}"

    def test_baselines_train_behind_the_walls(self, task: SupervisedTask) -> None:
        """Each is sound and is scored, or above the ceiling; the first one twice, with the same result."""
        recipe = replace(task.recipes["fast"], steps=STEPS)

        async def measured() -> list[tuple[str, DryRunPassed | object, Evaluated]]:
            runner = await start(program_for(task))
            try:
                evaluator = measuring(task, recipe, runner)
                names = [*task.seeds, next(iter(task.seeds))]
                return [
                    (
                        name,
                        await evaluator.dry_run(task.seeds[name]),
                        await evaluator.evaluate(task.seeds[name], digest=name, repeat=0),
                    )
                    for name in names
                ]
            finally:
                await runner.close()

        found = asyncio.run(measured())
        for name, sound, evaluated in found:
            assert isinstance(sound, DryRunPassed), f"{name}: {sound}"
            outcome = evaluated.outcome
            above = isinstance(outcome, Failed) and outcome.stage == "constraint"
            assert above or isinstance(outcome, Scored), f"{name}: {outcome}"
        first, again = found[0][2], found[-1][2]
        assert first.outcome == again.outcome, "the same training gave two results"
        for key, array in first.weights.items():
            np.testing.assert_array_equal(array, again.weights[key])

    def test_sealed_splits_hold_where_there_are_any(self, task: SupervisedTask) -> None:
        if not isinstance(task, SealedTask):
            return
        selecting = selection_of(task, 0)
        _apart(selecting.train, selecting.validation, "selection")
        for name, test in tests_of(task, 0).items():
            _apart(selecting.train, test, name)
            _apart(selecting.validation, test, name)


def _apart(known: Split, held_out: Split, name: str) -> None:
    seen = {row.tobytes() for row in known.inputs}
    shared = sum(row.tobytes() in seen for row in held_out.inputs)
    assert shared <= SHARED * len(held_out.inputs), (
        f"{shared} of {len(held_out.inputs)} examples of {name} are among those that something was fitted to"
    )
