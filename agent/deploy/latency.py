"""Latency of the ONNX file that a model is exported as, in place of the model in torch.

The untrained model is exported in a locked child, and answers in another; ONNX Runtime times the file beside
the reference's in a process of its own, which no code of a genome enters. The file must answer as the model
does: a model that exports another one than it is gets no latency.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.deploy import onnx_process
from evoarch.agent.deploy.export import CALIBRATION, Exporter, missing, open_exporter
from evoarch.agent.deploy.onnx_process import OnnxError
from evoarch.agent.evaluation import bench as benches
from evoarch.agent.evaluation.bench import Bench
from evoarch.archive.records import Failed, Fault
from evoarch.evaluators.latency import BATCH, SHARE, Latency, Timing, interval

TORCH, INT8 = "torch", "onnx-int8"
"""Values of `[evaluation] latency_of`, beside "onnx"."""

QUESTIONS = 4
"""Batches of validation inputs that file and model both answer; the first is what is timed."""


def refuse_missing(config: Config) -> None:
    """Raises UserError where the packages are not installed that `latency_of` needs."""
    form = config.evaluation.latency_of
    if form != TORCH and (names := missing()):
        raise UserError(
            f"evaluation.latency_of = \"{form}\" needs {', '.join(names)}: pip install 'evoarch[deploy]'"
        )


@asynccontextmanager
async def open_timing(bench: Bench, *, unsafe: bool = False) -> AsyncIterator[Timing | None]:
    """What measures latency as the bench's `latency_of` says, on this machine's cores; None and UserError as
    evaluation.bench.open_timing, and UserError for missing packages.
    """
    config = bench.plan.config
    refuse_missing(config)
    async with benches.open_timing(bench, unsafe=unsafe) as timing:
        if timing is None or config.evaluation.latency_of == TORCH:
            yield timing
            return
        async with open_exporter(bench, unsafe=unsafe) as exporter:
            yield ExportedTiming(exporter, int8=config.evaluation.latency_of == INT8)


@dataclass(frozen=True)
class ExportedTiming:
    """Times files that `exporter` writes; with `int8`, quantised ones."""

    exporter: Exporter
    int8: bool
    _references: dict[str, bytes] = field(default_factory=dict)

    async def latency(self, source: str, reference: str) -> Latency | Failed:
        """As evaluators.latency.Timing says."""
        own = self._references.get(reference)
        if own is None:
            found = await self._file(reference)
            if isinstance(found, Failed):
                return _told("the reference's", replace(found, fault=Fault.INFRASTRUCTURE))
            own = self._references[reference] = found
        made = await self._file(source)
        if isinstance(made, Failed):
            return _told("its", made)
        evaluator = self.exporter.evaluator
        training = evaluator.grading.training()["inputs"][:CALIBRATION] if self.int8 else None
        try:
            timed = await onnx_process.compare(
                (made, own),
                self._inputs(1),
                calibration=training,
                seconds=SHARE * self.exporter.limits.wall_clock,
            )
        except OnnxError as error:
            return _told("its", Failed("static", f"ONNX Runtime: {error}"))
        low, high = interval(timed.ratios)
        ratio = float(np.median(timed.ratios))
        return Latency(ratio, low, high, len(timed.ratios), timed.cpu_seconds)

    async def refuse_reference(self, name: str, source: str) -> None:
        """Raises UserError where the reference can't be exported: no candidate would get a latency."""
        found = await self._file(source)
        if isinstance(found, Failed):
            raise UserError(f"constraints.reference: {name} can't be timed as ONNX: {found.reason}", code=1)
        self._references[source] = found

    async def _file(self, source: str) -> bytes | Failed:
        seed = int(np.random.default_rng().integers(1 << 62))
        return await self.exporter.untrained(source, self._inputs(QUESTIONS), BATCH, seed)

    def _inputs(self, batches: int) -> onnx_process.Inputs:
        """Validation inputs, again from the first where there are fewer."""
        inputs = self.exporter.evaluator.grading.question().arrays["inputs"]
        return np.resize(inputs, (batches * BATCH, *inputs.shape[1:]))


def _told(whose: str, failed: Failed) -> Failed:
    return replace(failed, stage="static", reason=f"{whose} latency can't be measured: {failed.reason}")
