"""`lm.scoped`: the model writes one chosen place of a parent again; everything else stays.

Several samples of one place are mostly the same text, so that a call asks for several places. For a base
model they stand in the order of the file: each prompt goes on where the one before ended, and only its end is
paid.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, Order, operator
from evoarch.agent.operators.lm.drafts import (
    LAYER_STOPS,
    LINE_STOPS,
    LMOperator,
    answer,
    draft_of,
    refused,
)
from evoarch.prompts.any_form import read
from evoarch.prompts.contexts import Context, Scoped, ScopedChat
from evoarch.prompts.outline import merged, outline
from evoarch.prompts.replies import Parsed
from evoarch.prompts.span_replies import spanned
from evoarch.prompts.spans import CALLED_LAYER, INSERT, LAYER, METHOD, STATEMENT, SourceSpan, find, with_calls
from evoarch.sandbox.genome import source_digest, strip_prose
from evoarch.sandbox.parsing import GenomeError

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

SPARE = 2
"""Samples that a base model is asked for of each child that is wanted: a batch costs little more, and what is
no change, or found fault with in vetting, is left out."""

TOGETHER = (LAYER, INSERT)
"""Kinds of places that share the text before them, the stops and the number of tokens."""

STOPS: Mapping[str, Sequence[str]] = {
    METHOD: ("\n    def ", "\n    @", "\nclass ", "\ndef "),
    CALLED_LAYER: ("\n",),
    STATEMENT: LINE_STOPS,
}


@operator
@dataclass(frozen=True)
class LMScoped(LMOperator):
    """Draws `samples` variants of spans of the first parent."""

    name: str = "lm.scoped"
    arity: int = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts. Raises LMError when the call itself failed, never for what it answered."""
        source = strip_prose(order.parents[0].source)
        dotted = self.prompts.leads == "dotted"
        spans = [
            span for span in find(source, order.entry, dotted=dotted) if self.chat or not _constructor(span)
        ]
        if not spans:
            return refused(order, "expected a layer or a statement to change, the parent has none")
        first = _choose(spans, CHAT_WEIGHTS if self.chat else WEIGHTS, rng)
        if self.prompts.places == "one":
            return await self._one(order, rng, complete, source, first, spans)
        if self.chat:
            places = _several(first, spans, order.count, rng)
            alone = replace(order, count=1)
            # Each draws its seed before the first of them waits.
            each = [self._one(alone, rng, complete, source, place, spans) for place in places]
            return [draft for found in await asyncio.gather(*each) for draft in found]
        kinds = TOGETHER if first.kind in TOGETHER else (first.kind,)
        alike = [span for span in spans if span.kind in kinds]
        places = sorted(set(_several(first, alike, order.count, rng)), key=lambda p: (p.start, p.lead))
        return await self._many(order, rng, complete, source, places, spans)

    async def _one(
        self,
        order: Order,
        rng: random.Random,
        complete: Complete | None,
        source: str,
        span: SourceSpan,
        spans: Sequence[SourceSpan],
    ) -> list[Draft]:
        """`order.count` samples of one place."""
        prompt = self.templates.render(self._context(order, rng, source, span, spans))

        def parse(text: str, cut: bool) -> Parsed:
            if self.chat:
                around = merged([outline(source, order.entry)])
                return read(text, span, source, around, order.entry, cut=cut)
            return spanned(source, span, text, order.entry, cut=cut)

        return await self.draft(order, rng, complete, prompt, _change(span), parse, **_limits(span))

    async def _many(
        self,
        order: Order,
        rng: random.Random,
        complete: Complete | None,
        source: str,
        places: Sequence[SourceSpan],
        spans: Sequence[SourceSpan],
    ) -> list[Draft]:
        """Of some samples of each place, in one call of a base model, the `order.count` soundest."""
        prompts = [self.templates.render(self._context(order, rng, source, p, spans)) for p in places]
        shared = os.path.commonprefix(prompts)  # noqa: RUF071 - of texts, not of paths
        request = self.request(order, rng, shared, **_limits(places[0]))
        each = -(-SPARE * order.count // len(places))
        ends = tuple(prompt[len(shared) :] for prompt in prompts)
        reply = await answer(complete, replace(request, n=each, ends=ends))
        found = []
        for number in range(each):
            for at, span in enumerate(places):
                parse = partial(_parsed, source, span, order.entry)
                found.append(draft_of(reply, at * each + number, _change(span), parse))
        return _soundest(found, source, order)

    def _context(
        self,
        order: Order,
        rng: random.Random,
        source: str,
        span: SourceSpan,
        spans: Sequence[SourceSpan],
    ) -> Context:
        metrics = order.parents[0].metrics
        if self.chat:
            return ScopedChat(
                source.strip(), metrics, order.targets, span.shown, span.lead, span.kind, order.feedback,
                self.thought(order, rng),
            )  # fmt: skip
        shown = with_calls(source, spans) if span.kind == CALLED_LAYER else source
        before = "".join(line + "\n" for line in shown.split("\n")[: span.start])
        return Scoped(
            before, metrics, order.targets, span.indent, span.lead, order.feedback, order.card,
            self.prompts.listed,
        )  # fmt: skip


def _parsed(source: str, span: SourceSpan, entry: str, text: str, cut: bool) -> Parsed:
    return spanned(source, span, text, entry, cut=cut)


def _soundest(found: Sequence[Draft], source: str, order: Order) -> list[Draft]:
    """`order.count` of the drafts: those that are new and that vetting finds nothing in, then the others."""
    seen, sound, others = {source_digest(source)}, list[Draft](), list[Draft]()
    for draft in found:
        if draft.problem or order.check(draft.source):
            others.append(draft)
            continue
        try:
            digest = source_digest(draft.source)
        except GenomeError:
            digest = ""
        (others if digest in seen else sound).append(draft)
        seen.add(digest)
    return [*sound, *others][: order.count]


def _change(span: SourceSpan) -> str:
    what = f"new layer {span.name}" if span.kind == INSERT else span.text.split("\n")[0]
    return f"{span.kind} at line {span.start + 1}: {what}"


def _limits(span: SourceSpan) -> dict[str, Any]:
    tokens = METHOD_TOKENS if span.kind == METHOD else LINE_TOKENS
    return {"stop": STOPS.get(span.kind, LAYER_STOPS), "tokens": tokens, "chat_tokens": ANSWER_TOKENS}


def _constructor(span: SourceSpan) -> bool:
    """All layers at once: a base model that can't see what `forward` calls would write others."""
    return span.kind == METHOD and span.name == "__init__"


def _choose(spans: Sequence[SourceSpan], weights: Mapping[str, float], rng: random.Random) -> SourceSpan:
    kinds = sorted({span.kind for span in spans})
    kind = rng.choices(kinds, [weights[each] for each in kinds])[0]
    return rng.choice([span for span in spans if span.kind == kind])


def _several(
    first: SourceSpan, spans: Sequence[SourceSpan], count: int, rng: random.Random
) -> list[SourceSpan]:
    """`count` places, `first` among them; different ones where there are so many."""
    others = [span for span in spans if span != first]
    rng.shuffle(others)
    unlike = [first, *others]
    return [unlike[number % len(unlike)] for number in range(count)]
