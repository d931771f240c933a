"""Any OpenAI-compatible endpoint, by the openai client: its retries, its backoff, its Retry-After."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import openai

from agent.lm.seam import Complete, LMError, LMReply, LMRequest
from agent.lm.settings import LMSettings

MAX_STOPS = 4
"""What the OpenAI API accepts; the parsers cut the rest."""

BACKOFF = 8.0
"""Seconds: the client's longest wait between two attempts without a Retry-After."""


@dataclass(frozen=True)
class _Answer:
    texts: tuple[str, ...]
    reasons: tuple[str, ...]
    prompt_tokens: int
    completion_tokens: int
    estimated: bool


class OpenAILM:
    """Completions, or chat completions with `settings.chat`. The key never leaves the environment.

    A server that ignores `n` is asked again for the missing samples, one by one and at once.
    """

    def __init__(self, settings: LMSettings) -> None:
        self.settings = settings
        self.name = settings.name or settings.model
        self.chat = settings.chat
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._client: openai.AsyncOpenAI | None = None

    async def check(self, complete: Complete | None = None) -> None:
        """One call of one token: says now what would otherwise stop the run later."""
        ask = "Say one word."
        messages = ({"role": "user", "content": ask},) if self.chat else ()
        request = LMRequest("" if self.chat else ask, messages, max_tokens=1, temperature=0.0)
        await (complete or self.complete)(request)

    async def complete(self, request: LMRequest) -> LMReply:
        if request.soft_prompt:
            raise LMError(f"{self.name}: an endpoint takes no soft prompt; use a local backend")
        began = time.monotonic()
        problem = ""
        answers: list[_Answer] = []
        try:
            first = await self._ask(request, request.n, request.seed)
            answers.append(first)
            missing = request.n - len(first.texts)
            if first.texts and missing > 0 and "content_filter" not in first.reasons:
                seeds = range(request.seed + 1, request.seed + 1 + missing)
                asked = (self._ask(request, 1, seed) for seed in seeds)
                rest = await asyncio.gather(*asked, return_exceptions=True)
                answers += [answer for answer in rest if isinstance(answer, _Answer)]
                # The first answer is there and paid for, whatever became of the others.
                problem = next((str(error) for error in rest if isinstance(error, Exception)), "")
            elif not first.texts:
                problem = "the server answered with no choices"
        except openai.BadRequestError as error:
            problem = f"the server refused the request: {self._clean(error.message)}"
        texts = tuple(text for answer in answers for text in answer.texts)[: request.n]
        reasons = tuple(reason for answer in answers for reason in answer.reasons)[: request.n]
        prompt_tokens = sum(answer.prompt_tokens for answer in answers)
        completion_tokens = sum(answer.completion_tokens for answer in answers)
        detail: dict[str, object] = {"problem": problem} if problem else {}
        if any(answer.estimated for answer in answers):
            detail["usage"] = "estimated"
        price = (
            prompt_tokens * self.settings.price_prompt + completion_tokens * self.settings.price_completion
        )
        return LMReply(
            texts, reasons, prompt_tokens, completion_tokens, time.monotonic() - began, price / 1e6, detail
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _ask(self, request: LMRequest, n: int, seed: int) -> _Answer:
        """One HTTP request with the client's own retries, as an answer or an LMError (or BadRequestError)."""
        options: dict[str, Any] = {
            "model": self.settings.model,
            "n": n,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": seed,
            "max_tokens": min(request.max_tokens, self.settings.max_tokens),
        }
        if request.stop:
            options["stop"] = list(request.stop[:MAX_STOPS])
        client = self._connect()
        # A body that trickles never trips the client's own timeout, which starts again with each byte.
        deadline = (self.settings.timeout + BACKOFF) * (self.settings.retries + 1)
        try:
            async with self._slots, asyncio.timeout(deadline):
                if self.chat:
                    chat = await client.chat.completions.create(messages=_messages(request), **options)
                    return _read(chat, [_content(choice) for choice in chat.choices or ()], request)
                text = await client.completions.create(prompt=request.prompt, **options)
                return _read(text, [choice.text or "" for choice in text.choices or ()], request)
        except openai.BadRequestError:
            raise
        except openai.APIStatusError as error:
            raise self._refused(error) from None
        except (openai.APITimeoutError, TimeoutError):
            raise LMError(
                f"{self._where()}: no answer within {self.settings.timeout:g} s; set [[lm]] timeout higher",
                retriable=True,
            ) from None
        except openai.APIConnectionError as error:
            cause = self._clean(str(error.__cause__ or error))
            raise LMError(
                f"{self._where()}: can't connect ({cause}); start the server or set [[lm]] base_url",
                retriable=True,
            ) from None
        except (openai.OpenAIError, ValueError, AttributeError, TypeError, KeyError) as error:
            # What a reply that is no completion makes of the client's typed reading.
            raise LMError(
                f"{self._where()}: expected a completion, got something else ({type(error).__name__})",
                retriable=True,
            ) from None

    def _connect(self) -> openai.AsyncOpenAI:
        if self._client is None:
            base = self.settings.base_url or os.environ.get("OPENAI_BASE_URL") or None
            key = os.environ.get(self.settings.key_env, "")
            if not key and base is None:
                raise LMError(f"environment variable {self.settings.key_env} is not set: set it to your key")
            # Local servers want no key, but the client does; a server that wants one answers 401.
            self._client = openai.AsyncOpenAI(
                api_key=key or "none",
                base_url=base,
                timeout=self.settings.timeout,
                max_retries=self.settings.retries,
            )
        return self._client

    def _refused(self, error: openai.APIStatusError) -> LMError:
        code = error.status_code
        said = self._clean(error.message)
        if code in (401, 403):
            return LMError(
                f"{self._where()}: key refused ({code}); set environment variable {self.settings.key_env}"
            )
        if code == 404:
            return LMError(
                f"{self._where()}: no model {self.settings.model!r} there ({code}: {said}); "
                "set [[lm]] model, or base_url (it often ends in /v1)"
            )
        return LMError(f"{self._where()}: answered {code}: {said}", retriable=code == 429 or code >= 500)

    def _where(self) -> str:
        return f"{self.name} at {self._connect().base_url}"

    def _clean(self, text: str) -> str:
        """`text` in one short line, without the key, which some servers repeat."""
        key = os.environ.get(self.settings.key_env, "")
        line = " ".join(text.split())
        return (line.replace(key, "***") if key else line)[:300]


def _messages(request: LMRequest) -> Any:
    if request.messages:
        return [dict(each) for each in request.messages]
    return [{"role": "user", "content": request.prompt}]


def _content(choice: Any) -> str:
    return choice.message.content or ""


def _read(answer: Any, texts: Sequence[str], request: LMRequest) -> _Answer:
    """Without usage, tokens are estimated as a token every three characters: code's upper bound."""
    reasons = tuple(choice.finish_reason or "stop" for choice in answer.choices or ())
    if answer.usage is not None:
        counts = (int(answer.usage.prompt_tokens), int(answer.usage.completion_tokens))
        return _Answer(tuple(texts), reasons, *counts, estimated=False)
    asked = len(request.prompt) + sum(len(each["content"]) for each in request.messages)
    return _Answer(tuple(texts), reasons, -(-asked // 3), -(-sum(map(len, texts)) // 3), estimated=True)
