"""A campaign in Weights & Biases: one run, a step for each candidate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evoarch.agent.config.tracking import TrackTable
from evoarch.agent.tracking.base import Facts, Item

SECONDS = 20
"""How long a server may take to let a run begin."""


class WandbTracker:
    """Metrics over candidates, the code of each and the report as files of the run."""

    late = True  # a process of its own writes

    def __init__(self, table: TrackTable, place: str) -> None:
        self._folder, self._project, self._online = Path(place), table.project, table.online

    def begin(self, facts: Facts, run: str) -> tuple[str, bool]:
        """Offline, each time that is told writes a folder of its own, of the same run: `wandb sync` joins
        them.
        """
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        folders = self._folder / "wandb"
        there = bool(run) and (self._online or any(folders.glob(f"offline-run-*-{run}")))
        settings = wandb.Settings(
            init_timeout=SECONDS, console="off", silent=True, x_disable_stats=True, disable_git=True
        )
        self._run: Any = wandb.init(
            project=self._project,
            name=facts.name,
            id=run if there else None,
            resume="allow" if self._online else None,
            dir=str(self._folder),
            mode="online" if self._online else "offline",
            config=dict(facts.settings),
            settings=settings,
        )
        for names in ("candidate/*", "best/*"):
            self._run.define_metric(names, step_metric="candidate/id")
        return str(self._run.id), there

    def tell(self, item: Item) -> None:
        """Again, it adds a row with the candidate's id."""
        row: dict[str, Any] = {f"candidate/{name}": value for name, value in item.metrics.items()}
        row |= {f"best/{name}": value for name, value in item.best.items()}
        row |= {f"candidate/{name}": value for name, value in item.facts.items() if name != "candidate"}
        self._run.log({"candidate/id": item.candidate.id, **row})
        for step, loss in enumerate(item.curve):
            self._run.log({f"loss/{item.candidate.id}": loss, "loss/stretch": step})
        code = Path(self._run.dir, "code", f"candidate-{item.candidate.id}.py")
        code.parent.mkdir(exist_ok=True)
        code.write_text(item.candidate.source, encoding="utf-8")

    def end(self, report: Path | None) -> None:
        """Writes all to the run's folder, or to the server."""
        if report is not None:
            Path(self._run.dir, "report.html").write_bytes(report.read_bytes())
        self._run.finish()
