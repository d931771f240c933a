"""campaign.toml: read, overridden and checked, with one clear line for everything that does not fit."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.base.formatting import command
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.loops import loop_of, unread
from evoarch.agent.config.measuring import (
    EvaluationTable,
    FilterTable,
    RecipeTable,
    SandboxTable,
    TrainerTable,
)
from evoarch.agent.config.rounds import RoundsTable, TuningTable
from evoarch.agent.config.surrogate import SurrogateTable
from evoarch.agent.config.table import Table
from evoarch.agent.config.tables import (
    BudgetTable,
    CampaignTable,
    ConstraintsTable,
    FeedbackTable,
    OperatorTable,
    PortfolioTable,
    PromptsTable,
    ReviewTable,
    SeedsTable,
    SelectionTable,
)
from evoarch.agent.config.tracking import TrackTable

FILE = "campaign.toml"

MOST_SHOWN = 500
"""Characters of a wrong value that a message repeats."""

MOST_NAMED = 100
"""Characters of an override that a message names."""

EDITING = ("lm.rewrite", "lm.crossover", "lm.repair")
"""Operators whose chat models may answer with edits."""


LOCAL = ("embedded", "transformers")
"""Backends that take a soft prompt."""


class Config(Table):
    """A campaign's whole configuration: campaign.toml."""

    campaign: CampaignTable
    budget: BudgetTable = BudgetTable()
    portfolio: PortfolioTable = PortfolioTable()
    seeds: SeedsTable = SeedsTable()
    selection: SelectionTable = SelectionTable()
    constraints: ConstraintsTable = ConstraintsTable()
    evaluation: EvaluationTable = EvaluationTable()
    recipe: RecipeTable = RecipeTable()
    filter: FilterTable = FilterTable()
    surrogate: SurrogateTable = SurrogateTable()
    trainer: TrainerTable = TrainerTable()
    sandbox: SandboxTable = SandboxTable()
    review: ReviewTable = ReviewTable()
    prompts: PromptsTable = PromptsTable()
    feedback: FeedbackTable = FeedbackTable()
    rounds: RoundsTable | None = None
    tuning: TuningTable = TuningTable()
    lm: tuple[LMSettings, ...] = ()
    operators: tuple[OperatorTable, ...] = Field(min_length=1)
    track: tuple[TrackTable, ...] = ()

    @model_validator(mode="after")
    def _trackers_differ(self) -> Config:
        names = [table.tracker for table in self.track]
        if len(set(names)) < len(names):
            raise ValueError(f"two [[track]] tables name the same tracker: {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _operators_have_their_models(self) -> Config:
        names = [lm.name for lm in self.lm]
        if len(set(names)) < len(names):
            raise ValueError(f"two [[lm]] tables share a name: {', '.join(names)}")
        for operator in self.operators:
            if (operator.name.startswith("lm.") or operator.lm) and operator.lm not in names:
                known = nearest(operator.lm, names) if names else "there is no [[lm]] table"
                raise ValueError(f"operator {operator.name} wants lm = {operator.lm!r}; {known}")
            if not operator.screened and not operator.lm:
                raise ValueError(f"operator {operator.name}: screened = false wants a language model")
            if operator.reply == "edits" and operator.name not in EDITING:
                raise ValueError(
                    f'reply = "edits": expected one of {", ".join(EDITING)}, got {operator.name}'
                )
            if operator.name == "lm.plan" and not self.lm[names.index(operator.lm)].chat:
                raise ValueError(f"operator {operator.name} wants a model with chat = true")
            if operator.reply == "edits" and not self.lm[names.index(operator.lm)].chat:
                raise ValueError(f'operator {operator.name}: reply = "edits" wants a model with chat = true')
        return self

    @model_validator(mode="after")
    def _rounds_can_be_made(self) -> Config:
        if self.tuning.enabled and self.rounds is None:
            raise ValueError("tuning.enabled: soft prompts are trained between rounds; expected [rounds]")
        if self.rounds is None:
            if self.surrogate.drafts and all(each.lm for each in self.operators):
                raise ValueError(
                    "surrogate.drafts: expected an operator without a language model to draw from"
                )
            return self
        if self.review.required:
            raise ValueError("review.required: a round waits for nobody; expected false beside [rounds]")
        asking = next((each for each in self.operators if each.name == "lm.rewrite"), None)
        if asking is None:
            raise ValueError('[rounds] wants an [[operators]] table with name = "lm.rewrite", got none')
        backend = next(lm.backend for lm in self.lm if lm.name == asking.lm)
        if self.tuning.enabled and backend not in LOCAL:
            raise ValueError(
                f"tuning.enabled: expected an [[lm]] of backend {' or '.join(LOCAL)}, got {backend};"
                " `evoarch tuning export` writes the data for its own fine-tuning"
            )
        return self


def load(folder: Path, overrides: Iterable[str] = ()) -> Config:
    """The configuration that campaign.toml in `folder` says, with `table.key=value` overrides.

    What a campaign ran under is in its archive (agent.config.recorded).

    Raises UserError (code 2): one line with file, or --set, key, expected, got and the nearest known key.
    """
    path, overrides = folder / FILE, list(overrides)
    data = read_toml(folder)
    changed = overridden(data, overrides)
    try:
        config = _checked(changed)
    except SettingError as error:
        raise UserError(f"{_blamed(data, overrides, str(error), str(path))}: {error}") from None
    for file in config.seeds.files:
        if not (folder / file).is_file():
            place = place_of("seeds.files", overrides, path)
            raise UserError(f"{place}: seeds.files: expected a model file, got {file!r}, which is not there")
    stems = [Path(file).stem for file in config.seeds.files]
    name = config.constraints.reference
    if name and name not in stems:
        place = place_of("constraints.reference", overrides, path)
        raise UserError(
            f"{place}: constraints.reference: expected the name of a seed file, got {name!r}; "
            f"{nearest(name, stems)}"
        )
    return config


def read_toml(folder: Path) -> dict[str, Any]:
    """The values of campaign.toml in `folder`, unchecked. Raises UserError."""
    path = folder / FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        makes = command("init", folder, "--task", "mnist1d")
        raise UserError(f"{path}: no such file; `{makes}` makes one") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None


def place_of(key: str, overrides: Iterable[str], path: Path) -> str:
    """Where the value of `key` was said: the last override of it or of a part of it, else the file `path`."""
    said = [text for text in overrides if f"{text.partition('=')[0].strip()}.".startswith(f"{key}.")]
    return _set(said[-1]) if said else str(path)


def _blamed(data: Mapping[str, Any], overrides: Sequence[str], message: str, path: str) -> str:
    """Where a fault that `message` tells was said: the first override with which it is there, or the file."""
    for count in range(len(overrides) + 1):
        try:
            _checked(overridden(data, overrides[:count]))
        except SettingError as error:
            if str(error) == message:
                return _set(overrides[count - 1]) if count else path
    return path


def _set(text: str) -> str:
    """An override as a message names it."""
    return f"--set {text if len(text) <= MOST_NAMED else text[:MOST_NAMED] + ' ...'}"


class SettingError(ValueError):
    """What is wrong with a configuration: key, expected, got, without the place where it stands."""


def parse(data: Mapping[str, Any], place: str, recorded: Mapping[str, Any] | None = None) -> Config:
    """`data` as a Config. Raises UserError that begins with `place`.

    A value that the campaign's loop does not read is an error, unless it also stands in `recorded`, the
    configuration of an earlier run that is replayed.
    """
    try:
        return _checked(data, recorded)
    except SettingError as error:
        raise UserError(f"{place}: {error}") from None


def _checked(data: Mapping[str, Any], recorded: Mapping[str, Any] | None = None) -> Config:
    """As `parse`. Raises SettingError."""
    config = _validated(data)
    ignored = _ignored(config)
    if recorded is not None:
        known = _ignored(_validated(recorded))
        ignored = {key: value for key, value in ignored.items() if known.get(key) != value}
    if ignored:
        said = ", ".join(f"{key} = {value!r}" for key, value in ignored.items())
        raise SettingError(f"{said}: not read {loop_of(config.rounds).when}; expected no such key")
    return config


def _validated(data: Mapping[str, Any]) -> Config:
    try:
        return Config.model_validate_json(_to_json(data))
    except ValidationError as error:
        raise SettingError(_line(error)) from None


def _ignored(config: Config) -> dict[str, object]:
    """What the campaign's loop does not read: keys, and operators beside the one that rounds ask."""
    found = unread(config, loop_of(config.rounds))
    if config.rounds is not None:
        names = [each.name for each in config.operators]
        asked = names.index("lm.rewrite")
        found |= {f"operators.{i}.name": name for i, name in enumerate(names) if i != asked}
    return found


def _to_json(data: Mapping[str, Any]) -> str:
    """TOML's lists become tuples under strict mode only through JSON."""
    import json

    return json.dumps(data, default=str)


def overridden(data: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """`data` with each `table.key=value`. Raises UserError."""
    changed = copy.deepcopy(dict(data))
    for override in overrides:
        _override(changed, override)
    return changed


def _override(data: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) < 2 or not all(parts):
        raise UserError(f"--set {text}: expected table.key=value, e.g. --set budget.evaluations=200")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):  # no TOML, or more digits or brackets than it takes
        parsed = value
    place: Any = data
    for part in parts[:-1]:
        if isinstance(place, list):
            if part not in map(str, range(len(place))):
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
    if not place:
        return message
    # Of a whole table the message has said what it is about, and a table may hold what none should read.
    got = "" if isinstance(first["input"], dict) else f", got {first['input']!r}"
    return f"{place}: {message}{got if len(got) <= MOST_SHOWN else got[:MOST_SHOWN] + ' ...'}"


def _keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Config
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        inner = [a for a in get_args(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = inner[0] if inner else annotation  # type: ignore[assignment]
    return list(model.model_fields)
