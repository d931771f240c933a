"""What a filter before training found of candidates: kept in the diary, as decisions on rungs are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from evoarch.archive.database import Database, as_text
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import State

FILTER = "filter"
"""What stands in the place of a rung's name."""


class FilterLog:
    """Scores are by name; -inf, which JSON can't say, is kept as null."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self,
        candidate: int,
        decision: str,
        scores: Mapping[str, float],
        *,
        params: int,
        cpu_seconds: float,
        note: str = "",
        reason: str = "",
    ) -> None:
        """Record what was decided of a running candidate before its training.

        Without `note` it goes on; with one, which says why not, it is `stopped`. `reason`: why scores are
        missing. Raises ArchiveError where it is not running, or was decided on before.
        """
        if self.decision(candidate) is not None:
            raise ArchiveError(f"{self._db.path}: candidate {candidate} was before the filter already")
        detail = {"rung": FILTER, "kind": "search", "decision": decision, "stopped": bool(note)}
        detail |= {
            "scores": dict(scores),
            "params": params,
            **({"reason": as_text(reason)} if reason else {}),
        }
        with self._db.transaction():
            found = self._db.rows("SELECT state FROM candidates WHERE id = ?", candidate)
            if not found or found[0][0] != State.RUNNING:
                got = found[0][0] if found else "none"
                raise ArchiveError(
                    f"{self._db.path}: candidate {candidate} to be filtered: expected running, got {got}"
                )
            self._db.do(
                "UPDATE candidates SET cpu_seconds = cpu_seconds + ?, state = ?, note = ? WHERE id = ?",
                cpu_seconds,
                State.STOPPED if note else State.RUNNING,
                as_text(note),
                candidate,
            )
            self._db.event("rung", candidate, detail)

    def decision(self, candidate: int) -> Mapping[str, object] | None:
        """What was decided of it before its training; None where nothing was."""
        rows = self._db.rows(
            "SELECT detail FROM events WHERE candidate = ? AND kind = 'rung'"
            " AND json_extract(detail, '$.rung') = ?",
            candidate,
            FILTER,
        )
        return json.loads(rows[0][0]) if rows else None

    def scores(self, score: str, least: float, most: float, count: int) -> list[float]:
        """This score of the newest `count` that were judged and have `least` to `most` parameters."""
        rows = self._db.rows(
            "SELECT json_extract(detail, ?) FROM events WHERE kind = 'rung'"
            " AND json_extract(detail, '$.rung') = ? AND json_extract(detail, '$.decision') <> 'exempt'"
            " AND json_type(detail, ?) IS NOT NULL AND json_extract(detail, '$.params') BETWEEN ? AND ?"
            " ORDER BY id DESC LIMIT ?",
            f'$.scores."{score}"',
            FILTER,
            f'$.scores."{score}"',
            least,
            most,
            count,
        )
        return [_lowest(row[0]) for row in rows]

    def scored(self) -> list[tuple[dict[str, float], float]]:
        """(scores, error) of the candidates that were before the filter and have a score, in order."""
        rows = self._db.rows(
            "SELECT json_extract(detail, '$.scores'), error FROM events JOIN candidates"
            " ON candidates.id = events.candidate WHERE events.kind = 'rung'"
            " AND json_extract(detail, '$.rung') = ? AND candidates.state = 'scored' ORDER BY events.id",
            FILTER,
        )
        return [({k: _lowest(v) for k, v in json.loads(row[0]).items()}, row[1]) for row in rows]


def _lowest(value: float | None) -> float:
    return -math.inf if value is None else value
