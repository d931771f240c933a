"""What the archive adds up to: counts and costs. Bred candidates; seeds stand apart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from evoarch.archive.database import Database
from evoarch.archive.records import State
from evoarch.archive.schema import ENTERED, TUNING, UNSCREENED

# What others write, a person's verdict or the next session before its own `run`, may come days after a kill.
# A session checks its language models, in calls of batch 0, before it says `session`.
_LAST_OWN = """
SELECT time FROM events WHERE id >= runs.id AND id < coalesce(
    (SELECT min(id) FROM events WHERE kind = 'session' AND id > runs.id AND id < runs.next), runs.next
) AND kind NOT IN ('judged', 'withdrawn', 'seeded') AND kind NOT GLOB 'confirm.*' AND kind NOT GLOB 'sealed.*'
AND NOT (kind GLOB 'lm_*' AND EXISTS (
    SELECT 1 FROM lm_calls WHERE lm_calls.id = json_extract(events.detail, '$.call') AND batch = 0
)) ORDER BY id DESC LIMIT 1
"""
"""The time of the last event of a run in `runs` that has no `stop`."""


@dataclass(frozen=True)
class Tokens:
    """LM tokens that were counted, and the upper bound of those that crashes left uncounted."""

    prompt: int
    completion: int
    lost: int

    @property
    def total(self) -> int:
        return self.prompt + self.completion + self.lost


class Totals:
    """Sums over the archive, each answered from an index."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def counts(self) -> dict[State, int]:
        """Bred candidates by state; their sum is the number of proposals. Those that were screened apart."""
        rows = self._db.rows(
            f"SELECT state, count(number) FROM candidates WHERE {UNSCREENED} GROUP BY state"
            " HAVING count(number) > 0"
        )
        return {State(row[0]): row[1] for row in rows}

    def screened(self) -> int:
        """Drafts that were built and not chosen."""
        return self._count("SELECT count(*) FROM candidates WHERE state = 'screened'")

    def entered_training(self) -> int:
        """Candidates that cost a unit of the budget: bred, and with an own outcome of training or after.

        Retries after infrastructure faults, seeds and further training seeds are not in it; nor is a
        candidate that is still running: it may yet fail its dry run.
        """
        return self._count(f"SELECT count(DISTINCT candidate) FROM evaluations WHERE {ENTERED}")

    def rungs(self) -> dict[str, dict[str, int]]:
        """Decisions about bred candidates on the rungs before the last: rung to decision to count."""
        counts: dict[str, dict[str, int]] = {}
        for rung, decision, count in self._db.rows(
            "SELECT json_extract(detail, '$.rung') AS rung, json_extract(detail, '$.decision') AS decision,"
            " count(*) FROM events WHERE kind = 'rung' AND json_extract(detail, '$.kind') = 'search'"
            " GROUP BY rung, decision ORDER BY rung, decision"
        ):
            counts.setdefault(rung, {})[decision] = count
        return counts

    def decided_as(self, decisions: Sequence[str], rung: str) -> list[int]:
        """The candidates about which one of these was decided on this rung, in order."""
        rows = self._db.rows(
            "SELECT candidate FROM events WHERE kind = 'rung' AND json_extract(detail, '$.rung') = ?"
            " AND json_extract(detail, '$.decision') IN (SELECT value FROM json_each(?)) ORDER BY id",
            rung,
            json.dumps(list(decisions)),
        )
        return [row[0] for row in rows]

    def inherited(self) -> set[int]:
        """The candidates whose first training began with a parent's weights."""
        return {row[0] for row in self._db.rows("SELECT candidate FROM events WHERE kind = 'inherited'")}

    def ancestral_steps(self) -> tuple[int, int]:
        """How many bred candidates began with a parent's weights, and the training steps in them."""
        row = self._db.rows(
            "SELECT count(*), total(steps) FROM (SELECT max(json_extract(detail, '$.steps')) AS steps"
            " FROM events WHERE kind = 'inherited' GROUP BY candidate)"
        )[0]
        return int(row[0]), int(row[1])

    def repeats_made(self) -> int:
        """Further training seeds, failed ones too."""
        return self._count(
            "SELECT count(*) FROM evaluations WHERE kind = 'repeat' AND fault IS NOT 'infrastructure'"
        )

    def retries(self) -> int:
        """Evaluations that the infrastructure lost: those that were recorded, and those retried at once."""
        return self._count(
            "SELECT (SELECT count(*) FROM evaluations WHERE fault = 'infrastructure')"
            " + (SELECT count(*) FROM events WHERE kind = 'retried')"
        )

    def tokens(self) -> Tokens:
        """Calls in flight are in none of the three."""
        sums = {
            row[0]: (row[1], row[2])
            for row in self._db.rows(
                "SELECT state, sum(prompt_tokens), sum(completion_tokens) FROM lm_calls GROUP BY state"
            )
        }
        (prompt, completion), (failed, wasted) = sums.get("settled", (0, 0)), sums.get("failed", (0, 0))
        return Tokens(prompt + failed, completion + wasted, sum(sums.get("lost", (0, 0))))

    def mean_seconds(self) -> float:
        """Wall-clock seconds of a scored evaluation on the last rung, seeds too; 0 where there is none."""
        return self._sum("SELECT avg(seconds) FROM evaluations WHERE outcome = 'scored' AND rung = 'full'")

    def tokens_under_way(self) -> int:
        """The upper bound of the calls that were sent and have no answer yet."""
        return self._count(
            "SELECT total(prompt_tokens) + total(completion_tokens) FROM lm_calls WHERE state = 'sent'"
        )

    def price(self, *, under_way: bool = False) -> float:
        """Money for LM calls, in the config's unit; lost calls, and if wanted those under way, at their
        upper bound.
        """
        where = "TRUE" if under_way else "state <> 'sent'"
        return self._sum(f"SELECT sum(price) FROM lm_calls WHERE {where}")

    def cpu_seconds(self) -> float:
        """CPU seconds of everything: evaluations, dry runs, and the LM and its tuning where it is ours."""
        return self._sum(
            "SELECT (SELECT total(cpu_seconds) FROM evaluations)"
            " + (SELECT total(cpu_seconds) FROM candidates WHERE cpu_seconds > 0)"
            " + (SELECT total(cpu_seconds) FROM lm_calls)"
            f" + (SELECT total({TUNING}) FROM events WHERE kind = 'round')"
        )

    def elapsed(self) -> float:
        """Wall-clock seconds of all runs: from each `run` event to its `stop`.

        A run that ended without one, or has not ended, counts up to the last event that it wrote itself.
        """
        return self._sum(
            f"""
            WITH runs AS (
                SELECT id, time, lead(id, 1, 1 << 62) OVER (ORDER BY id) AS next
                FROM events WHERE kind = 'run'
            )
            SELECT sum(max(0, coalesce(
                (SELECT min(time) FROM events
                    WHERE kind = 'stop' AND events.id > runs.id AND events.id < runs.next),
                ({_LAST_OWN})
            ) - runs.time)) FROM runs
            """
        )

    def _count(self, sql: str) -> int:
        found = self._db.value(sql)
        return int(found) if isinstance(found, int | float) else 0

    def _sum(self, sql: str) -> float:
        found = self._db.value(sql)
        return float(found) if isinstance(found, int | float) else 0.0
