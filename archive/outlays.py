"""What a search had spent when each evaluation was settled: the axis of comparisons at equal CPU time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evoarch.archive.database import Database
from evoarch.archive.schema import ENTERED, TUNING


@dataclass(frozen=True)
class Outlay:
    """One evaluation and what all had cost by then.

    `evaluations`: units of the budget; `cpu_seconds`: of everything, the LM and its tuning where it is ours,
    rejects, duplicates and repeats included. `metrics` is empty where it failed, `seed` the training repeat.
    """

    candidate: int
    kind: str
    seed: int
    evaluations: int
    cpu_seconds: float
    metrics: Mapping[str, float]


class Outlays:
    """Read from the archive alone, in the order in which evaluations were settled."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[Outlay]:
        """Every evaluation with the running sums.

        What is spent outside evaluations counts from the first evaluation of a proposal that is as new or
        newer: rejects and duplicates by their proposal's number, LM calls by their batch, the training of a
        soft prompt by the first proposal that was drawn after it.
        """
        others = self._db.rows(
            "SELECT number AS at, cpu_seconds FROM candidates WHERE number IS NOT NULL AND cpu_seconds > 0"
            f" UNION ALL SELECT (SELECT min(number) FROM proposals WHERE saw >= events.id) AS at, {TUNING}"
            f" FROM events WHERE kind = 'round' AND at IS NOT NULL AND {TUNING} > 0 ORDER BY at"
        )
        calls = self._db.rows("SELECT batch AS at, cpu_seconds FROM lm_calls ORDER BY batch")
        rows = self._db.rows(
            f"SELECT e.candidate, e.kind, e.seed, e.cpu_seconds, {ENTERED} AS entered, e.error, e.params,"
            " p.number, p.batch FROM evaluations AS e LEFT JOIN proposals AS p ON p.candidate = e.candidate"
            " ORDER BY e.id"
        )
        waiting = [[(row[0], row[1]) for row in found][::-1] for found in (others, calls)]
        newest, spent, entered, found = [-1, -1], 0.0, set[int](), list[Outlay]()
        for candidate, kind, seed, cpu, unit, error, params, *place in rows:
            newest = [
                max(new, now if now is not None else -1) for new, now in zip(newest, place, strict=True)
            ]
            for line, new in zip(waiting, newest, strict=True):
                while line and line[-1][0] <= new:
                    spent += line.pop()[1]
            spent += cpu
            if unit:
                entered.add(candidate)
            metrics = {} if error is None else {"error": float(error), "params": float(params)}
            found.append(Outlay(candidate, kind, seed, len(entered), spent, metrics))
        return found
