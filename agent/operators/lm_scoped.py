"""`lm.scoped`: the model writes one chosen place of a parent again; everything else stays.

One place a call and several samples, so that the prompt they share is paid once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from agent.lm.seam import Complete, LMRequest
from agent.operators.base import Draft, Order
from agent.operators.lm_drafts import drafts
from prompts.contexts import Scoped, ScopedChat
from prompts.render import render
from prompts.replies import Parsed, span_answered, spanned
from prompts.spans import INSERT, LAYER, STATEMENT, Span, find
from sandbox.genome import strip_prose

WEIGHTS = {LAYER: 2, INSERT: 2, STATEMENT: 1}
"""How often each kind of place is chosen where all exist: a layer's numbers leave the most to say."""


@dataclass(frozen=True)
class LMScoped:
    """Draws `samples` variants of one span of the first parent.

    `temperatures`: each call draws one; empty: the order's own. `max_tokens` bounds one sample.
    """

    samples: int = 8
    max_tokens: int = 48
    chat: bool = False
    temperatures: Sequence[float] = ()
    name: str = "lm.scoped"
    arity: int = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts. Raises LMError when the call itself failed, never for what it answered."""
        if complete is None:
            raise ValueError(f"{self.name} needs a language model, got none")
        temperature = rng.choice(self.temperatures) if self.temperatures else order.temperature
        parent = order.parents[0]
        source = strip_prose(parent.source)
        spans = find(source, order.entry)
        if not spans:
            return [Draft("", problem="expected a layer or a statement to change, the parent has none")] * (
                order.count
            )
        span = _choose(spans, rng)
        prompt = self._prompt(order, source, span)
        request = LMRequest(
            prompt="" if self.chat else prompt,
            messages=({"role": "user", "content": prompt},) if self.chat else (),
            n=order.count,
            temperature=temperature,
            seed=rng.getrandbits(31),
            max_tokens=self.max_tokens,
            stop=() if self.chat else ("\n", "  #"),
        )
        reply = await complete(request)

        def parse(text: str) -> Parsed:
            if self.chat:
                return span_answered(source, span, text, order.entry)
            return spanned(source, span, text, order.entry)

        what = f"new layer {span.name}" if span.kind == INSERT else span.text.split("\n")[0]
        return drafts(reply, order.count, f"{span.kind} at line {span.start + 1}: {what}", parse)

    def _prompt(self, order: Order, source: str, span: Span) -> str:
        metrics = order.parents[0].metrics
        if self.chat:
            return render(ScopedChat(source.strip(), metrics, order.targets, span.text, span.lead))
        before = "".join(line + "\n" for line in source.split("\n")[: span.start])
        return render(Scoped(before, metrics, order.targets, span.indent, span.lead))


def _choose(spans: Sequence[Span], rng: random.Random) -> Span:
    kinds = sorted({span.kind for span in spans})
    kind = rng.choices(kinds, [WEIGHTS[each] for each in kinds])[0]
    return rng.choice([span for span in spans if span.kind == kind])
