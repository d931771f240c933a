"""The entry of the program: the functions that a job may name."""

from __future__ import annotations

from evaluators.inside.device import open_device
from evaluators.inside.dry_run import dry_run
from evaluators.inside.latency import answer, serve
from evaluators.inside.predict import predict
from evaluators.inside.train import train
from evaluators.inside.warm import warmup
from evaluators.inside.zero_cost import zero_cost

__all__ = ["answer", "dry_run", "open_device", "predict", "serve", "train", "warmup", "zero_cost"]
