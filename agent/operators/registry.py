"""The operators by name: the one that an `[[operators]]` table asks for, looked over before it works."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import evoarch.agent.operators as room
from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.config.tables import OperatorTable
from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import OPERATORS, Draft, Operator, OperatorSettings, Order, Parent
from evoarch.evaluators.errors import PartError
from evoarch.evaluators.own_code import GIVEN, NOTHING, OPERATOR, Found, find, made, said
from evoarch.prompts.render import BUILT_IN, Templates


@cache
def built_in() -> Mapping[str, type[Operator]]:
    """evoarch's own operators by name: whatever bears the decorator `operator` in this room."""
    for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(OPERATORS.items()))


def build_operator(
    table: OperatorTable,
    config: Config,
    templates: Templates = BUILT_IN,
    folder: Path | None = None,
    given: Mapping[str, object] = NOTHING,
) -> Operator:
    """The operator that `table` names, with its settings; a path is relative to `folder`, `given` are objects
    handed over, by name.

    Raises UserError, one line, for one that is not there, does not hold or bears a built-in one's name.
    """
    try:
        found = find(OPERATOR, table.name, built_in(), folder, given)
        part = made(found, **table.options) if found.own or table.options else found.value()
    except PartError as error:
        raise UserError(f"[[operators]] {error}") from None
    settings = OperatorSettings(
        table,
        next((lm for lm in config.lm if lm.name == table.lm), None),
        config.evaluation.recipe_search,
        templates,
        config.prompts,
    )
    if not found.own:
        return _configured(part, settings)
    try:
        operator = _configured(part, settings)
        problem = _problem(operator, found)
    except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        problem = said(error, found.path)
    if problem:
        raise UserError(f"[[operators]] {found.place}: {problem}")
    return OwnOperator(operator, found)


def build_operators(
    config: Config, templates: Templates = BUILT_IN, folder: Path | None = None, given: Sequence[object] = ()
) -> list[Operator]:
    """The operators of all tables, in their order. Raises UserError, also where two share a name, or an
    object that was handed over is named in no table.
    """
    objects: dict[str, object] = {}
    for number, each in enumerate(given):
        name = getattr(each, "name", None)
        if not isinstance(name, str):
            raise UserError(f"{GIVEN}: operators[{number}]: name: expected a text, got {name!r}")
        objects[name] = each
    tables = {table.name for table in config.operators}
    for name in objects:
        if name not in tables:
            raise UserError(
                f"{GIVEN}: operator {name!r}: expected an [[operators]] table of that name, got none"
            )
    operators = [build_operator(table, config, templates, folder, objects) for table in config.operators]
    known: dict[str, str] = {}
    for table, operator in zip(config.operators, operators, strict=True):
        if known.setdefault(operator.name, table.name) != table.name:
            raise UserError(
                f"[[operators]] {table.name}: name: expected one of its own, got {operator.name!r}, which is "
                f"that of {known[operator.name]}"
            )
    return operators


@dataclass(frozen=True)
class OwnOperator:
    """A user's operator, whose drafts are looked over: what it gives wrong is said of it by name."""

    operator: Operator
    found: Found

    @property
    def name(self) -> str:
        """The user's operator's."""
        return self.operator.name

    @property
    def arity(self) -> int:
        """The user's operator's."""
        return self.operator.arity

    @property
    def samples(self) -> int:
        """The user's operator's."""
        return self.operator.samples

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """What the user's operator proposes. Raises TypeError where that is no list of so many drafts."""
        drafts: object = await self.operator.propose(order, rng, complete)
        if not isinstance(drafts, list | tuple) or not all(isinstance(each, Draft) for each in drafts):
            raise TypeError(f"propose: expected a list of evoarch.Draft, got {_shown(drafts)}")
        if len(drafts) != order.count:
            raise TypeError(f"propose: expected {order.count} drafts, as ordered, got {len(drafts)}")
        return list(drafts)


async def try_out(
    operators: Iterable[tuple[Operator, OperatorTable]],
    sources: Sequence[str],
    offers: Mapping[str, object],
) -> None:
    """Asks each of a user's operators that needs no language model for one child of the seeds, whose
    `sources` are given (none: nothing is asked). Raises UserError for one that raises or gives no draft.
    """
    for operator, table in operators:
        if not isinstance(operator, OwnOperator) or table.lm or not sources:
            continue
        metrics = {"error": 0.5, "params": 1000.0}
        parents = [
            Parent(number + 1, sources[number % len(sources)], metrics) for number in range(operator.arity)
        ]
        try:
            await operator.propose(Order(1, parents, metrics, offers=offers), random.Random(0), None)
        except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
            raise UserError(
                f"[[operators]] {operator.found.place}: {said(error, operator.found.path)}"
            ) from None


def _configured(operator: Operator, settings: OperatorSettings) -> Operator:
    configure = getattr(operator, "configured", None)
    configured: Operator = configure(settings) if configure else operator
    return configured


def _problem(operator: object, found: Found) -> str:
    """Why an object is no operator of its own name, "" where it is one."""
    for part in ("name", "arity", "samples", "propose"):
        if not hasattr(operator, part):
            return f"{part}: expected, but it is not there (evoarch.Operator says what an operator has)"
    name, arity, samples = (getattr(operator, part) for part in ("name", "arity", "samples"))
    if not isinstance(name, str) or not name or any(letter.isspace() for letter in name):
        return f"name: expected a text without spaces, got {name!r}"
    if name in built_in():
        return f"name: expected one of its own, got {name!r}, which is a built-in operator's"
    if found.path is None and name != found.name:
        return f"name: expected {found.name!r}, as campaign.toml says, got {name!r}"
    for part, least, count in (("arity", 0, arity), ("samples", 1, samples)):
        if type(count) is not int or count < least:
            return f"{part}: expected an integer of at least {least}, got {count!r}"
    if not inspect.iscoroutinefunction(operator.propose):  # type: ignore[attr-defined]
        return f"propose: expected an `async def`, got {_shown(operator.propose)}"  # type: ignore[attr-defined]
    return ""


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        kinds = sorted({type(each).__name__ for each in value})
        return f"a {type(value).__name__} of {', '.join(kinds) or 'nothing'}"
    return type(value).__name__
