"""What models learn from: outcomes of first trainings on every rung, without their wide columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from evoarch.archive.database import Database
from evoarch.archive.records import FULL


@dataclass(frozen=True)
class Label:
    """One outcome of a candidate's first training. `metrics` are empty where it was trained and failed.

    `bred`: it is no seed. `ended`: nothing more is trained with this training seed. `audited`: it
    was turned away on this rung, and trained on to see what that costs. `id` is the evaluation's.
    """

    id: int
    candidate: int
    rung: str
    bred: bool
    ended: bool
    audited: bool
    metrics: Mapping[str, float] = field(default_factory=dict)


class LabelLog:
    """Only what the candidate itself brought about; infrastructure faults teach nothing."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def after(self, evaluation: int) -> list[Label]:
        """Those behind `evaluation`, in the order they were settled."""
        rows = self._db.rows(
            "SELECT id, candidate, rung, kind, metrics, json_extract(detail, '$.decision') AS decision"
            " FROM evaluations WHERE id > ? AND seed = 0 AND kind IN ('search', 'seed')"
            " AND (outcome = 'scored'"
            " OR (fault = 'candidate' AND stage IN ('train', 'predict', 'constraint')))"
            " ORDER BY id",
            evaluation,
        )
        return [
            Label(
                id=row["id"],
                candidate=row["candidate"],
                rung=row["rung"],
                bred=row["kind"] == "search",
                ended=row["rung"] == FULL
                or row["metrics"] is None
                or row["decision"] in ("stopped", "rejected"),
                audited=str(row["decision"]).startswith("audited"),
                metrics=json.loads(row["metrics"] or "{}"),
            )
            for row in rows
        ]
