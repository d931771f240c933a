"""What the language-model operators share: settings, the request, and its samples as drafts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from evoarch.agent.config.tables import PromptsTable
from evoarch.agent.lm.base import Complete, LMError, LMReply, LMRequest
from evoarch.agent.operators.base import Draft, OperatorSettings, Order
from evoarch.agent.operators.lm.thoughts import drawn_thought
from evoarch.prompts.contexts import AgainChat, Reply, System
from evoarch.prompts.render import BUILT_IN, Templates
from evoarch.prompts.replies import Parsed

Parse = Callable[[str, bool], Parsed]
"""From a sample's text, and whether the token limit cut it off."""

STOPS = ("\nclass ", "\n#", "\ndef ", "\n```")
"""Where a class has surely ended. Four, because that is what an OpenAI-compatible server takes."""

CLASS_TOKENS = 400
"""Tokens of a class that a base model completes: three of the four MNIST-1D baselines take at most 219."""

CHAT_TOKENS = 1024
"""Tokens of a chat model's answer: the largest baseline takes 585 of SmolLM2's, without prose around it."""

LINE_STOPS = ("\n", "  #")
"""Where a statement on one line has ended."""

LAYER_STOPS = ("\n        self.", "\n\n", "\n    def ", "  #")
"""Where a layer of a class's constructor has ended, which may take several lines."""


@dataclass(frozen=True)
class LMOperator:
    """`samples` children a call, of at most `max_tokens` each (0: by what is asked for).

    `chat` models are instructed, others completed. `temperatures`: each call draws one; empty: the order's
    own. `reply`: how a chat model answers.
    """

    samples: int = 8
    max_tokens: int = 0
    chat: bool = False
    temperatures: Sequence[float] = ()
    reply: Reply = "class"
    templates: Templates = field(default=BUILT_IN, compare=False)
    prompts: PromptsTable = field(default_factory=PromptsTable, compare=False)

    def configured(self, settings: OperatorSettings) -> Self:
        """With the table's settings; 0 there means the operator's own."""
        table = settings.table
        return replace(
            self,
            chat=settings.lm.chat if settings.lm else self.chat,
            samples=table.samples or self.samples,
            max_tokens=table.max_tokens or self.max_tokens,
            reply=table.reply,
            templates=settings.templates,
            prompts=settings.prompts,
        )

    def thought(self, order: Order, rng: random.Random) -> str:
        """A line of thought for a chat model, "" where that is switched off."""
        return drawn_thought(order.feedback.effects, rng) if self.chat and self.prompts.thought else ""

    async def draft(
        self,
        order: Order,
        rng: random.Random,
        complete: Complete | None,
        prompt: str,
        change: str,
        parse: Parse,
        **limits: Any,
    ) -> list[Draft]:
        """`order.count` drafts of one prompt. An answer of a chat model that can't be used, or in which
        vetting finds something, is asked for again, once, in the same conversation.

        `limits`: as of `request`. Raises LMError when the call itself failed.
        """
        asked = self.request(order, rng, prompt, **limits)
        found = drafts(await answer(complete, asked), order.count, change, parse)
        if not (self.chat and self.prompts.repair_turn):
            return found
        return await asyncio.gather(*(self._again(order, complete, asked, each, parse) for each in found))

    def request(
        self,
        order: Order,
        rng: random.Random,
        prompt: str,
        *,
        stop: Sequence[str] = STOPS,
        tokens: int = CLASS_TOKENS,
        chat_tokens: int = CHAT_TOKENS,
    ) -> LMRequest:
        """For `order.count` samples: `tokens` each of a base model, `chat_tokens` of a chat model."""
        temperature = rng.choice(self.temperatures) if self.temperatures else order.temperature
        return LMRequest(
            prompt="" if self.chat else prompt,
            messages=self._messages(order, prompt) if self.chat else (),
            n=order.count,
            temperature=temperature,
            seed=rng.getrandbits(31),
            max_tokens=self.max_tokens or (chat_tokens if self.chat else tokens),
            stop=() if self.chat else tuple(stop),
            soft_prompt=order.soft_prompt,
        )

    def _messages(self, order: Order, prompt: str) -> tuple[Mapping[str, str], ...]:
        system = self.templates.render(System(order.card, order.front, order.entry))
        return {"role": "system", "content": system}, {"role": "user", "content": prompt}

    async def _again(
        self, order: Order, complete: Complete | None, asked: LMRequest, draft: Draft, parse: Parse
    ) -> Draft:
        """The draft of a second answer, where the first has something that the model can set right."""
        problem = draft.problem or order.check(draft.source)
        if not problem or not draft.text.strip():
            return draft
        findings = self.templates.render(AgainChat(problem.split("; ")))
        more = ({"role": "assistant", "content": draft.text}, {"role": "user", "content": findings})
        request = replace(asked, messages=(*asked.messages, *more), n=1, seed=(asked.seed + 1) % (1 << 31))
        try:
            reply = await answer(complete, request)
        except LMError:
            return draft  # the first answer is there and paid for
        (second,) = drafts(reply, 1, f"{draft.change} (second answer)", parse)
        return second if second.text.strip() else draft


async def answer(complete: Complete | None, request: LMRequest) -> LMReply:
    """Asks. Raises LMError when the call itself failed."""
    if complete is None:
        raise ValueError("an LM operator needs a language model, got none")
    return await complete(request)


def unsaid(order: Order) -> tuple[str, ...]:
    """The names that the entry may take, where the task card does not say them."""
    return () if order.card.offers else tuple(order.offers)


def drafts(reply: LMReply, count: int, change: str, parse: Parse) -> list[Draft]:
    """`count` drafts: a sample that is missing, withheld or unreadable becomes a draft with a problem."""
    return [draft_of(reply, index, change, parse) for index in range(count)]


def refused(order: Order, problem: str) -> list[Draft]:
    """`order.count` drafts that say why nothing was asked."""
    return [Draft("", problem=problem)] * order.count


def draft_of(reply: LMReply, index: int, change: str, parse: Parse) -> Draft:
    """The draft of sample `index`."""
    if index >= len(reply.texts):
        why = reply.detail.get("problem", "the model gave no sample")
        return Draft("", change, problem=f"expected a reply: {why}")
    text, reason = reply.texts[index], reply.finish_reasons[index]
    if reason == "content_filter":
        return Draft("", change, problem="expected code: the server's content filter withheld it", text=text)
    elsewhere = reply.detail.get("empty")
    if isinstance(elsewhere, Mapping) and (why := elsewhere.get(index)):
        return Draft("", change, problem=f"expected code, got an empty reply: {why}")
    if reason == "length" and not text:
        why = "the token limit ended it before its first word; set [[operators]] max_tokens higher"
        return Draft("", change, problem=f"expected code: {why}")
    parsed = parse(text, reason == "length")
    if parsed.note:
        change = f"{change} ({parsed.note})"
    return Draft(parsed.source, change, parsed.problem, text)
