"""The tables of campaign.toml that say what is searched and by whom, as frozen models.

The text below a key is its description in docs/config.md, in the JSON schema and in `evoarch config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evoarch.agent.config.table import Candidates, KeyUnit, Seconds, Share, Table, Tokens
from evoarch.evaluators.own_code import SELECTION, file_and_name, installed

METHODS = ("pareto", "scalar", "uniform", "seeds", "strata")
"""The built-in selection methods (agent/search/selection.py)."""


class CampaignTable(Table):
    """What is searched."""

    name: str
    """The campaign's name, in reports and exported files."""
    task: str = "mnist1d"
    """What models are trained on: a task of `evoarch tasks`, or your own: images:DIR, tensors:FILE,
    table:FILE,target=COLUMN, text:FILE or FILE.py:CLASS, relative to the campaign's folder."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Everything random in the campaign follows from this number."""
    profile: str = "default"
    """The overlay that `init` wrote; it is kept for reports."""


class BudgetTable(Table):
    """Where the campaign ends: at the first of these limits. A call to a language model is sent only while
    those under way, each at the most it can take, leave room for one.
    """

    evaluations: Annotated[Candidates, Field(ge=1)] = 100
    """Candidates that enter training; seeds and repeats are counted apart."""
    wall_clock: Annotated[Seconds, Field(ge=0)] = 0.0
    """Time over all runs; 0: no limit."""
    tokens: Annotated[Tokens, Field(ge=0)] = 0
    """Tokens of language models, of prompts and completions; 0: no limit."""
    money: Annotated[float, KeyUnit("money, as the prices in [[lm]]"), Field(ge=0)] = 0.0
    """What calls to language models may cost; 0: no limit."""
    stall: Annotated[int, KeyUnit("proposals"), Field(ge=1)] = 300
    """Stop after so many proposals in a row that brought no training."""


class PortfolioTable(Table):
    """Which operator makes the next child."""

    method: Literal["weights", "bandit"] = "weights"
    """`weights`: each operator gets its share. `bandit`: the one that brings most improvements for the
    cost."""
    cost: Literal["cpu", "tokens", "money", "proposals"] = "cpu"
    """What the bandit counts as cost: CPU seconds, tokens, money (LM calls at their price, and `cpu_hour`),
    or proposals."""
    cpu_hour: Annotated[float, KeyUnit("money"), Field(ge=0)] = 0.0
    """The price of an hour of CPU, for `cost = "money"`."""
    decay: Annotated[float, Field(gt=0, le=1)] = 0.99
    """What the bandit learned n proposals ago counts `decay` to the power n."""
    explore: Annotated[Share, Field(ge=0, le=1)] = 0.1
    """Of the bandit's choices, those made by the weights, which also tilt its beginning."""


class SeedsTable(Table):
    """The first generation."""

    files: tuple[str, ...] = ()
    """Model files, relative to the campaign's folder."""
    grown: bool = False
    """The files are sizes of one model, the smallest first, and the first training of each begins with the
    weights of the one before, grown (docs/scale.md). Further training seeds begin anew."""


class SelectionTable(Table):
    """Who becomes a parent, and what is minimised."""

    method: str = "pareto"
    """`pareto`: binary tournaments by Pareto rank, then crowding (Deb et al. 2002, NSGA-II, III.C), sizes on
    a log scale. `strata`: such a tournament among the best three fronts in one class of size, each class (a
    third of a decade of the first size among the objectives) as likely as another. `scalar`: uniform from the
    `survivors` best by -(params x error) (EvoPrompting, section 3). Controls: `uniform` from all that were
    scored, `seeds` from the seeds alone. Or your own: FILE.py:NAME, or an installed method's name
    (docs/extending.md)."""
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("error", "params")
    """Metrics, all minimised: error, params, flops, latency, train_seconds, memory, or one that
    `evaluation.metrics` or the task adds."""
    survivors: Annotated[Candidates, Field(ge=1)] = 10
    """How many `scalar` draws from."""
    region: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    """What of an objective the campaign cares about, as [LOW, HIGH]: parents come from there, and the
    hypervolume counts that part alone."""

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        if method in METHODS or file_and_name(method) or method in installed(SELECTION):
            return method
        raise ValueError(f"expected {', '.join(map(repr, METHODS))} or FILE.py:NAME")

    @model_validator(mode="after")
    def _region_holds(self) -> SelectionTable:
        for name, limits in self.region.items():
            if name not in self.objectives:
                raise ValueError(f"region: expected objectives ({', '.join(self.objectives)}), got {name!r}")
            if len(limits) != 2 or not 0 <= limits[0] < limits[1]:
                got = ", ".join(f"{limit:g}" for limit in limits)
                raise ValueError(f"region.{name}: expected [LOW, HIGH] with 0 <= LOW < HIGH, got [{got}]")
        return self


class ConstraintsTable(Table):
    """Limits that hold strictly: none is weighed against anything. Without a key there is no such limit."""

    error: Annotated[Share, Field(gt=0, le=1)] | None = None
    """The largest error of a scored candidate. Without it: the task's own ceiling."""
    params: Annotated[int, KeyUnit("parameters"), Field(ge=1)] | None = None
    """The most parameters; checked before training."""
    flops: Annotated[int, KeyUnit("FLOPs"), Field(ge=1)] | None = None
    """The most FLOPs of one example, multiply and add counted as two; checked before training."""
    latency: Annotated[float, KeyUnit("ratio"), Field(gt=0)] | None = None
    """The largest latency, as a ratio to that of `reference`; checked before training."""
    reference: str = ""
    """The name of a seed file without its ending, to whose latency others are compared. "": the first of
    seeds.files."""
    memory: Annotated[float, KeyUnit("MiB"), Field(gt=0)] | None = None
    """The most that a training process may allocate; checked after training."""
    seconds: Annotated[Seconds, Field(gt=0)] | None = None
    """The most CPU time of a training; checked after training."""
    metrics: Mapping[str, float] = Field(default_factory=dict)
    """The largest value of each of `evaluation.metrics`, by the name that is recorded."""


class ReviewTable(Table):
    """What a person decides in `evoarch review` (docs/review.md)."""

    required: bool = False
    """A child that passed its dry run waits until a person approves it; meanwhile the search goes on with
    others."""
    params: Annotated[int, KeyUnit("parameters"), Field(ge=0)] = 0
    """Only children of more parameters than this wait."""
    notes: bool = False
    """What a person noted on a parent stands under its metrics in the prompts of `lm.rewrite`."""


class PromptsTable(Table):
    """What stands in prompts; each part can be switched off (docs/prompts.md)."""

    folder: str = ""
    """Templates (`rewrite.j2`, ...) that stand in the place of the built-in ones, relative to the campaign's
    folder. "": the folder `prompts` beside campaign.toml, if it is there."""
    card: bool = True
    """Say what the task is."""
    front: Annotated[Candidates, Field(ge=0, le=50)] = 8
    """At most so many of the best models are shown, to chat models; 0: none."""
    target: Literal["gap", "parents"] = "gap"
    """`gap` asks for a point that the front lacks, `parents` for a little better than the parents, as
    EvoPrompting does (always so with [rounds])."""
    thought: bool = True
    """A drawn line of thought, for chat models."""
    repair_turn: bool = True
    """A chat model whose answer can't be used is asked again, once, in the same conversation."""
    places: Literal["many", "one"] = "many"
    """For base models: how many places of a parent stand in one call of `lm.scoped`."""
    leads: Literal["short", "dotted"] = "short"
    """For base models: a prompt ends before the layer's kind (`short`: `self.a =`) or within it (`dotted`:
    `self.a = nn.`)."""
    listed: bool = False
    """For base models: a list of layers stands first."""


class FeedbackTable(Table):
    """What a prompt says of the search so far; each part can be switched off."""

    models: Literal["none", "chat", "all"] = "chat"
    """Which models are told. A small base model copies what it reads, so by default only chat models."""
    metrics: bool = True
    """Tell of children of the same parents that were scored."""
    failures: bool = True
    """Tell of children of the same parents that failed."""
    findings: bool = True
    """Tell of children of the same parents that were rejected or duplicates."""
    relatives: Annotated[Candidates, Field(ge=0, le=50)] = 6
    """The most of these children; the newest are told of."""
    characters: Annotated[int, KeyUnit("characters"), Field(ge=20, le=400)] = 160
    """The most that is said of each."""
    effects: Annotated[int, KeyUnit("kinds of change"), Field(ge=0, le=20)] = 4
    """Tell of at most so many kinds of change, those with the largest measured effect in this campaign; 0:
    none."""


class OperatorTable(Table):
    """What makes children; one table for each operator (docs/operators.md)."""

    name: Annotated[str, Field(min_length=1)]
    """A built-in operator, an installed package's, or your own, FILE.py:CLASS."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Its share of the children, beside the weights of the others."""
    lm: str = ""
    """The name of an [[lm]] table, for operators that ask a language model."""
    samples: Annotated[int, KeyUnit("samples"), Field(ge=0)] = 0
    """Children per call of the language model; 0: as the operator has it."""
    max_tokens: Annotated[Tokens, Field(ge=0)] = 0
    """The most tokens of an answer; 0: as the operator has it."""
    lookahead: Annotated[int, KeyUnit("children"), Field(ge=0)] = 0
    """How many children ahead of their turn it may be asked for; 0: as the operator needs."""
    reply: Literal["class", "edits"] = "class"
    """A chat model answers with a whole `class`, or with `edits`: search/replace blocks."""
    screened: bool = True
    """With [surrogate], children of a language model compete with the drafts; false: each is trained."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Arguments of an operator of your own, by name."""
