"""Reading the archive: records by id, in pages and by digest, and the diary. Works while a run writes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from evoarch.archive.database import Database
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import (
    Candidate,
    Evaluation,
    Event,
    Failed,
    Fault,
    Outcome,
    Proposal,
    Scored,
    State,
)
from evoarch.archive.schema import ENTERED, UNSCREENED

HEAD = (
    "id, operator, state, generation, number, name, source_digest, function_digest, duplicate_of, repairs,"
    " note, metrics, seeds, change"
)
_ORDERS = ("id", "error", "params", "generation")


class Queries:
    """Records, by id, in pages, by digest."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def facts(self) -> dict[str, object]:
        """Table meta: name, seed, schema_version and what `create` was given besides."""
        return {row["key"]: json.loads(row["value"]) for row in self._db.rows("SELECT key, value FROM meta")}

    def candidate(self, candidate: int) -> Candidate:
        """Raises ArchiveError where there is no such id."""
        found = self.select(f"SELECT {HEAD}, source FROM candidates WHERE id = ?", candidate)
        if not found:
            raise ArchiveError(f"{self._db.path}: no candidate {candidate}")
        return found[0]

    def candidates(
        self,
        *,
        state: State | None = None,
        operator: str | None = None,
        order_by: str = "id",
        descending: bool = False,
        limit: int | None = None,
        offset: int = 0,
        sources: bool = True,
    ) -> list[Candidate]:
        """A page of candidates; ties go by id. `order_by`: id, error, params or generation.

        Candidates without a value stand last. `sources=False` leaves `source` empty: for arithmetic over
        many, where the text would be most of the work.
        """
        if order_by not in _ORDERS:
            raise ValueError(f"order_by: got {order_by!r}, expected one of {', '.join(_ORDERS)}")
        way = "DESC" if descending else "ASC"
        filters = {"state": state, "operator": operator}
        chosen = {column: value for column, value in filters.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in chosen) or "TRUE"
        order = f"{order_by} {way}" if order_by == "id" else f"{order_by} {way} NULLS LAST, id"
        columns = f"{HEAD}, source" if sources else f"{HEAD}, '' AS source"
        return self.select(
            f"SELECT {columns} FROM candidates WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
            *chosen.values(),
            -1 if limit is None else limit,
            offset,
        )

    def scored(self, *, sources: bool = True) -> list[Candidate]:
        """Every candidate with metrics, by id."""
        return self.candidates(state=State.SCORED, sources=sources)

    def first_scores(self, event: int) -> list[tuple[int, str, dict[str, float]]]:
        """Id, source and metrics of each candidate that was scored up to `event`, in that order; the metrics
        are those of its first full training.
        """
        rows = self._db.rows(
            "SELECT min(events.id), evaluations.candidate, source, evaluations.metrics FROM events"
            " JOIN evaluations ON evaluations.id = json_extract(events.detail, '$.evaluation')"
            " JOIN candidates ON candidates.id = evaluations.candidate"
            " WHERE events.kind = 'settled' AND events.id <= ? AND evaluations.outcome = 'scored'"
            " GROUP BY evaluations.candidate ORDER BY 1",
            event,
        )
        return [(row[1], row[2], json.loads(row[3])) for row in rows]

    def children(self, candidate: int) -> list[int]:
        """Ids of the candidates that have it among their parents, in order; none that was screened."""
        rows = self._db.rows(
            "SELECT DISTINCT candidate FROM parents JOIN candidates ON candidates.id = candidate"
            f" WHERE parent = ? AND {UNSCREENED} ORDER BY candidate",
            candidate,
        )
        return [row[0] for row in rows]

    def change(self, candidate: int) -> tuple[str, str]:
        """What its operator said it did, and the raw reply part it was read from ("" where there is none)."""
        rows = self._db.rows("SELECT change, text FROM candidates WHERE id = ?", candidate)
        if not rows:
            raise ArchiveError(f"{self._db.path}: no candidate {candidate}")
        return rows[0]["change"], rows[0]["text"]

    def find_source(self, digest: str, *, exclude: int | None = None) -> int | None:
        """The first candidate besides `exclude` that was let in with this source digest, a failed one too; a
        screened one was not let in, and its source may be drawn again.
        """
        return self._find("source_digest", digest, exclude)

    def find_function(self, digest: str, *, exclude: int | None = None) -> int | None:
        """The first candidate besides `exclude` that has this function digest, a failed one too."""
        return self._find("function_digest", digest, exclude)

    def _find(self, column: str, digest: str, exclude: int | None) -> int | None:
        found = self._db.value(
            f"SELECT min(id) FROM candidates WHERE {column} = ? AND id IS NOT ?"
            " AND state NOT IN ('proposed', 'rejected', 'duplicate', 'screened')",
            digest,
            exclude,
        )
        return found if isinstance(found, int) else None

    def proposals(self, *, state: State | None = None, drafts: bool = True) -> list[Proposal]:
        """By number. `state=State.PROPOSED` are those in flight; without `drafts`, those that were not
        drawn to have one of them picked.
        """
        where = "TRUE" if state is None else "candidates.state = ?"
        where += "" if drafts else " AND json_extract(proposals.context, '$.drafts') IS NULL"
        rows = self._db.rows(
            "SELECT proposals.* FROM proposals JOIN candidates ON candidates.id = proposals.candidate"
            f" WHERE {where} ORDER BY proposals.number",
            *([] if state is None else [state]),
        )
        parents = self.parents_of([row["candidate"] for row in rows])
        return [
            Proposal(
                number=row["number"],
                candidate=row["candidate"],
                operator=row["operator"],
                parents=parents.get(row["candidate"], ()),
                batch=row["batch"],
                ordinal=row["ordinal"],
                saw=row["saw"],
                context=json.loads(row["context"]),
            )
            for row in rows
        ]

    def evaluations(self, candidate: int | None = None) -> list[Evaluation]:
        """In the order they were settled; infrastructure failures too."""
        where = "TRUE" if candidate is None else "candidate = ?"
        rows = self._db.rows(
            f"SELECT * FROM evaluations WHERE {where} ORDER BY id",
            *([] if candidate is None else [candidate]),
        )
        return [_evaluation(row) for row in rows]

    def events(self, *, after: int = 0, kind: str | None = None, candidate: int | None = None) -> list[Event]:
        """The diary behind event `after`, in order."""
        filters = {"kind": kind, "candidate": candidate}
        chosen = {column: value for column, value in filters.items() if value is not None}
        where = " AND ".join(["id > ?", *(f"{column} = ?" for column in chosen)])
        rows = self._db.rows(f"SELECT * FROM events WHERE {where} ORDER BY id", after, *chosen.values())
        return [event_of(row) for row in rows]

    def last_event(self, *kinds: str) -> Event | None:
        """The newest event, or the newest of these kinds."""
        where = f"kind IN ({', '.join('?' * len(kinds))})" if kinds else "TRUE"
        rows = self._db.rows(f"SELECT * FROM events WHERE {where} ORDER BY id DESC LIMIT 1", *kinds)
        return event_of(rows[0]) if rows else None

    def touched(self, after: int) -> tuple[int, list[int]]:
        """The newest event's id, and the candidates of all events behind `after`, each once, by id."""
        rows = self._db.rows("SELECT id, candidate FROM events WHERE id > ? ORDER BY id", after)
        found = {row[1] for row in rows if row[1] is not None}
        return (rows[-1][0] if rows else after), sorted(found)

    def last_event_detail(self, kind: str) -> Mapping[str, object]:
        """What the newest event of this kind says, {} where there is none."""
        event = self.last_event(kind)
        return event.detail if event else {}

    def has_evaluation(self, candidate: int, seed: int) -> bool:
        """Whether it has an outcome of this training repeat that is its own, so not the infrastructure's."""
        sql = "SELECT 1 FROM evaluations WHERE candidate = ? AND seed = ? AND fault IS NOT 'infrastructure'"
        return bool(self._db.rows(sql, candidate, seed))

    def arrivals(self, rung: str, most: int) -> list[dict[str, float]]:
        """The metrics of the last `most` bred candidates that were judged on a rung, oldest first."""
        rows = self._db.rows(
            "SELECT metrics FROM evaluations WHERE rung = ? AND kind = 'search' AND outcome = 'scored'"
            " AND json_extract(detail, '$.decision') <> 'exempt' ORDER BY id DESC LIMIT ?",
            rung,
            most,
        )
        return [json.loads(row[0]) for row in reversed(rows)]

    def has_trained(self, candidate: int) -> bool:
        """Whether it has entered training, as `entered_training` counts."""
        return bool(self._db.rows(f"SELECT 1 FROM evaluations WHERE candidate = ? AND {ENTERED}", candidate))

    def parents_of(self, candidates: Sequence[int]) -> dict[int, tuple[int, ...]]:
        parents: dict[int, tuple[int, ...]] = {}
        for row in self._db.rows(
            "SELECT candidate, parent FROM parents WHERE candidate IN (SELECT value FROM json_each(?))"
            " ORDER BY candidate, position",
            json.dumps(candidates),
        ):
            parents[row[0]] = (*parents.get(row[0], ()), row[1])
        return parents

    def select(self, sql: str, *values: object) -> list[Candidate]:
        rows = self._db.rows(sql, *values)
        parents = self.parents_of([row["id"] for row in rows])
        return [
            Candidate(
                id=row["id"],
                operator=row["operator"],
                state=State(row["state"]),
                source=row["source"],
                parents=parents.get(row["id"], ()),
                generation=row["generation"],
                number=row["number"],
                name=row["name"],
                source_digest=row["source_digest"],
                function_digest=row["function_digest"],
                duplicate_of=row["duplicate_of"],
                repairs=tuple(json.loads(row["repairs"])),
                note=row["note"],
                metrics=json.loads(row["metrics"]),
                seeds=row["seeds"],
            )
            for row in rows
        ]


def event_of(row: sqlite3.Row) -> Event:
    """A row of the diary."""
    return Event(row["id"], row["time"], row["kind"], row["candidate"], json.loads(row["detail"]))


def _evaluation(row: sqlite3.Row) -> Evaluation:
    outcome: Outcome
    if row["outcome"] == "scored":
        outcome = Scored(json.loads(row["metrics"]))
    else:
        outcome = Failed(row["stage"], row["reason"], Fault(row["fault"]))
    return Evaluation(
        candidate=row["candidate"],
        rung=row["rung"],
        seed=row["seed"],
        outcome=outcome,
        seconds=row["seconds"],
        cpu_seconds=row["cpu_seconds"],
        kind=row["kind"],
        correct=row["correct"],
        detail=json.loads(row["detail"]),
        id=row["id"],
    )
