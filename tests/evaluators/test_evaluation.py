"""Evaluations through the real walls, and the arithmetic that the parent does."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evoarch.archive.records import Failed, Fault, Scored
from evoarch.evaluators.agreement import chosen_checkpoint, disagree, smoothed_error
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.flow import derived_seed
from evoarch.evaluators.params import carried, count_params
from evoarch.evaluators.program import ENTRY, inside_program
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Evaluated, Recipe
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished, Killed, Raised, Usage

SHORT = Recipe("short", rate=0.02, steps=40, batch=100)
SEEDS = Mnist1d().seeds
MODEL = """
import torch, torch.nn as nn, torch.nn.functional as F

class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.hidden = nn.Linear(40, 8)
        self.norm = nn.BatchNorm1d(8)
        self.out = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.out(F.relu(self.norm(self.hidden(x))))
"""

Loop = tuple[asyncio.Runner, Runner]


def evaluate(
    walls: Loop, source: str, recipe: Recipe = SHORT, repeat: int = 0, **options: object
) -> Evaluated:
    loop, runner = walls
    evaluator = Evaluator(Mnist1d(), recipe, runner, **{"ceiling": 1.0, **options})
    return loop.run(evaluator.evaluate(source, digest="name", repeat=repeat))


def dry_run(walls: Loop, source: str, **options: object) -> DryRunPassed | ChildOutcome:
    loop, runner = walls
    return loop.run(Evaluator(Mnist1d(), SHORT, runner, **options).dry_run(source))


def test_the_program_is_complete_and_has_no_scoring_in_it() -> None:
    program = inside_program()
    assert program.entry == ENTRY
    assert ENTRY in program.files
    assert not any("evaluation" in name or "tasks" in name for name in program.files)


def test_the_fast_recipe_trains_conv_base(walls: Loop) -> None:
    found = evaluate(walls, SEEDS["conv_base"], Mnist1d().recipes["fast"])
    assert isinstance(found.outcome, Scored)
    assert found.outcome.metrics["error"] < 0.2
    assert found.outcome.metrics["params"] == 5_210
    wrong = 500 - int(np.unpackbits(np.frombuffer(found.correct, np.uint8))[:500].sum())
    assert found.outcome.metrics["error"] == pytest.approx((wrong + 1) / 502)
    assert sum(array.size for array in found.weights.values()) == 5_210
    assert found.seconds > 0
    assert found.cpu_seconds > 0


@pytest.mark.parametrize("name", SEEDS)
def test_baselines_are_sound_and_counted_before_training(walls: Loop, name: str) -> None:
    found = dry_run(walls, SEEDS[name])
    assert isinstance(found, DryRunPassed)
    assert found.params == {"conv_base": 5_210, "gru": 5_134, "mlp": 15_210, "residual_cnn": 91_082}[name]
    assert len(found.function_digest) == 64


def test_an_evaluation_is_a_function_of_names(walls: Loop) -> None:
    one, same, other = (evaluate(walls, MODEL, repeat=repeat) for repeat in (0, 0, 1))
    assert one.outcome == same.outcome
    assert one.correct == same.correct
    assert all(np.array_equal(one.weights[name], same.weights[name]) for name in one.weights)
    assert not np.array_equal(one.weights["out.weight"], other.weights["out.weight"])


def test_the_checkpoint_of_lowest_validation_error_counts(walls: Loop) -> None:
    # Never updated after the first stretch: a rate of zero would do the same, but is no recipe.
    late = "\n        self.steps = 0"
    source = MODEL.replace("nn.Linear(8, num_classes)", "nn.Linear(8, num_classes)" + late)
    spoil = "        self.steps += self.training\n        x = x * 0 if self.steps > 20 else x\n"
    source = source.replace("    def forward(self, x):\n", "    def forward(self, x):\n" + spoil)
    found = evaluate(walls, source, replace(SHORT, checkpoints=4, schedule="constant"))
    assert isinstance(found.outcome, Scored)
    assert found.detail["checkpoint"] in (0, 1)


def test_above_the_ceiling_is_a_failed_constraint(walls: Loop) -> None:
    found = evaluate(walls, MODEL, ceiling=0.01)
    assert isinstance(found.outcome, Failed)
    assert found.outcome.stage == "constraint"
    assert "above the ceiling 0.010" in found.outcome.reason


def test_entry_and_fixed_arguments(walls: Loop) -> None:
    source = MODEL + "\ndef make(num_classes, width, *, input_shape=()):\n"
    source += (
        "    assert input_shape == (40,)\n    return nn.Linear(40, num_classes) if width == 3 else None\n"
    )
    found = dry_run(walls, source, entry="make", kwargs={"width": 3})
    assert isinstance(found, DryRunPassed)
    assert found.params == 410


def test_lazy_layers_are_trained_and_loaded(walls: Loop) -> None:
    found = evaluate(walls, MODEL.replace("nn.Linear(40, 8)", "nn.LazyLinear(8)"))
    assert isinstance(found.outcome, Scored)
    assert found.outcome.metrics["params"] == 40 * 8 + 8 + 2 * 8 + 8 * 10 + 10


def test_tied_weights_count_once(walls: Loop) -> None:
    tie = "self.out = nn.Linear(8, num_classes)\n        self.again = nn.Linear(8, num_classes)"
    tie += "\n        self.again.weight = self.out.weight"
    found = dry_run(walls, MODEL.replace("self.out = nn.Linear(8, num_classes)", tie))
    assert isinstance(found, DryRunPassed)
    assert found.params == 40 * 8 + 8 + 2 * 8 + 8 * 10 + 10 + 10


BRAIN = "self.register_buffer('k', torch.ones(2, dtype=torch.bfloat16)); self.out"
INT = "def Model():\n    return 3\nclass M(nn.Module)"
FROZEN = "return self.out.requires_grad_(False)(x[:, :8]) if 1 else ("
HUGE = "return float('inf') * self.out"

BAD = {
    "no entry": ("Model", "Other", "build", "AttributeError", "expected a class or function 'Model'"),
    "an argument not offered": ("num_classes):", "width):", "build", "TypeError", "wants 'width'"),
    "no module": ("class Model(nn.Module)", INT, "build", "TypeError", "nn.Module, got int"),
    "a raising constructor": ("super().__init__()", "raise KeyError('w')", "build", "KeyError", "w"),
    "a wrong width": ("nn.Linear(40, 8)", "nn.Linear(41, 8)", "dry_run", "RuntimeError", "shapes"),
    "a wrong output": ("(8, num_classes)", "(8, 9)", "dry_run", "ValueError", "(4, 9), expected (4, 10)"),
    "a fixed batch": ("self.norm(", "self.norm(torch.ones(4, 1) * ", "dry_run", "RuntimeError", "size"),
    "no tensor": ("return self.out", "return self.out,", "dry_run", "TypeError", "got tuple"),
    "a type that can't cross": ("self.out", BRAIN, "dry_run", "TypeError", "got torch.bfloat16"),
    "not finite": ("return self.out", HUGE, "dry_run", "FloatingPointError", "not finite"),
    "detached": ("return self.out(", FROZEN, "dry_run", "ValueError", "no gradient"),
}


@pytest.mark.parametrize(("old", "new", "stage", "kind", "message"), BAD.values(), ids=BAD)
def test_an_unsound_genome_says_where(
    walls: Loop, old: str, new: str, stage: str, kind: str, message: str
) -> None:
    assert old in MODEL
    found = dry_run(walls, MODEL.replace(old, new, 1))
    assert isinstance(found, Raised), found
    assert (found.stage, found.kind) == (stage, kind)
    assert message in found.message
    assert failure_of(found).stage == stage


def test_a_wrong_width_names_module_and_shapes(walls: Loop) -> None:
    found = dry_run(walls, MODEL.replace("nn.Linear(40, 8)", "nn.Linear(41, 8)"))
    assert isinstance(found, Raised)
    assert (found.module, found.shapes, found.line) == ("hidden", ((4, 40),), 12)
    assert "(line 12, in hidden, given (4, 40))" in failure_of(found).reason


def test_a_loss_that_diverges_fails_in_training(walls: Loop) -> None:
    source = MODEL.replace("return self.out(", "return (1 if len(x) < 50 else float('nan')) * self.out(")
    found = evaluate(walls, source)
    assert isinstance(found.outcome, Failed)
    assert (found.outcome.stage, found.outcome.fault) == ("train", Fault.CANDIDATE)
    assert "the training loss became nan at step 1" in found.outcome.reason


class BrokenRunner:
    level = Level.FULL

    async def run(self, job: Job) -> ChildOutcome:
        return Broken("the zygote is gone", Usage(seconds=1.5))

    async def close(self) -> None: ...


def test_broken_walls_are_no_fault_of_the_candidate() -> None:
    with asyncio.Runner() as loop:
        found = evaluate((loop, BrokenRunner()), MODEL)
    assert found.outcome == Failed("train", "the zygote is gone", Fault.INFRASTRUCTURE)
    assert found.seconds == 1.5


def test_failures_keep_to_known_stages() -> None:
    assert failure_of(Killed("score 1.0", "stopped at 60 s"), "train").stage == "train"
    with pytest.raises(ValueError, match="did not finish"):
        failure_of(Finished({}))


def test_seeds_are_functions_of_every_name() -> None:
    names = [
        (0, "a", 0, "train"),
        (1, "a", 0, "train"),
        (0, "b", 0, "train"),
        (0, "a", 1, "train"),
        (0, "a", 0, "x"),
    ]
    drawn = [derived_seed(*name) for name in names]
    assert len(set(drawn)) == len(names)
    assert drawn == [derived_seed(*name) for name in names]
    assert all(0 <= seed < 2**63 for seed in drawn)


def test_statistics_are_free_only_beside_their_own_scale_and_shift() -> None:
    four = {n: np.ones(8, np.float32) for n in ("n.weight", "n.bias", "n.running_mean", "n.running_var")}
    assert count_params(four) == 16
    assert count_params({n: a for n, a in four.items() if n != "n.bias"}) == 24
    assert count_params({**four, "n.running_var": np.ones(9, np.float32)}) == 33
    assert count_params({**four, "n.num_batches_tracked": np.array(3)}) == 16
    assert "n.num_batches_tracked" not in carried({**four, "n.num_batches_tracked": np.array(3)})


def test_a_wide_number_counts_as_two() -> None:
    assert count_params({"w": np.ones(5, np.float64)}) == 10
    assert count_params({"w": np.ones(5, np.float16)}) == 5


@given(
    values=st.lists(arrays(np.float32, 3, elements=st.sampled_from([0.0, 1.0])), min_size=1, max_size=5),
    data=st.data(),
)
def test_no_claim_of_ties_hides_a_distinct_tensor(values: list[np.ndarray], data: st.DataObject) -> None:
    weights = {f"w{i}": value for i, value in enumerate(values)}
    names = st.sampled_from([*weights, "nothing"])
    ties = data.draw(st.one_of(st.none(), st.text(), st.dictionaries(names, names | st.integers())))
    distinct = {value.tobytes() for value in values}
    assert 3 * len(distinct) <= count_params(weights, ties) <= 3 * len(values)


@given(st.integers(1, 1000), st.data())
def test_the_error_is_smoothed(count: int, data: st.DataObject) -> None:
    wrong = data.draw(st.integers(0, count))
    correct = np.arange(count) >= wrong
    assert smoothed_error(correct) == pytest.approx((wrong + 1) / (count + 2))
    assert 0 < smoothed_error(correct) < 1


def test_the_first_of_the_best_finite_checkpoints_is_chosen() -> None:
    targets = np.array([0, 1])
    right = np.eye(2, dtype=np.float32)
    assert chosen_checkpoint(np.stack([right * np.nan, right[::-1], right, right]), targets) == 2
    assert chosen_checkpoint(np.full((1, 2, 2), np.inf, np.float32), targets) is None


def test_disagreement_in_value_and_in_class() -> None:
    logits = np.random.default_rng(0).normal(size=(200, 10)).astype(np.float32)
    assert disagree(logits, logits + np.float32(1e-6)) == ""
    assert "logits differ by up to 0.1" in disagree(logits, logits + np.float32(0.1))
    assert disagree(logits, logits * np.float32(np.nan))
    huge = logits.copy()
    huge[:, 0] = -1e9
    shuffled = huge.copy()
    shuffled[:, 1:] = huge[::-1, 1:]
    assert "classes flip" in disagree(huge, shuffled)
