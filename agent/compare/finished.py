"""The runs of a comparison that are finished, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.compare.arms import find
from evoarch.agent.compare.comparison import Comparison, compared
from evoarch.agent.compare.curves import read
from evoarch.agent.compare.runs import FOLDER, Run
from evoarch.agent.config.recorded import settings_for_run
from evoarch.agent.statistics.objectives import region_of


def compare_finished(folder: Path, arms: Mapping[str, int], runs: Sequence[Run]) -> Comparison:
    """What the finished ones of `runs` say about `arms` (runs wanted, by name) of the campaign in `folder`,
    with how many of each are missing.

    Raises UserError where none is finished.
    """
    finished = [run for run in runs if run.finished()]
    if not finished:
        raise UserError(f"{folder / FOLDER}: no run is finished yet; nothing to compare", code=1)
    missing = {arm: sum(run.arm == arm and run not in finished for run in runs) for arm in arms}
    words = {arm: find(folder, arm)[0] for arm in arms}
    config = settings_for_run(folder).config
    region = region_of(config.selection)
    curves = [read(run, region) for run in finished]
    return compared(words, curves, missing, task=config.campaign.task, region=region)
