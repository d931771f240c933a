"""The log of language model calls: written before they are sent, settled by what came back."""

from __future__ import annotations

from collections.abc import Mapping

from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import LMCall
from evoarch.archive.writer import Writer, as_json, as_text

PROMPT_MARGIN = 64
"""Tokens that a server may add to a prompt (chat template, start of text), for the bound of a lost call."""


_SAME = (
    "batch, model, digest, prompt_tokens, completion_tokens, seconds, price, request, finish_reasons,"
    " replies, prompt"
)
"""Columns of a call that its further attempts share while it has no answer."""


class CallLog(Writer):
    """sent -> settled, failed or lost."""

    def log_sent(self, call: LMCall) -> int:
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
        with self.transaction():
            identity = self._insert("lm_calls", columns)
            self.event("lm_sent", None, {"call": identity, "batch": call.batch})
        return identity

    def log_settled(
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

    def log_failed(self, call: int, error: str) -> None:
        """Nothing was sent, or the server refused: nothing was counted."""
        self._end(call, "failed", error=as_text(error), prompt_tokens=0, completion_tokens=0, price=0.0)

    def log_lost(self, call: int, error: str, *, times: int = 1) -> None:
        """No answer (a timeout, a closed connection): the server may have counted up to the bound, for each
        of the `times` that the request was sent.
        """
        self._end(call, "lost", times - 1, error=as_text(error))

    def _end(self, call: int, state: str, unanswered: int = 0, **columns: object) -> None:
        with self.transaction():
            found = self._value("SELECT state FROM lm_calls WHERE id = ?", call)
            if found != "sent":
                raise ArchiveError(f"{self.path}: LM call {call} to be {state}: expected sent, got {found}")
            for _ in range(unanswered):
                sql = f"INSERT INTO lm_calls ({_SAME}, state, error) SELECT {_SAME}, 'lost', ? FROM lm_calls"
                self._do(f"{sql} WHERE id = ?", "no answer; it was sent again", call)
            pairs = ", ".join(f"{column} = ?" for column in ("state", *columns))
            self._do(f"UPDATE lm_calls SET {pairs} WHERE id = ?", state, *columns.values(), call)
            self.event(f"lm_{state}", None, {"call": call})
