"""The trackers by name: the package of each, the extra that brings it, and where it keeps its runs."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from pathlib import Path

from evoarch.agent.config.tracking import TrackTable
from evoarch.agent.tracking.base import Tracker, TrackerError

CLASSES = {
    "mlflow": "MLflowTracker",
    "tensorboard": "TensorBoardTracker",
    "trackio": "TrackioTracker",
    "wandb": "WandbTracker",
}
"""By tracker, the class that tells it: each in a module of the tracker's name."""

FOLDER = "tracking"
"""Where in a campaign's folder trackers keep their runs, each in a folder of its own."""


def build(table: TrackTable, folder: Path) -> Tracker:
    """The tracker of a table of the campaign in `folder`. Raises TrackerError: its package is not there."""
    if find_spec(table.tracker) is None:
        raise TrackerError(f"it is not installed: pip install 'evoarch[{table.tracker}]'")
    module = importlib.import_module(f"evoarch.agent.tracking.{table.tracker}")
    made: Tracker = getattr(module, CLASSES[table.tracker])(table, place(table, folder))
    return made


def place(table: TrackTable, folder: Path) -> str:
    """The URI or absolute folder of a tracker's store."""
    if "://" in table.place:
        return table.place
    return str((folder / (table.place or f"{FOLDER}/{table.tracker}")).resolve())
