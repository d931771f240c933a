"""Any OpenAI-compatible endpoint, by the openai client: its retries, its backoff, its Retry-After."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from evoarch.agent.config.lm import LMSettings, url_problem
from evoarch.agent.lm.base import Complete, LMError, LMReply, LMRequest
from evoarch.agent.lm.openai_http import BoundedClient, counted

MAX_STOPS = 4
"""What the OpenAI API accepts; the parsers cut the rest."""

UNFIT = (400, 413, 422)
"""Codes of a server that can't take this very request: a prompt beyond its context, for one."""

CUT_OFF = "max_tokens or model output limit was reached"
"""Of a refusal (400) by OpenAI's reasoning models, which work, but which the limit ended too early."""

LATER = (408, 409, 425, 429)
"""Codes below 500 that the same request may not get again."""


CHARACTERS_A_TOKEN = 3
"""For the estimate of tokens that a server does not count: code's upper bound."""

MOST_TOKENS = 1 << 53
"""That a server may say it counted: beyond, a number is no count."""


@dataclass(frozen=True)
class _Answer:
    """`problem`: why there are no texts. `unanswered`: attempts before it that may have been counted."""

    texts: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False
    problem: str = ""
    unanswered: int = 0


class OpenAILM:
    """Completions, or chat completions with `settings.chat`. The key never leaves the environment.

    A server that ignores `n` is asked again for the missing samples, one by one and at once.
    """

    def __init__(self, settings: LMSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.chat = settings.chat
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._client: openai.AsyncOpenAI | None = None

    async def check(self, complete: Complete | None = None) -> None:
        """One call of one token: says now what would otherwise stop the run later.

        Where that token ends in the midst of a model's reasoning, its answer is an empty text, cut off.
        """
        ask = "Say one word."
        messages = ({"role": "user", "content": ask},) if self.chat else ()
        request = LMRequest("" if self.chat else ask, messages, max_tokens=1, temperature=0.0)
        reply = await (complete or self.complete)(request)
        if problem := reply.detail.get("problem"):
            raise LMError(f"{self._where()}: {problem}; set [[lm]] omit, token_limit or chat as it wants")

    async def complete(self, request: LMRequest) -> LMReply:
        """As LM.complete; what one request can not bring is asked for in further ones."""
        if request.soft_prompt:
            raise LMError(f"{self.name}: an endpoint takes no soft prompt; use a local backend")
        began = time.monotonic()
        first = await self._ask(request, request.n, request.seed)
        answers, errors = [first], list[LMError]()
        missing = request.n - len(first.texts)
        if first.texts and missing > 0 and "content_filter" not in first.reasons:
            seeds = range(request.seed + 1, request.seed + 1 + missing)
            # The first answer is there and paid for, whatever becomes of the others.
            others = await asyncio.gather(*(self._other(request, seed) for seed in seeds))
            answers += [each for each in others if isinstance(each, _Answer)]
            errors = [each for each in others if isinstance(each, LMError)]
        texts = tuple(text for answer in answers for text in answer.texts)[: request.n]
        reasons = tuple(reason for answer in answers for reason in answer.reasons)[: request.n]
        prompt_tokens = sum(answer.prompt_tokens for answer in answers)
        completion_tokens = sum(answer.completion_tokens for answer in answers)
        problems = [*(answer.problem for answer in answers), *map(str, errors)]
        detail: dict[str, object] = {}
        if problem := next(filter(None, problems), ""):
            detail["problem"] = problem
        if any(answer.estimated for answer in answers):
            detail["usage"] = "estimated"
        unanswered = sum(each.unanswered for each in answers) + sum(each.unanswered for each in errors)
        if unanswered:
            detail["unanswered"] = unanswered
        price = (
            prompt_tokens * self.settings.price_prompt + completion_tokens * self.settings.price_completion
        )
        return LMReply(
            texts, reasons, prompt_tokens, completion_tokens, time.monotonic() - began, price / 1e6, detail
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _other(self, request: LMRequest, seed: int) -> _Answer | LMError:
        try:
            return await self._ask(request, 1, seed)
        except LMError as error:
            return error

    async def _ask(self, request: LMRequest, n: int, seed: int) -> _Answer:
        """One HTTP request, and the client's repeats of it. Raises LMError."""
        client = self._connect()
        options = self._options(request, n, seed)
        async with self._slots:
            with counted() as attempts:
                try:
                    if self.chat:
                        reply: Any = await client.chat.completions.create(
                            messages=_messages(request), **options
                        )
                    else:
                        reply = await client.completions.create(prompt=request.prompt, **options)
                    return _read(reply, request, attempts.open - 1)
                except openai.APIStatusError as error:
                    if error.status_code == 400 and CUT_OFF in error.message:
                        return _cut_off(request, n, self._limit(request), attempts.open)
                    if error.status_code in UNFIT:
                        problem = f"the server refused the request: {self._clean(error.message)}"
                        return _Answer(problem=problem, unanswered=attempts.open)
                    raise self._refused(error, attempts.open) from None
                except openai.APIConnectionError as error:
                    raise self._unreached(error, attempts.open) from None
                except (openai.OpenAIError, ValueError, AttributeError, TypeError, KeyError) as error:
                    # What a reply that is no completion makes of the client's typed reading.
                    raise LMError(
                        f"{self._where()}: expected a completion, got something else "
                        f"({type(error).__name__})",
                        retriable=True,
                        unanswered=attempts.open,
                    ) from None

    def _options(self, request: LMRequest, n: int, seed: int) -> dict[str, Any]:
        options: dict[str, Any] = {
            "n": n,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": seed,
            self.settings.token_limit: self._limit(request),
        }
        if request.stop:
            options["stop"] = list(request.stop[:MAX_STOPS])
        kept = {name: value for name, value in options.items() if name not in self.settings.omit}
        # By the body, so that completions can be sent what the client knows for chats alone.
        body = {"extra_body": {**kept, **self.settings.extra}}
        return {"model": self.settings.model, **body}

    def _limit(self, request: LMRequest) -> int:
        return min(request.max_tokens, self.settings.max_tokens)

    def _connect(self) -> openai.AsyncOpenAI:
        if self._client is None:
            base = self.settings.base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or None
            if base and (problem := url_problem(base)):
                raise LMError(f"environment variable OPENAI_BASE_URL: {problem}")
            key = self.settings.key()
            if not key and base is None:
                raise LMError(f"environment variable {self.settings.key_env} is not set: set it to your key")
            if not (key.isascii() and key.isprintable()):
                raise LMError(
                    f"environment variable {self.settings.key_env}: expected a key of printable ASCII "
                    "characters, got others in it"
                )
            # Local servers want no key, but the client does; a server that wants one answers 401.
            self._client = openai.AsyncOpenAI(
                api_key=key or "none",
                base_url=base,
                timeout=self.settings.timeout,
                max_retries=self.settings.retries,
                http_client=BoundedClient(self.settings.timeout),
            )
        return self._client

    def _refused(self, error: openai.APIStatusError, unanswered: int) -> LMError:
        code = error.status_code
        said = self._clean(error.message)
        if code in (401, 403):
            return LMError(
                f"{self._where()}: key refused ({code}); set environment variable {self.settings.key_env}",
                unanswered=unanswered,
            )
        if code == 404:
            return LMError(
                f"{self._where()}: no model {self.settings.model!r} there ({code}: {said}); "
                "set [[lm]] model, or base_url (it often ends in /v1)",
                unanswered=unanswered,
            )
        return LMError(
            f"{self._where()}: answered {code}: {said}",
            retriable=code in LATER or code >= 500,
            unanswered=unanswered,
        )

    def _unreached(self, error: openai.APIConnectionError, unanswered: int) -> LMError:
        if isinstance(error, openai.APITimeoutError):
            what = f"no answer within {self.settings.timeout:g} s; set [[lm]] timeout higher"
        elif isinstance(error.__cause__, httpx2.ConnectError):
            cause = self._clean(str(error.__cause__))
            what = f"can't connect ({cause}); start the server or set [[lm]] base_url"
        else:
            cause = self._clean(str(error.__cause__ or error))
            what = f"the connection ended before the answer ({cause})"
        return LMError(f"{self._where()}: {what}", retriable=True, unanswered=unanswered)

    def _where(self) -> str:
        """Without what a URL may hold of secrets."""
        url = httpx2.URL(str(self._connect().base_url)).copy_with(userinfo=b"", query=None)
        return f"{self.name} at {url}"

    def _clean(self, text: str) -> str:
        """`text` in one short line, without the key, which some servers repeat."""
        return " ".join(self.settings.without_key(text).split())[:300]


def _messages(request: LMRequest) -> Any:
    if request.messages:
        return [dict(each) for each in request.messages]
    return [{"role": "user", "content": request.prompt}]


def _read(reply: Any, request: LMRequest, unanswered: int) -> _Answer:
    """What is there of a reply is kept. Without usage, tokens are estimated."""
    choices = [choice for choice in reply.choices or () if choice is not None]
    texts = tuple(_text(choice) for choice in choices)
    counts = [_count(reply.usage, name) for name in ("prompt_tokens", "completion_tokens")]
    characters = [_characters(request), sum(map(len, texts))]
    estimates = [-(-each // CHARACTERS_A_TOKEN) for each in characters]
    prompt, completion = (e if c is None else c for c, e in zip(counts, estimates, strict=True))
    return _Answer(
        texts,
        tuple(str(choice.finish_reason or "stop") for choice in choices),
        prompt,
        completion,
        estimated=None in counts,
        problem="" if texts else "the server answered with no choices",
        unanswered=unanswered,
    )


def _cut_off(request: LMRequest, n: int, limit: int, unanswered: int) -> _Answer:
    """Nothing but what the model reasoned, up to the limit; the server may have counted all of it."""
    prompt = -(-_characters(request) // CHARACTERS_A_TOKEN)
    return _Answer(("",) * n, ("length",) * n, prompt, n * limit, estimated=True, unanswered=unanswered)


def _characters(request: LMRequest) -> int:
    return len(request.prompt) + sum(len(each["content"]) for each in request.messages)


def _text(choice: Any) -> str:
    message = getattr(choice, "message", None)
    text = getattr(choice, "text", None) if message is None else message.content
    return text if isinstance(text, str) else ""


def _count(usage: Any, name: str) -> int | None:
    """A number of tokens that a server counted, None where it says none that can be (or can be stored)."""
    found = getattr(usage, name, None)
    return found if isinstance(found, int) and 0 <= found <= MOST_TOKENS else None
