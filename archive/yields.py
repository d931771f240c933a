"""What each operator brought and what it took, and how busy the evaluation slots were."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from evoarch.archive.database import Database
from evoarch.archive.queries import event_of
from evoarch.archive.records import Event
from evoarch.archive.schema import ENTERED, UNSCREENED

_ENDS = ("settled", "duplicate", "requeued", "held", "rung")
_MARKS = ("run", "stop", "recovered")


@dataclass(frozen=True)
class OperatorTrial:
    """One proposal that came to its end. `event` ended it; `table` is its operator's place in the config.

    `improved`: error x params below that of each parent, both as they stood then. The costs are its own
    evaluation's, and its share of the call that asked for it.
    """

    event: int
    operator: str
    lm: str
    table: int
    improved: bool
    cpu_seconds: float
    tokens: float
    money: float


class Yields:
    """Sums over bred candidates, by operator."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def by_operator(self, *, models: bool = False) -> dict[str, dict[str, float]]:
        """By operator, and with `models` by the language model it asked too ("lm.rewrite, large"), of all but
        what was screened: proposed,
        parsed (a source could be read), vetted (let in), new (no duplicate), scored, failed, improved (scored
        with error x params below that of each of its parents); cpu_s (its evaluations, what its duplicates
        took, and a model of ours), tokens and money (of its calls that have ended, lost ones at their bound).
        """
        model = "coalesce(', ' || json_extract(context, '$.lm'), '')" if models else "''"
        bred = (
            f"WITH bred AS (SELECT id AS candidate, batch, p.number, p.operator || {model} AS arm"
            f" FROM candidates JOIN proposals AS p ON p.candidate = id WHERE {UNSCREENED})"
        )
        rows = self._db.rows(
            f"""
            {bred} SELECT arm,
                count(*) AS proposed,
                sum(state NOT IN ('proposed', 'rejected')) AS vetted,
                sum(state NOT IN ('proposed', 'rejected', 'duplicate')) AS new,
                sum(state = 'scored') AS scored,
                sum(state = 'failed') AS failed,
                total(cpu_seconds) AS cpu_s
            FROM bred JOIN candidates ON candidates.id = bred.candidate GROUP BY arm ORDER BY arm
            """
        )
        parsed = self._db.rows(
            f"""
            {bred} SELECT arm, count(*) FROM bred JOIN events ON events.candidate = bred.candidate
            WHERE kind = 'rejected' AND json_extract(detail, '$.parsed') GROUP BY arm
            """
        )
        improved = self._db.rows(
            f"""
            {bred} SELECT arm, count(*) FROM (
                SELECT arm FROM bred JOIN candidates AS child ON child.id = bred.candidate
                JOIN parents ON parents.candidate = child.id
                JOIN candidates AS parent ON parent.id = parents.parent
                WHERE child.state = 'scored'
                GROUP BY child.id
                HAVING max(child.error * child.params) < min(parent.error * parent.params)
            ) GROUP BY arm
            """
        )
        trained = self._db.rows(
            f"""
            {bred} SELECT arm, total(cpu_seconds) FROM bred
            JOIN evaluations ON evaluations.candidate = bred.candidate WHERE kind = 'search' GROUP BY arm
            """
        )
        called = self._db.rows(
            f"""
            {bred} SELECT arm, total(cpu_seconds),
                total(prompt_tokens) + total(completion_tokens), total(price)
            FROM lm_calls JOIN bred ON bred.number = lm_calls.batch WHERE state <> 'sent' GROUP BY arm
            """
        )
        found: dict[str, dict[str, float]] = {
            row["arm"]: {
                "proposed": row["proposed"],
                "parsed": row["vetted"],
                **{key: row[key] for key in ("vetted", "new", "scored", "failed")},
                "improved": 0,
                "cpu_s": row["cpu_s"],
                "tokens": 0,
                "money": 0.0,
            }
            for row in rows
        }
        for arm, count in parsed:
            found[arm]["parsed"] += count
        for arm, count in improved:
            found[arm]["improved"] = count
        for arm, seconds in trained:
            found[arm]["cpu_s"] += seconds
        for arm, seconds, tokens, money in called:
            found[arm]["cpu_s"] += seconds
            found[arm] |= {"tokens": int(tokens), "money": money}
        return found

    def screening(self) -> dict[str, dict[str, int]]:
        """By operator, where anything was picked from drafts: `drafts` (what it made of all kinds), `picked`,
        and `trained`, those of the picked that entered training.
        """
        rows = self._db.rows(
            f"""
            SELECT p.operator AS operator, count(*) AS drafts, count(f.candidate) AS picked,
                total(f.candidate IS NOT NULL AND EXISTS (
                    SELECT 1 FROM evaluations WHERE candidate = c.id AND {ENTERED}
                )) AS trained
            FROM proposals AS p JOIN candidates AS c ON c.id = p.candidate
            LEFT JOIN predictions AS f ON f.candidate = c.id
            WHERE c.state <> 'proposed' AND EXISTS (SELECT 1 FROM predictions)
            GROUP BY p.operator ORDER BY p.operator
            """
        )
        counted = ("drafts", "picked", "trained")
        return {row["operator"]: {name: int(row[name]) for name in counted} for row in rows}

    def slot_events(self) -> Sequence[Event]:
        """When runs began and ended, and bred candidates took and left an evaluation slot, in order; with the
        details of the first kind alone.
        """
        kinds = ", ".join(f"'{kind}'" for kind in ("started", *_ENDS, *_MARKS))
        rows = self._db.rows(
            "SELECT id, time, kind, candidate, CASE kind WHEN 'run' THEN detail ELSE '{}' END AS detail"
            f" FROM events WHERE kind IN ({kinds})"
            " AND (kind <> 'rung' OR json_extract(detail, '$.stopped')) AND (candidate IS NULL"
            " OR candidate IN (SELECT id FROM candidates WHERE number IS NOT NULL)) ORDER BY id"
        )
        return [event_of(row) for row in rows]

    def slot_seconds(self) -> dict[int, float]:
        """By bred candidate, the seconds that its processes took in slots: of its dry runs the CPU's."""
        rows = self._db.rows(
            "SELECT c.id AS id, c.cpu_seconds + COALESCE(SUM(e.seconds), 0) AS seconds FROM candidates c"
            " LEFT JOIN evaluations e ON e.candidate = c.id AND e.kind = 'search'"
            " WHERE c.number IS NOT NULL GROUP BY c.id"
        )
        return {row["id"]: row["seconds"] for row in rows}

    def trials_after(self, event: int) -> list[OperatorTrial]:
        """The proposals that came to their end after `event`, in that order; a repeat ends nothing."""
        rows = self._db.rows(
            """
            WITH ended AS (
                SELECT max(events.id) AS event, candidate FROM events
                JOIN candidates ON candidates.id = events.candidate
                WHERE events.id > ? AND kind IN ('rejected', 'duplicate', 'refused', 'settled', 'rung')
                    AND coalesce(json_extract(detail, '$.kind'), 'search') = 'search'
                    AND number IS NOT NULL
                    AND state IN ('rejected', 'duplicate', 'scored', 'failed', 'stopped')
                GROUP BY candidate
            )
            SELECT ended.event, proposals.operator, proposals.context, candidates.cpu_seconds AS spent,
                (SELECT total(cpu_seconds) FROM evaluations AS e
                    WHERE e.candidate = ended.candidate AND kind = 'search') AS trained,
                (SELECT json_array(error, params) FROM evaluations AS e
                    WHERE e.candidate = ended.candidate AND kind = 'search' AND outcome = 'scored'
                    AND rung = 'full' ORDER BY id DESC LIMIT 1) AS score,
                (SELECT json_array(total(cpu_seconds), total(prompt_tokens) + total(completion_tokens),
                    total(price)) FROM lm_calls WHERE lm_calls.batch = proposals.batch) AS call
            FROM ended JOIN candidates ON candidates.id = ended.candidate
            JOIN proposals ON proposals.candidate = ended.candidate ORDER BY ended.event
            """,
            event,
        )
        return [_trial(row) for row in rows]


def _trial(row: sqlite3.Row) -> OperatorTrial:
    context = json.loads(row["context"])
    parents = [each["error"] * each["params"] for each in context.get("metrics", {}).values()]
    error, params = json.loads(row["score"]) if row["score"] else (None, None)
    cpu_seconds, tokens, money = json.loads(row["call"])
    count = int(context.get("count", 1))
    return OperatorTrial(
        event=row["event"],
        operator=row["operator"],
        lm=str(context.get("lm", "")),
        table=int(context.get("table", 0)),
        improved=error is not None and bool(parents) and error * params < min(parents),
        cpu_seconds=row["spent"] + row["trained"] + cpu_seconds / count,
        tokens=tokens / count,
        money=money / count,
    )
