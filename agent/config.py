"""campaign.toml: frozen models of its tables, and one clear line for everything that does not fit."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import UserError, nearest
from agent.lm.settings import LMSettings
from sandbox.limits import Limits

FILE = "campaign.toml"


class Table(BaseModel):
    """A table: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CampaignTable(Table):
    """`profile` names the overlay that `init` wrote; it is kept for reports."""

    name: str
    task: str = "mnist1d"
    seed: Annotated[int, Field(ge=0)] = 0
    profile: str = "default"


class BudgetTable(Table):
    """Where the campaign ends. `evaluations`: candidates that entered training, seeds and repeats apart.
    `wall_clock`: seconds over all runs. `tokens`: LM tokens, prompt and completion. 0: no limit.
    `stall`: stop after so many proposals in a row that brought no training.
    """

    evaluations: Annotated[int, Field(ge=1)] = 100
    wall_clock: Annotated[float, Field(ge=0)] = 0.0
    tokens: Annotated[int, Field(ge=0)] = 0
    stall: Annotated[int, Field(ge=1)] = 300


class SeedsTable(Table):
    """`files`: model files relative to the campaign's folder; the first generation."""

    files: tuple[str, ...] = ()


class SelectionTable(Table):
    """`pareto`: binary tournaments by Pareto rank, then crowding (Deb et al. 2002, NSGA-II, III.C), sizes on
    a log scale. `scalar`: uniform from the `survivors` best by -(params x error) (EvoPrompting, section 3).
    """

    method: Literal["pareto", "scalar"] = "pareto"
    objectives: Annotated[tuple[str, ...], Field(min_length=1)] = ("error", "params")
    survivors: Annotated[int, Field(ge=1)] = 10


class ConstraintsTable(Table):
    """Limits that hold strictly. `error`: the largest error of a scored candidate (none: the task's own);
    `params`: the largest number of parameters.
    """

    error: Annotated[float, Field(gt=0, le=1)] | None = None
    params: Annotated[int, Field(ge=1)] | None = None


class EvaluationTable(Table):
    """`workers` 0: one per core, less one for an LM on this machine. Seconds and MiB, `memory`
    above the warm zygote.
    `repeats`: training seeds an elite needs at the campaign's end. `repairs`: shape repairs a child may get.
    """

    recipe: str = "fast"
    workers: Annotated[int, Field(ge=0)] = 0
    wall_clock: Annotated[float, Field(gt=0)] = 60.0
    cpu_seconds: Annotated[float, Field(gt=0)] = 60.0
    memory: Annotated[int, Field(ge=16)] = 2048
    output: Annotated[int, Field(ge=1)] = 64
    repeats: Annotated[int, Field(ge=1)] = 3
    repairs: Annotated[int, Field(ge=0)] = 6
    retries: Annotated[int, Field(ge=0)] = 3

    def limits(self) -> Limits:
        return Limits(self.wall_clock, self.cpu_seconds, self.memory << 20, self.output << 20)


class SandboxTable(Table):
    """`level`: the least isolation that is accepted; `imports`: further modules genomes may import.
    `python`: the interpreter of the environment that children run in ("": evoarch's own); `preload`: modules
    to import before any child is forked, beside `imports` (a child can open no file).
    `vet` "report": findings are shown and the file runs all the same; the wall is the process.
    """

    level: Literal["full", "landlock", "none"] = "landlock"
    imports: tuple[str, ...] = ()
    python: str = ""
    preload: tuple[str, ...] = ()
    vet: Literal["enforce", "report"] = "enforce"


class ReviewTable(Table):
    """`required`: a child that passed its dry run waits until a person approves it (`evoarch review`), and
    meanwhile the search goes on with others. `params`: only children of more parameters than this wait.
    `notes`: what a person noted on a parent stands under its metrics in the prompts of `lm.rewrite`.
    """

    required: bool = False
    params: Annotated[int, Field(ge=0)] = 0
    notes: bool = False


OperatorName = Literal[
    "lm.rewrite",
    "lm.scoped",
    "syntactic.mutate",
    "syntactic.crossover",
    "random",
]


class OperatorTable(Table):
    """`weight`: share of the children. `samples`: children per call. `lm`: name of an [[lm]] table.
    `lookahead`: how many children ahead of their turn they may be asked for (0: as the operator needs).
    """

    name: OperatorName
    weight: Annotated[float, Field(gt=0)] = 1.0
    lm: str = ""
    samples: Annotated[int, Field(ge=0)] = 0
    max_tokens: Annotated[int, Field(ge=0)] = 0
    lookahead: Annotated[int, Field(ge=0)] = 0


class Config(Table):
    """A campaign's whole configuration."""

    campaign: CampaignTable
    budget: BudgetTable = BudgetTable()
    seeds: SeedsTable = SeedsTable()
    selection: SelectionTable = SelectionTable()
    constraints: ConstraintsTable = ConstraintsTable()
    evaluation: EvaluationTable = EvaluationTable()
    sandbox: SandboxTable = SandboxTable()
    review: ReviewTable = ReviewTable()
    lm: tuple[LMSettings, ...] = ()
    operators: tuple[OperatorTable, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _operators_have_their_models(self) -> Config:
        names = [lm.name for lm in self.lm]
        if len(set(names)) < len(names):
            raise ValueError(f"two [[lm]] tables share a name: {', '.join(names)}")
        for operator in self.operators:
            if operator.name.startswith("lm.") and operator.lm not in names:
                known = nearest(operator.lm, names) if names else "there is no [[lm]] table"
                raise ValueError(f"operator {operator.name} wants lm = {operator.lm!r}; {known}")
        return self


def load(folder: Path, overrides: Iterable[str] = ()) -> Config:
    """The configuration of the campaign in `folder`, with `table.key=value` overrides.

    Raises UserError (code 2): one line with file, key, expected, got and the nearest known key.
    """
    path = folder / FILE
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; `evoarch init {folder} --task mnist1d` makes one") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    for override in overrides:
        _override(data, override)
    config = parse(data, str(path))
    for file in config.seeds.files:
        if not (folder / file).is_file():
            raise UserError(f"{path}: seeds.files: expected a model file, got {file!r}, which is not there")
    return config


def parse(data: Mapping[str, Any], place: str) -> Config:
    """`data` as a Config. Raises UserError that begins with `place`."""
    try:
        return Config.model_validate_json(_to_json(data))
    except ValidationError as error:
        raise UserError(f"{place}: {_line(error)}") from None


def _to_json(data: Mapping[str, Any]) -> str:
    """TOML's lists become tuples under strict mode only through JSON."""
    import json

    return json.dumps(data, default=str)


def _override(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) < 2 or not all(parts):
        raise UserError(f"--set {text}: expected table.key=value, e.g. --set budget.evaluations=200")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    place: Any = data
    for part in parts[:-1]:
        if isinstance(place, list):
            if not part.isdigit() or int(part) >= len(place):
                raise UserError(f"--set {text}: expected a number below {len(place)}, got {part!r}")
            place = place[int(part)]
        elif isinstance(place, dict):
            place = place.setdefault(part, {})
    if not isinstance(place, dict):
        raise UserError(f"--set {text}: {'.'.join(parts[:-1])} is not a table")
    place[parts[-1]] = parsed


def _line(error: ValidationError) -> str:
    """The first error of a validation, as one line: key, expected, got, nearest known key."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{place}: unknown key; {nearest(str(first['loc'][-1]), _keys(first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"{place}: expected, but it is not there"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}, got {first['input']!r}" if place else message


def _keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        inner = [a for a in get_args(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = inner[0] if inner else annotation  # type: ignore[assignment]
    return list(model.model_fields)
