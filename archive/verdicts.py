"""A person's verdicts on candidates: written beside a run, in force from its next draw."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import get_args

from evoarch.archive.database import Database, as_text
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import State, Verdict, VerdictKind

KINDS: Sequence[VerdictKind] = get_args(VerdictKind)

_STANDING = """
SELECT candidate FROM (
    SELECT candidate, kind, max(id) FROM verdicts WHERE kind <> 'note' GROUP BY candidate
) WHERE kind = ? ORDER BY candidate
"""

_ON_LINE = re.compile(r"line (?P<line>\d{1,6}) (?P<said>`[^\n]*`: .+)", re.DOTALL)
"""A note on a line of the source, as `line_note` writes it."""


def line_note(source: str, line: int, text: str) -> str:
    """`text` as a note on a line of `source`, from 1. Raises ArchiveError where it has no such line."""
    lines = source.split("\n")
    if not 1 <= line <= len(lines):
        raise ArchiveError(f"line: expected 1 to {len(lines)}, got {line}")
    return f"line {line} `{lines[line - 1].strip()}`: {text}"


class Verdicts:
    """Of approve, veto and pin the newest stands; an approval lifts a veto or a pin. Notes only add up."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, candidate: int, kind: VerdictKind, text: str = "") -> int:
        """Record a verdict and its event; its id. Raises ArchiveError for an unknown candidate or kind."""
        if kind not in KINDS:
            raise ArchiveError(f"verdict: expected one of {', '.join(KINDS)}, got {kind!r}")
        with self._db.transaction():
            if not self._db.rows("SELECT 1 FROM candidates WHERE id = ?", candidate):
                raise ArchiveError(f"{self._db.path}: no candidate {candidate}")
            columns = {"candidate": candidate, "kind": kind, "text": as_text(text), "time": self._db.clock()}
            verdict = self._db.insert("verdicts", columns)
            self._db.event("judged", candidate, {"verdict": verdict, "kind": kind})
        return verdict

    def withdraw(self, candidate: int) -> Verdict:
        """Take back the newest verdict on a candidate, notes aside; the one before it stands again. The diary
        keeps both. Raises ArchiveError where there is none, and where a run has let the candidate out of the
        queue on its account.
        """
        with self._db.transaction():
            given = [verdict for verdict in self.all(candidate) if verdict.kind != "note"]
            if not given:
                raise ArchiveError(f"candidate {candidate} has no verdict to take back")
            newest = given[-1]
            acted = self._db.rows(
                "SELECT kind FROM events WHERE candidate = ? AND kind IN ('released', 'refused') AND id >"
                " (SELECT id FROM events WHERE candidate = ? AND kind = 'judged'"
                " AND json_extract(detail, '$.verdict') = ?)",
                candidate,
                candidate,
                newest.id,
            )
            if acted:
                raise ArchiveError(f"a run has {acted[0][0]} candidate {candidate} on this verdict already")
            self._db.do("DELETE FROM verdicts WHERE id = ?", newest.id)
            self._db.event("withdrawn", candidate, {"verdict": newest.id, "kind": newest.kind})
        return newest

    def all(self, candidate: int | None = None) -> list[Verdict]:
        """In the order they were given."""
        where = "TRUE" if candidate is None else "candidate = ?"
        rows = self._db.rows(
            f"SELECT id, candidate, kind, text, time FROM verdicts WHERE {where} ORDER BY id",
            *([] if candidate is None else [candidate]),
        )
        return [Verdict(row["candidate"], row["kind"], row["text"], row["time"], row["id"]) for row in rows]

    def notes(self) -> dict[int, str]:
        """By candidate, the newest note on the whole and the newest on each of its lines, in one; an empty
        one takes it back. A line is quoted, without its number: prompts show sources in another layout.
        """
        whole: dict[int, str] = {}
        lines: dict[int, dict[int, str]] = {}
        for verdict in self.all():
            if verdict.kind != "note":
                continue
            if found := _ON_LINE.fullmatch(verdict.text):
                lines.setdefault(verdict.candidate, {})[int(found["line"])] = found["said"]
            else:
                whole[verdict.candidate] = verdict.text
        parts = {each: [whole.get(each, ""), *lines.get(each, {}).values()] for each in {**whole, **lines}}
        said = {candidate: "; ".join(part for part in found if part) for candidate, found in parts.items()}
        return {candidate: text for candidate, text in said.items() if text}

    def on_lines(self, candidate: int) -> dict[int, str]:
        """By line, from 1, the newest note on it, with the line's number and text."""
        notes = [verdict.text for verdict in self.all(candidate) if verdict.kind == "note"]
        return {int(found["line"]): text for text in notes if (found := _ON_LINE.fullmatch(text))}

    def approved(self) -> frozenset[int]:
        """Candidates that need not wait for a person: the standing verdict is an approval or a pin."""
        return frozenset(row[0] for row in self._db.rows(_STANDING, "approve")) | self.pinned()

    def decided(self) -> list[tuple[int, bool]]:
        """Of those that await review, the decided: (candidate, whether it may go on), by id."""
        rows = self._db.rows("SELECT id FROM candidates WHERE state = ? ORDER BY id", State.AWAITING_REVIEW)
        if not rows:
            return []
        approved, vetoed = self.approved(), self.vetoed()
        return [(row[0], row[0] in approved) for row in rows if row[0] in approved | vetoed]

    def vetoed(self) -> frozenset[int]:
        """Candidates that are never to be a parent again."""
        return frozenset(row[0] for row in self._db.rows(_STANDING, "veto"))

    def pinned(self) -> frozenset[int]:
        """Candidates that are always to be a possible parent."""
        return frozenset(row[0] for row in self._db.rows(_STANDING, "pin"))
