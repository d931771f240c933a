"""What each template is filled with: one frozen dataclass a template, named after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Reply = Literal["class", "edits"]
"""How a chat model answers: with a whole file, or with search/replace blocks on the first model."""


@dataclass(frozen=True)
class Example:
    """A parent in a prompt: its text without prose and imports, under its `metrics` and a person's `note`."""

    text: str
    metrics: Mapping[str, float]
    note: str = ""


@dataclass(frozen=True)
class Tried:
    """A relative: what was changed in a parent, and what came of it.

    `outcome` is scored, rejected, failed or duplicate; `reason` its findings or failure, `metrics` its score.
    """

    change: str
    outcome: str
    reason: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Effect:
    """What a kind of change did in this campaign: with it, `measure` was `factor` times what it was without.

    `low` and `high` bound the factor; `count` children had the change.
    """

    change: str
    measure: str
    factor: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Feedback:
    """What the campaign knows and a prompt may show; empty: the prompt says nothing of it."""

    tried: Sequence[Tried] = ()
    effects: Sequence[Effect] = ()


NOTHING = Feedback()


@dataclass(frozen=True)
class TaskCard:
    """What a prompt says of the task. `facts`: of the data, of what `forward` gets and returns, and of the
    training, a sentence each; `interface`: the one of them that a base model is told, as a comment. `goals`:
    what is minimised, with units; `limits`: what a model must keep to; `offers`: what its constructor may
    take by name, with values; `imports`: the modules that it may import; `layers`: kinds that suit the input,
    without numbers, since those would be copied.
    """

    facts: Sequence[str] = ()
    interface: str = ""
    goals: Sequence[str] = ()
    limits: Sequence[str] = ()
    offers: Mapping[str, object] = field(default_factory=dict)
    imports: Sequence[str] = ()
    layers: Sequence[str] = ()


NO_CARD = TaskCard()
"""The prompt says nothing of the task, as EvoPrompting's does not."""


@dataclass(frozen=True)
class Front:
    """The best models so far: `rows` of metrics, none of which another beats in all, in order of size; and
    `gaps`, a line each: where a model is missing between them.
    """

    rows: Sequence[Mapping[str, float]] = ()
    gaps: Sequence[str] = ()


NO_FRONT = Front()


@dataclass(frozen=True)
class System:
    """What a chat model is told before every question: its part, the task, the front."""

    card: TaskCard
    front: Front = NO_FRONT
    entry: str = "Model"


@dataclass(frozen=True)
class Rewrite:
    """EvoPrompting's prompt: examples under their metrics, the wanted metrics, the head to complete."""

    imports: Sequence[str]
    examples: Sequence[Example]
    targets: Mapping[str, float]
    head: str
    feedback: Feedback = NOTHING
    card: TaskCard = NO_CARD


@dataclass(frozen=True)
class RewriteChat:
    """The same for an instructed model. `offers` may be named by the entry; `thought`: a line of thought to
    follow, "" for none.
    """

    imports: Sequence[str]
    examples: Sequence[Example]
    targets: Mapping[str, float]
    entry: str
    offers: Sequence[str] = field(default_factory=tuple)
    reply: Reply = "class"
    feedback: Feedback = NOTHING
    thought: str = ""


@dataclass(frozen=True)
class Scoped:
    """One place of a parent, for a base model: `before` is the file up to it, `lead` how it begins.

    `listed`: a list of layers with their arguments stands first, of which small models copy. The parent's own
    statement is not shown: a base model would copy it.
    """

    before: str
    metrics: Mapping[str, float]
    targets: Mapping[str, float]
    indent: str
    lead: str
    feedback: Feedback = NOTHING
    card: TaskCard = NO_CARD
    listed: bool = False


@dataclass(frozen=True)
class ScopedChat:
    """One place of a parent, for an instructed model. `statement` is "" where a layer is to be added.

    `kind` is prompts.spans': of a `called layer`, `statement` is the layer and its call, of a `method` all.
    """

    source: str
    metrics: Mapping[str, float]
    targets: Mapping[str, float]
    statement: str
    lead: str
    kind: str = "layer"
    feedback: Feedback = NOTHING
    thought: str = ""


@dataclass(frozen=True)
class Crossover:
    """A block of one parent for one place of the other, for a base model: as in `Scoped`, under the block."""

    block: str
    donor_metrics: Mapping[str, float]
    before: str
    targets: Mapping[str, float]
    indent: str
    lead: str
    feedback: Feedback = NOTHING
    card: TaskCard = NO_CARD


@dataclass(frozen=True)
class CrossoverChat:
    """The same for an instructed model: `source` is to take in the block `name` of another model."""

    source: str
    metrics: Mapping[str, float]
    name: str
    block: str
    donor_metrics: Mapping[str, float]
    targets: Mapping[str, float]
    entry: str
    offers: Sequence[str] = field(default_factory=tuple)
    reply: Reply = "class"
    feedback: Feedback = NOTHING
    thought: str = ""


@dataclass(frozen=True)
class Repair:
    """A failed child and its findings, for a base model, which completes `head` to the same class, mended."""

    imports: Sequence[str]
    failed: str
    findings: Sequence[str]
    targets: Mapping[str, float]
    head: str
    feedback: Feedback = NOTHING
    card: TaskCard = NO_CARD


@dataclass(frozen=True)
class RepairStatement:
    """A statement of a failed child that a finding is about, which a base model writes again.

    What stood there is not shown: a base model would copy it.
    """

    before: str
    findings: Sequence[str]
    indent: str
    lead: str
    feedback: Feedback = NOTHING
    card: TaskCard = NO_CARD
    listed: bool = False


@dataclass(frozen=True)
class RepairChat:
    """A failed child and its findings, for an instructed model.

    `attempt` is "" where `source` is the child itself; else `source` is its parent, and `attempt` the reply
    that no file could be made of.
    """

    source: str
    attempt: str
    findings: Sequence[str]
    entry: str
    offers: Sequence[str] = field(default_factory=tuple)
    reply: Reply = "class"
    feedback: Feedback = NOTHING


@dataclass(frozen=True)
class PlanChat:
    """A parent and numbered `moves`, each of which is made by rule, of which a chat model names `count`."""

    source: str
    metrics: Mapping[str, float]
    targets: Mapping[str, float]
    moves: Sequence[str]
    count: int
    feedback: Feedback = NOTHING
    thought: str = ""


@dataclass(frozen=True)
class AgainChat:
    """What was found in the last answer of a chat model, which is asked for another one, once."""

    findings: Sequence[str]


Context = (
    System
    | AgainChat
    | PlanChat
    | Rewrite
    | RewriteChat
    | Scoped
    | ScopedChat
    | Crossover
    | CrossoverChat
    | Repair
    | RepairStatement
    | RepairChat
)
