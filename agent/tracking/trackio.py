"""A campaign in Trackio: one run of a project, in a SQLite file; a candidate's id is the step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from evoarch.agent.config.tracking import TrackTable
from evoarch.agent.tracking.base import Facts, Item


class TrackioTracker:
    """Metrics over candidates, each code as text, the report as an artifact."""

    late = True  # a thread writes, half a second later

    def __init__(self, table: TrackTable, place: str) -> None:
        os.environ["TRACKIO_DIR"] = place  # read when the package is imported
        self._project = table.project

    def begin(self, facts: Facts, run: str) -> tuple[str, bool]:
        """The id is the run's name, which is the campaign's."""
        import trackio
        from trackio.sqlite_storage import SQLiteStorage

        self._trackio: Any = trackio
        rows = SQLiteStorage.get_logs(self._project, run) if run else []
        # Rows without the first candidate's are of a store that was lost and begun again.
        there = 1 in {row.get("step") for row in rows}
        trackio.init(
            project=self._project,
            name=facts.name,
            config=dict(facts.settings),
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return facts.name, there

    def tell(self, item: Item) -> None:
        """Again, it adds a row at the same step."""
        row: dict[str, Any] = {f"candidate/{name}": value for name, value in item.metrics.items()}
        row |= {f"best/{name}": value for name, value in item.best.items()}
        row |= {f"candidate/{name}": value for name, value in item.facts.items()}
        if item.curve:
            row["candidate/last_loss"] = item.curve[-1]
        row["code"] = self._trackio.Markdown(f"```python\n{item.candidate.source}\n```")
        self._trackio.log(row, step=item.candidate.id)

    def end(self, report: Path | None) -> None:
        """Waits until all rows are written."""
        if report is not None:
            self._trackio.log_artifact(str(report), name="report", type="report")
        self._trackio.finish()
