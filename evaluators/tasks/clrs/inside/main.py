"""The entry of the CLRS program: the functions that a job may name."""

from __future__ import annotations

from evoarch.evaluators.inside.device import open_device
from evoarch.evaluators.tasks.clrs.inside.loop import dry_run, predict, train, warmup

__all__ = ["dry_run", "open_device", "predict", "train", "warmup"]
