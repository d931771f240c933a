"""Every LM call is in the archive before it is sent, and its answer before anybody reads it."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, replace

from evoarch.agent.lm.base import LM, LMError, LMReply, LMRequest
from evoarch.agent.lm.budget import LMBudget, OutOfBudgetError
from evoarch.agent.lm.replay import request_text
from evoarch.archive.call_log import PROMPT_MARGIN
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import LMCall
from evoarch.archive.store import Store


def request_digest(model: str, request: LMRequest) -> str:
    """Identifies a request: the model's name, the prompt and every sampling setting."""
    text = json.dumps([model, request.as_json()], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


CHECK = 0
"""The batch of calls that show whether a model answers; proposals are numbered from 1."""


async def check(store: Store, lm: LM, lm_budget: LMBudget, samples: int = 1) -> None:
    """Whether `lm` works, its calls in the archive; under a spent budget it is not asked. Raises LMError.

    What it asks is asked for `samples` answers, as the campaign's calls will be.
    """
    calls = LoggedCalls(store, lm, CHECK, lm_budget, again=True)
    with suppress(OutOfBudgetError):
        await lm.check(lambda request: calls(replace(request, n=samples)))


@dataclass(frozen=True)
class LoggedCalls:
    """`complete` of one batch: log, send, settle. An answer that is already there is not paid for twice.

    `lm_budget` says when there is room for a call, and what one may cost at most. `again`: ask whatever was
    answered before.
    """

    store: Store
    lm: LM
    batch: int
    lm_budget: LMBudget
    again: bool = False

    async def __call__(self, request: LMRequest) -> LMReply:
        """Answer a request, from the log where it was paid for. Raises LMError or OutOfBudgetError."""
        digest = request_digest(self.lm.name, request)
        known = None if self.again else self.store.calls.find_settled(self.batch, digest)
        if known is not None:
            return LMReply(known.replies, known.finish_reasons, 0, 0, 0.0)
        await self.lm_budget.room()
        call = self.store.calls.sent(self._bounded(request, digest))
        try:
            reply = _readable(await self.lm.complete(request))
            self._settle(call, reply)
        except LMError as error:
            # A server may have worked for answers that never came: each stands at its upper bound.
            if error.unanswered:
                self.store.calls.lost(call, str(error), times=error.unanswered)
            else:
                self.store.calls.failed(call, str(error))
            raise
        except (
            BaseException
        ) as error:  # whatever it was: left as `sent`, the call would keep its room for ever
            with suppress(ArchiveError):  # the first error is the one to tell
                self.store.calls.lost(call, f"ended without an answer ({type(error).__name__})")
            raise
        finally:
            self.lm_budget.settled()
        return reply

    def _settle(self, call: int, reply: LMReply) -> None:
        spent, unanswered = (reply.detail.get(name, 0) for name in ("cpu_seconds", "unanswered"))
        self.store.calls.settled(
            call,
            {
                "replies": reply.texts,
                "finish_reasons": reply.finish_reasons,
                "prompt_tokens": reply.prompt_tokens,
                "completion_tokens": reply.completion_tokens,
                "seconds": reply.seconds,
                "price": reply.price,
            },
            cpu_seconds=spent if isinstance(spent, float) else 0.0,
            unanswered=unanswered if isinstance(unanswered, int) else 0,
        )

    def _bounded(self, request: LMRequest, digest: str) -> LMCall:
        """The call as it is logged before it is sent: with the most that it can cost."""
        prompt = request_text(request)
        # No tokenizer makes more than one token of a byte.
        asked = len(prompt.encode("utf-8", "backslashreplace")) + PROMPT_MARGIN
        answered = request.samples * request.max_tokens
        return LMCall(
            self.batch,
            self.lm.name,
            digest,
            prompt,
            {**request.as_json(), "prompt": "", "messages": (), "ends": ()},
            prompt_tokens=asked,
            completion_tokens=answered,
            price=self.lm_budget.price(self.lm.name, asked, answered),
        )


def _readable(reply: LMReply) -> LMReply:
    """Text that is no valid Unicode is escaped, so that any tool reads it and a replay gets the same."""
    texts = tuple(text.encode("utf-8", "backslashreplace").decode() for text in reply.texts)
    return replace(reply, texts=texts)
