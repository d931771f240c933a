"""What a reader of the whole archive asks: pages with filters, how the search went, family trees."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evoarch.archive.database import Database
from evoarch.archive.errors import ArchiveError
from evoarch.archive.filters import COST, REASON, STAGE, Filter, metric
from evoarch.archive.queries import HEAD, Queries
from evoarch.archive.records import FULL, Candidate, Proposal
from evoarch.archive.schema import ENTERED, UNSCREENED

ORDERS = ("id", "error", "params", "generation", "cpu_seconds")
"""What a list can be sorted by, beside any metric that candidates have."""
SAMPLE = 500
"""The newest scored candidates are asked for the names of their metrics."""


@dataclass(frozen=True)
class Trial:
    """One evaluation without its wide columns; `scores` is empty where it failed or stood on an earlier rung.

    `entered`: whether it cost a unit of the budget.
    """

    id: int
    candidate: int
    kind: str
    seed: int
    cpu_seconds: float
    entered: bool
    scores: tuple[float, ...]


class Browse:
    """Pages, histories and families; each answered from an index or stopped at its limit."""

    def __init__(self, db: Database, queries: Queries) -> None:
        self._db, self._queries = db, queries

    def page(
        self,
        chosen: Filter,
        *,
        order_by: str = "id",
        descending: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Candidate]:
        """A page of the candidates that `chosen` lets through, without sources; ties go by id. `order_by`:
        one of ORDERS, or a metric; who has no value stands last.
        """
        where, values = chosen.where()
        way = "DESC" if descending else "ASC"
        if order_by not in ORDERS and order_by not in (known := self.metrics()):
            raise ValueError(f"order_by: got {order_by!r}, expected one of {', '.join([*ORDERS, *known])}")
        if order_by in ORDERS:
            column = COST if order_by == "cpu_seconds" else order_by
            order = f"id {way}" if order_by == "id" else f"{column} {way} NULLS LAST, id"
        else:
            column, of_order = metric(order_by)
            order, values = f"{column} {way} NULLS LAST, id", [*values, *of_order]
        ids = [
            row[0]
            for row in self._db.rows(
                f"SELECT id FROM candidates WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",
                *values,
                limit,
                offset,
            )
        ]
        return self.some(ids)

    def some(self, ids: Sequence[int]) -> list[Candidate]:
        """These candidates in this order, without sources; an unknown id is left out."""
        found = {
            candidate.id: candidate
            for candidate in self._queries.select(
                f"SELECT {HEAD}, '' AS source FROM candidates WHERE id IN (SELECT value FROM json_each(?))",
                json.dumps(list(ids)),
            )
        }
        return [found[identity] for identity in ids if identity in found]

    def count(self, chosen: Filter, *, most: int = -1) -> int:
        """How many candidates `chosen` lets through; counting stops at `most`, where that is not -1."""
        where, values = chosen.where()
        found = self._db.value(
            f"SELECT count(*) FROM (SELECT 1 FROM candidates WHERE {where} LIMIT ?)", *values, most
        )
        return found if isinstance(found, int) else 0

    def metrics(self) -> list[str]:
        """The names of the metrics that scored candidates have, error and params first."""
        # The plus keeps SQLite from sorting all of that state: it walks down the ids and stops.
        rows = self._db.rows(
            "SELECT DISTINCT key FROM (SELECT metrics FROM candidates WHERE +state = 'scored' ORDER BY id"
            f" DESC LIMIT {SAMPLE}) AS some, json_each(some.metrics) ORDER BY key"
        )
        return list(dict.fromkeys(["error", "params", *(row[0] for row in rows)]))

    def endings(self, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
        """(stage, reason) of those of these candidates that came to an end without a score."""
        rows = self._db.rows(
            f"SELECT id, {STAGE}, {REASON} FROM candidates WHERE id IN (SELECT value FROM json_each(?))"
            " AND state IN ('rejected', 'failed', 'stopped', 'duplicate')",
            json.dumps(list(ids)),
        )
        return {row[0]: (row[1] or "", row[2] or "") for row in rows}

    def last_id(self) -> int:
        """The newest candidate, 0 where there is none."""
        found = self._db.value("SELECT max(id) FROM candidates")
        return found if isinstance(found, int) else 0

    def operators(self) -> list[str]:
        """Every operator that has made a candidate, `seed` too."""
        return [row[0] for row in self._db.rows("SELECT DISTINCT operator FROM candidates ORDER BY operator")]

    def costs(self, ids: Sequence[int]) -> dict[int, float]:
        """CPU seconds that each of these candidates took, its evaluations included."""
        rows = self._db.rows(
            f"SELECT id, {COST} FROM candidates WHERE id IN (SELECT value FROM json_each(?))",
            json.dumps(list(ids)),
        )
        return {row[0]: row[1] for row in rows}

    def trials(self, metrics: Sequence[str], *, after: int = 0) -> Iterator[Trial]:
        """Evaluations behind `after` in the order they were settled, with these metrics."""
        columns = [name if name in ("error", "params") else None for name in metrics]
        # A metric that has no column stands in the wide JSON.
        wanted = ", ".join(column or "json_extract(metrics, ?)" for column in columns)
        paths = [f'$."{name}"' for name, column in zip(metrics, columns, strict=True) if column is None]
        # Rungs before the last make no elites, and a candidate enters training once however many it climbs.
        first = "NOT EXISTS (SELECT 1 FROM evaluations AS e WHERE e.candidate = evaluations.candidate"
        first += f" AND e.id < evaluations.id AND {ENTERED})"
        for row in self._db.rows(
            f"SELECT id, candidate, kind, seed, cpu_seconds, outcome = 'scored' AND rung = ?,"
            f" {ENTERED} AND {first}, {wanted} FROM evaluations WHERE id > ? ORDER BY id",
            FULL,
            *paths,
            after,
        ):
            whole = row[5] and all(value is not None for value in row[7:])
            scores = tuple(row[7:]) if whole else ()
            yield Trial(row[0], row[1], row[2], row[3], row[4], bool(row[6]), scores)

    def points(self, metrics: Sequence[str]) -> list[tuple[int, tuple[float, ...], int]]:
        """(id, metrics, training seeds) of every scored candidate that has them all, by id."""
        wanted = ", ".join(
            name if name in ("error", "params") else "json_extract(metrics, ?)" for name in metrics
        )
        rows = self._db.rows(
            f"SELECT id, seeds, {wanted} FROM candidates WHERE state = 'scored' ORDER BY id",
            *[f'$."{name}"' for name in metrics if name not in ("error", "params")],
        )
        return [(row[0], tuple(row[2:]), row[1]) for row in rows if None not in tuple(row[2:])]

    def columns(self, chosen: Filter, metrics: Sequence[str]) -> dict[str, Any]:
        """The scored candidates that `chosen` lets through, by id, as columns of equal length: `id`,
        `operator`, `lm` ("" where none wrote it), `name`, `depth`, `seeds`, and under `metrics` each of
        these, None where a candidate has it not. One pass, so that tens of thousands take a moment.
        """
        where, values = chosen.where()
        lm = "(SELECT json_extract(context, '$.lm') FROM proposals WHERE proposals.candidate = chosen.id)"
        lm = f"coalesce({lm}, '')"
        sql = ["id", "operator", lm, "coalesce(name, '')", "generation", "seeds"]
        paths = [f"$.{json.dumps(name)}" for name in metrics]
        arrays = ", ".join([f"json_group_array({each})" for each in sql]
                           + ["json_group_array(json_extract(metrics, ?))"] * len(paths))  # fmt: skip
        (row,) = self._db.rows(
            f"SELECT {arrays} FROM (SELECT * FROM candidates WHERE state = 'scored' AND {where} ORDER BY id)"
            " AS chosen",
            *paths,
            *values,
        )
        found = [json.loads(text) for text in row]
        named = dict(zip(("id", "operator", "lm", "name", "depth", "seeds"), found, strict=False))
        return {**named, "metrics": dict(zip(metrics, found[len(sql) :], strict=True))}

    def descents(self) -> list[tuple[int, int]]:
        """(child, parent) of every scored child, first parents before further ones."""
        rows = self._db.rows(
            "SELECT candidate, parent FROM parents JOIN candidates ON candidates.id = candidate"
            " WHERE state = 'scored' ORDER BY candidate, position"
        )
        return [(row[0], row[1]) for row in rows]

    def repeated(self) -> dict[int, list[float]]:
        """Errors on the last rung of each candidate that has further training seeds, by candidate.

        One that began with a parent's weights says nothing of seeds.
        """
        found: dict[int, list[float]] = {}
        for identity, error in self._db.rows(
            "SELECT candidate, error FROM evaluations WHERE outcome = 'scored' AND rung = ? AND candidate IN"
            " (SELECT candidate FROM evaluations WHERE outcome = 'scored' AND fault IS NULL AND stage IS NULL"
            " AND kind = 'repeat') AND json_extract(detail, '$.inherited') IS NULL ORDER BY candidate, seed",
            FULL,
        ):
            found.setdefault(identity, []).append(error)
        return found

    def fresh_errors(self) -> list[tuple[int, float, float, int]]:
        """(candidate, error, error on fresh examples, how many these were) of those that were asked any, over
        all training seeds of the last rung.
        """
        rows = self._db.rows(
            "SELECT candidate, avg(error), sum(fresh * many) / sum(many), sum(many) FROM ("
            " SELECT candidate, error, json_extract(detail, '$.fresh.error') AS fresh,"
            " json_extract(detail, '$.fresh.examples') AS many FROM evaluations"
            " WHERE outcome = 'scored' AND rung = ?) WHERE many > 0 GROUP BY candidate ORDER BY candidate",
            FULL,
        )
        return [(row[0], float(row[1]), float(row[2]), int(row[3])) for row in rows]

    def failures(self) -> dict[str, int]:
        """Failed outcomes by stage; the infrastructure's own as `infrastructure`."""
        rows = self._db.rows(
            "SELECT CASE fault WHEN 'infrastructure' THEN fault ELSE stage END AS place, count(*)"
            " FROM evaluations WHERE outcome = 'failed' GROUP BY place ORDER BY count(*) DESC, place"
        )
        return {row[0]: row[1] for row in rows}

    def outcomes(self, chosen: Filter) -> list[tuple[str, str, str, str, int]]:
        """(operator, language model, state, stage, count) of the bred candidates that `chosen` lets
        through.
        """
        where, values = chosen.where()
        rows = self._db.rows(
            "SELECT operator, coalesce((SELECT json_extract(context, '$.lm') FROM proposals"
            f" WHERE proposals.candidate = candidates.id), '') AS lm, state, coalesce({STAGE}, '')"
            f" AS stage, count(*) FROM candidates WHERE number IS NOT NULL AND {where} GROUP BY 1, 2, 3, 4",
            *values,
        )
        return [tuple(row) for row in rows]

    def reasons(self, chosen: Filter) -> list[tuple[str, str, str, int, int]]:
        """(operator, stage, reason, count, newest id) of the failed and rejected that `chosen` lets
        through.
        """
        where, values = chosen.where()
        rows = self._db.rows(
            f"SELECT operator, {STAGE} AS stage, coalesce({REASON}, '') AS reason, count(*), max(id)"
            f" FROM candidates WHERE state IN ('failed', 'rejected') AND {where} GROUP BY 1, 2, 3",
            *values,
        )
        return [tuple(row) for row in rows]

    def proposal_of(self, candidate: int) -> Proposal | None:
        """What was written down when it was drawn; None for a seed."""
        rows = self._db.rows("SELECT * FROM proposals WHERE candidate = ?", candidate)
        if not rows:
            return None
        row = rows[0]
        return Proposal(
            number=row["number"],
            candidate=candidate,
            operator=row["operator"],
            parents=self._queries.parents_of([candidate]).get(candidate, ()),
            batch=row["batch"],
            ordinal=row["ordinal"],
            saw=row["saw"],
            context=json.loads(row["context"]),
        )

    def ancestors(self, ids: Sequence[int], *, most: int) -> list[Candidate]:
        """These candidates and all that they come from, without sources, nearest first, at most `most`."""
        return self._family(ids, "parents.candidate", "parents.parent", most)

    def descendants(self, identity: int, *, most: int) -> list[Candidate]:
        """It and all that comes from it but what was screened, without sources, nearest first, at most
        `most`.
        """
        return self._family([identity], "parents.parent", "parents.candidate", most)

    def _family(self, ids: Sequence[int], start: str, end: str, most: int) -> list[Candidate]:
        return self.some(self._related(ids, start, end, most))

    def related(self, ids: Sequence[int], *, up: bool) -> list[int]:
        """These candidates and all that they come from, or with `up=False` all that comes from them but what
        was screened: ids, nearest first.
        """
        ends = ("parents.candidate", "parents.parent") if up else ("parents.parent", "parents.candidate")
        return self._related(ids, *ends, -1)

    def _related(self, ids: Sequence[int], start: str, end: str, most: int) -> list[int]:
        rows = self._db.rows(
            f"""
            WITH RECURSIVE family(id) AS (
                SELECT value FROM json_each(?)
                UNION SELECT {end} FROM family JOIN parents ON {start} = family.id
                JOIN candidates ON candidates.id = {end} WHERE {UNSCREENED}
            ) SELECT id FROM family LIMIT ?
            """,
            json.dumps(list(ids)),
            most,
        )
        return [row[0] for row in rows]

    def root(self, candidate: int) -> int:
        """The seed that it comes from, first parents upwards; itself where it has none.

        Raises ArchiveError where there is no such candidate.
        """
        found = self._db.value(
            """
            WITH RECURSIVE line(id) AS (
                SELECT id FROM candidates WHERE id = ?
                UNION ALL SELECT parent FROM line JOIN parents ON candidate = line.id AND position = 0
            ) SELECT min(id) FROM line
            """,
            candidate,
        )
        if not isinstance(found, int):
            raise ArchiveError(f"{self._db.path}: no candidate {candidate}")
        return found

    def newest_bits(self) -> tuple[float, bytes] | None:
        """Error and bits of the newest scored evaluation that kept bits; None where none did."""
        rows = self._db.rows(
            "SELECT error, correct FROM evaluations WHERE +outcome = 'scored' AND length(correct) > 0"
            " ORDER BY id DESC LIMIT 1"
        )
        return (rows[0][0], rows[0][1]) if rows else None
