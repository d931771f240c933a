"""`lm.crossover`: a whole block of one parent, named, for the other.

An instructed model builds it in where it likes. A base model gets the small task that it can do: the block
stands at the top, and it writes it as one layer at a chosen place of the other parent.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, Order, operator
from evoarch.agent.operators.lm.drafts import LAYER_STOPS, LMOperator, refused, unsaid
from evoarch.prompts.any_form import EDITS, FILE, read
from evoarch.prompts.blocks import Block, blocks
from evoarch.prompts.contexts import Crossover, CrossoverChat
from evoarch.prompts.outline import assemble, merged, outline
from evoarch.prompts.replies import Parsed
from evoarch.prompts.span_replies import spanned
from evoarch.prompts.spans import INSERT, SourceSpan, find, unused
from evoarch.prompts.unnest import unnested
from evoarch.sandbox.genome import strip_prose

LINE_TOKENS = 96
"""Tokens of a block as one layer."""


@operator
@dataclass(frozen=True)
class LMCrossover(LMOperator):
    """Draws `samples` children of the first parent with one block of the second."""

    name: str = "lm.crossover"
    arity: int = 2

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts. Raises LMError when the call itself failed, never for what it answered."""
        source, donor = (unnested(strip_prose(p.source)) for p in (order.parents[0], order.parents[-1]))
        offered = blocks(donor, order.entry)
        if not offered:
            return refused(order, "expected a layer with its call to take over, the other parent has none")
        block = rng.choice(offered)
        around = merged([outline(source, order.entry), outline(donor, order.entry)])
        change = f"block {block.name} of {order.parents[-1].id}"

        def whole(parsed: Parsed) -> Parsed:
            """With the block's helpers, where the child names them."""
            if parsed.problem:
                return parsed
            own = outline(parsed.source, order.entry)
            return replace(parsed, source=assemble(merged([own, around]), own.entry))

        if not self.chat:
            return await self._at_a_place(order, rng, complete, source, block, change, whole)
        metrics = (order.parents[0].metrics, order.parents[-1].metrics)
        prompt = self.templates.render(
            CrossoverChat(
                source.strip(), metrics[0], block.name, block.text, metrics[1], order.targets, order.entry,
                unsaid(order), self.reply, order.feedback, self.thought(order, rng),
            )
        )  # fmt: skip

        def parse(text: str, cut: bool) -> Parsed:
            asked = EDITS if self.reply == "edits" else FILE
            return whole(read(text, asked, source, around, order.entry, cut=cut))

        return await self.draft(order, rng, complete, prompt, change, parse)

    async def _at_a_place(
        self,
        order: Order,
        rng: random.Random,
        complete: Complete | None,
        source: str,
        block: Block,
        change: str,
        whole: Callable[[Parsed], Parsed],
    ) -> list[Draft]:
        places = [span for span in find(source, order.entry) if span.kind == INSERT]
        if not places:
            return refused(
                order, "expected a layer with its call to put the block behind, the parent has none"
            )
        span = _for_block(rng.choice(places), block, source)
        before = "".join(line + "\n" for line in source.split("\n")[: span.start])
        metrics = order.parents[-1].metrics
        context = Crossover(
            block.text, metrics, before, order.targets, span.indent, span.lead, order.feedback, order.card
        )
        prompt = self.templates.render(context)

        def parse(text: str, cut: bool) -> Parsed:
            return whole(spanned(source, span, text, order.entry, cut=cut))

        change = f"{change} at line {span.start + 1}"
        return await self.draft(
            order, rng, complete, prompt, change, parse, stop=LAYER_STOPS, tokens=LINE_TOKENS
        )


def _for_block(place: SourceSpan, block: Block, source: str) -> SourceSpan:
    """The place for a layer of the block's name, begun as the block's layers would be as one."""
    name = unused("_".join(block.layers), source)
    values = [text.partition(" = ")[2] for text in block.layers.values()]
    begun = values[0].partition("(")[0] if len(values) == 1 else "nn.Sequential"
    called = block.called(name, place.call.target) if place.call else ""
    return replace(place, name=name, lead=f"self.{name} = {begun}(", called=called)
