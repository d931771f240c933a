"""The seam to a language model: one request, one reply, one method."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol


@dataclass(frozen=True)
class LMRequest:
    """What is asked. `prompt` is text to complete (base models); `messages` instead address a chat model.

    `n` samples from one prompt; with `ends`, `n` of each `prompt + end`, in their order: what they share is
    paid once where the backend can. `seed` makes them repeatable where the backend can; `soft_prompt` is the
    digest of tuned prompt weights or "".
    """

    prompt: str = ""
    messages: tuple[Mapping[str, str], ...] = ()
    n: int = 1
    temperature: float = 0.8
    top_p: float = 1.0
    seed: int = 0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    soft_prompt: str = ""
    ends: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """How many texts are asked for."""
        return self.n * max(1, len(self.ends))

    def as_json(self) -> dict[str, object]:
        """The request as JSON has it, for the archive."""
        return asdict(self)


@dataclass(frozen=True)
class LMReply:
    """What came back: `texts` has up to n entries (fewer: the backend gave up on some).

    `detail` may hold `problem`, why some are missing; `empty`, of texts that are empty, by index, where the
    answer stands instead; `usage`, "estimated" where nobody counted tokens;
    `unanswered`, as in LMError, of requests beside those that were answered; `cpu_seconds`.
    """

    texts: tuple[str, ...]
    finish_reasons: tuple[str, ...]
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    price: float = 0.0
    detail: Mapping[str, object] = field(default_factory=dict)


class LMError(Exception):
    """One clear line. `retriable`: the same call may work later; otherwise the run must stop and say so.

    `unanswered`: requests that were sent for the call and that somebody may have counted all the same; by
    default one where it is retriable.
    """

    def __init__(self, message: str, *, retriable: bool = False, unanswered: int | None = None) -> None:
        super().__init__(message)
        self.retriable = retriable
        self.unanswered = int(retriable) if unanswered is None else unanswered


Complete = Callable[[LMRequest], Awaitable[LMReply]]


async def one_by_one(complete: Complete, request: LMRequest) -> LMReply:
    """Answers a request with `ends` for a backend that takes one prompt: a request for each end, all at once.

    A sample that is missing becomes an empty text, so that the others keep their places.
    """
    if not request.ends:
        return await complete(request)
    asked = [
        replace(request, prompt=request.prompt + end, ends=(), seed=request.seed + number)
        for number, end in enumerate(request.ends)
    ]
    replies = await asyncio.gather(*(complete(each) for each in asked))
    texts = [(*each.texts, *("",) * (request.n - len(each.texts)))[: request.n] for each in replies]
    reasons = [
        (*each.finish_reasons, *("stop",) * (request.n - len(each.finish_reasons)))[: request.n]
        for each in replies
    ]
    detail: dict[str, object] = {}
    for reply in replies:
        detail = {**reply.detail, **detail}
    for name in ("cpu_seconds", "unanswered"):
        if name in detail:
            found = (reply.detail.get(name, 0) for reply in replies)
            detail[name] = sum(value for value in found if isinstance(value, int | float))
    detail.pop("empty", None)  # its places are those of one reply
    return LMReply(
        tuple(itertools.chain(*texts)),
        tuple(itertools.chain(*reasons)),
        sum(each.prompt_tokens for each in replies),
        sum(each.completion_tokens for each in replies),
        max(each.seconds for each in replies),
        sum(each.price for each in replies),
        detail,
    )


class LM(Protocol):
    """A language model. `name` stands in the archive; `chat` says whether it wants messages."""

    @property
    def name(self) -> str:
        """The model as campaign.toml calls it."""
        ...

    @property
    def chat(self) -> bool:
        """Whether it takes messages; else it completes a prompt."""
        ...

    async def check(self, complete: Complete | None = None) -> None:
        """Say early whether calls can work: raises LMError with what to set. A call that this takes goes
        through `complete`, by default the model's own, so that a campaign counts it.
        """
        ...

    async def complete(self, request: LMRequest) -> LMReply:
        """Answer a request. Raises LMError."""
        ...

    async def close(self) -> None:
        """Free what it holds: connections, processes."""
        ...
