"""What the language-model operators share: settings, the request, and its samples as drafts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from evoarch.agent.lm.base import Complete, LMReply, LMRequest
from evoarch.agent.operators.base import Draft, OperatorSettings, Order
from evoarch.prompts.contexts import Reply
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
        )

    async def ask(
        self,
        order: Order,
        rng: random.Random,
        complete: Complete | None,
        prompt: str,
        *,
        stop: Sequence[str] = STOPS,
        tokens: int = CLASS_TOKENS,
        chat_tokens: int = CHAT_TOKENS,
    ) -> LMReply:
        """One call for `order.count` samples: `tokens` each of a base model, `chat_tokens` of a chat model.

        Raises LMError when the call itself failed.
        """
        if complete is None:
            raise ValueError("an LM operator needs a language model, got none")
        temperature = rng.choice(self.temperatures) if self.temperatures else order.temperature
        return await complete(
            LMRequest(
                prompt="" if self.chat else prompt,
                messages=({"role": "user", "content": prompt},) if self.chat else (),
                n=order.count,
                temperature=temperature,
                seed=rng.getrandbits(31),
                max_tokens=self.max_tokens or (chat_tokens if self.chat else tokens),
                stop=() if self.chat else tuple(stop),
                soft_prompt=order.soft_prompt,
            )
        )


def drafts(reply: LMReply, count: int, change: str, parse: Parse) -> list[Draft]:
    """`count` drafts: a sample that is missing, withheld or unreadable becomes a draft with a problem."""
    return [_draft(reply, index, change, parse) for index in range(count)]


def refused(order: Order, problem: str) -> list[Draft]:
    """`order.count` drafts that say why nothing was asked."""
    return [Draft("", problem=problem)] * order.count


def _draft(reply: LMReply, index: int, change: str, parse: Parse) -> Draft:
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
