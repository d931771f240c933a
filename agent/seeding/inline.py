"""From an entry in a repository to one genome: what it needs, in order, names kept."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import libcst as cst

from evoarch.agent.seeding.names import chains, renamed
from evoarch.agent.seeding.resolve import External, Folder, Repository, SourceDefinition, Target, near
from evoarch.agent.seeding.units import SeedError, Source, Unit, imported
from evoarch.sandbox.rules.base import below

_BUILTINS = frozenset(dir(builtins))


@dataclass(frozen=True)
class Piece:
    """A statement of the genome and where it comes from. `names` are those that it binds, as the genome
    calls them; `spelled` maps a name of the genome to how the original file writes it, where they differ.
    Lines are those of the original, 1-based, inclusive, comments above included.
    """

    file: str
    start: int
    line: int
    end: int
    kind: str
    names: tuple[str, ...]
    original: tuple[str, ...]
    text: str
    spelled: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inlined:
    """One genome: `imports` are its import lines with their origin, `entry` is the entry's name in it."""

    imports: tuple[tuple[str, External], ...]
    pieces: tuple[Piece, ...]
    entry: str
    future: bool
    files: tuple[str, ...]

    @property
    def source(self) -> str:
        """The genome's text."""
        return self.laid_out()[0]

    def laid_out(self, tail: str = "") -> tuple[str, list[tuple[int, str, int]]]:
        """The text, and for each part (its first line, the original file, the original's line)."""
        lines: list[str] = []
        places: list[tuple[int, str, int]] = []
        if self.future:
            lines.append("from __future__ import annotations")
        for text, origin in self.imports:
            places.append((len(lines) + 1, origin.place, origin.line))
            lines.append(text)
        for before, piece in zip([None, *self.pieces[:-1]], self.pieces, strict=True):
            apart = piece.kind != "assign" or before is None or before.kind != "assign"
            lines += [""] * (2 if apart and lines else 0)
            places.append((len(lines) + 1, piece.file, piece.start))
            lines += piece.text.rstrip("\n").split("\n")
        if tail:
            lines += ["", "", *tail.rstrip("\n").split("\n")]
        return "\n".join(lines) + "\n", places


def inline(repository: Repository, source: Source, entry: str, reserved: Iterable[str] = ()) -> Inlined:
    """The genome of an entry. `reserved`: names that it must leave free. Raises SeedError, one line."""
    definition = find_entry(repository, source, entry)
    gathering = _Gathering(repository)
    gathering.need(definition)
    order = gathering.ordered(definition.source)
    final = _Naming(gathering, definition, frozenset(reserved), order)
    pieces = [final.piece(source, unit) for source in order for unit in gathering.units_of(source)]
    imports = final.import_lines()
    return Inlined(
        imports,
        tuple(pieces),
        final.of(definition),
        any(source.future for source in order),
        tuple(repository.place(source.path) for source in order),
    )


def find_entry(repository: Repository, source: Source, entry: str) -> SourceDefinition:
    """The one class or function called `entry`, in the file or imported into it."""
    defined = [unit for unit in source.units if unit.defines]
    units = [unit for unit in defined if entry in unit.names]
    if len(units) > 1:
        lines = " and ".join(str(unit.line) for unit in units)
        raise SeedError(source.place, units[1].line, f"two entries of one name: {entry} at lines {lines}")
    if not units:
        found = repository.lookup(source, entry)
        if isinstance(found, SourceDefinition) and any(u.defines for u in found.source.binding(found.name)):
            return find_entry(repository, found.source, found.name)
        known = [name for unit in defined for name in unit.names]
        hint = near(entry, known) if known else "; it defines no class and no function"
        raise SeedError(source.place, 1, f"there is no entry {entry}{hint}")
    return SourceDefinition(source, entry)


@dataclass
class _Links:
    """What the names of one unit mean. `spelled`: the path as the unit writes it."""

    targets: dict[str, Target] = field(default_factory=dict)
    inner: dict[str, list[tuple[str, Target]]] = field(default_factory=dict)
    """Imports of the repository inside functions, by their code: what each binds."""
    free: set[str] = field(default_factory=set)


class _Gathering:
    """Everything that the entry needs, found by following names."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.units: dict[tuple[Source, int], Unit] = {}
        self.links: dict[tuple[Source, int], _Links] = {}
        self.edges: dict[str, dict[str, tuple[int, Source]]] = {}
        self._checked: set[str] = set()

    def need(self, definition: SourceDefinition) -> None:
        waiting = [definition]
        seen: set[SourceDefinition] = set()
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            source = one.source
            self._check(source)
            for unit in source.binding(one.name):
                if unit.kind in ("guarded", "work"):
                    what = f"a statement that binds {one.name}"
                    raise SeedError(source.place, unit.line, f"code runs at import: {what}; {_CALM}")
                key = (source, unit.start)
                if key in self.units or unit.kind == "typing":
                    continue
                self.units[key] = unit
                self.links[key] = links = self._follow(source, unit)
                found = [*links.targets.values(), *(t for pairs in links.inner.values() for _, t in pairs)]
                waiting += [t for t in found if isinstance(t, SourceDefinition)]
                waiting += [SourceDefinition(source, name) for name in unit.names]
                for name, target in [*links.targets.items(), *(p for ps in links.inner.values() for p in ps)]:
                    if isinstance(target, SourceDefinition) and target.source is not source:
                        line = self._import_line(source, name) or unit.line
                        self.edges.setdefault(source.place, {})[target.source.place] = (line, target.source)

    def _check(self, source: Source) -> None:
        """A file that gives something to the genome may not do anything else when it is imported."""
        if source.place in self._checked:
            return
        self._checked.add(source.place)
        self.repository.check_stars(source)
        for unit in source.units:
            if unit.kind == "work" and "__all__" not in unit.names:
                first = unit.text.strip().splitlines()[-1 if unit.line != unit.start else 0].strip()
                raise SeedError(source.place, unit.line, f"code runs at import: {first[:60]}; {_CALM}")

    def _follow(self, source: Source, unit: Unit) -> _Links:
        links = _Links()
        modules: set[str] = set()
        for name in sorted(unit.reads):
            target = self.repository.lookup(source, name)
            if target is None:
                links.free.add(name)
            elif isinstance(target, Folder):
                modules.add(name)
            else:
                links.targets[name] = target
        for path in chains(unit.node, frozenset(modules)) if modules else []:
            self._through(source, unit, path, links)
        self._inner(source, unit, links)
        return links

    def _through(self, source: Source, unit: Unit, path: str, links: _Links) -> None:
        """`layers.Block.width`: through modules up to what a file defines."""
        first, *rest = path.split(".")
        target = self.repository.lookup(source, first)
        taken = first
        line = self._import_line(source, first) or unit.line
        while isinstance(target, Folder):
            if not rest:
                raise SeedError(
                    source.place, unit.line, f"the module {taken} is used as a value; import its names"
                )
            name = rest.pop(0)
            target = self.repository.attribute(source, line, target, name)
            taken = f"{taken}.{name}"
        if target is not None:
            links.targets[taken] = target

    def _inner(self, source: Source, unit: Unit, links: _Links) -> None:
        for node in below(unit.node) if unit.inner else ():
            pairs: list[tuple[str, Target]] = []
            for statement in imported(node, unit.line):
                module = self.repository.module(source, statement)
                if module is None:
                    continue
                found = None if statement.name == "*" else self.repository.imported(source, statement)
                if found is None or isinstance(found, Folder):
                    raise SeedError(
                        source.place, unit.line, f"{unit.names[0]} imports a module inside; import its names"
                    )
                pairs.append((statement.bound, found))
            if pairs:
                links.inner[cst.Module([]).code_for_node(node).strip()] = pairs

    def _import_line(self, source: Source, name: str) -> int:
        first = name.partition(".")[0]
        return next((i.line for unit in source.units for i in unit.imports if i.bound == first), 0)

    def statements(self, source: Source, external: External) -> list[External]:
        """`import torch` and `import torch.nn` bind one name: both belong to whoever reads it."""
        if external.name or external.aliased:
            return [external]
        return [
            External(i.module, "", i.bound, False, source.place, i.line)
            for unit in source.units
            for i in unit.imports
            if i.bound == external.bound and not i.name and not i.aliased
        ]

    def units_of(self, source: Source) -> list[Unit]:
        return sorted((u for (s, _), u in self.units.items() if s is source), key=lambda unit: unit.start)

    def ordered(self, first: Source) -> list[Source]:
        """The files, each after those that it needs. Raises SeedError for a cycle."""
        done: dict[str, Source] = {}
        trail: list[str] = []

        def visit(source: Source) -> None:
            trail.append(source.place)
            for place, (line, target) in self.edges.get(source.place, {}).items():
                if place in trail:
                    names = " -> ".join([*trail[trail.index(place) :], place])
                    raise SeedError(
                        source.place,
                        line,
                        f"a cycle of imports: {names}; move what both need into a third file",
                    )
                if place not in done:
                    visit(target)
            trail.pop()
            done[source.place] = source

        visit(first)
        return list(done.values())


_CALM = "a genome's file only defines; move it into a function or under `if __name__ == '__main__'`"


class _Naming:
    """Every name that the genome binds, each once: the entry's file first, a later one gives way."""

    def __init__(
        self,
        gathering: _Gathering,
        entry: SourceDefinition,
        reserved: frozenset[str],
        order: Sequence[Source],
    ) -> None:
        self.gathering = gathering
        self.reserved = reserved
        self.taken: set[str] = set(reserved)
        self.externals: dict[tuple[str, str], External] = {}
        self.definitions: dict[SourceDefinition, str] = {}
        free = {name for links in gathering.links.values() for name in links.free}
        # A name that some unit takes from the builtins (or from nowhere) must not begin to mean something.
        self.taken |= free
        self.everything = {name for source in order for name in source.identifiers} | free | _BUILTINS
        for source in [entry.source, *(s for s in reversed(order) if s is not entry.source)]:
            for unit in gathering.units_of(source):
                links = gathering.links[source, unit.start]
                for name in unit.names:
                    self._define(SourceDefinition(source, name))
                targets = [*links.targets.items(), *(p for pairs in links.inner.values() for p in pairs)]
                for _, target in targets:
                    if isinstance(target, External):
                        for external in gathering.statements(source, target):
                            self._import(external)

    def of(self, target: SourceDefinition) -> str:
        return self.definitions[target]

    def _define(self, definition: SourceDefinition) -> None:
        if definition not in self.definitions:
            self.definitions[definition] = self._free(definition.name, definition.source)

    def _import(self, external: External) -> None:
        key = (external.path, external.bound)
        if key in self.externals:
            if not external.name and not external.aliased:
                # `import torch` and `import torch.nn` bind one name and are both wanted.
                self.externals.setdefault((external.module, ""), external)
            return
        # A reserved name may be imported as what it is reserved for.
        asked = external.path == external.bound and external.bound in self.reserved
        if external.bound in self.taken and not asked:
            free = self._free(external.bound, None)
            external = External(external.module, external.name, free, True, external.place, external.line)
        self.taken.add(external.bound)
        self.externals[key] = external

    def _free(self, name: str, source: Source | None) -> str:
        found, number = name, 1
        stem = source.path.stem if source else "import"
        while found in self.taken or (found != name and found in self.everything):
            found = f"{name}_{stem}" if number == 1 else f"{name}_{stem}{number}"
            number += 1
        self.taken.add(found)
        return found

    def _final(self, target: Target) -> str:
        if isinstance(target, External):
            return self.externals[target.path, target.bound].bound
        assert isinstance(target, SourceDefinition)
        return self.definitions[target]

    def import_lines(self) -> tuple[tuple[str, External], ...]:
        """One line for each module: plain imports, then names taken from it."""
        plain: dict[str, External] = {}
        grouped: dict[str, list[External]] = {}
        for external in self.externals.values():
            if external.name:
                grouped.setdefault(external.module, []).append(external)
            else:
                plain[_import_text(external)] = external
        lines = list(plain.items())
        for module, externals in grouped.items():
            if module == "__future__":
                continue
            names = ", ".join(_alias(e) for e in externals)
            lines.append((f"from {module} import {names}", externals[0]))
        return tuple(lines)

    def piece(self, source: Source, unit: Unit) -> Piece:
        links = self.gathering.links[source, unit.start]
        names = {path: self._final(target) for path, target in links.targets.items()}
        names |= {name: self.definitions[SourceDefinition(source, name)] for name in unit.names}
        imports: dict[str, list[str]] = {}
        for code, pairs in links.inner.items():
            imports[code] = [
                f"{bound} = {self._final(target)}" for bound, target in pairs if self._final(target) != bound
            ]
        text = renamed(unit.text, names, imports)
        finals = tuple(names[name] for name in unit.names)
        spelled = {new: old for old, new in names.items() if new != old}
        return Piece(
            source.place, unit.start, unit.line, unit.end, unit.kind, finals, unit.names, text, spelled
        )


def _import_text(external: External) -> str:
    if external.aliased:
        return f"import {external.module} as {external.bound}"
    return f"import {external.module}"


def _alias(external: External) -> str:
    return external.name if external.name == external.bound else f"{external.name} as {external.bound}"
