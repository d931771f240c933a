"""Rows of table evaluations: one outcome each, and the means over the training seeds of a candidate."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from evoarch.archive.database import Database, as_json, as_text
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Evaluation, Failed, Fault, Scored


def insert_evaluation(db: Database, evaluation: Evaluation) -> int:
    """Insert one outcome; its id.

    Raises ArchiveError where this rung and seed have one already, or metrics lack error or params, or are not
    finite.
    """
    outcome = evaluation.outcome
    failed = outcome if isinstance(outcome, Failed) else None
    if not (failed and failed.fault is Fault.INFRASTRUCTURE) and db.rows(
        "SELECT 1 FROM evaluations WHERE candidate = ? AND rung = ? AND seed = ?"
        " AND fault IS NOT 'infrastructure'",
        evaluation.candidate, evaluation.rung, evaluation.seed,
    ):  # fmt: skip
        raise ArchiveError(
            f"{db.path}: candidate {evaluation.candidate} has an outcome on rung {evaluation.rung!r}"
            f" with seed {evaluation.seed} already"
        )
    metrics = None if isinstance(outcome, Failed) else _metrics(evaluation, outcome)
    columns = {
        "candidate": evaluation.candidate,
        "rung": evaluation.rung,
        "seed": evaluation.seed,
        "kind": evaluation.kind,
        "outcome": "failed" if failed else "scored",
        "stage": failed.stage if failed else None,
        "fault": failed.fault if failed else None,
        "reason": as_text(failed.reason) if failed else None,
        "error": metrics["error"] if metrics else None,
        "params": metrics["params"] if metrics else None,
        "metrics": as_json(metrics) if metrics else None,
        "seconds": evaluation.seconds,
        "cpu_seconds": evaluation.cpu_seconds,
        "correct": evaluation.correct,
        "detail": as_json(evaluation.detail),
    }
    return db.insert("evaluations", columns)


def pooled(db: Database, evaluation: Evaluation) -> dict[str, object]:
    """Columns of the candidate: means over its scored training seeds on the evaluation's rung.

    A score that began with a parent's weights counts only while there is none from scratch.
    """
    rows = db.rows(
        "SELECT metrics, json_extract(detail, '$.inherited') IS NOT NULL FROM evaluations"
        " WHERE candidate = ? AND rung = ? AND outcome = 'scored'",
        evaluation.candidate,
        evaluation.rung,
    )
    cold = [row for row in rows if not row[1]]
    scores: list[dict[str, float]] = [json.loads(row[0]) for row in cold or rows]
    shared = [key for key in scores[0] if all(key in score for score in scores)]
    means = {key: _mean([score[key] for score in scores]) for key in shared}
    return {
        "metrics": as_json(means),
        "error": means["error"],
        "params": means["params"],
        "seeds": len(scores),
    }


def _metrics(evaluation: Evaluation, outcome: Scored) -> dict[str, float]:
    metrics = {key: float(value) for key, value in outcome.metrics.items()}
    for key in ("error", "params"):
        if key not in metrics:
            raise ArchiveError(
                f"candidate {evaluation.candidate}: metrics lack {key!r}, got {sorted(metrics)}"
            )
    for key, value in metrics.items():
        if not math.isfinite(value):
            raise ArchiveError(
                f"candidate {evaluation.candidate}: metric {key}: expected a finite number, got {value}"
            )
    return metrics


def _mean(values: Sequence[float]) -> float:
    """The mean, exact where all are equal."""
    return values[0] if min(values) == max(values) else math.fsum(values) / len(values)
