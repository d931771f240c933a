"""`lm.plan`: rules list changes that work, a chat model says which, and the code is written by rule."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, Order, operator
from evoarch.agent.operators.lm.drafts import LMOperator, refused
from evoarch.agent.operators.syntactic.dataflow import FlowContext
from evoarch.agent.operators.syntactic.mutate import mutate
from evoarch.prompts.any_form import FILE, read
from evoarch.prompts.choices import chosen
from evoarch.prompts.contexts import PlanChat
from evoarch.prompts.outline import merged, outline
from evoarch.prompts.replies import Parsed
from evoarch.sandbox.genome import source_digest, strip_prose
from evoarch.sandbox.parsing import GenomeError

MOVES = 24
"""Changes that are listed."""

TRIES = 4
"""Draws for each of them: some repeat another, or are found fault with in vetting."""

PLAN_TOKENS = 256
"""Tokens of a choice with its reasons."""


@operator
@dataclass(frozen=True)
class LMPlan(LMOperator):
    """One answer names `samples` of the listed changes of the first parent."""

    samples: int = 4
    name: str = "lm.plan"
    arity: int = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts. Raises LMError when the call itself failed, never for what it answered."""
        if not self.chat:
            return refused(order, "expected a chat model, lm.plan instructs one; set [[lm]] chat = true")
        source = strip_prose(order.parents[0].source)
        moves = listed(source, order, rng)
        if not moves:
            return refused(order, "expected changes that rules can make, the parent allows none")
        count = min(order.count, len(moves))
        prompt = self.templates.render(
            PlanChat(
                source.strip(), order.parents[0].metrics, order.targets, [move.change for move in moves],
                count, order.feedback, self.thought(order, rng),
            )
        )  # fmt: skip

        def parse(text: str, cut: bool) -> Parsed:
            if chosen(text, len(moves)):
                return Parsed(source)
            whole = read(text, FILE, source, merged([outline(source, order.entry)]), order.entry, cut=cut)
            wanted = f'expected {{"choose": [...]}} with numbers from 1 to {len(moves)}'
            return Parsed(problem=wanted) if whole.problem else whole

        once = replace(order, count=1, check=lambda source: "")
        (answer,) = await self.draft(once, rng, complete, prompt, "planned", parse, chat_tokens=PLAN_TOKENS)
        picked = [moves[number - 1] for number in chosen(answer.text, len(moves))][: order.count]
        found = [replace(move, change=f"planned: {move.change}", text=answer.text) for move in picked]
        if not found and not answer.problem:  # it wrote the model itself
            found = [answer]
        problem = answer.problem or f"expected {order.count} changes, the answer names {len(picked)}"
        missing = Draft("", "planned", problem, answer.text)
        return [*found, *[missing] * (order.count - len(found))]


def listed(source: str, order: Order, rng: random.Random) -> list[Draft]:
    """At most `MOVES` different changes of `source` that vetting finds nothing in."""
    context = FlowContext(order.offers, order.entry)
    seen, found = {source_digest(source)}, list[Draft]()
    for _ in range(MOVES * TRIES):
        draft = mutate(source, rng, context)
        if len(found) == MOVES or draft.problem:
            break
        try:
            digest = source_digest(draft.source)
        except GenomeError:
            continue
        if digest not in seen and not order.check(draft.source):
            seen.add(digest)
            found.append(draft)
    return found
