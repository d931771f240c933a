"""A campaign in MLflow: a run, and a run within it for each candidate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from evoarch.agent.config.tracking import TrackTable
from evoarch.agent.tracking.base import Facts, Item

SECONDS, ATTEMPTS = "5", "1"
"""How long a server may take to answer, and how often it is asked again."""

MOST = 250
"""Characters of a parameter's value: the least of what MLflow's stores take."""

CANDIDATE = "evoarch.candidate"


class MLflowTracker:
    """Parameters, metrics and code of each candidate in its run; the best of each objective over candidates,
    and the report, in the campaign's.
    """

    late = False

    def __init__(self, table: TrackTable, place: str) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", SECONDS)
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", ATTEMPTS)
        from mlflow.tracking import MlflowClient

        if "://" in place:
            self._files = None
        else:
            Path(place).mkdir(parents=True, exist_ok=True)
            self._files = Path(place, "artifacts").as_uri()
            place = f"sqlite:///{place}/mlflow.db"
        self._project = table.project
        self._client: Any = MlflowClient(tracking_uri=place)

    def begin(self, facts: Facts, run: str) -> tuple[str, bool]:
        """The id is that of the campaign's run in MLflow."""
        self._experiment = self._experiment_id()
        query = f"tags.evoarch.run = '{run}'"
        there = bool(run) and bool(self._client.search_runs([self._experiment], query, max_results=1))
        if there:
            self._run = run
            self._client.update_run(run, status="RUNNING")
        else:
            made = self._client.create_run(self._experiment, run_name=facts.name)
            self._run = made.info.run_id
            self._client.set_tag(self._run, "evoarch.run", self._run)
            for key, value in facts.settings.items():
                self._client.log_param(self._run, key, value[:MOST])
        return self._run, there

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._project)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(self._project, artifact_location=self._files))

    def tell(self, item: Item) -> None:
        """Again, its run gets the values anew."""
        from mlflow.entities import Metric, Param

        run, new = self._run_of(item)
        metrics = [Metric(name, value, 0, 0) for name, value in item.metrics.items()]
        metrics += [Metric("loss", loss, 0, step) for step, loss in enumerate(item.curve)]
        params = [Param(name, value[:MOST]) for name, value in item.facts.items() if name != "state"]
        self._client.log_batch(run, metrics=metrics, params=params if new else [])
        self._client.set_tag(run, "evoarch.state", str(item.candidate.state))
        self._client.log_text(run, item.candidate.source, "model.py")
        self._client.set_terminated(run, "FINISHED" if item.metrics else "FAILED")
        for name, value in item.best.items():
            self._client.log_metric(self._run, f"best_{name}", value, step=item.candidate.id)

    def _run_of(self, item: Item) -> tuple[str, bool]:
        """The candidate's run, and whether it is new."""
        identity = item.candidate.id
        query = f"tags.`mlflow.parentRunId` = '{self._run}' and tags.`{CANDIDATE}` = '{identity}'"
        found = self._client.search_runs([self._experiment], query, max_results=1)
        if found:
            return str(found[0].info.run_id), False
        tags = {"mlflow.parentRunId": self._run, CANDIDATE: str(identity)}
        made = self._client.create_run(self._experiment, run_name=item.title, tags=tags)
        return str(made.info.run_id), True

    def end(self, report: Path | None) -> None:
        """The run ends, and can be gone on with."""
        if report is not None:
            self._client.log_artifact(self._run, str(report))
        self._client.set_terminated(self._run)
