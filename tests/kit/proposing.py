"""What an operator proposes when it is asked once."""

import asyncio
import random
from collections.abc import Sequence

from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.operators.base import Draft, Operator, Order, Parent
from kit.campaigns import OFFERS


def proposed(operator: Operator, sources: Sequence[str], seed: int = 3, count: int = 1) -> list[Draft]:
    """Of parents with these sources, without a language model."""
    parents = [Parent(number, source, {}) for number, source in enumerate(sources)]
    return asyncio.run(operator.propose(Order(count, parents, offers=OFFERS), random.Random(seed), None))


def propose(operator: Operator, lm: ScriptedLM, order: Order, seed: int = 0) -> list[Draft]:
    """For the order, with a language model that has its replies."""
    return asyncio.run(operator.propose(order, random.Random(seed), lm.complete))
