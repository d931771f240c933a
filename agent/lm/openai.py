"""Any OpenAI-compatible endpoint, by the openai client: its retries, its backoff, its Retry-After."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import replace
from typing import Any

import httpx2
import openai

from evoarch.agent.base.formatting import printable
from evoarch.agent.config.lm import LMSettings, url_problem
from evoarch.agent.lm.base import Complete, LMError, LMReply, LMRequest, one_by_one
from evoarch.agent.lm.openai_http import BoundedClient, counted
from evoarch.agent.lm.openai_reply import (
    UNFIT,
    Answer,
    NoCompletionError,
    cut_off,
    read_answer,
    refusal,
    sent,
    sentence,
)
from evoarch.agent.lm.server_clock import ServerClock

MAX_STOPS = 4
"""What the OpenAI API accepts; the parsers cut the rest."""

CUT_OFF = "max_tokens or model output limit was reached"
"""Of a refusal (400) by OpenAI's reasoning models, which work, but which the limit ended too early."""

CUT = (
    "counted {} tokens of a prompt of {} characters, so it cut the prompt; give the server a longer context "
    "(llama-server --ctx-size, Ollama num_ctx)"
)
"""Said once of a server that leaves out a part of what it is sent."""

SINGLY = "takes one sample at a time, so each of {} is a request of its own ({})"
"""Said once of a server that refuses `n` above 1: each request pays for the prompt."""

LATER = (408, 409, 425, 429)
"""Codes below 500 that the same request may not get again."""

CHECKED = "Say one word."
"""What the check asks."""

_LOG = logging.getLogger(__name__)
"""Shown on stderr where nothing else was set: what is worth knowing once, and stops nothing."""


class OpenAILM:
    """Completions, or chat completions with `settings.chat`. The key never leaves the environment.

    A server that ignores `n` is asked again for the missing samples, one by one and at once; so is one that
    refuses `n` above 1, which is not sent it again.
    """

    def __init__(self, settings: LMSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.chat = settings.chat
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._client: openai.AsyncOpenAI | None = None
        self._singly = False
        self._clock: ServerClock | None = None
        self._said = set[str]()

    async def check(self, complete: Complete | None = None) -> None:
        """One call of one token: says now what would otherwise stop the run later.

        Where that token ends in the midst of a model's reasoning, its answer is an empty text, cut off.
        """
        messages = ({"role": "user", "content": CHECKED},) if self.chat else ()
        request = LMRequest("" if self.chat else CHECKED, messages, max_tokens=1, temperature=0.0)
        reply = await (complete or self.complete)(request)
        if problem := reply.detail.get("problem"):
            raise LMError(f"{self._where()}: {problem}; set [[lm]] omit, token_limit or chat as it wants")

    async def complete(self, request: LMRequest) -> LMReply:
        """As LM.complete; what one request can not bring is asked for in further ones."""
        return await one_by_one(self._complete, request)

    async def _complete(self, request: LMRequest) -> LMReply:
        if request.soft_prompt:
            raise LMError(f"{self.name}: an endpoint takes no soft prompt; use a local backend")
        began = time.monotonic()
        clock = self._server_clock()
        first = await self._first(request)
        answers, errors = [first], list[LMError]()
        missing = request.n - len(first.texts)
        if first.texts and missing > 0 and "content_filter" not in first.reasons:
            seeds = range(request.seed + 1, request.seed + 1 + missing)
            # The first answer is there and paid for, whatever becomes of the others.
            others = await asyncio.gather(*(self._other(request, seed) for seed in seeds))
            answers += [each for each in others if isinstance(each, Answer)]
            errors = [each for each in others if isinstance(each, LMError)]
        texts = tuple(text for answer in answers for text in answer.texts)[: request.n]
        reasons = tuple(reason for answer in answers for reason in answer.reasons)[: request.n]
        prompt_tokens = sum(answer.prompt_tokens for answer in answers)
        completion_tokens = sum(answer.completion_tokens for answer in answers)
        problems = [*(answer.problem for answer in answers), *map(str, errors)]
        detail: dict[str, object] = {}
        if problem := next(filter(None, problems), ""):
            detail["problem"] = self._clean(problem)
        each_empty = [answer.empty.get(i, "") for answer in answers for i in range(len(answer.texts))]
        if empty := {i: self._clean(why) for i, why in enumerate(each_empty) if why}:
            detail["empty"] = empty
        for answer in answers:
            if answer.cut:
                self._say_once(CUT, answer.prompt_tokens, sent(request))
        if any(answer.estimated for answer in answers):
            detail["usage"] = "estimated"
        unanswered = sum(each.unanswered for each in answers) + sum(each.unanswered for each in errors)
        if unanswered:
            detail["unanswered"] = unanswered
        if spent := clock.spent():
            detail["cpu_seconds"] = spent
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

    async def _first(self, request: LMRequest) -> Answer:
        """The answer to the whole request, to its first sample of a server that takes one at a time."""
        answer = await self._ask(request, 1 if self._singly else request.n, request.seed)
        if self._singly or request.n == 1 or not answer.refused or "n" in self.settings.omit:
            return answer
        alone = await self._ask(request, 1, request.seed)
        if alone.texts:
            self._singly = True
            self._say_once(SINGLY, request.n, answer.problem)
        return replace(alone, unanswered=alone.unanswered + answer.unanswered)

    def _say_once(self, what: str, *values: object) -> None:
        if what not in self._said:
            self._said.add(what)
            _LOG.warning("%s: %s", self._where(), self._clean(what.format(*values)))

    async def _other(self, request: LMRequest, seed: int) -> Answer | LMError:
        try:
            return await self._ask(request, 1, seed)
        except LMError as error:
            return error

    async def _ask(self, request: LMRequest, n: int, seed: int) -> Answer:
        """One HTTP request, and the client's repeats of it. Raises LMError."""
        client = self._connect()
        path = "/chat/completions" if self.chat else "/completions"
        async with self._slots:
            with counted() as attempts:
                try:
                    # As it came: what is no completion is read better here than by the client's types.
                    response = await client.post(
                        path, cast_to=httpx2.Response, body=self._body(request, n, seed)
                    )
                    kind = response.headers.get("content-type", "").partition(";")[0].strip()
                    return read_answer(response.content, kind, request, attempts.open - 1)
                except openai.APIStatusError as error:
                    if error.status_code == 400 and CUT_OFF in error.message:
                        return cut_off(request, n, self._limit(request), attempts.open)
                    if error.status_code in UNFIT:
                        return refusal(self._sentence(error), attempts.open)
                    raise self._refused(error, attempts.open) from None
                except openai.APIConnectionError as error:
                    raise self._unreached(error, attempts.open) from None
                except NoCompletionError as error:
                    raise LMError(
                        f"{self._where()}: expected a completion, {self._clean(str(error))}; "
                        "[[lm]] base_url may be wrong (it often ends in /v1)",
                        retriable=True,
                        unanswered=attempts.open,
                    ) from None
                except (openai.OpenAIError, ValueError, TypeError) as error:
                    # What the client itself finds wrong.
                    raise LMError(
                        f"{self._where()}: {self._clean(str(error))}",
                        retriable=True,
                        unanswered=attempts.open,
                    ) from None

    def _body(self, request: LMRequest, n: int, seed: int) -> dict[str, Any]:
        body: dict[str, Any] = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "seed": seed,
            self.settings.token_limit: self._limit(request),
        }
        if request.stop:
            body["stop"] = list(request.stop[:MAX_STOPS])
        if n > 1:  # some servers refuse the name itself
            body["n"] = n
        kept = {name: value for name, value in body.items() if name not in self.settings.omit}
        asked = (
            {"messages": _messages(request, system="system" not in self.settings.omit)}
            if self.chat
            else {"prompt": request.prompt}
        )
        return {"model": self.settings.model, **asked, **kept, **self.settings.extra}

    def _limit(self, request: LMRequest) -> int:
        return min(request.max_tokens, self.settings.max_tokens)

    def _server_clock(self) -> ServerClock:
        """One for all calls: of those that overlap, whoever ends first is told what all took until then."""
        if self._clock is None:
            self._clock = ServerClock(str(self._connect().base_url))
        return self._clock

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
        said = self._sentence(error)
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

    def _sentence(self, error: openai.APIStatusError) -> str:
        """The server's own, or at least the client's."""
        return self._clean(sentence(error.body) or error.message)

    def _clean(self, text: str) -> str:
        """`text` in one short line, without the key, which some servers repeat."""
        return printable(" ".join(self.settings.without_key(text).split()))[:300]


def _messages(request: LMRequest, *, system: bool) -> Any:
    """As a server wants them; without `system`, that message's text begins the next one."""
    messages = [dict(each) for each in request.messages]
    if not system and len(messages) > 1 and messages[0]["role"] == "system":
        first, second, *others = messages
        messages = [{**second, "content": f"{first['content']}\n\n{second['content']}"}, *others]
    if messages:
        return messages
    return [{"role": "user", "content": request.prompt}]
