"""The measuring of one genome: train in one child, predict in others, score here where the targets are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np

from archive.records import Failed, Fault, Outcome, Scored
from evaluators.agreement import chosen_checkpoint, disagree, smoothed_error
from evaluators.params import carried, count_params
from evaluators.segments import Segment, inherited_share, split_state, wrong_state
from evaluators.task import Evaluated, Floats, Recipe, SupervisedTask
from sandbox.job import Job, Runner
from sandbox.limits import Limits
from sandbox.outcome import Array, Broken, ChildOutcome, Finished, Killed, Raised, Usage

STAGES = ("build", "dry_run", "train", "predict")
"""What a failure inside a child may be called; anything else that it announced is replaced."""

DECOYS = 5
"""The second prediction sees one more input for this many, drawn from the training inputs."""

BATCHES = 7
"""About how many batches the validation inputs make up in the second prediction; the first has one."""

MOST_LAYERS = 201
"""Rows of a layer table that are kept."""

DRY_RUN_SEED = 0
"""One seed for all, so that two genomes that compute the same show the same digest."""


@dataclass(frozen=True)
class Sound:
    """A genome that passed the dry run. `function_digest` is "" when unsure: then it duplicates nothing.

    `params` counts the untrained weights, by the same rule as a score.
    """

    function_digest: str
    params: int
    usage: Usage = field(default_factory=Usage)
    layers: tuple[Mapping[str, object], ...] = ()
    """What the child said of its layers: name, kind, shape, params, flops. For people, never for a score."""


@dataclass(frozen=True)
class _Weights:
    """What a training child sent, by checkpoint, each with the same names and shapes."""

    checkpoints: tuple[Mapping[str, Array], ...]
    ties: object
    state: Mapping[str, Array]


class Evaluator:
    """Evaluates genomes on one task with one recipe. Never raises for what a genome does.

    `limits` hold for each child. `campaign_seed` draws the split and, with a genome's source digest and the
    number of the repeat, all randomness of an evaluation. `ceiling`: the error above which a candidate fails
    its constraint (None: the task's own). `kwargs` are fixed arguments of the entry.
    """

    def __init__(
        self,
        task: SupervisedTask,
        recipe: Recipe,
        runner: Runner,
        *,
        limits: Limits | None = None,
        campaign_seed: int = 0,
        ceiling: float | None = None,
        entry: str = "Model",
        kwargs: Mapping[str, object] | None = None,
    ) -> None:
        self._task, self._recipe, self._runner = task, recipe, runner
        self._limits = limits or Limits()
        self._seed = campaign_seed
        self._ceiling = task.ceiling if ceiling is None else ceiling
        self._splits = task.splits(campaign_seed)
        for array in (self._splits.train.inputs, self._splits.train.targets, self._splits.validation.inputs):
            # The runner hands arrays that nobody can write over once, and shares them among all children.
            array.setflags(write=False)
        classes = task.offers["num_classes"]
        if not isinstance(classes, int):
            raise TypeError(f"offers.num_classes of {task.name}: expected an integer, got {classes!r}")
        self._classes = classes
        self._options: Mapping[str, object] = {
            "entry": entry,
            "offers": dict(task.offers),
            "kwargs": dict(kwargs or {}),
            "loss": task.loss,
        }

    @property
    def options(self) -> Mapping[str, object]:
        """What every child of this evaluator is told: entry, offers, kwargs, loss."""
        return self._options

    async def dry_run(self, source: str) -> Sound | ChildOutcome:
        """A few examples forward and backward. A genome that can't be trained comes back as what it did."""
        job = Job("dry_run", source, options=self._options, seed=DRY_RUN_SEED, limits=self._limits)
        outcome = await self._runner.run(job)
        if not isinstance(outcome, Finished):
            return outcome
        digest = outcome.notes.get("function_digest")
        return Sound(
            function_digest=digest if isinstance(digest, str) and len(digest) == 64 else "",
            params=count_params(outcome.arrays, outcome.notes.get("ties")),
            usage=outcome.usage,
            layers=_layers(outcome.notes.get("layers")),
        )

    @property
    def steps(self) -> int:
        return self._recipe.steps

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        """Train and score once. `digest` is the genome's source digest; `repeat` counts from 0."""
        whole = Segment(0, self.steps)
        return await self.evaluate_segment(source, digest=digest, repeat=repeat, segment=whole)

    async def evaluate_segment(self, source: str, *, digest: str, repeat: int, segment: Segment) -> Evaluated:
        """As evaluators.segments.Staged says."""
        return await _Evaluation(self, source, digest, repeat, segment).run()


class _Evaluation:
    """One evaluation in progress: what it has spent and what it learnt."""

    def __init__(self, evaluator: Evaluator, source: str, digest: str, repeat: int, segment: Segment) -> None:
        self._of, self._source, self._name = evaluator, source, (digest, repeat)
        self._segment = segment
        self._usages: list[Usage] = []
        self._detail: dict[str, object] = {"isolation": evaluator._runner.level.value}

    async def run(self) -> Evaluated:
        trained = await self._train()
        if isinstance(trained, Failed):
            return self._ended(trained)
        inputs, targets = self._of._splits.validation.inputs, self._of._splits.validation.targets
        first = await self._predict(trained.checkpoints, inputs, len(inputs), "predict")
        if isinstance(first, Failed):
            return self._ended(first)
        best = chosen_checkpoint(first, targets)
        self._detail["checkpoint"] = best
        if best is None:
            return self._ended(Failed("predict", "the logits are not finite"))
        weights, logits = trained.checkpoints[best], first[best]
        if self._segment.stop < self._of.steps:
            params = count_params(weights, trained.ties)
            error = smoothed_error(logits.argmax(1) == targets)
            score = Scored({"error": error, "params": float(params)})
            return self._ended(score, state=trained.state)
        second = await self._predict_otherwise(weights)
        if isinstance(second, Failed):
            return self._ended(second)
        if problem := disagree(logits, second):
            return self._ended(await self._explain(weights, logits, problem))
        correct = (logits.argmax(1) == targets) & (second.argmax(1) == targets)
        error = smoothed_error(correct)
        params = count_params(weights, trained.ties)
        outcome: Outcome = Scored({"error": error, "params": float(params)})
        if error > self._of._ceiling:
            limit = f"the ceiling {self._of._ceiling:.3f} on {self._of._task.name}"
            outcome = Failed("constraint", f"error {error:.3f} is above {limit}")
        return self._ended(outcome, correct=np.packbits(correct).tobytes(), weights=weights)

    async def _train(self) -> _Weights | Failed:
        recipe, train, segment = self._of._recipe, self._of._splits.train, self._segment
        outcome = await self._child(
            "train",
            {"inputs": train.inputs, "targets": train.targets, **segment.arrays()},
            {"recipe": asdict(recipe), "start": segment.start, "stop": segment.stop},
            "train",
        )
        if not isinstance(outcome, Finished):
            return failure_of(outcome, "train")
        self._detail["curve"] = _curve(outcome.notes.get("curve"))
        trained = _weights_of(outcome, _checkpoints(recipe, segment), bool(segment.stop < recipe.steps))
        if segment.inherit and isinstance(trained, _Weights):
            share = inherited_share(trained.checkpoints[0], segment.inherit)
            self._detail["inherited_share"] = round(share, 4)
        return trained

    async def _predict(
        self, checkpoints: tuple[Mapping[str, Array], ...], inputs: Floats, batch: int, purpose: str
    ) -> Floats | Failed:
        """Logits (checkpoints, n, classes) in the order of `inputs`."""
        arrays: dict[str, Array] = {"inputs": inputs}
        for number, weights in enumerate(checkpoints):
            arrays |= {f"{number}/{name}": array for name, array in carried(weights).items()}
        options = {"batch": batch, "checkpoints": len(checkpoints)}
        outcome = await self._child("predict", arrays, options, purpose)
        if not isinstance(outcome, Finished):
            return failure_of(outcome, "predict")
        expected = (len(checkpoints), len(inputs), self._of._classes)
        logits = outcome.arrays.get("logits")
        if logits is None or logits.shape != expected or logits.dtype != np.float32:
            got = "nothing" if logits is None else f"{logits.dtype} {logits.shape}"
            return Failed("predict", f"the reply must hold float32 logits {expected}, got {got}")
        answer: Floats = np.asarray(logits, np.float32)
        return answer

    async def _predict_otherwise(self, weights: Mapping[str, Array]) -> Floats | Failed:
        """Logits (n, classes) of the same examples under another seed, in another order and batch size.

        Training inputs are mixed in, so that nothing a model may gather over all it sees stays the same.
        """
        splits, rng = self._of._splits, np.random.default_rng(self._draw("order"))
        count = len(splits.validation.inputs)
        known = len(splits.train.inputs)
        decoys = rng.choice(known, size=min(known, 1 + count // DECOYS), replace=False)
        pool = np.concatenate([splits.validation.inputs, splits.train.inputs[decoys]])
        order = rng.permutation(len(pool))
        logits = await self._predict((weights,), pool[order], 1 + count // BATCHES, "predict again")
        if isinstance(logits, Failed):
            return logits
        restored: Floats = np.empty(logits.shape[1:], np.float32)
        restored[order] = logits[0]
        kept: Floats = restored[:count]
        return kept

    async def _explain(self, weights: Mapping[str, Array], logits: Floats, problem: str) -> Failed:
        """Why two predictions differ: asked as at first once more, under a third seed."""
        inputs = self._of._splits.validation.inputs
        third = await self._predict((weights,), inputs, len(inputs), "predict a third time")
        if isinstance(third, Failed):
            return third
        if disagree(logits, third[0]):
            kind = (
                "state outside the weights: the same weights and inputs give other logits in a fresh process"
            )
        else:
            kind = "batch leakage: an example's logits depend on the others that are predicted with it"
        return Failed("predict", f"{kind} ({problem})")

    async def _child(
        self, function: str, arrays: Mapping[str, Array], options: Mapping[str, object], purpose: str
    ) -> ChildOutcome:
        outcome = await self._of._runner.run(
            Job(
                function,
                self._source,
                arrays=arrays,
                options={**self._of._options, **options},
                seed=self._draw(purpose),
                limits=self._of._limits,
            )
        )
        self._usages.append(outcome.usage)
        return outcome

    def _draw(self, purpose: str) -> int:
        return derived_seed(self._of._seed, *self._name, purpose)

    def _ended(
        self,
        outcome: Outcome,
        *,
        correct: bytes = b"",
        weights: Mapping[str, Array] | None = None,
        state: Mapping[str, Array] | None = None,
    ) -> Evaluated:
        self._detail["peak_rss"] = max((u.peak_rss for u in self._usages), default=0)
        return Evaluated(
            outcome,
            seconds=sum(u.seconds for u in self._usages),
            cpu_seconds=sum(u.cpu_seconds for u in self._usages),
            correct=correct,
            weights=weights or {},
            detail=self._detail,
            state=state or {},
        )


def derived_seed(campaign_seed: int, digest: str, repeat: int, purpose: str) -> int:
    """63 bits that are a function of names alone."""
    name = f"{campaign_seed}\n{digest}\n{repeat}\n{purpose}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def failure_of(outcome: ChildOutcome, stage: str = "dry_run") -> Failed:
    """A child that did not finish, as a failure; `stage` where the child named none that is known.

    Raises ValueError for a child that finished.
    """
    match outcome:
        case Raised():
            return Failed(_stage(outcome.stage, stage), _raised(outcome))
        case Killed():
            return Failed(_stage(outcome.stage, stage), outcome.reason)
        case Broken():
            return Failed(stage, outcome.reason, Fault.INFRASTRUCTURE)
        case Finished():
            raise ValueError("expected a child that did not finish, got Finished")


def _stage(announced: str, stage: str) -> str:
    return announced if announced in STAGES else stage


def _raised(outcome: Raised) -> str:
    message = " ".join(outcome.message.split())
    where = [f"line {outcome.line}"] if outcome.line else []
    if outcome.module:
        where.append(f"in {outcome.module}")
    if outcome.shapes:
        where.append(f"given {', '.join(str(shape) for shape in outcome.shapes)}")
    return f"{outcome.kind}: {message}" + (f" ({', '.join(where)})" if where else "")


def _checkpoints(recipe: Recipe, segment: Segment) -> int:
    """How many checkpoints the training of a segment owes."""
    if segment.stop < recipe.steps:
        return 1
    marks = (recipe.steps * (k + 1) // recipe.checkpoints for k in range(recipe.checkpoints))
    return sum(mark > segment.start for mark in marks)


def _weights_of(outcome: Finished, count: int, goes_on: bool = False) -> _Weights | Failed:
    """The checkpoints that a training child owes: `count` of them, alike in names, dtypes and shapes; and
    where training `goes_on`, the state for it.
    """
    arrays, state = split_state(outcome.arrays)
    checkpoints: list[dict[str, Array]] = [{} for _ in range(count)]
    for name, array in arrays.items():
        number, _, rest = name.partition("/")
        if not (number.isdecimal() and number == str(int(number)) and int(number) < count and rest):
            return Failed("train", f"the reply must name tensors 0/... to {count - 1}/..., got {name!r}")
        checkpoints[int(number)][rest] = array
    signatures = [{n: (a.dtype, a.shape) for n, a in weights.items()} for weights in checkpoints]
    if not signatures[0] or any(signature != signatures[0] for signature in signatures):
        return Failed("train", f"the reply must hold {count} checkpoints of the same tensors")
    if goes_on and (problem := wrong_state(state, checkpoints[0])):
        return Failed("train", problem)
    return _Weights(tuple(checkpoints), outcome.notes.get("ties"), state if goes_on else {})


def _layers(noted: object) -> tuple[Mapping[str, object], ...]:
    """The rows that have the agreed form; of what a child says besides, nothing is kept."""
    rows: list[Mapping[str, object]] = []
    for row in noted[:MOST_LAYERS] if isinstance(noted, list) else []:
        if not isinstance(row, dict):
            continue
        name, kind, shape = row.get("name"), row.get("kind"), row.get("shape")
        sizes = [row.get("params"), row.get("flops"), *(shape if isinstance(shape, list) else [None])]
        if isinstance(name, str) and isinstance(kind, str) and all(type(n) is int and n >= 0 for n in sizes):
            kept = {"name": name[:120], "kind": kind[:60], "shape": sizes[2:8]}
            rows.append({**kept, "params": sizes[0], "flops": sizes[1]})
    return tuple(rows)


def _curve(noted: object) -> list[float]:
    """The training loss as the child tells it: shown, never believed."""
    if not isinstance(noted, list):
        return []
    return [float(v) for v in noted[:100] if isinstance(v, int | float) and math.isfinite(v)]
