"""The table that benchmarks/racing.py races on: models of much the same quality, each trained many times.

The models are mutants of ConvBase and two baselines of its size, screened by one training seed that is not
in the table: the ten that lie closest together. What is kept of a training is what the archive keeps, a bit
per validation example.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.halving import mutants
from numpy.typing import NDArray

from evoarch.agent.base.concurrency import in_slots
from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.runner import start

MODELS, SEEDS, SCREENED = 10, 20, 14
SLOTS = 2
BASELINES = ("conv_base", "gru")


@dataclass(frozen=True)
class Table:
    """`correct`: bits (models, seeds, examples); `sources`: the model files, in order."""

    correct: NDArray[np.bool_]
    sources: Sequence[str]

    @property
    def wrong(self) -> NDArray[np.int64]:
        """Wrong examples, (models, seeds)."""
        return np.asarray((~self.correct).sum(axis=2))


def read(path: Path) -> Table:
    with np.load(path) as data:
        bits = np.unpackbits(data["bits"], axis=2, count=int(data["examples"])).astype(bool)
        return Table(bits, [str(source) for source in data["sources"]])


async def make(path: Path) -> Table:
    """Trains what is missing; each training is a line of a file beside `path`, so that a stop loses one."""
    log = path.with_suffix(".jsonl")
    task = Mnist1d()
    runner = await start(inside_program())
    try:
        evaluator = Evaluator(task, task.recipes["fast"], runner, ceiling=1.0)
        drawn = [source for source, _ in await mutants(evaluator, task.seeds["conv_base"], SCREENED, 0)]
        sources = [*(task.seeds[name] for name in BASELINES), *drawn]
        trained = _Trained(log, evaluator)
        await trained.all([(source, SEEDS) for source in sources])
        chosen = [sources[place] for place in closest([trained.right(s, SEEDS) for s in sources])]
        await trained.all([(source, seed) for seed in range(SEEDS) for source in chosen])
        rows = [[trained.bits(source, seed) for seed in range(SEEDS)] for source in chosen]
    finally:
        await runner.close()
    examples = len(task.splits(0).validation.targets)
    packed = np.array([[np.frombuffer(bits, np.uint8) for bits in row] for row in rows])
    np.savez_compressed(path, bits=packed, examples=examples, sources=np.array(chosen))
    return read(path)


def closest(right: Sequence[int]) -> list[int]:
    """Places of the MODELS neighbours in order of `right` that span the narrowest range."""
    order = sorted(range(len(right)), key=lambda place: (-right[place], place))
    spans = [right[order[at]] - right[order[at + MODELS - 1]] for at in range(len(order) - MODELS + 1)]
    at = spans.index(min(spans))
    return order[at : at + MODELS]


class _Trained:
    """Trainings by (source, seed), each made once."""

    def __init__(self, log: Path, evaluator: Evaluator) -> None:
        self._log, self._evaluator = log, evaluator
        lines = log.read_text().splitlines() if log.exists() else []
        self._known = {(row["digest"], row["seed"]): row["bits"] for row in map(json.loads, lines)}

    async def all(self, wanted: Sequence[tuple[str, int]]) -> None:
        """Trains what is not there yet."""

        async def one(pair: tuple[str, int]) -> None:
            source, seed = pair
            digest = source_digest(source)
            found = await self._evaluator.evaluate(source, digest=digest, repeat=seed)
            bits = found.correct if isinstance(found.outcome, Scored) else b""
            self._known[digest, seed] = bits.hex()
            with self._log.open("a") as file:
                file.write(json.dumps({"digest": digest, "seed": seed, "bits": bits.hex()}) + "\n")
            print(f"{len(self._known)} trainings: {found.outcome}", flush=True)

        missing = [pair for pair in wanted if (source_digest(pair[0]), pair[1]) not in self._known]
        await in_slots(missing, one, SLOTS)

    def bits(self, source: str, seed: int) -> bytes:
        return bytes.fromhex(self._known[source_digest(source), seed])

    def right(self, source: str, seed: int) -> int:
        """How many examples it gets right; a failure gets none."""
        return int(np.unpackbits(np.frombuffer(self.bits(source, seed), np.uint8)).sum())
