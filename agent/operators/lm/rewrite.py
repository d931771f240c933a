"""`lm.rewrite`: EvoPrompting's prompt. The model writes a whole file after the examples of its parents."""

from __future__ import annotations

import random
from dataclasses import dataclass

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, Order, operator
from evoarch.agent.operators.lm.drafts import LMOperator, unsaid
from evoarch.prompts.any_form import EDITS, FILE, read
from evoarch.prompts.contexts import Context, Example, Rewrite, RewriteChat
from evoarch.prompts.outline import header, merged, outline
from evoarch.prompts.replies import Parsed, completed
from evoarch.sandbox.genome import strip_prose


@operator
@dataclass(frozen=True)
class LMRewrite(LMOperator):
    """Draws `samples` children from one prompt of `arity` parents; edit replies change the first."""

    name: str = "lm.rewrite"
    arity: int = 2

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts. Raises LMError when the call itself failed, never for what it answered."""
        parents = list({parent.id: parent for parent in order.parents}.values())
        sources = [strip_prose(parent.source) for parent in parents]
        outlines = [outline(source, order.entry) for source in sources]
        around = merged(outlines)
        head = header(parents[0].source, order.entry, tuple(order.offers))
        examples = [
            Example(each.text, parent.metrics, parent.note)
            for each, parent in zip(outlines, parents, strict=True)
        ]
        context: Context = Rewrite(around.imports, examples, order.targets, head, order.feedback, order.card)
        if self.chat:
            context = RewriteChat(
                around.imports, examples, order.targets, order.entry, unsaid(order), self.reply,
                order.feedback, self.thought(order, rng),
            )  # fmt: skip
        change = f"written after {len(parents)} example{'s' if len(parents) > 1 else ''}"

        def parse(text: str, cut: bool) -> Parsed:
            if not self.chat:
                return completed(head, text, around, order.entry, cut=cut)
            asked = EDITS if self.reply == "edits" else FILE
            return read(text, asked, sources[0], around, order.entry, cut=cut)

        return await self.draft(order, rng, complete, self.templates.render(context), change, parse)
