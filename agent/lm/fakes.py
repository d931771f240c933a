"""Language models for tests and replays that go through the real seam: scripted, and replayed."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from evoarch.agent.lm.base import Complete, LMError, LMReply, LMRequest
from evoarch.archive.records import LMCall


def request_text(request: LMRequest) -> str:
    """The prompt as one text, messages under their roles: what an archive keeps and a diff compares."""
    if request.messages:
        return "\n\n".join(f"[{each['role']}]\n{each['content']}" for each in request.messages)
    return request.prompt


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
        self.requests.append(request)
        texts = tuple(self._text(request, index) for index in range(request.n))
        return LMReply(
            texts=texts,
            finish_reasons=("stop",) * request.n,
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


class ReplayLM:
    """Answers from an archive's settled calls; a prompt that none of them had is an error with a diff.

    Calls with the same request answer in their own order; the last one answers for good. A call that was
    never answered is not answered again.
    """

    def __init__(self, calls: Iterable[LMCall], *, name: str = "replay", chat: bool = False) -> None:
        self.name = name
        self.chat = chat
        self._calls: defaultdict[tuple[str, int, int], list[LMCall]] = defaultdict(list)
        self._unanswered: dict[tuple[str, int, int], str] = {}
        for call in calls:
            key = (call.prompt, _whole(call.request.get("seed")), _whole(call.request.get("n", 1)))
            if call.state == "settled":
                self._calls[key].append(call)
            else:
                self._unanswered[key] = call.error or "the record has no answer"

    async def check(self, complete: Complete | None = None) -> None:
        """Always works: a record may be of a campaign that never asked. What it lacks, `complete` names."""

    async def complete(self, request: LMRequest) -> LMReply:
        prompt = request_text(request)
        key = (prompt, request.seed, request.n)
        calls = self._calls.get(key)
        if not calls and key in self._unanswered:
            raise LMError(self._unanswered[key], retriable=True)
        if not calls:
            raise LMError(self._unseen(prompt, request))
        call = calls.pop(0) if len(calls) > 1 else calls[0]
        return LMReply(
            call.replies,
            call.finish_reasons,
            call.prompt_tokens,
            call.completion_tokens,
            call.seconds,
            call.price,
        )

    async def close(self) -> None:
        """Holds nothing."""

    def _unseen(self, prompt: str, request: LMRequest) -> str:
        prompts = sorted({key[0] for key in self._calls})
        if prompt in prompts:
            return f"replay: this prompt was asked, but not with seed {request.seed} and n {request.n}"
        nearest = max(prompts, key=lambda other: _likeness(prompt, other), default="")
        diff = "\n".join(
            difflib.unified_diff(
                nearest.split("\n"),
                prompt.split("\n"),
                "nearest archived prompt",
                "this prompt",
                "",
                "",
                2,
                "",
            )
        )
        return f"replay: expected an archived prompt, got one that was never asked\n{diff}"


def _likeness(left: str, right: str) -> float:
    return difflib.SequenceMatcher(None, left.split("\n"), right.split("\n"), autojunk=False).ratio()


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
