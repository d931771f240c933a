"""`seed add` step by step: resolve and inline, name what may change, fit the task, vet, and write it down."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.edit import append, edited, rewrite
from evoarch.agent.config.load import FILE, load
from evoarch.agent.seeding.adapter import Adapter, Layout, adapter, check_kwargs, layouts
from evoarch.agent.seeding.frozen import Opening
from evoarch.agent.seeding.inline import Inlined, Piece, find_entry, inline
from evoarch.agent.seeding.record import SeedRecord, beside, text_digest
from evoarch.agent.seeding.resolve import Repository, near
from evoarch.agent.seeding.units import SeedError
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.rules.imports import ALLOWED
from evoarch.sandbox.vet import vet

ENTRY = "Model"


@dataclass(frozen=True)
class Wanted:
    """What the user asked for."""

    path: Path
    entry: str = ENTRY
    evolve: tuple[str, ...] = ()
    kwargs: Mapping[str, object] | None = None
    name: str = ""


@dataclass(frozen=True)
class Seed:
    """A genome with its record, not yet written."""

    genome: str
    record: SeedRecord
    adapter: Adapter
    layout: Layout
    places: tuple[tuple[int, str, int], ...]

    @property
    def opening(self) -> Opening:
        """What may change in this seed and its descendants."""
        return opening_of(self.record, self.genome)

    def place(self, line: int) -> str:
        """`file:line` of the user's own file that a line of the genome came from."""
        found = [place for place in self.places if place[0] <= line]
        if not found:
            return f"seeds/{self.record.name}.py:{line}"
        first, file, origin = found[-1]
        return f"{file}:{origin + line - first}"


@dataclass(frozen=True)
class Prepared:
    """An inlined entry, before it is fitted to a task."""

    wanted: Wanted
    repository: Repository
    inlined: Inlined
    place: str
    line: int
    evolve: tuple[str, ...]

    def seeds(self, offers: Mapping[str, object]) -> Iterator[Seed]:
        """One seed for each way to hand the task's examples to the entry. Raises SeedError."""
        kwargs = dict(self.wanted.kwargs or {})
        shape = offers.get("input_shape", ())
        for layout in layouts(shape if isinstance(shape, list | tuple) else (), kwargs):
            yield self.seed(offers, layout)

    def seed(self, offers: Mapping[str, object], layout: Layout) -> Seed:
        """The seed whose adapter hands over examples as `layout` says. `offers`: the arguments of the task.

        Raises SeedError.
        """
        kwargs = dict(self.wanted.kwargs or {})
        made = adapter(self.inlined, kwargs, offers, layout, self.place, self.line)
        genome, places = self.inlined.laid_out(made.text)
        if "torch." in made.text and not re.search(r"^import torch$", genome, re.MULTILINE):
            future = genome.startswith("from __future__")
            at = genome.index("\n") + 1 if future else 0
            genome = genome[:at] + "import torch\n" + genome[at:]
            places = [(first + 1, file, line) for first, file, line in places]
        files = {
            place: text_digest(self.repository.source(self.repository.root / place).text)
            for place in self.inlined.files
        }
        record = SeedRecord(
            name=self.wanted.name,
            repository=str(self.repository.root),
            file=self.place,
            entry=self.wanted.entry,
            inner=self.inlined.entry,
            kwargs=kwargs,
            evolve=self.evolve,
            adapter=made.text,
            digest=text_digest(genome),
            files=files,
            pieces=self.inlined.pieces,
            imports=tuple(text for text, _ in self.inlined.imports),
        )
        return Seed(genome, record, made, layout, tuple(places))


def prepare(wanted: Wanted, imports: Sequence[str] = ()) -> Prepared:
    """Resolves and inlines. `imports`: third-party modules that the campaign allows.

    Raises SeedError or UserError.
    """
    path = wanted.path.resolve()
    if not path.is_file():
        raise UserError(f"{wanted.path}: no such file", code=1)
    repository = Repository.around(path)
    source = repository.source(path)
    entry = find_entry(repository, source, wanted.entry)
    plain = wanted.entry == ENTRY and not wanted.kwargs
    inlined = inline(repository, source, wanted.entry, () if plain else (ENTRY, "torch"))
    check_imports(inlined, imports)
    line = next(u.line for u in entry.source.binding(entry.name))
    check_kwargs(inlined, wanted.kwargs or {}, entry.source.place, line)
    evolve = tuple(dict.fromkeys(open_name(inlined, name) for name in wanted.evolve))
    named = Wanted(path, wanted.entry, wanted.evolve, wanted.kwargs, wanted.name or path.stem)
    return Prepared(named, repository, inlined, entry.source.place, line, evolve)


def check_imports(inlined: Inlined, imports: Sequence[str]) -> None:
    """Raises UserError, a line for each third-party import that isn't allowed by name."""
    lines = []
    for _, external in inlined.imports:
        root = external.module.partition(".")[0]
        path = external.path
        granted = any(path == name or path.startswith(f"{name}.") for name in imports)
        if root not in (*ALLOWED, "__future__") and not granted:
            lines.append(
                f"{external.place}:{external.line}: imports {external.module}, which is not allowed; "
                f"name it: [sandbox] imports = [{root!r}]"
            )
    if lines:
        raise UserError("\n".join(lines), code=1)


def open_name(inlined: Inlined, name: str) -> str:
    """The genome's name of a definition that may change: `NAME`, or `FILE:NAME` where two files have it.

    Raises SeedError where it can't be opened.
    """
    file, _, rest = name.rpartition(":")
    head, _, member = rest.partition(".")
    defined = [p for p in inlined.pieces if p.kind in ("class", "function")]
    found = [p for p in defined if head in (*p.names, *p.original) and p.file.endswith(file)]
    entry = next(p for p in defined if inlined.entry in p.names)
    if len(found) > 1:
        names = " or ".join(f"{p.file}:{head}" for p in found)
        raise SeedError(found[1].file, found[1].line, f"--evolve {name} names more than one; say {names}")
    if not found:
        hint = near(head, [p.names[0] for p in defined])
        raise SeedError(
            entry.file, entry.line, f"--evolve {name}: the entry uses no class or function of that name{hint}"
        )
    piece = found[0]
    methods, bases = _class_of(piece)
    if member and member in methods:
        raise SeedError(piece.file, piece.line, f"--evolve {name}: expected a class or function; open {head}")
    if member or (piece.kind == "class" and not methods):
        owner = next((p for p in defined if p.names[0] in bases), None)
        where = f"{owner.names[0]} ({owner.file}:{owner.line})" if owner else ", ".join(bases) or "nothing"
        raise SeedError(
            piece.file,
            piece.line,
            f"--evolve {name} is frozen by inheritance: {head} has no {member or 'method'} of its own, "
            f"it comes from {where}",
        )
    return piece.names[0]


def _class_of(piece: Piece) -> tuple[set[str], list[str]]:
    node = ast.parse(piece.text).body[0]
    if not isinstance(node, ast.ClassDef):
        return set(), []
    methods = {m.name for m in node.body if isinstance(m, ast.FunctionDef)}
    return methods, [ast.unparse(base) for base in node.bases]


def opening_of(record: SeedRecord, genome: str) -> Opening:
    """What may change in the descendants of a seed."""
    return Opening(genome, record.evolve, ENTRY if record.adapter else "", record.inner)


def seed_findings(seed: Seed, offers: Mapping[str, object], imports: Sequence[str]) -> list[str]:
    """What keeps a seed from running, each as one line with the user's own file and line."""
    found = vet(seed.genome, entry=ENTRY, offers=offers, imports=imports)
    lines = [_at(seed, _allowable(seed.genome, f)) for f in seed.opening.findings(seed.genome, found)]
    spans = [(first, p) for (first, _, _), p in zip(_pieces(seed), seed.record.pieces, strict=True)]
    for finding in found:
        inside = [p for first, p in spans if first <= finding.line <= first + p.end - p.start]
        if finding.rule == "module-work" and inside and inside[-1].kind == "assign":
            lines.append(
                f"{seed.place(finding.line)}: code runs at import: {finding.message} ({finding.hint})"
            )
    return lines


def _allowable(genome: str, finding: Finding) -> Finding:
    """A finding about an import of a closed part of a library, with the way to open it."""
    line = genome.splitlines()[finding.line - 1].split()
    if finding.rule != "library-name" or line[0] not in ("from", "import"):
        return finding
    return replace(finding, hint=f"or allow it by name: [sandbox] imports = [{line[1]!r}]")


def _pieces(seed: Seed) -> list[tuple[int, str, int]]:
    return list(seed.places[len(seed.places) - len(seed.record.pieces) :])


def _at(seed: Seed, finding: Finding) -> str:
    return f"{seed.place(finding.line)}: {finding.rule}: {finding.message} ({finding.hint})"


def check_free(folder: Path, name: str) -> Path:
    """Where the seed will stand. Raises UserError where something is there already."""
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name):
        raise UserError(f"--name {name}: expected letters, digits, dots, dashes and underscores")
    path = folder / "seeds" / f"{name}.py"
    if path.exists() or beside(path).exists():
        raise UserError(f"{path}: is there already; choose another --name", code=1)
    return path


def write_seed(folder: Path, seed: Seed) -> Path:
    """Writes seeds/<name>.py and its record, and names it in campaign.toml. Raises UserError before it
    has written anything."""
    path = check_free(folder, seed.record.name)
    config = folder / FILE
    changed = with_seed(config, f"seeds/{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(seed.genome, encoding="utf-8")
    seed.record.save(beside(path))
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
