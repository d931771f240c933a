"""`lm.rewrite`: EvoPrompting's prompt. The model writes a whole file after the examples of its parents."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from agent.lm.seam import Complete, LMRequest
from agent.operators.base import Draft, Order, Parent
from agent.operators.lm_drafts import drafts
from prompts.contexts import Example, Rewrite, RewriteChat
from prompts.outline import Outline, header, merged, outline
from prompts.render import render
from prompts.replies import Parsed, answered, completed
from sandbox.genome import strip_prose

STOPS = ("\nclass ", "\n#", "\ndef ", "\n```")
"""Where a class has surely ended. Four, because that is what an OpenAI-compatible server takes."""


@dataclass(frozen=True)
class LMRewrite:
    """Draws `samples` children from one prompt of `arity` parents.

    `temperatures`: each call draws one; empty: the order's own. `max_tokens` bounds one sample.
    """

    arity: int = 2
    samples: int = 8
    max_tokens: int = 400
    chat: bool = False
    temperatures: Sequence[float] = ()
    name: str = "lm.rewrite"

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts. Raises LMError when the call itself failed, never for what it answered."""
        if complete is None:
            raise ValueError(f"{self.name} needs a language model, got none")
        temperature = rng.choice(self.temperatures) if self.temperatures else order.temperature
        parents = list({parent.id: parent for parent in order.parents}.values())
        outlines = [outline(strip_prose(parent.source), order.entry) for parent in parents]
        around = merged(outlines)
        head = header(parents[0].source, order.entry, tuple(order.offers))
        prompt = self._prompt(order, parents, outlines, around, head)
        request = LMRequest(
            prompt="" if self.chat else prompt,
            messages=({"role": "user", "content": prompt},) if self.chat else (),
            n=order.count,
            temperature=temperature,
            seed=rng.getrandbits(31),
            max_tokens=self.max_tokens,
            stop=() if self.chat else STOPS,
        )
        reply = await complete(request)
        change = f"written after {len(parents)} example{'s' if len(parents) > 1 else ''}"

        def parse(text: str) -> Parsed:
            if self.chat:
                return answered(text, around, order.entry)
            return completed(head, text, around, order.entry)

        return drafts(reply, order.count, change, parse)

    def _prompt(
        self, order: Order, parents: list[Parent], outlines: list[Outline], around: Outline, head: str
    ) -> str:
        examples = [
            Example(each.text, parent.metrics, parent.note)
            for each, parent in zip(outlines, parents, strict=True)
        ]
        if self.chat:
            return render(
                RewriteChat(around.imports, examples, order.targets, order.entry, tuple(order.offers))
            )
        return render(Rewrite(around.imports, examples, order.targets, head))
