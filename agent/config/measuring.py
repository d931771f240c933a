"""The tables of campaign.toml that say how candidates are measured, and where they run, as frozen models.

The text below a key is its description in docs/config.md, in the JSON schema and in `evoarch config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from evoarch.agent.config.table import Candidates, KeyUnit, MiB, Seconds, Share, Steps, Table, Trainings
from evoarch.sandbox.limits import Limits


class RungTable(Table):
    """A pause in training, where a child is judged by what it reached, by Pareto rank of the objectives."""

    share: Annotated[Share, Field(gt=0, lt=1)]
    """Of the recipe's steps, after which the pause comes."""
    keep: Annotated[Share, Field(gt=0, le=1)] = 0.4
    """A child trains on if it is among so large a share of the best that arrived here; at least one does."""
    window: Annotated[Candidates, Field(ge=1)] = 40
    """How many of the last arrivals it is compared with, itself included."""
    reject_steps: Annotated[Steps, Field(ge=0)] = 100
    """On a rung of at least so many steps, a child whose accuracy is below twice that of guessing is rejected
    whatever the others do; 0: never."""


class SlotTable(Table):
    """What a slot of a Ray pool takes (docs/cluster.md)."""

    cpus: Annotated[float, KeyUnit("cores"), Field(gt=0)] = 1.0
    """Cores of a node."""
    gpus: Annotated[float, KeyUnit("GPUs"), Field(ge=0)] = 0.0
    """GPUs of a node; fractions share one."""
    memory: Annotated[MiB, Field(ge=0)] = 0
    """What Ray sets aside; 0: nothing."""
    resources: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Resources of the cluster's own, by name."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """Labels that its node must carry."""


class EvaluationTable(Table):
    """How a candidate is trained and measured (docs/evaluation.md)."""

    recipe: str = "fast"
    """How models are trained: one of the task's recipes."""
    workers: Annotated[int, KeyUnit("children at a time"), Field(ge=0)] = 0
    """0: one per core, less one for a language model on this machine; with Ray all slots that fit; on GPUs
    one per slot."""
    order: Literal["auto", "strict", "ready"] = "auto"
    """With one worker, `strict` admits children in the order of their slots, so that the same seed gives the
    same campaign whatever the timing, and a late LM call keeps the slot waiting; `ready` admits whoever is
    there, and only a replay gives the same again. `auto`: strict where no operator asks an LM."""
    wall_clock: Annotated[Seconds, Field(gt=0)] = 60.0
    """The most time of a child's training."""
    cpu_seconds: Annotated[Seconds, Field(gt=0)] = 60.0
    """The most CPU time of a child's training."""
    memory: Annotated[MiB, Field(ge=16)] = 2048
    """The most memory of a child, above the warm process that it is forked from."""
    output: Annotated[MiB, Field(ge=1)] = 64
    """The most that a child may send back: its weights or predictions."""
    repeats: Annotated[Trainings, Field(ge=1)] = 3
    """Training seeds that an elite and a baseline get at the campaign's end."""
    race: Annotated[Trainings, Field(ge=0)] = 20
    """Further training seeds, over the whole campaign, for those that may belong on the front or off it; 0,
    or `repeats` 1: none."""
    repairs: Annotated[int, KeyUnit("repairs"), Field(ge=0)] = 6
    """Shape repairs a child may get."""
    retries: Annotated[int, KeyUnit("retries"), Field(ge=0)] = 3
    """How often an evaluation is tried again that failed by no fault of the candidate's."""
    rungs: tuple[RungTable, ...] = ()
    """Where training pauses and the weaker children stop, in order of their shares; with any, an annealed
    recipe trains up to the last of them at a constant rate."""
    inherit: bool = False
    """A child begins with its first parent's weights where they fit (experimental); further training seeds
    always begin anew."""
    recipe_search: bool = False
    """A genome's RECIPE says how it is trained, within bounds (docs/vetting.md)."""
    pool: Literal["local", "ray"] = "local"
    """Where children run: on this machine, or in the slots of a Ray cluster."""
    address: str = "auto"
    """Of the Ray cluster: `auto`, `ray://HOST:PORT`, `HOST:PORT`, or `local` for one that is started here."""
    slot: SlotTable = SlotTable()
    """What each slot of a Ray pool takes."""
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:[0-9]+(,[0-9]+)*)?)$")] = "cpu"
    """Where children compute: `cpu`, `cuda` (every GPU that this process may use), or some by number,
    `cuda:0,2`."""
    slots_per_device: Annotated[int, KeyUnit("children"), Field(ge=1)] = 1
    """How many children share a GPU."""
    device_memory: Annotated[MiB, Field(ge=0)] = 0
    """What a child may allocate on its GPU; 0: an equal part of nine tenths."""
    autocast: Literal["off", "bf16"] = "off"
    """Trainings on a GPU in full precision (`off`) or, where torch thinks it safe, in bfloat16 (`bf16`)."""
    latency_of: Literal["torch", "onnx", "onnx-int8"] = "torch"
    """What `latency` is measured of: the model in torch, or the ONNX file that it is exported as, in float32
    or int8, by ONNX Runtime (docs/deploy.md)."""
    metrics: tuple[str, ...] = ()
    """What is measured beside the error and the parameters: macro_f1, auroc, top5_error, calibration_error,
    mean_absolute_error, or your own (docs/extending.md)."""

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


class RecipeTable(Table):
    """What changes of the task's recipe, in searching and in `confirm` alike (docs/recipe.md)."""

    rate_factor: Annotated[float, KeyUnit("factor"), Field(gt=0, le=100)] = 1.0
    """The recipe's learning rate times this; SGD wants more than AdamW."""
    optimiser: Literal["", "adamw", "sgd", "muon"] = ""
    """`sgd` has Nesterov's momentum; `muon` takes matrices, AdamW the rest; "": the recipe's."""
    schedule: Literal["", "onecycle", "cosine", "constant"] = ""
    """Of the learning rate; "": the recipe's."""
    warmup: Annotated[Share, Field(ge=0, lt=1)] = 0.0
    """Of the steps, in which the rate of `cosine` rises."""
    clip: Annotated[float, KeyUnit("norm"), Field(ge=0)] = 0.0
    """The largest norm of all gradients together; 0: any."""
    average: Annotated[Share, Field(ge=0, lt=1)] = 0.0
    """The decay of a moving average of the weights, which is what is kept and scored; 0: none."""
    label_smoothing: Annotated[Share, Field(ge=0, lt=1)] = 0.0
    """The share of a target that is spread over all classes."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: each class counts as much as any other in the training loss."""
    augment: tuple[Literal["flip", "crop", "shift", "cutout", "noise", "mixup"], ...] = ()
    """Changes of training batches, in this order."""


class FilterTable(Table):
    """A zero-cost score that turns children away before their training."""

    score: Literal["", "params", "naswot", "gradsign"] = ""
    """What children are compared by; "": none is turned away."""
    keep: Annotated[Share, Field(gt=0, le=1)] = 0.5
    """A child trains if it is among so large a share of the best of about its size; at least one does."""
    window: Annotated[Candidates, Field(ge=1)] = 40
    """How many of the last children of about its size it is compared with, itself included."""
    band: Annotated[float, KeyUnit("factor"), Field(ge=1, le=100)] = 1.5
    """Of about its size: parameters that differ from its own by at most this factor."""
    watch: tuple[Literal["naswot", "gradsign"], ...] = ()
    """Scores that are taken and reported beside it, and turn nobody away."""


class SandboxTable(Table):
    """The walls around what runs a genome (docs/security.md)."""

    level: Literal["full", "container", "landlock", "none"] = "landlock"
    """The least isolation that is accepted; `none` only with --unsafe."""
    imports: tuple[str, ...] = ()
    """Further modules that genomes may import."""
    python: str = ""
    """The interpreter of the environment that children run in; "": evoarch's own."""
    preload: tuple[str, ...] = ()
    """Modules to import before any child is forked, beside `imports`: a child can open no file."""
    vet: Literal["enforce", "report"] = "enforce"
    """`report`: findings are shown and the file runs all the same; the wall is the process."""


class TrainerTable(Table):
    """A program of your own in the place of the training loop (docs/own-trainer.md)."""

    command: tuple[str, ...] = ()
    """Its words; {genome}, {output}, {data}, {settings}, {seed}, {steps}, {batch}, {rate} and {processes} are
    filled in, and files are relative to the campaign's folder. Empty: the loop inside the walls."""
    isolation: Literal["bwrap", "own", "none"] = "bwrap"
    """`bwrap` walls it off; `own`: the command does so itself; `none`: with --unsafe alone."""
    files: tuple[str, ...] = ()
    """What it may read beside its environment and the files that the command names."""
    environment: tuple[str, ...] = ()
    """Names of variables of yours that it gets."""
    processes: Annotated[int, KeyUnit("cores"), Field(ge=1)] = 1
    """Cores that a training takes."""
    gpus: Annotated[int, KeyUnit("GPUs"), Field(ge=0)] = 0
    """Devices that a training takes, in the place of cores."""
    wall_clock: Annotated[Seconds, Field(gt=0)] = 3600.0
    """The most time of a training."""
    memory: Annotated[MiB, Field(ge=0)] = 0
    """The most memory of all its processes; 0: no limit."""
    output: Annotated[MiB, Field(ge=1)] = 1024
    """The most that it may write."""
