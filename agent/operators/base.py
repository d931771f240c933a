"""What an operator is: an order in, drafts out, randomness passed in."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.tables import OperatorTable, PromptsTable
from evoarch.agent.lm.base import Complete
from evoarch.prompts.contexts import NO_CARD, NO_FRONT, NOTHING, Feedback, Front, TaskCard
from evoarch.prompts.render import BUILT_IN, Templates


def width(offers: Mapping[str, object]) -> int | None:
    """How many numbers a model of the task returns of an example, None where that is not said."""
    found = offers.get("num_classes", offers.get("num_outputs"))
    return found if isinstance(found, int) else None


@dataclass(frozen=True)
class Parent:
    """A candidate as an operator sees it. `metrics`: the campaign's objectives, e.g. error (0..1) and params
    (elements), at draw time, all smaller being better; `note`: what a person noted on it.
    """

    id: int
    source: str
    metrics: Mapping[str, float]
    note: str = ""


@dataclass(frozen=True)
class BrokenParent:
    """A child that failed or was rejected: its `text` (a file, or a reply that none could be made of) and
    what was found, a line each.
    """

    id: int
    text: str
    findings: Sequence[str]


@dataclass(frozen=True)
class Order:
    """What is wanted: `count` children of `parents`. `targets` are the metrics to ask for in the prompt.

    `broken` is the child to mend, for `lm.repair` alone. `feedback` may stand in a prompt.
    `scored`: all that was scored before the draw, each with what its first training found; read when asked.
    `soft_prompt`: the digest of the one to ask with. `card` and `front`: what a prompt may say of the
    task and of the best models so far. `check`: what vetting finds in a source, in one line, "" for nothing.
    """

    count: int
    parents: Sequence[Parent]
    targets: Mapping[str, float] = field(default_factory=dict)
    temperature: float = 0.8
    entry: str = "Model"
    offers: Mapping[str, object] = field(default_factory=dict)
    broken: BrokenParent | None = None
    feedback: Feedback = NOTHING
    soft_prompt: str = ""
    card: TaskCard = NO_CARD
    front: Front = NO_FRONT
    check: Callable[[str], str] = field(default=lambda source: "", compare=False)
    scored: Callable[[], Sequence[Parent]] = field(default=lambda: (), compare=False)


@dataclass(frozen=True)
class Draft:
    """One proposed child, before vetting. `problem` says why there is no source (empty reply, prose, ...).

    `text` is the raw reply part it was read from; `change` says in a few words what was done.
    """

    source: str
    change: str = ""
    problem: str = ""
    text: str = ""


class Operator(Protocol):
    """Makes children from parents. Returns exactly `order.count` drafts; never raises for a bad reply.

    One that wants to know its table, its language model's settings or the campaign's prompt templates also
    has `configured(settings: OperatorSettings) -> Operator`, which is called once before a run.
    """

    @property
    def name(self) -> str:
        """What the archive, the reports and, of an installed operator, campaign.toml call it."""
        ...

    @property
    def arity(self) -> int:
        """How many parents it wants."""
        ...

    @property
    def samples(self) -> int:
        """How many children one call should ask for."""
        ...

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts, which are a function of the order, of `rng` and of what `complete` answers.

        `complete` asks the language model of the operator's table; None where the table names none. Raises
        LMError where a call itself failed.
        """
        ...


@dataclass(frozen=True)
class OperatorSettings:
    """What an operator may be configured by: its `[[operators]]` table, the `[[lm]]` table that this names
    (None: none), whether a genome's RECIPE is searched too, the campaign's prompt templates, and what stands
    in its prompts.
    """

    table: OperatorTable
    lm: LMSettings | None = None
    recipe_search: bool = False
    templates: Templates = BUILT_IN
    prompts: PromptsTable = field(default_factory=PromptsTable)


OPERATORS: dict[str, type[Operator]] = {}
"""The built-in operators by name, as far as their files were imported (`registry.built_in` imports all)."""

Kind = TypeVar("Kind", bound=Operator)


def operator(kind: type[Kind]) -> type[Kind]:
    """Decorator of a built-in operator's class: makes it known by its name."""
    OPERATORS[str(kind.name)] = kind
    return kind
