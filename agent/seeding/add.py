"""`seed add` step by step: find what travels, name what may change, fit the task, and write it down."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.edit import append, edited, rewrite
from evoarch.agent.config.load import FILE, load
from evoarch.agent.seeding.adapter import Adapter, Entry, Fit
from evoarch.agent.seeding.opened import OpenPart, choose, find_entry, open_part
from evoarch.agent.seeding.record import (
    FrozenSeed,
    SeedRecord,
    archive_of,
    beside,
    frozen_digest,
    packed,
    text_digest,
    weights_of,
)
from evoarch.agent.seeding.repository import Reach, Repository, SeedError, reach
from evoarch.agent.seeding.splice import ENTRY, opening_of
from evoarch.evaluators.inside.overlap import overlap
from evoarch.sandbox.environment import Environment, own
from evoarch.sandbox.outcome import Array, Finding
from evoarch.sandbox.rules.imports import ALLOWED
from evoarch.sandbox.vet import vet

MOST_DATA = 4 << 20
"""Bytes of the data files of one seed."""

_FREE = frozenset([*ALLOWED, "numpy", "functorch", "typing_extensions"])


@dataclass(frozen=True)
class Wanted:
    """What the user asked for. `data`: files that modules read when they are imported; `weights`: a
    checkpoint; `more`: modules of the repository, or installed ones, that turned out to be imported by
    name.
    """

    path: Path
    entry: str = ENTRY
    evolve: tuple[str, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    name: str = ""
    data: tuple[Path, ...] = ()
    weights: Path | None = None
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seed:
    """A seed with its frozen files, not yet written."""

    frozen: FrozenSeed
    adapter: Adapter
    fit: Fit
    places: tuple[tuple[int, str, int], ...]

    @property
    def genome(self) -> str:
        """The text of what is open."""
        return self.frozen.genome

    @property
    def record(self) -> SeedRecord:
        """What is remembered of it."""
        return self.frozen.record

    def place(self, line: int) -> str:
        """`file:line` of the user's own file that a line of the genome came from."""
        found = [place for place in self.places if place[0] <= line]
        if not found or line > self.genome.count("\n", 0, len(self.genome) - len(self.adapter.text)):
            return f"seeds/{self.record.name}.py:{line}"
        first, file, origin = found[-1]
        return f"{file}:{origin + line - first}"


@dataclass(frozen=True)
class Prepared:
    """An entry with all that travels, before it is fitted to a task."""

    wanted: Wanted
    repository: Repository
    reached: Reach
    entry: Entry
    part: OpenPart
    installed: tuple[str, ...]
    contents: Mapping[str, bytes]
    data: tuple[str, ...]

    @property
    def third_parties(self) -> list[str]:
        """Packages of the interpreter that frozen code imports, beside those that every genome may."""
        roots = {name.partition(".")[0] for name in self.installed} - sys.stdlib_module_names - _FREE
        return sorted(roots)

    def seed(self, offers: Mapping[str, object], fit: Fit) -> Seed:
        """The seed whose adapter calls the entry as `fit` says. `offers`: the arguments of the task.

        Raises SeedError.
        """
        made = self.entry.adapter(offers, fit)
        modules = {n: (m.place, m.package) for n, m in self.reached.modules.items()}
        part = self.part
        if made.text and self.entry.name == ENTRY:
            part = open_part(self.repository, self._chosen(), (ENTRY,))
        called = (made.text, *made.program)
        digest = frozen_digest(modules, self.contents, part.definitions, called)
        genome, places = part.genome(digest, made.text, made.program)
        record = SeedRecord(
            name=self.wanted.name,
            repository=str(self.repository.root),
            file=self.entry.source.place,
            line=self.entry.line,
            entry=self.entry.name,
            module=self.entry.source.name,
            kwargs=dict(self.wanted.kwargs),
            named=bool(self.wanted.evolve),
            opened=part.definitions,
            header=part.header,
            spelled=part.spelled,
            signatures=part.signatures,
            adapter=made.text,
            program=made.program,
            modules=modules,
            installed=self.installed,
            data=self.data,
            frozen=digest,
            digest=text_digest(genome),
            weights=self.wanted.weights is not None,
        )
        weights = _checkpoint(self.wanted.weights, "inner." if "self.inner" in made.text else "")
        return Seed(FrozenSeed(record, genome, self.contents, weights), made, fit, tuple(places))

    def _chosen(self) -> Any:
        found = (self.entry.source, self.entry.name)
        return choose(self.repository, [*self.reached.modules.values()], found, self.wanted.evolve)


def prepare(wanted: Wanted, environment: Environment | None = None) -> Prepared:
    """Finds what travels and what is open. `environment`: whose packages frozen code may import.

    Raises UserError with a line for each obstacle.
    """
    path = wanted.path.resolve()
    if not path.is_file():
        raise UserError(f"{wanted.path}: no such file", code=1)
    repository = Repository.around(path)
    source, name = find_entry(repository, repository.entry(path), wanted.entry)
    local = [m for m in wanted.more if repository.find(m)]
    reached = reach(repository, source, local)
    line = next((n.lineno for n in source.tree.body if getattr(n, "name", "") == name), 1)
    entry = Entry(repository, source, name, line, wanted.kwargs)
    problems = list(reached.problems)
    installed = _installed(
        reached, environment or own(), problems, [m for m in wanted.more if m not in local]
    )
    problems += entry.problems()
    part = None
    try:
        chosen = choose(repository, [*reached.modules.values()], (source, name), wanted.evolve)
        part = open_part(repository, chosen)
    except SeedError as error:
        problems.append(str(error))
    contents = {m.place: m.content.data for m in reached.modules.values() if m.content.data or not m.package}
    data = _data(repository, wanted.data, contents, problems)
    if problems or part is None:
        raise UserError("\n".join(dict.fromkeys(problems)), code=1)
    named = replace(wanted, path=path, entry=name, name=wanted.name or path.stem)
    return Prepared(named, repository, reached, entry, part, installed, contents, data)


def _checkpoint(path: Path | None, prefix: str) -> Mapping[str, Array]:
    """The user's checkpoint under the names that the adapter gives. Raises UserError."""
    if path is None:
        return {}
    try:
        return {f"{prefix}{name}": _as_carried(array) for name, array in load_file(path).items()}
    except (OSError, SafetensorError, TypeError) as error:
        raise UserError(f"--weights {path}: expected a file of safetensors: {error}", code=1) from None


def _as_carried(array: Array) -> Array:
    """Complex numbers as pairs of real ones, as weights are carried (evaluators/inside/state.py)."""
    return array.view(array.real.dtype).reshape(*array.shape, 2) if np.iscomplexobj(array) else array


def fitting_share(weights: Mapping[str, Array], state: Mapping[str, Sequence[int]]) -> float:
    """The share of a model's numbers that begin at a checkpoint, by names and shapes; `state`: its shapes."""
    shared = total = 0
    for name, shape in state.items():
        total += math.prod(shape)
        if name in weights:
            shared += math.prod(overlap(tuple(shape), weights[name].shape) or (0,))
    return shared / max(1, total)


def _installed(
    reached: Reach, environment: Environment, problems: list[str], more: Sequence[str]
) -> tuple[str, ...]:
    """The modules from outside that are there. Those that are sure to be missed are problems."""
    there: dict[str, bool] = {}
    said: set[str] = set()
    found = []
    for module, (place, line, sure) in [*reached.installed.items(), *((m, ("", 0, False)) for m in more)]:
        root = module.partition(".")[0]
        if root not in there:
            try:
                there[root] = bool(environment.providers([root])) or root in sys.stdlib_module_names
            except PackageNotFoundError:
                there[root] = False
        if there[root]:
            found.append(module)
        elif sure and root not in said:
            said.add(root)
            problems.append(
                f"{place}:{line}: imports {root}, which is not installed beside torch; install it, or name "
                "the interpreter that has it: [sandbox] python"
            )
    return tuple(dict.fromkeys(found))


def _data(
    repository: Repository, paths: Sequence[Path], contents: dict[str, bytes], problems: list[str]
) -> tuple[str, ...]:
    """Reads the declared data files into `contents`."""
    found = []
    for path in paths:
        full = path.resolve()
        if not full.is_file() or not full.is_relative_to(repository.root):
            problems.append(f"--data {path}: expected a file below {repository.root}")
            continue
        found.append(repository.place(full))
        contents[found[-1]] = full.read_bytes()
    if sum(len(contents[place]) for place in found) > MOST_DATA:
        problems.append(f"--data: expected at most {MOST_DATA >> 20} MiB in all")
    return tuple(found)


def seed_findings(seed: Seed, offers: Mapping[str, object]) -> list[str]:
    """What keeps a seed from being a parent, each as one line with the user's own file and line."""
    found = vet(seed.genome, entry=ENTRY, offers=offers)
    opening = opening_of(seed.frozen)
    return [_at(seed, finding) for finding in opening.findings(seed.genome, found, own_findings(found))]


def own_findings(found: Sequence[Finding]) -> list[Finding]:
    """What vetting says of a seed that is held against nobody: it is the user's own code."""
    return [finding for finding in found if not finding.rule.startswith(("entry", "syntax", "size"))]


def _at(seed: Seed, finding: Finding) -> str:
    return f"{seed.place(finding.line)}: {finding.rule}: {finding.message} ({finding.hint})"


def check_free(folder: Path, name: str) -> Path:
    """Where the seed will stand. Raises UserError where something is there already."""
    if not re.fullmatch(r"[^\W][\w.-]*", name):
        raise UserError(f"--name {name}: expected letters, digits, dots, dashes and underscores")
    path = folder / "seeds" / f"{name}.py"
    if any(place.exists() for place in (path, beside(path), archive_of(path))):
        raise UserError(f"{path}: is there already; choose another --name", code=1)
    return path


def write_seed(folder: Path, seed: Seed) -> Path:
    """Writes the seed with its record and its frozen files, and names it in campaign.toml. Raises UserError
    before it has written anything."""
    path = check_free(folder, seed.record.name)
    config = folder / FILE
    changed = with_seed(config, f"seeds/{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(seed.genome, encoding="utf-8")
    seed.record.save(beside(path))
    archive_of(path).write_bytes(packed(seed.frozen.contents))
    if seed.frozen.weights:
        save_file(dict(seed.frozen.weights), weights_of(path))
    rewrite(config, changed)
    load(folder)
    return path


def with_seed(path: Path, file: str) -> str:
    """The text of the campaign.toml `path` with `file` at the end of `seeds.files`. Raises UserError."""

    def add(data: Any) -> None:
        seeds = data.setdefault("seeds", {})
        if "files" not in seeds:
            seeds["files"] = []
        append(seeds["files"], file)

    return edited(path, add)
