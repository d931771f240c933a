"""A model and its weights as a file for other tools, whose answers are compared with the model's own.

The model's code runs in locked children alone: one writes the file, another answers as the search's
predictions do. What the file answers is found out in a process of its own (ONNX), or in a child
(torch.export).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np

from evoarch.agent.base.errors import UserError
from evoarch.agent.deploy.onnx_process import OnnxAnswer, OnnxError, ask
from evoarch.agent.evaluation.bench import Bench
from evoarch.agent.evaluation.walls import choose_level, open_walls
from evoarch.agent.seeding.runner import over
from evoarch.agent.statistics.paired import Estimate, difference
from evoarch.archive.records import Failed
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.fit import examples_of
from evoarch.evaluators.params import carried
from evoarch.evaluators.program import exporting_program
from evoarch.evaluators.task import Floats
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Array, Finished

ONNX, PROGRAM, STATE = "onnx", "torch-export", "state"
FORMATS = (ONNX, PROGRAM, STATE)
"""An ONNX model, a program of torch.export, and the weights alone, as safetensors."""

ENDINGS: Mapping[str, str] = {ONNX: ".onnx", PROGRAM: ".pt2", STATE: ".safetensors"}
"""How each format's file is called."""

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
"""What ONNX needs: the extra `deploy`."""

LIMIT = 1e-4
"""The largest difference of a float32 logit between file and model: sums are taken in another order."""

EXAMPLES = 2
"""Inputs by which a model is written: with one, what holds for a batch of one alone would be taken in."""

ODD = 7
"""The batch that the file is asked by, beside all inputs at once: it must take any."""

CALIBRATION = 512
"""Training inputs that a quantisation looks at, the first ones."""

SECONDS, OUTPUT = 600.0, 1 << 30
"""Least limits of a child that writes a file: the exporters take longer than a prediction, in seconds of CPU
and wall clock, and the file may hold so many bytes.
"""


@dataclass(frozen=True)
class Quantised:
    """A file in int8. `error`: its own; `lost`: its share of wrong answers less that of the float32 file, on
    the same validation examples, with its interval.
    """

    data: bytes
    error: float
    lost: Estimate


@dataclass(frozen=True)
class Deployed:
    """A file of a model: `data` in `form`. `apart`: the largest difference of its logits from the model's
    own, on `examples` validation inputs; `error`: what it scores there; `opset` of ONNX.
    """

    form: str
    data: bytes
    apart: float
    examples: int
    error: float
    opset: int | None = None
    int8: Quantised | None = None


def missing() -> list[str]:
    """The packages of ONNX that are not installed."""
    return [name for name in PACKAGES if find_spec(name) is None]


def refuse_missing(form: str) -> None:
    """Raises UserError where the packages of a format are not installed."""
    if form == ONNX and (names := missing()):
        raise UserError(f"--format onnx needs {', '.join(names)}: pip install 'evoarch[deploy]'")


@asynccontextmanager
async def open_exporter(
    bench: Bench, *, unsafe: bool = False, writes: bool = True
) -> AsyncIterator[Exporter]:
    """What writes models of the bench's task, with walls of its own: the exporters import what no evaluation
    should find. Without `writes`, STATE alone, which needs none. Raises UserError for a task that is none of
    examples.
    """
    evaluator, plan = examples_of(bench.evaluator), bench.plan
    if evaluator is None:
        raise UserError(
            f"--format: expected a task of examples, got {plan.task.name}; the model file is all", code=1
        )
    async with AsyncExitStack() as stack:
        if not writes:
            yield Exporter(evaluator, bench.children, bench.children, plan.limits)
            return
        walls = await open_walls(
            choose_level(detect(), plan.config.sandbox.level, unsafe=unsafe),
            plan.task,
            plan.config.sandbox,
            frozen=plan.frozen,
            program=exporting_program(),
            packages=[name for name in ("onnx", "onnxscript") if find_spec(name)],
        )
        stack.push_async_callback(walls.close)
        yield Exporter(evaluator, bench.children, over(walls, plan.seeds), plan.limits)


@dataclass(frozen=True)
class Exporter:
    """Writes models through `writer`, and asks them for their own answers through `children`."""

    evaluator: Evaluator
    children: Runner
    writer: Runner
    limits: Limits

    async def export(
        self, source: str, weights: Mapping[str, Array], form: str, *, int8: bool = False
    ) -> Deployed | Failed:
        """The model `source` with `weights` as a file of one of FORMATS; with `int8`, an ONNX model quantised
        too. Failed: what can't be written, or whose answers are not the model's.
        """
        inputs = self.evaluator.grading.question().arrays["inputs"]
        own = await self._own(source, weights, inputs)
        if isinstance(own, Failed):
            return own
        if form == STATE:
            return Deployed(STATE, b"", 0.0, len(inputs), self._error(own))
        arrays = {f"weights/{name}": array for name, array in carried(weights).items()}
        job = self._job("exported", source, {**arrays, "inputs": inputs[:EXAMPLES]}, {"format": form})
        data = await self._written(job)
        if isinstance(data, Failed):
            return data
        found = await (self._program(data, inputs) if form == PROGRAM else self._onnx(data, inputs))
        if isinstance(found, Failed):
            return found
        apart = max(_apart(each.logits, own) for each in found)
        if problem := _too_far(apart):
            return problem
        opset = found[0].opset or None
        made = Deployed(form, data, apart, len(inputs), self._error(found[0].logits), opset)
        return await self._quantised(made, inputs, found[0].logits) if int8 else made

    async def untrained(self, source: str, inputs: Array, batch: int, seed: int) -> bytes | Failed:
        """The untrained model `source` as an ONNX file, checked on `inputs` (a multiple of `batch`). Its
        parameters are drawn from `seed`, as those of a model whose latency is measured in torch.
        """
        options = {"format": ONNX, "batch": batch}
        arrays = {"inputs": inputs[:EXAMPLES]}
        data = await self._written(replace(self._job("exported", source, arrays, options), seed=seed))
        if isinstance(data, Failed):
            return data
        questions = inputs.reshape(-1, batch, *inputs.shape[1:])
        job = Job("answer", source, {"inputs": questions}, {**self.evaluator.options, "batch": batch}, seed)
        outcome = await self.children.run(replace(job, limits=self.limits))
        if not isinstance(outcome, Finished):
            return failure_of(outcome, "predict")
        own = outcome.arrays.get("logits")
        found = await self._onnx(data, inputs)
        if isinstance(found, Failed):
            return found
        if own is None or own.dtype != np.float32 or own.shape[:2] != questions.shape[:2]:
            return Failed("predict", f"the reply must hold float32 logits {questions.shape[:2]}")
        expected = np.asarray(own.reshape(len(inputs), *own.shape[2:]), np.float32)
        return _too_far(max(_apart(each.logits, expected) for each in found)) or data

    async def _written(self, job: Job) -> bytes | Failed:
        """The bytes of the file that a child writes."""
        outcome = await self.writer.run(job)
        if not isinstance(outcome, Finished):
            return failure_of(outcome, "export")
        return np.asarray(outcome.arrays.get("file", ()), np.uint8).tobytes()

    async def _own(self, source: str, weights: Mapping[str, Array], inputs: Array) -> Floats | Failed:
        """The model's own logits, from a predicting child."""
        arrays = {f"0/{name}": array for name, array in carried(weights).items()}
        options = {"batch": len(inputs), "checkpoints": 1}
        job = replace(self._job("predict", source, {**arrays, "inputs": inputs}, options), limits=self.limits)
        outcome = await self.children.run(job)
        return (
            _logits(outcome, len(inputs)) if isinstance(outcome, Finished) else failure_of(outcome, "predict")
        )

    async def _program(self, data: bytes, inputs: Array) -> list[OnnxAnswer] | Failed:
        file, found = np.frombuffer(data, np.uint8), []
        for batch in (len(inputs), ODD):
            job = self._job("reloaded", "", {"file": file, "inputs": inputs}, {"batch": batch})
            outcome = await self.writer.run(job)
            if not isinstance(outcome, Finished):
                return failure_of(outcome, "export")
            logits = _logits(outcome, len(inputs))
            if isinstance(logits, Failed):
                return logits
            found.append(OnnxAnswer(logits, 0, b""))
        return found

    async def _onnx(self, data: bytes, inputs: Array) -> list[OnnxAnswer] | Failed:
        try:
            return [await ask(data, inputs, batch=batch) for batch in (len(inputs), ODD)]
        except OnnxError as error:
            return Failed("export", f"ONNX Runtime: {error}")

    async def _quantised(self, made: Deployed, inputs: Array, plain: Floats) -> Deployed | Failed:
        training = self.evaluator.grading.training()["inputs"][:CALIBRATION]
        try:
            found = await ask(made.data, inputs, batch=len(inputs), calibration=training)
        except OnnxError as error:
            return Failed("export", f"int8: ONNX Runtime: {error}")
        right = self.evaluator.grading.validation_right
        lost = difference([right(found.logits)], [right(plain)])
        return replace(made, int8=Quantised(found.int8, self._error(found.logits), lost))

    def _error(self, logits: Floats) -> float:
        """What these logits score; 1.0 where they are worth nothing."""
        grade = self.evaluator.grading.grade(logits, logits)
        return 1.0 if isinstance(grade, Failed) else grade.error

    def _job(
        self, function: str, source: str, arrays: Mapping[str, Array], options: Mapping[str, object]
    ) -> Job:
        limits = replace(
            self.limits,
            wall_clock=max(self.limits.wall_clock, SECONDS),
            cpu_seconds=max(self.limits.cpu_seconds, SECONDS),
            output=max(self.limits.output, OUTPUT),
        )
        return Job(function, source, arrays, {**self.evaluator.options, **options}, limits=limits)


def _logits(outcome: Finished, count: int) -> Floats | Failed:
    logits = outcome.arrays.get("logits")
    if logits is None or logits.dtype != np.float32 or logits.shape[:2] != (1, count):
        return Failed("predict", f"the reply must hold float32 logits (1, {count}, ...)")
    return np.asarray(logits[0], np.float32)


def _too_far(apart: float) -> Failed | None:
    """What is said of a file whose logits are so far from the model's."""
    if apart <= LIMIT:
        return None
    return Failed(
        "export", f"a logit of the file is {apart:.2g} from the model's; expected at most {LIMIT:g}"
    )


def _apart(found: Floats, own: Floats) -> float:
    """The largest difference; infinite where shapes differ or a number is none."""
    if found.shape != own.shape:
        return float("inf")
    largest = float(np.abs(found.astype(np.float64) - own).max(initial=0.0))
    return largest if np.isfinite(largest) else float("inf")
