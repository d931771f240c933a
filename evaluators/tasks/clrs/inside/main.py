"""The entry of the CLRS program: the functions that a job may name."""

from __future__ import annotations

from evoarch.evaluators.inside.device import open_device
from evoarch.evaluators.tasks.clrs.inside.loop import dry_run, initial_state, predict, train, warmup

__all__ = ["dry_run", "initial_state", "open_device", "predict", "train", "warmup"]
