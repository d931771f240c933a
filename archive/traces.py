"""What models are made of, and what was foretold of them before their training."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from evoarch.archive.database import Database, as_json
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Prediction


class Traces:
    """A trace by candidate, as JSON: what a child said of its model (evaluators.trace), one for each."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, candidate: int, trace: Mapping[str, object]) -> None:
        """Keep it, in the place of an earlier one. Raises ArchiveError for an unknown candidate."""
        with self._db.transaction():
            _expect(self._db, candidate)
            self._db.do("INSERT OR REPLACE INTO traces VALUES (?, ?)", candidate, _compact(trace))

    def get(self, candidate: int) -> dict[str, Any] | None:
        """None where there is none."""
        return self.many([candidate]).get(candidate)

    def many(self, candidates: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Those of these candidates that have one."""
        rows = self._db.rows(
            "SELECT candidate, trace FROM traces WHERE candidate IN (SELECT value FROM json_each(?))",
            json.dumps(list(candidates)),
        )
        return {row[0]: json.loads(row[1]) for row in rows}


class Predictions:
    """One for each candidate that was picked from a pool."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def put(self, prediction: Prediction) -> None:
        """Write it down, once: a prediction that could be changed would prove nothing. Raises ArchiveError
        for an unknown candidate, for one that has been trained, and for a second prediction.
        """
        candidate = prediction.candidate
        with self._db.transaction():
            _expect(self._db, candidate)
            for table in ("predictions", "evaluations"):
                if self._db.rows(f"SELECT 1 FROM {table} WHERE candidate = ? LIMIT 1", candidate):
                    raise ArchiveError(
                        f"{self._db.path}: a prediction of candidate {candidate}: expected one, before any"
                        f" evaluation; there is something of it in table {table}"
                    )
            columns = {**asdict(prediction), "detail": as_json(prediction.detail)}
            self._db.insert("predictions", columns)

    def get(self, candidate: int) -> Prediction | None:
        """None where there is none."""
        rows = self._db.rows("SELECT * FROM predictions WHERE candidate = ?", candidate)
        return _prediction(rows[0]) if rows else None

    def all(self) -> list[Prediction]:
        """In the order of the pools."""
        return [
            _prediction(row) for row in self._db.rows("SELECT * FROM predictions ORDER BY slot, candidate")
        ]


def _expect(db: Database, candidate: int) -> None:
    if not db.rows("SELECT 1 FROM candidates WHERE id = ?", candidate):
        raise ArchiveError(f"{db.path}: no candidate {candidate}")


def _compact(trace: Mapping[str, object]) -> str:
    # Of each draft there is one, so blanks count.
    return json.dumps(json.loads(as_json(trace)), separators=(",", ":"))


def _prediction(row: sqlite3.Row) -> Prediction:
    columns = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates over values
    detail = json.loads(columns.pop("detail"))
    return Prediction(**{**columns, "unscreened": bool(columns["unscreened"]), "detail": detail})
