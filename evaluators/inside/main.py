"""The entry of the program: the functions that a job may name."""

from __future__ import annotations

from evoarch.evaluators.inside.device import open_device
from evoarch.evaluators.inside.dry_run import dry_run, initial_state
from evoarch.evaluators.inside.grow import grow
from evoarch.evaluators.inside.latency import answer, serve
from evoarch.evaluators.inside.predict import predict
from evoarch.evaluators.inside.proof import answers, proof
from evoarch.evaluators.inside.trace_batch import traces
from evoarch.evaluators.inside.train import train
from evoarch.evaluators.inside.warm import warmup
from evoarch.evaluators.inside.zero_cost import zero_cost

__all__ = [
    "answer",
    "answers",
    "dry_run",
    "grow",
    "initial_state",
    "open_device",
    "predict",
    "proof",
    "serve",
    "traces",
    "train",
    "warmup",
    "zero_cost",
]
