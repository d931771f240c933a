"""Language models for tests and replays that go through the real seam: scripted, and replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evoarch.agent.lm.base import Complete, LMReply, LMRequest
from evoarch.agent.lm.replay import request_text


class ScriptedLM:
    """Answers each sample with the next of `replies`, from the start again after the last.

    With a function instead, `replies(request, index)` gives sample `index` of a request. `requests` keeps
    what was asked. Tokens are counted as words.
    """

    def __init__(
        self,
        replies: Sequence[str] | Callable[[LMRequest, int], str],
        *,
        name: str = "scripted",
        chat: bool = False,
    ) -> None:
        if not callable(replies) and not replies:
            raise ValueError("expected at least one reply, got none")
        self.replies = replies
        self.requests: list[LMRequest] = []
        self.name = name
        self.chat = chat
        self._next = 0

    async def check(self, complete: Complete | None = None) -> None:
        """Always works."""

    async def complete(self, request: LMRequest) -> LMReply:
        """The next replies, one for each sample."""
        self.requests.append(request)
        texts = tuple(self._text(request, index) for index in range(request.samples))
        return LMReply(
            texts=texts,
            finish_reasons=("stop",) * request.samples,
            prompt_tokens=len(request_text(request).split()),
            completion_tokens=sum(len(text.split()) for text in texts),
            seconds=0.0,
        )

    async def close(self) -> None:
        """Holds nothing."""

    def _text(self, request: LMRequest, index: int) -> str:
        if callable(self.replies):
            return self.replies(request, index)
        text = self.replies[self._next % len(self.replies)]
        self._next += 1
        return text
