"""Writing the archive: each change of state is one transaction, which also appends its event."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from evoarch.archive.browse import Browse
from evoarch.archive.call_log import CallLog
from evoarch.archive.connection import build, connect
from evoarch.archive.database import Database, as_json, as_text
from evoarch.archive.errors import ArchiveError, one_line
from evoarch.archive.evaluations import insert_evaluation, pooled
from evoarch.archive.labels import LabelLog
from evoarch.archive.outlays import Outlays
from evoarch.archive.queries import Queries
from evoarch.archive.records import Candidate, Evaluation, Fault, Proposal, Scored, State
from evoarch.archive.relatives import Relatives
from evoarch.archive.schema import FILE
from evoarch.archive.screens import FilterLog
from evoarch.archive.totals import Totals
from evoarch.archive.traces import Predictions, Traces
from evoarch.archive.verdicts import Verdicts
from evoarch.archive.yields import Yields

Detail = Mapping[str, object]


def create(folder: Path, *, name: str, seed: int, facts: Mapping[str, object] | None = None) -> Store:
    """Make the archive of a new campaign in `folder`, whole or not at all, and open it for writing.

    `facts` are kept as JSON in table meta beside name and seed (task, versions, reference point, ...).
    Raises ArchiveError where there is one already.
    """
    with one_line(folder):
        folder.mkdir(parents=True, exist_ok=True)
    build(folder / FILE, {**(facts or {}), "name": name, "seed": seed})
    return open_archive(folder, write=True)


def open_archive(folder: Path, *, write: bool, clock: Callable[[], float] = time.time) -> Store:
    """Open the archive of a campaign. Many may read while one writes; `write` also upgrades an older one.

    `clock` dates the events, in seconds since 1970. Raises ArchiveError, with nothing changed, where the
    archive is missing, of a newer version, or no archive.
    """
    path = folder / FILE
    return Store(folder, Database(path, connect(path, write=write), clock))


class Store(Queries):
    """A campaign's archive: what it reads of candidates is in Queries, what it writes of them is here.

    Its parts answer for the rest: `calls` to language models, a person's `verdicts`, the `filter` before
    training, `browse` for lists, `totals`, `relatives` of a candidate, `yields` of operators, `outlays` of
    CPU time, `traces` of models, `predictions` before their training. Opened for reading, it refuses what
    writes. Close it, or use it as a context manager.
    """

    def __init__(self, folder: Path, db: Database) -> None:
        super().__init__(db)
        self.folder, self.path = folder, db.path
        self.calls, self.verdicts, self.filter = CallLog(db), Verdicts(db), FilterLog(db)
        self.browse, self.totals, self.relatives = Browse(db, self), Totals(db), Relatives(db)
        self.yields, self.outlays = Yields(db), Outlays(db)
        self.traces, self.predictions, self.labels = Traces(db), Predictions(db), LabelLog(db)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing can be asked afterwards."""
        self._db.close()

    def snapshot(self) -> AbstractContextManager[None]:
        """All that is read inside belongs to one moment, whatever a run writes meanwhile."""
        return self._db.snapshot()

    def transaction(self) -> AbstractContextManager[None]:
        """All changes made inside happen together, or none of them; nests. An error must be let out of it."""
        return self._db.transaction()

    def event(self, kind: str, candidate: int | None = None, detail: Detail | None = None) -> int:
        """Append one line to the diary; its id."""
        return self._db.event(kind, candidate, detail)

    def keep(self, key: str, value: object) -> None:
        """Set a fact of table meta, as JSON; the diary has no line of it, so that a replay waits for none."""
        self._db.do("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, as_json(value))

    def add_seed(self, name: str, source: str, source_digest: str, *, operator: str = "seed") -> Candidate:
        """A baseline model file, queued for evaluation. Names are unique."""
        with self._db.transaction():
            taken = self._db.rows("SELECT id FROM candidates WHERE name = ?", name)
            if taken:
                raise ArchiveError(
                    f"{self.path}: seed name {name!r} belongs to candidate {taken[0][0]} already"
                )
            candidate = self._db.do(
                "INSERT INTO candidates (id, operator, state, generation, name, source, source_digest)"
                " VALUES (?, ?, ?, 0, ?, ?, ?)",
                self._next("candidates", "id"),
                operator,
                State.QUEUED,
                as_text(name),
                as_text(source),
                source_digest,
            )
            self._db.event("seeded", candidate, {"name": name})
        return self.candidate(candidate)

    def next_number(self) -> int:
        """The number that the next proposal will have; the first is 1."""
        return self._next("proposals", "number")

    def draw(self, operator: str, parents: Sequence[int], count: int, context: Detail) -> list[Proposal]:
        """Reserve `count` consecutive numbers, and write down all that `operator` needs for these children.

        Raises ArchiveError where a parent is not scored: a failed candidate is never a parent.
        """
        with self._db.transaction():
            batch, identity = self.next_number(), self._next("candidates", "id")
            saw = self.last_event()
            elders = [self._expect(parent, "as a parent", State.SCORED) for parent in parents]
            generation = 1 + max((elder["generation"] for elder in elders), default=-1)
            proposals = [
                Proposal(
                    number=batch + ordinal,
                    candidate=identity + ordinal,
                    operator=operator,
                    parents=tuple(parents),
                    batch=batch,
                    ordinal=ordinal,
                    saw=saw.id if saw else 0,
                    context=context,
                )
                for ordinal in range(count)
            ]
            for proposal in proposals:
                self._propose(proposal, generation)
            self._db.event("drawn", None, {"batch": batch, "count": count, "operator": operator})
        return proposals

    def _propose(self, proposal: Proposal, generation: int) -> None:
        self._db.do(
            "INSERT INTO candidates (id, operator, state, generation, number) VALUES (?, ?, ?, ?, ?)",
            proposal.candidate,
            proposal.operator,
            State.PROPOSED,
            generation,
            proposal.number,
        )
        for position, parent in enumerate(proposal.parents):
            self._db.do("INSERT INTO parents VALUES (?, ?, ?)", proposal.candidate, position, parent)
        self._db.do(
            "INSERT INTO proposals (number, candidate, operator, batch, ordinal, saw, context)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            proposal.number,
            proposal.candidate,
            proposal.operator,
            proposal.batch,
            proposal.ordinal,
            proposal.saw,
            as_json(proposal.context),
        )

    def arrive(
        self, candidate: int, source: str, source_digest: str, change: str = "", text: str = ""
    ) -> None:
        """Its operator answered with a new, vetted source: proposed -> queued."""
        with self._db.transaction():
            self._expect(candidate, "to arrive", State.PROPOSED)
            self._set(
                candidate,
                "arrived",
                state=State.QUEUED,
                source=as_text(source),
                source_digest=source_digest,
                change=as_text(change),
                text=as_text(text),
            )

    def reject(
        self,
        candidate: int,
        source: str,
        reason: str,
        text: str = "",
        change: str = "",
        *,
        parsed: bool = False,
        findings: Sequence[Mapping[str, object]] = (),
    ) -> None:
        """Its operator answered with nothing that can be run: proposed -> rejected. `source` may be "".

        `parsed`: a source could be read, and vetting found fault with it: these `findings`, kept as JSON;
        `reason` says them in one line.
        """
        with self._db.transaction():
            self._expect(candidate, "to be rejected", State.PROPOSED)
            columns = {"source": source, "note": reason, "text": text, "change": change}
            columns = {name: as_text(value) for name, value in columns.items()}
            detail: dict[str, object] = {"parsed": True} if parsed or findings else {}
            detail |= {"findings": list(findings)} if findings else {}
            self._set(candidate, "rejected", detail, state=State.REJECTED, **columns)

    def screen(
        self,
        candidate: int,
        source: str,
        source_digest: str,
        *,
        trace: Mapping[str, object] | None,
        change: str = "",
        note: str = "another draft was worth more",
    ) -> None:
        """It was built, and another draft is trained in its place: proposed -> screened. `source_digest` may
        be "": it is taken of what is picked alone. `trace` is kept."""
        with self._db.transaction():
            self._expect(candidate, "to be screened", State.PROPOSED)
            if trace is not None:
                self.traces.put(candidate, trace)
            self._set(
                candidate,
                "screened",
                state=State.SCREENED,
                source=as_text(source),
                source_digest=source_digest or None,
                change=as_text(change),
                note=as_text(f"screened: {note}"),
            )

    def duplicate(
        self,
        candidate: int,
        of: int,
        *,
        reason: str,
        source: str | None = None,
        source_digest: str | None = None,
        cpu_seconds: float = 0.0,
    ) -> None:
        """It is `of` over again, in source or function: proposed, queued or running -> duplicate.

        Without `source` it keeps what it has. `cpu_seconds`: what finding it out took.
        """
        with self._db.transaction():
            self._expect(candidate, "to be a duplicate", State.PROPOSED, State.QUEUED, State.RUNNING)
            new: dict[str, object] = {} if source is None else {"source": as_text(source)}
            if source_digest is not None:
                new["source_digest"] = source_digest
            self._set(
                candidate,
                "duplicate",
                {"of": of},
                state=State.DUPLICATE,
                duplicate_of=of,
                note=as_text(f"{reason} as candidate {of}"),
                **new,
            )
            self.add_cpu(candidate, cpu_seconds)

    def start(self, candidate: int) -> None:
        """queued -> running."""
        with self._db.transaction():
            self._expect(candidate, "to start", State.QUEUED)
            self._set(candidate, "started", state=State.RUNNING)

    def requeue(self, candidate: int) -> None:
        """running -> queued, with nothing found."""
        with self._db.transaction():
            self._expect(candidate, "to be requeued", State.RUNNING)
            self._set(candidate, "requeued", state=State.QUEUED)

    def hold(self, candidate: int) -> None:
        """running -> awaiting_review: it is sound, and a person decides whether it is trained."""
        with self._db.transaction():
            self._expect(candidate, "to be held", State.RUNNING)
            self._set(candidate, "held", state=State.AWAITING_REVIEW)

    def release(self, candidate: int) -> None:
        """awaiting_review -> queued: a person approved it."""
        with self._db.transaction():
            self._expect(candidate, "to be released", State.AWAITING_REVIEW)
            self._set(candidate, "released", state=State.QUEUED)

    def refuse(self, candidate: int) -> None:
        """awaiting_review -> rejected: a person vetoed it."""
        with self._db.transaction():
            self._expect(candidate, "to be refused", State.AWAITING_REVIEW)
            self._set(candidate, "refused", state=State.REJECTED, note="vetoed by a person")

    def repaired(self, candidate: int, source: str, source_digest: str, repairs: Sequence[str]) -> None:
        """Shape repair changed its source; `repairs` says how, in words, all of them."""
        with self._db.transaction():
            self._expect(candidate, "to be repaired", State.RUNNING)
            self._set(
                candidate,
                "repaired",
                source=as_text(source),
                source_digest=source_digest,
                repairs=as_json(list(repairs)),
            )

    def add_cpu(self, candidate: int, cpu_seconds: float) -> None:
        """CPU seconds that were spent on it outside its evaluations, to those that were before."""
        if cpu_seconds:
            sql = "UPDATE candidates SET cpu_seconds = cpu_seconds + ? WHERE id = ?"
            self._db.do(sql, cpu_seconds, candidate)

    def set_function_digest(self, candidate: int, digest: str) -> None:
        with self._db.transaction():
            self._expect(candidate, "to get a function digest", State.RUNNING)
            self._set(candidate, "fingerprinted", function_digest=digest)

    def settle(self, evaluation: Evaluation, *, set_aside: bool = False) -> int:
        """Record one outcome and what follows for its candidate; the evaluation's id.

        A scored one makes it `scored`, with the means over all training seeds on this rung. A candidate's own
        failure makes it `failed`, unless an earlier seed has scored. An infrastructure failure of a running
        candidate puts it back into the queue, or makes it `failed` where it is to be `set_aside`. Raises
        ArchiveError where this rung and seed have an outcome already, or the candidate is neither running nor
        scored.
        """
        candidate, outcome = evaluation.candidate, evaluation.outcome
        with self._db.transaction():
            state = State(self._expect(candidate, "to be settled", State.RUNNING, State.SCORED)["state"])
            identity = insert_evaluation(self._db, evaluation)
            detail: dict[str, object] = {"evaluation": identity, "kind": evaluation.kind}
            detail |= {"rung": evaluation.rung, "seed": evaluation.seed}
            if isinstance(outcome, Scored):
                self._set(candidate, "settled", detail, state=State.SCORED, **pooled(self._db, evaluation))
            else:
                detail |= {"stage": outcome.stage, "fault": outcome.fault}
                fell = State.FAILED if outcome.fault is Fault.CANDIDATE or set_aside else State.QUEUED
                after = State.SCORED if state is State.SCORED else fell
                self._set(candidate, "settled", detail, state=after)
        return identity

    def reach(self, evaluation: Evaluation, decision: str, *, note: str = "") -> int:
        """Record the score of a running candidate on a rung before the last, and what was decided there.

        Without `note` it trains on; with one, which says why not, it is `stopped`. Returns the evaluation's
        id. Raises ArchiveError where it is not running, or has been on this rung before.
        """
        with self._db.transaction():
            self._expect(evaluation.candidate, "to reach a rung", State.RUNNING)
            identity = insert_evaluation(self._db, evaluation)
            detail = {"evaluation": identity, "kind": evaluation.kind, "rung": evaluation.rung}
            detail |= {"decision": decision, "stopped": bool(note)}
            columns = {"state": State.STOPPED, "note": as_text(note)} if note else {"state": State.RUNNING}
            self._set(evaluation.candidate, "rung", detail, **columns)
        return identity

    def recover(self) -> list[Proposal]:
        """After a crash, or before leaving: what was in flight is to be done again.

        Running candidates go back into the queue; calls without an answer become `lost`, at their upper
        bound. Returns the proposals that have not arrived, by number.
        """
        with self._db.transaction():
            running = self._db.rows("SELECT id FROM candidates WHERE state = ? ORDER BY id", State.RUNNING)
            sent = self._db.rows("SELECT id FROM lm_calls WHERE state = 'sent' ORDER BY id")
            self._db.do("UPDATE lm_calls SET state = 'lost' WHERE state = 'sent'")
            self._db.do("UPDATE candidates SET state = ? WHERE state = ?", State.QUEUED, State.RUNNING)
            if running or sent:
                ids = {"requeued": [row[0] for row in running], "lost": [row[0] for row in sent]}
                self._db.event("recovered", None, ids)
        return self.proposals(state=State.PROPOSED)

    def _next(self, table: str, column: str) -> int:
        last = self._db.value(f"SELECT max({column}) FROM {table}")
        return last + 1 if isinstance(last, int) else 1

    def _expect(self, candidate: int, purpose: str, *states: State) -> sqlite3.Row:
        """The candidate's row, where it is in one of these states."""
        rows = self._db.rows("SELECT state, generation FROM candidates WHERE id = ?", candidate)
        if not rows:
            raise ArchiveError(f"{self.path}: no candidate {candidate}")
        if rows[0]["state"] not in states:
            expected = " or ".join(states)
            raise ArchiveError(
                f"{self.path}: candidate {candidate} {purpose}: expected {expected}, got {rows[0]['state']}"
            )
        return rows[0]

    def _set(self, candidate: int, event: str, detail: Detail | None = None, /, **columns: object) -> None:
        pairs = ", ".join(f"{column} = ?" for column in columns)
        self._db.do(f"UPDATE candidates SET {pairs} WHERE id = ?", *columns.values(), candidate)
        self._db.event(event, candidate, detail)
