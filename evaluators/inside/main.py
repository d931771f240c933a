"""The entry of the program: the functions that a job may name."""

from __future__ import annotations

from evaluators.inside.dry_run import dry_run
from evaluators.inside.predict import predict
from evaluators.inside.train import train
from evaluators.inside.warm import warmup

__all__ = ["dry_run", "predict", "train", "warmup"]
