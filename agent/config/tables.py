"""The tables of campaign.toml as frozen models; units and meanings stand with each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evoarch.evaluators.own_code import SELECTION, file_and_name, installed
from evoarch.sandbox.limits import Limits

METHODS = ("pareto", "scalar", "uniform", "seeds", "strata")
"""The built-in selection methods (agent/search/selection.py)."""


class Table(BaseModel):
    """A table: frozen, and an unknown key is an error, as is a number that is not finite: TOML has `inf`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class CampaignTable(Table):
    """`profile` names the overlay that `init` wrote; it is kept for reports."""

    name: str
    task: str = "mnist1d"
    seed: Annotated[int, Field(ge=0)] = 0
    profile: str = "default"


class BudgetTable(Table):
    """Where the campaign ends. `evaluations`: candidates that entered training, seeds and repeats apart.
    `wall_clock`: seconds over all runs. `tokens`: LM tokens, prompt and completion. `money`: for LM calls, in
    the unit of their prices. 0: no limit. A call is sent only while those under way, each at the most it can
    take, leave room for one.
    `stall`: stop after so many proposals in a row that brought no training.
    """

    evaluations: Annotated[int, Field(ge=1)] = 100
    wall_clock: Annotated[float, Field(ge=0)] = 0.0
    tokens: Annotated[int, Field(ge=0)] = 0
    money: Annotated[float, Field(ge=0)] = 0.0
    stall: Annotated[int, Field(ge=1)] = 300


class PortfolioTable(Table):
    """Who makes the children. `weights`: each operator its share. `bandit`: whoever brings most improvements
    for the cost, which is `cost`: CPU seconds, LM tokens, money (LM calls at their price, and `cpu_hour` for
    an hour of CPU), or proposals. What n proposals ago was learned counts `decay`^n; the share `explore` of
    the choices is made by the weights, which also tilt the beginning.
    """

    method: Literal["weights", "bandit"] = "weights"
    cost: Literal["cpu", "tokens", "money", "proposals"] = "cpu"
    cpu_hour: Annotated[float, Field(ge=0)] = 0.0
    decay: Annotated[float, Field(gt=0, le=1)] = 0.99
    explore: Annotated[float, Field(ge=0, le=1)] = 0.1


class SeedsTable(Table):
    """`files`: model files relative to the campaign's folder; the first generation. `grown`: they are sizes
    of one model, the smallest first, and the first training of each begins with the weights of the one
    before, grown (docs/scale.md); further training seeds begin anew, as with `evaluation.inherit`.
    """

    files: tuple[str, ...] = ()
    grown: bool = False


class SelectionTable(Table):
    """`pareto`: binary tournaments by Pareto rank, then crowding (Deb et al. 2002, NSGA-II, III.C), sizes on
    a log scale. `strata`: such a tournament among the best three fronts in one class of size, each class (a
    third of a decade of the first size among the objectives) as likely as another. `scalar`: uniform from
    the `survivors` best by -(params x error) (EvoPrompting, section 3).
    Controls: `uniform` from all that were scored, `seeds`: from the seeds alone. Or a method of your own:
    FILE.py:NAME, or an installed one's name (docs/extending.md).
    `objectives`: metrics, all minimised: error, params, flops, latency, train_seconds, memory, or one that
    `evaluation.metrics` or the task adds.
    `region`: what of an objective the campaign cares about, as [LOW, HIGH]: parents come from there, and the
    hypervolume counts that part alone.
    """

    method: str = "pareto"
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("error", "params")
    survivors: Annotated[int, Field(ge=1)] = 10
    region: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)

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
    """Limits that hold strictly: none is weighed against anything.

    `error`: the largest error of a scored candidate (none: the task's own). Checked before training:
    `params`; `flops` of one example, multiply and add counted as two; `latency` as a ratio to that of
    `reference`, the name of a seed file without its ending ("": the first of seeds.files). After it:
    `memory` in MiB, the most that a training process allocates; `seconds`: CPU time of a
    training. `metrics`: the largest value of each of `evaluation.metrics`, by the name that is recorded.
    """

    error: Annotated[float, Field(gt=0, le=1)] | None = None
    params: Annotated[int, Field(ge=1)] | None = None
    flops: Annotated[int, Field(ge=1)] | None = None
    latency: Annotated[float, Field(gt=0)] | None = None
    reference: str = ""
    memory: Annotated[float, Field(gt=0)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    metrics: Mapping[str, float] = Field(default_factory=dict)


class RungTable(Table):
    """A pause in training, after `share` of the recipe's steps, where a child is judged by what it reached.

    It trains on if it is among the best `keep` (a share; at least one does) of the last `window` children
    that arrived here, itself included, by Pareto rank of the objectives. `reject_steps`: on a rung of at
    least so many optimiser steps, a child whose accuracy is below twice that of guessing is rejected whatever
    the others do (0: never).
    """

    share: Annotated[float, Field(gt=0, lt=1)]
    keep: Annotated[float, Field(gt=0, le=1)] = 0.4
    window: Annotated[int, Field(ge=1)] = 40
    reject_steps: Annotated[int, Field(ge=0)] = 100


class SlotTable(Table):
    """What a slot of a Ray pool takes: `cpus` and `gpus` (fractions share one), `memory` (MiB that Ray sets
    aside, 0: none), `resources` of the cluster's own, and `labels` that its node must carry.
    """

    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Annotated[float, Field(ge=0)] = 0.0
    memory: Annotated[int, Field(ge=0)] = 0
    resources: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    labels: Mapping[str, str] = Field(default_factory=dict)


class EvaluationTable(Table):
    """`workers` 0: one per core, less one for an LM on this machine. Seconds and MiB, `memory`
    above the warm zygote.
    `pool`: where children run: on this machine, or in the slots of a Ray cluster at `address` ("auto",
    "ray://host:port", "host:port", or "local" for one that is started here). There, `workers` is the most
    slots to take (0: all that fit), and each takes `slot`.
    `rungs`: where training pauses and the weaker children stop, in order of their shares; with any, an
    annealed recipe trains up to the last of them at a constant rate. `inherit`: a child begins with its first
    parent's weights where they fit (experimental); further training seeds always begin anew. `recipe_search`:
    a genome's RECIPE says how it is trained, within bounds (sandbox.recipe).
    `repeats`: training seeds an elite needs at the campaign's end. `race`: further training seeds, over the
    whole campaign, for those that may belong on the front or off it (0, or `repeats` 1: none).
    `repairs`: shape repairs a child may get.
    `order`: with one worker, "strict" admits children in the order of their slots, so that the same seed
    gives the same campaign whatever the timing, and a late LM call keeps the slot waiting; "ready" admits
    whoever is there, and only a replay gives the same again. "auto": strict where no operator asks an LM.
    `device`: where children compute: "cpu", "cuda" (every GPU that this process may use), or some by number,
    "cuda:0,2". On GPUs `workers` 0 is one per slot; `slots_per_device` children share one;
    `device_memory` MiB of it a child may allocate (0: an equal part of nine tenths). `autocast`: trainings on
    a GPU in full precision ("off") or, where torch thinks it safe, in bfloat16 ("bf16").
    `metrics`: what is measured beside the error and the parameters: macro_f1, auroc, top5_error,
    calibration_error, mean_absolute_error, or your own (docs/extending.md).
    """

    recipe: str = "fast"
    workers: Annotated[int, Field(ge=0)] = 0
    order: Literal["auto", "strict", "ready"] = "auto"
    wall_clock: Annotated[float, Field(gt=0)] = 60.0
    cpu_seconds: Annotated[float, Field(gt=0)] = 60.0
    memory: Annotated[int, Field(ge=16)] = 2048
    output: Annotated[int, Field(ge=1)] = 64
    repeats: Annotated[int, Field(ge=1)] = 3
    race: Annotated[int, Field(ge=0)] = 20
    repairs: Annotated[int, Field(ge=0)] = 6
    retries: Annotated[int, Field(ge=0)] = 3
    rungs: tuple[RungTable, ...] = ()
    inherit: bool = False
    recipe_search: bool = False
    pool: Literal["local", "ray"] = "local"
    address: str = "auto"
    slot: SlotTable = SlotTable()
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:[0-9]+(,[0-9]+)*)?)$")] = "cpu"
    slots_per_device: Annotated[int, Field(ge=1)] = 1
    device_memory: Annotated[int, Field(ge=0)] = 0
    autocast: Literal["off", "bf16"] = "off"
    metrics: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _keys_of_devices(self) -> EvaluationTable:
        if len(set(self.gpus)) < len(self.gpus):
            raise ValueError(f'device: expected each number once, got "{self.device}"')
        if self.pool == "ray" and self.device != "cpu":
            raise ValueError(f'device: expected "cpu" with pool = "ray", got "{self.device}"')
        if self.device == "cpu":
            for key, plain in (("slots_per_device", 1), ("device_memory", 0), ("autocast", "off")):
                if (got := getattr(self, key)) != plain:
                    raise ValueError(f'{key}: expected {plain!r} with device = "cpu", got {got!r}')
        return self

    @property
    def gpus(self) -> tuple[int, ...]:
        """The numbers that `device` names; empty where it names none."""
        numbers = self.device.partition(":")[2]
        return tuple(int(number) for number in numbers.split(",")) if numbers else ()

    def limits(self) -> Limits:
        """The limits of each child, in the units of `sandbox.limits.Limits`."""
        return Limits(self.wall_clock, self.cpu_seconds, self.memory << 20, self.output << 20)


class FilterTable(Table):
    """A zero-cost `score` that turns children away before their training ("": none does).

    A child trains if it is among the best `keep` (a share; at least one does) of the last `window` children,
    itself included, whose parameters differ from its own by at most the factor `band`. `watch`: scores that
    are taken and reported beside it, and turn nobody away.
    """

    score: Literal["", "params", "naswot", "gradsign"] = ""
    keep: Annotated[float, Field(gt=0, le=1)] = 0.5
    window: Annotated[int, Field(ge=1)] = 40
    band: Annotated[float, Field(ge=1, le=100)] = 1.5
    watch: tuple[Literal["naswot", "gradsign"], ...] = ()


class SandboxTable(Table):
    """`level`: the least isolation that is accepted; `imports`: further modules genomes may import.
    `python`: the interpreter of the environment that children run in ("": evoarch's own); `preload`: modules
    to import before any child is forked, beside `imports` (a child can open no file).
    `vet` "report": findings are shown and the file runs all the same; the wall is the process.
    """

    level: Literal["full", "container", "landlock", "none"] = "landlock"
    imports: tuple[str, ...] = ()
    python: str = ""
    preload: tuple[str, ...] = ()
    vet: Literal["enforce", "report"] = "enforce"


class TrainerTable(Table):
    """A program of the user's own in the place of the training loop (docs/own-trainer.md). `command`: its
    words; {genome}, {output}, {data}, {settings}, {seed}, {steps}, {batch}, {rate} and {processes} are filled
    in, and files are relative to the campaign's folder. (): the loop inside the walls.

    `isolation`: "bwrap" walls it off; "own": the command does so itself; "none": with --unsafe alone.
    `files`: what it may read beside its environment and the files that the command names. `environment`:
    variables of the user's that it gets. A training takes `processes` cores, or `gpus` devices. `wall_clock`
    in seconds; `memory` of all its processes (0: no limit) and `output` in MiB.
    """

    command: tuple[str, ...] = ()
    isolation: Literal["bwrap", "own", "none"] = "bwrap"
    files: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    processes: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[int, Field(ge=0)] = 0
    wall_clock: Annotated[float, Field(gt=0)] = 3600.0
    memory: Annotated[int, Field(ge=0)] = 0
    output: Annotated[int, Field(ge=1)] = 1024


class ReviewTable(Table):
    """`required`: a child that passed its dry run waits until a person approves it (`evoarch review`), and
    meanwhile the search goes on with others. `params`: only children of more parameters than this wait.
    `notes`: what a person noted on a parent stands under its metrics in the prompts of `lm.rewrite`.
    """

    required: bool = False
    params: Annotated[int, Field(ge=0)] = 0
    notes: bool = False


class PromptsTable(Table):
    """What stands in prompts. `folder`: templates (`rewrite.j2`, ...) that stand in the place of the built-in
    ones, relative to the campaign's folder. "": the folder `prompts` beside campaign.toml, if it is there.

    Each part can be switched off: `card`: what is said of the task; `front`: at most so many of the best
    models, for chat models (0: none); `target`: "gap" asks for a point that the front lacks, "parents" for a
    little better than the parents, as EvoPrompting does (always so with [rounds]); `thought`: a drawn line of
    thought, for chat models. `repair_turn`: a chat model whose answer can't be used is asked again, once, in
    the same conversation.

    Of base models: `places` of a parent in one call of `lm.scoped`, "many" or "one"; `leads` end before the
    layer's kind ("short": `self.a =`) or within it ("dotted": `self.a = nn.`); `listed`: a list of layers
    stands first.
    """

    folder: str = ""
    card: bool = True
    front: Annotated[int, Field(ge=0, le=50)] = 8
    target: Literal["gap", "parents"] = "gap"
    thought: bool = True
    repair_turn: bool = True
    places: Literal["many", "one"] = "many"
    leads: Literal["short", "dotted"] = "short"
    listed: bool = False


class FeedbackTable(Table):
    """What a prompt says of the search so far. `models`: which models are told (a small base model copies
    what it reads, so by default only chat models). Each part can be switched off:

    `metrics`, `failures`, `findings`: children of the same parents that were scored, that failed, that were
    rejected or duplicates; the newest `relatives` of them, `characters` of each. `effects`: the at most so
    many kinds of change with the largest measured effect in this campaign (0: none).
    """

    models: Literal["none", "chat", "all"] = "chat"
    metrics: bool = True
    failures: bool = True
    findings: bool = True
    relatives: Annotated[int, Field(ge=0, le=50)] = 6
    characters: Annotated[int, Field(ge=20, le=400)] = 160
    effects: Annotated[int, Field(ge=0, le=20)] = 4


class RoundsTable(Table):
    """EvoPrompting's rounds (Chen et al. 2023, Algorithms 1-3) in the place of the steady state.

    `rounds` T; `prompts` m a round; `samples` n a prompt; `examples` k parents in a prompt; `survivors` p
    that become the next round's parents; `threshold`: the largest validation error (unsmoothed, 0..1) of a
    child that is kept; `temperatures`: one of them is drawn for each prompt. `parents`: the `top` by
    -(params x error), or for ablations `random` ones of those kept, or the `seeds` in every round.
    """

    rounds: Annotated[int, Field(ge=1)] = 10
    prompts: Annotated[int, Field(ge=1)] = 10
    samples: Annotated[int, Field(ge=1)] = 16
    examples: Annotated[int, Field(ge=1)] = 2
    survivors: Annotated[int, Field(ge=1)] = 10
    threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    temperatures: Annotated[tuple[float, ...], Field(min_length=1)] = (0.2, 0.6, 0.8, 1.0)
    parents: Literal["top", "random", "seeds"] = "top"


class TuningTable(Table):
    """A soft prompt (Lester et al. 2021), trained between rounds on children that were kept and did not
    become parents. For local models alone; `evoarch tuning export` writes the same data for others.

    `tokens`: its length. `epochs` over the data of a round; gradients of `accumulation` batches of `batch`
    examples make one step of `optimiser` at `learning_rate`. `sequence`: the most tokens of an example; a
    longer one loses its end. `held_out`: the largest share of the examples that is not trained on but
    measured, whole lineages at a time. `device`: "auto" takes CUDA where it is there. `threads` 0: one per
    core (nothing is evaluated meanwhile). `dtype`: of the frozen model's weights; "auto": bfloat16
    where the processor multiplies in it.
    """

    enabled: bool = False
    tokens: Annotated[int, Field(ge=1, le=512)] = 16
    epochs: Annotated[int, Field(ge=1)] = 5
    batch: Annotated[int, Field(ge=1)] = 4
    accumulation: Annotated[int, Field(ge=1)] = 4
    optimiser: Literal["adafactor", "adamw"] = "adafactor"
    learning_rate: Annotated[float, Field(gt=0)] = 0.1
    sequence: Annotated[int, Field(ge=16)] = 512
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.25
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: Annotated[int, Field(ge=0)] = 0


class OperatorTable(Table):
    """`name`: a built-in operator, an installed package's, or one of your own, FILE.py:CLASS; a class is made
    with `options` as its arguments.
    `weight`: share of the children. `samples`: children per call. `lm`: name of an [[lm]] table.
    `lookahead`: how many children ahead of their turn they may be asked for (0: as the operator needs).
    `reply`: a chat model answers with a whole "class", or with "edits": search/replace blocks.
    """

    name: Annotated[str, Field(min_length=1)]
    weight: Annotated[float, Field(gt=0)] = 1.0
    lm: str = ""
    samples: Annotated[int, Field(ge=0)] = 0
    max_tokens: Annotated[int, Field(ge=0)] = 0
    lookahead: Annotated[int, Field(ge=0)] = 0
    reply: Literal["class", "edits"] = "class"
    options: Mapping[str, Any] = Field(default_factory=dict)
