"""The log of language model calls: written before they are sent, settled by what came back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from evoarch.archive.database import Database, as_json, as_text
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import LMCall

PROMPT_MARGIN = 64
"""Tokens that a server may add to a prompt (chat template, start of text), for the bound of a lost call."""


_SAME = (
    "batch, model, digest, prompt_tokens, completion_tokens, seconds, price, request, finish_reasons,"
    " replies, prompt"
)
"""Columns of a call that its further attempts share while it has no answer."""


class CallLog:
    """sent -> settled, failed or lost."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def sent(self, call: LMCall) -> int:
        """Write down a call that is about to be sent; its id.

        Until it is settled its tokens stand at an upper bound: the caller's, or where that is 0 one token a
        byte of the prompt, and the request's `max_tokens` for each of its `n` samples.
        """
        request = call.request
        most = int(str(request.get("n", 1))) * int(str(request.get("max_tokens", 0)))
        bound = len(call.prompt.encode("utf-8", "backslashreplace")) + PROMPT_MARGIN
        columns = {
            "batch": call.batch,
            "model": call.model,
            "digest": call.digest,
            "state": "sent",
            "prompt_tokens": call.prompt_tokens or bound,
            "completion_tokens": call.completion_tokens or most,
            "seconds": call.seconds,
            "price": call.price,
            "error": as_text(call.error),
            "request": as_json(request),
            "finish_reasons": as_json(call.finish_reasons),
            "replies": as_json(call.replies),
            "prompt": as_text(call.prompt),
        }
        with self._db.transaction():
            identity = self._db.insert("lm_calls", columns)
            self._db.event("lm_sent", None, {"call": identity, "batch": call.batch})
        return identity

    def settled(
        self, call: int, reply: Mapping[str, object], *, cpu_seconds: float = 0.0, unanswered: int = 0
    ) -> None:
        """The answer. `reply`: replies, finish_reasons, prompt_tokens, completion_tokens, seconds, price.

        `unanswered`: requests sent for it beside the answered ones; each becomes a lost call of its own.
        """
        self._end(
            call,
            "settled",
            unanswered,
            replies=as_json(reply["replies"]),
            finish_reasons=as_json(reply["finish_reasons"]),
            prompt_tokens=reply["prompt_tokens"],
            completion_tokens=reply["completion_tokens"],
            seconds=reply["seconds"],
            price=reply["price"],
            cpu_seconds=cpu_seconds,
        )

    def failed(self, call: int, error: str) -> None:
        """Nothing was sent, or the server refused: nothing was counted."""
        self._end(call, "failed", error=as_text(error), prompt_tokens=0, completion_tokens=0, price=0.0)

    def lost(self, call: int, error: str, *, times: int = 1) -> None:
        """No answer (a timeout, a closed connection): the server may have counted up to the bound, for each
        of the `times` that the request was sent.
        """
        self._end(call, "lost", times - 1, error=as_text(error))

    def all(
        self, *, batch: int | None = None, digest: str | None = None, state: str | None = None
    ) -> list[LMCall]:
        """In the order they were sent."""
        filters = {"batch": batch, "digest": digest, "state": state}
        chosen = {column: value for column, value in filters.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in chosen) or "TRUE"
        rows = self._db.rows(f"SELECT * FROM lm_calls WHERE {where} ORDER BY id", *chosen.values())
        return [_lm_call(row) for row in rows]

    def find_settled(self, batch: int, digest: str) -> LMCall | None:
        """The first answer that this batch already got to this request."""
        rows = self._db.rows(
            "SELECT * FROM lm_calls WHERE batch = ? AND digest = ? AND state = 'settled' ORDER BY id LIMIT 1",
            batch,
            digest,
        )
        return _lm_call(rows[0]) if rows else None

    def _end(self, call: int, state: str, unanswered: int = 0, **columns: object) -> None:
        with self._db.transaction():
            found = self._db.value("SELECT state FROM lm_calls WHERE id = ?", call)
            if found != "sent":
                raise ArchiveError(
                    f"{self._db.path}: LM call {call} to be {state}: expected sent, got {found}"
                )
            for _ in range(unanswered):
                sql = f"INSERT INTO lm_calls ({_SAME}, state, error) SELECT {_SAME}, 'lost', ? FROM lm_calls"
                self._db.do(f"{sql} WHERE id = ?", "no answer; it was sent again", call)
            pairs = ", ".join(f"{column} = ?" for column in ("state", *columns))
            self._db.do(f"UPDATE lm_calls SET {pairs} WHERE id = ?", state, *columns.values(), call)
            self._db.event(f"lm_{state}", None, {"call": call})


def _lm_call(row: sqlite3.Row) -> LMCall:
    return LMCall(
        batch=row["batch"],
        model=row["model"],
        digest=row["digest"],
        prompt=row["prompt"],
        request=json.loads(row["request"]),
        state=row["state"],
        replies=tuple(json.loads(row["replies"])),
        finish_reasons=tuple(json.loads(row["finish_reasons"])),
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        seconds=row["seconds"],
        price=row["price"],
        error=row["error"],
        id=row["id"],
    )
