"""What became of a candidate's children: what prompts may tell, and what may be mended."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from evoarch.archive.database import Database
from evoarch.archive.records import Relative, State

MENDABLE = ("vet", "build", "dry_run", "train", "predict")
"""Stages of failure that another source may pass; a missed limit is no fault of the code's."""

OURS = "evoarch failed"
"""How the reason of a failure begins that is this program's own. No prompt tells of it."""

_REASON = """
    CASE state WHEN 'failed' THEN (
        SELECT stage || ': ' || reason FROM evaluations
        WHERE evaluations.candidate = candidates.id AND fault = 'candidate' ORDER BY evaluations.id LIMIT 1
    ) ELSE note END
"""


class Relatives:
    """Only candidates that came to an outcome: what is under way may end in any order."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def near(self, parents: Sequence[int], states: Collection[State], limit: int) -> list[Relative]:
        """The newest settled children of any of `parents` in one of `states`, newest first, each once.

        Nothing was found about a child that a person refused, or that was set aside: it is not among them.
        """
        rows = self._db.rows(
            f"""
            SELECT id, operator, state, change, metrics, {_REASON} AS reason FROM candidates
            WHERE number IS NOT NULL AND state IN (SELECT value FROM json_each(?))
                AND NOT (state = 'rejected' AND source_digest IS NOT NULL)
                AND NOT (state = 'failed' AND {_REASON} IS NULL) AND note NOT LIKE '{OURS}%'
                AND id IN (SELECT candidate FROM parents WHERE parent IN (SELECT value FROM json_each(?)))
            ORDER BY id DESC LIMIT ?
            """,
            json.dumps(sorted(states)),
            json.dumps(list(parents)),
            limit,
        )
        return [
            Relative(
                candidate=row["id"],
                operator=row["operator"],
                state=State(row["state"]),
                change=row["change"],
                reason=row["reason"] or "",
                metrics=json.loads(row["metrics"]),
            )
            for row in rows
        ]

    def mendable(self, limit: int = 50) -> list[int]:
        """Children that failed or were rejected for what they are, have parents and text, are no repairs and
        were not mended yet; the newest `limit`, newest first.
        """
        rows = self._db.rows(
            f"""
            SELECT id FROM candidates
            WHERE number IS NOT NULL AND operator <> 'lm.repair' AND source <> ''
                AND EXISTS (SELECT 1 FROM parents WHERE candidate = candidates.id)
                AND id NOT IN (
                    SELECT json_extract(context, '$.repairs') FROM proposals WHERE operator = 'lm.repair'
                        AND json_extract(context, '$.repairs') IS NOT NULL
                )
                AND (
                    (state = 'rejected' AND source_digest IS NULL AND note NOT LIKE '{OURS}%')
                    OR (state = 'failed' AND (
                        SELECT stage FROM evaluations
                        WHERE evaluations.candidate = candidates.id AND fault = 'candidate'
                        ORDER BY evaluations.id LIMIT 1
                    ) IN ({", ".join(f"'{stage}'" for stage in MENDABLE)}))
                )
            ORDER BY id DESC LIMIT ?
            """,
            limit,
        )
        return [row[0] for row in rows]

    def findings(self, candidate: int) -> list[dict[str, Any]]:
        """What vetting found in it, as `Store.reject` was told; [] where it found nothing, and in archives of
        earlier versions, which have it as text in the note.
        """
        found = self._db.value(
            "SELECT json_extract(detail, '$.findings') FROM events WHERE candidate = ? AND kind = 'rejected'"
            " ORDER BY id DESC LIMIT 1",
            candidate,
        )
        return json.loads(str(found)) if found else []

    def last_failure(self, candidate: int) -> str:
        """Stage and reason of its newest failed evaluation, whoever is to blame; "" where there is none."""
        found = self._db.value(
            "SELECT stage || ': ' || reason FROM evaluations WHERE candidate = ? AND outcome = 'failed'"
            " ORDER BY id DESC LIMIT 1",
            candidate,
        )
        return str(found or "")

    def reason(self, candidate: int) -> str:
        """Why it has no score: its findings, or the stage and reason of its failure; "" where it has one."""
        return str(self._db.value(f"SELECT {_REASON} FROM candidates WHERE id = ?", candidate) or "")
