"""Answers from an archive, for replays."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable

from evoarch.agent.lm.base import Complete, LMError, LMReply, LMRequest
from evoarch.archive.records import LMCall


def request_text(request: LMRequest) -> str:
    """The prompt as one text, messages under their roles: what an archive keeps and a diff compares."""
    if request.messages:
        return "\n\n".join(f"[{each['role']}]\n{each['content']}" for each in request.messages)
    return "\n\n[or]\n".join(request.prompt + end for end in request.ends) or request.prompt


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
        """The recorded answer. Raises LMError for a prompt that the record lacks."""
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
