"""One `[[track]]` table: a tracker that is told of the campaign, and where it keeps what it is told."""

from __future__ import annotations

from typing import Literal, get_args

from evoarch.agent.config.table import Table

TrackerName = Literal["mlflow", "tensorboard", "trackio", "wandb"]
TRACKERS: tuple[TrackerName, ...] = get_args(TrackerName)
"""The trackers that there are (agent/tracking/registry.py)."""


class TrackTable(Table):
    """A tracker that is told of the campaign while it runs (docs/tracking.md)."""

    tracker: TrackerName
    """Which one; each at most once."""
    project: str = "evoarch"
    """The experiment or project that the campaign's run belongs to."""
    place: str = ""
    """Where it keeps its runs: for `mlflow` the URI of a server or store, else a folder, relative to the
    campaign's. "": the folder `tracking` there."""
    online: bool = False
    """For `wandb`: send to the server that `wandb login` named. Otherwise runs are written to be sent later
    by `wandb sync`."""
