"""`lm.scoped`: the model writes one chosen place of a parent again; everything else stays.

One place a call and several samples, so that the prompt they share is paid once.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, Order, operator
from evoarch.agent.operators.lm.drafts import LAYER_STOPS, LINE_STOPS, LMOperator, drafts, refused
from evoarch.prompts.contexts import Context, Scoped, ScopedChat
from evoarch.prompts.replies import Parsed
from evoarch.prompts.span_replies import span_answered, spanned
from evoarch.prompts.spans import CALLED_LAYER, INSERT, LAYER, METHOD, STATEMENT, SourceSpan, find, with_calls
from evoarch.sandbox.genome import strip_prose

WEIGHTS: Mapping[str, float] = {LAYER: 2, INSERT: 2, STATEMENT: 1, CALLED_LAYER: 1, METHOD: 0.2}
"""How often each kind of place is chosen where all exist: a layer's numbers leave the most to say to a small
model, and a method takes several times the tokens of a line."""

CHAT_WEIGHTS: Mapping[str, float] = {LAYER: 1, INSERT: 1, STATEMENT: 1, CALLED_LAYER: 1, METHOD: 1}

LINE_TOKENS = 64
"""Tokens of a statement, or of a layer with its call."""

ANSWER_TOKENS = 384
"""Tokens of a chat model's answer: a method, its code fence, and a sentence or two that nobody asked for."""

METHOD_TOKENS = 192
"""Tokens of a method: `forward` of the largest baseline takes 191 of SmolLM2's."""

STOPS: Mapping[str, Sequence[str]] = {
    METHOD: ("\n    def ", "\n    @", "\nclass ", "\ndef "),
    CALLED_LAYER: ("\n",),
    STATEMENT: LINE_STOPS,
}


@operator
@dataclass(frozen=True)
class LMScoped(LMOperator):
    """Draws `samples` variants of one span of the first parent."""

    name: str = "lm.scoped"
    arity: int = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts. Raises LMError when the call itself failed, never for what it answered."""
        source = strip_prose(order.parents[0].source)
        spans = [span for span in find(source, order.entry) if self.chat or not _constructor(span)]
        if not spans:
            return refused(order, "expected a layer or a statement to change, the parent has none")
        span = _choose(spans, CHAT_WEIGHTS if self.chat else WEIGHTS, rng)
        prompt = self.templates.render(self._context(order, source, span, spans))
        stop = STOPS.get(span.kind, LAYER_STOPS)
        tokens = METHOD_TOKENS if span.kind == METHOD else LINE_TOKENS
        reply = await self.ask(
            order, rng, complete, prompt, stop=stop, tokens=tokens, chat_tokens=ANSWER_TOKENS
        )

        def parse(text: str, cut: bool) -> Parsed:
            read = span_answered if self.chat else spanned
            return read(source, span, text, order.entry, cut=cut)

        what = f"new layer {span.name}" if span.kind == INSERT else span.text.split("\n")[0]
        return drafts(reply, order.count, f"{span.kind} at line {span.start + 1}: {what}", parse)

    def _context(self, order: Order, source: str, span: SourceSpan, spans: Sequence[SourceSpan]) -> Context:
        metrics = order.parents[0].metrics
        if self.chat:
            return ScopedChat(
                source.strip(), metrics, order.targets, span.shown, span.lead, span.kind, order.feedback
            )
        shown = with_calls(source, spans) if span.kind == CALLED_LAYER else source
        before = "".join(line + "\n" for line in shown.split("\n")[: span.start])
        return Scoped(before, metrics, order.targets, span.indent, span.lead, order.feedback)


def _constructor(span: SourceSpan) -> bool:
    """All layers at once: a base model that can't see what `forward` calls would write others."""
    return span.kind == METHOD and span.name == "__init__"


def _choose(spans: Sequence[SourceSpan], weights: Mapping[str, float], rng: random.Random) -> SourceSpan:
    kinds = sorted({span.kind for span in spans})
    kind = rng.choices(kinds, [weights[each] for each in kinds])[0]
    return rng.choice([span for span in spans if span.kind == kind])
