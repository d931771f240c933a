"""Every LM call is in the archive before it is sent, and its answer before anybody reads it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from agent.lm.fakes import request_text
from agent.lm.seam import LM, LMError, LMReply, LMRequest
from archive.records import LMCall
from archive.store import Store


def request_digest(model: str, request: LMRequest) -> str:
    """Identifies a request: the model's name, the prompt and every sampling setting."""
    text = json.dumps([model, request.as_json()], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class LoggedCalls:
    """`complete` of one batch: log, send, settle. An answer that is already there is not paid for twice."""

    store: Store
    lm: LM
    batch: int

    async def __call__(self, request: LMRequest) -> LMReply:
        digest = request_digest(self.lm.name, request)
        known = self.store.settled_call(self.batch, digest)
        if known is not None:
            return LMReply(known.replies, known.finish_reasons, 0, 0, 0.0)
        prompt = request_text(request)
        call = self.store.log_sent(
            LMCall(
                self.batch, self.lm.name, digest, prompt, {**request.as_json(), "prompt": "", "messages": ()}
            )
        )
        try:
            reply = await self.lm.complete(request)
        except LMError as error:
            # A server may have worked for an answer that never came: such a call stands at its upper bound.
            (self.store.log_lost if error.retriable else self.store.log_failed)(call, str(error))
            raise
        # Text that is no valid Unicode is escaped, so that any tool reads it and a replay gets the same.
        texts = tuple(text.encode("utf-8", "backslashreplace").decode() for text in reply.texts)
        reply = replace(reply, texts=texts)
        spent = reply.detail.get("cpu_seconds", 0.0)
        self.store.log_settled(
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
        )
        return reply
