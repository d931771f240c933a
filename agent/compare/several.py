"""Campaigns that somebody made one by one, told apart as the runs of a comparison are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evoarch.agent.compare.comparison import Comparison, compared
from evoarch.agent.compare.curves import Curve, read
from evoarch.agent.compare.runs import FOLDER, Run
from evoarch.agent.config.load import Config
from evoarch.agent.statistics.objectives import region_of


def runs_of(campaigns: Mapping[Path, Config]) -> list[Run]:
    """Each campaign as a run of an arm: the arm that `evoarch compare` wrote it for or, elsewhere, all that
    have the same configuration but for name and seed, under the name of the first.
    """
    names: dict[str, str] = {}
    runs = []
    for folder, config in campaigns.items():
        seed = config.campaign.seed
        resolved = folder.resolve()
        if resolved.parent.parent.name == FOLDER:
            runs.append(Run(resolved.parent.name, seed, folder))
            continue
        data = config.model_dump(mode="json")
        data["campaign"] = {k: v for k, v in data["campaign"].items() if k not in ("name", "seed")}
        runs.append(Run(names.setdefault(repr(data), config.campaign.name), seed, folder))
    return runs


def curve_of_run(run: Run, config: Config) -> Curve:
    """How the run went so far, in the region of its own configuration."""
    return read(run, region_of(config.selection))


def compare_campaigns(
    runs: Sequence[Run], campaigns: Mapping[Path, Config], curves: Mapping[Path, Curve]
) -> Comparison | str:
    """The arms of the finished runs at the budget that all of them spent, or why there is nothing to test.

    `curves`: of each run, by its folder.
    """
    finished = [run for run in runs if run.finished() and curves[run.folder].points]
    arms = dict.fromkeys(run.arm for run in finished)
    if len(arms) < 2:
        return (
            f"{len(finished)} of {len(runs)} are finished, of {len(arms)} kind(s): two kinds can be tested."
        )
    tasks = {campaigns[run.folder].campaign.task for run in finished}
    if len(tasks) > 1:
        return (
            f"They are of {len(tasks)} tasks ({', '.join(sorted(tasks))}), so that no test tells them apart."
        )
    regions = [region_of(campaigns[run.folder].selection) for run in finished]
    if any(region != regions[0] for region in regions):
        return "Their hypervolumes are of different regions: no test tells them apart."
    missing = {arm: sum(run.arm == arm and run not in finished for run in runs) for arm in arms}
    return compared(
        dict.fromkeys(arms, ""),
        [curves[run.folder] for run in finished],
        missing,
        task=tasks.pop(),
        region=regions[0],
    )
