"""What is known of each family of the zoo: its paper, its published variants, how it scales, its oracle.

A family is a pair of files in `families/`: NAME.py, the genome, and NAME.toml, the facts. Reading the facts
needs no torch.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

FOLDER = Path(__file__).parent / "families"
"""Where the families of evoarch lie."""

STATUSES = ("exact", "off")
"""exact: parameters and outputs equal the oracle's; off: they do not, and `note` says how far and why."""


class CatalogueError(ValueError):
    """A family's facts do not hold; the message names the file, what was expected and what was found."""


@dataclass(frozen=True)
class Paper:
    """Where the family was published; `arxiv` is an identifier such as 1905.11946, "" where there is none."""

    authors: str
    title: str
    year: int
    arxiv: str = ""


@dataclass(frozen=True)
class Oracle:
    """Independent code that a family is compared with: a package of this `version` under this `licence`."""

    package: str
    version: str
    licence: str


@dataclass(frozen=True)
class Variant:
    """One published network of a family.

    `kwargs` go to the entry beside `input` (channels, height, width) and `classes`. `parameters` is the exact
    number of trainable elements and `source` says who counts it so. `oracle` is where independent code
    builds it, such as `torchvision.models:mnasnet1_0`, called with `oracle_kwargs`; "" where there is none.
    `figures` are further published numbers by name, such as top1 (per cent) or macs (multiply-adds of one
    input).
    """

    name: str
    parameters: int
    source: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    input: tuple[int, ...] = (3, 224, 224)
    classes: int = 1000
    oracle: str = ""
    oracle_kwargs: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Small:
    """A small network of a family: the `kwargs` with which it takes a small `input`, as a seed would."""

    input: tuple[int, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    classes: int = 10


@dataclass(frozen=True)
class Family:
    """One architecture: its genome at `path`, and what is known of it.

    `summary` is one line on what makes it what it is, `scaling` how the paper makes it larger or smaller.
    Without `oracles` the counts of the variants are derived from the paper.
    """

    name: str
    path: Path
    title: str
    summary: str
    scaling: str
    paper: Paper
    status: str
    variants: tuple[Variant, ...]
    small: tuple[Small, ...]
    oracles: tuple[Oracle, ...] = ()
    note: str = ""

    @property
    def source(self) -> str:
        """The text of the genome."""
        return self.path.read_text(encoding="utf-8")

    def variant(self, name: str) -> Variant:
        """The published network called `name`. Raises CatalogueError, naming those that there are."""
        for variant in self.variants:
            if variant.name == name:
                return variant
        known = ", ".join(variant.name for variant in self.variants)
        raise CatalogueError(f"{self.name}: expected a variant of {known}, got {name!r}")


def load_catalogue(folder: Path = FOLDER) -> dict[str, Family]:
    """Every family in `folder` by name, in alphabetical order. Raises CatalogueError for facts that fail."""
    genomes = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    facts = {path.stem for path in folder.glob("*.toml")}
    for name in sorted(genomes ^ facts):
        missing = f"{name}.toml" if name in genomes else f"{name}.py"
        raise CatalogueError(f"{folder}: expected {missing} beside the other file of {name}, found none")
    return {name: load_family(folder / f"{name}.toml") for name in sorted(facts)}


def load_family(path: Path) -> Family:
    """The family whose facts stand at `path`. Raises CatalogueError for facts that fail."""
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path}: expected a TOML file: {error}") from None
    except OSError as error:
        raise CatalogueError(f"{path}: {error.strerror}") from None
    reader = _Reader(path)
    facts |= {"name": path.stem, "path": path.with_suffix(".py")}
    facts["paper"] = reader.make(Paper, "[paper]", facts.get("paper"))
    if "oracles" in facts:
        facts["oracles"] = reader.tables(Oracle, "oracles", facts["oracles"])
    facts["variants"] = reader.tables(Variant, "variants", facts.get("variants"))
    facts["small"] = reader.tables(Small, "small", facts.get("small"))
    family = reader.make(Family, "the file", facts)
    _check(reader, family)
    return family


def _check(reader: _Reader, family: Family) -> None:
    if family.status not in STATUSES:
        reader.fail("status", " or ".join(STATUSES), family.status)
    if family.status == "off" and not family.note:
        reader.fail("note", "how far it is off and why", "nothing")
    packages = [oracle.package for oracle in family.oracles]
    for variant in family.variants:
        package = variant.oracle.partition(":")[0].partition(".")[0]
        if package and package not in packages:
            reader.fail(f"oracle of {variant.name}", f"a package of [[oracles]]: {packages}", package)
    names = [variant.name for variant in family.variants]
    if len(set(names)) != len(names):
        reader.fail("variants", "a name for each", ", ".join(names))


Record = TypeVar("Record")


@dataclass(frozen=True)
class _Reader:
    """Makes records of the tables of one file, or fails with its name."""

    path: Path

    def tables(self, kind: Callable[..., Record], name: str, tables: object) -> tuple[Record, ...]:
        if not isinstance(tables, Sequence) or isinstance(tables, str) or not tables:
            self.fail(name, f"at least one table [[{name}]]", tables)
        return tuple(
            self.make(kind, f"[[{name}]] {number}", table) for number, table in enumerate(tables, start=1)
        )

    def make(self, kind: Callable[..., Record], place: str, table: object) -> Record:
        """The record of one table. Its fields' types are those of the dataclass's annotations."""
        if not isinstance(table, Mapping):
            self.fail(place, "a table", table)
        known = {name: str(text) for name, text in kind.__annotations__.items()}
        for key, value in table.items():
            if key not in known:
                self.fail(place, f"a key of {', '.join(known)}", key)
            expected = _TYPES.get(known[key])
            if expected and (not isinstance(value, expected) or isinstance(value, bool)):
                self.fail(f"{place} {key}", known[key], value)
        values = {key: tuple(value) if key == "input" else value for key, value in table.items()}
        try:
            return kind(**values)
        except TypeError as error:
            raise CatalogueError(f"{self.path}: {place}: {str(error).partition(') ')[2]}") from None

    def fail(self, place: str, expected: str, got: object) -> NoReturn:
        raise CatalogueError(f"{self.path}: {place}: expected {expected}, got {got!r}")


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "str": str,
    "int": int,
    "tuple[int, ...]": (list, tuple),
    "Mapping[str, Any]": Mapping,
    "Mapping[str, float]": Mapping,
}
"""What a value must be, by the text of its field's annotation."""
